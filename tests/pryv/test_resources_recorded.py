"""Exchanges recorded with the real platform: a resource sends the same request, and understands the response."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest
from tests.pryv.wire import Wire, reply

from pryv import ApiError, Connection, MfaRequiredError, Service
from pryv.resources.profile import ProfileName

RECORDINGS = Path(__file__).resolve().parents[1] / "recordings"

EVERYTHING, NOTHING = "*", ""
"""What a call returns instead of a member of the response."""

PROFILES: list[ProfileName] = ["public", "private", "app"]


def read_profile(name: ProfileName, connection: Connection, *_: Any) -> Any:
    return connection.profile.get(name)


def change_profile(name: ProfileName, connection: Connection, _: str, changes: Any) -> Any:
    return connection.profile.update(name, changes)


CALLS: dict[str, tuple[Callable[[Connection, str, Any], Any], str]] = {
    "POST events": (lambda connection, _, body: connection.events.create(body), "event"),
    "GET events/ID": (lambda connection, item, _: connection.events.get(item), "event"),
    "PUT events/ID": (lambda connection, item, body: connection.events.update(item, body), "event"),
    "POST streams": (lambda connection, _, body: connection.streams.create(body), "stream"),
    "PUT streams/ID": (lambda connection, item, body: connection.streams.update(item, body), "stream"),
    "POST accesses": (lambda connection, _, body: connection.accesses.create(body), "access"),
    "GET accesses/ID": (lambda connection, item, _: connection.accesses.get(item), "access"),
    "PUT accesses/ID": (lambda connection, item, body: connection.accesses.update(item, body), "access"),
    "DELETE accesses/ID": (lambda connection, item, _: connection.accesses.delete(item), "accessDeletion"),
    "GET webhooks": (lambda connection, _, __: connection.webhooks.list(), "webhooks"),
    "POST webhooks": (lambda connection, _, body: connection.webhooks.create(**body), "webhook"),
    "GET webhooks/ID": (lambda connection, item, _: connection.webhooks.get(item), "webhook"),
    "PUT webhooks/ID": (lambda connection, item, body: connection.webhooks.update(item, body), "webhook"),
    "DELETE webhooks/ID": (lambda connection, item, _: connection.webhooks.delete(item), "webhookDeletion"),
    "POST webhooks/ID/test": (lambda connection, item, _: connection.webhooks.test(item), "webhook"),
    "GET account": (lambda connection, _, __: connection.account.get(), "account"),
    "PUT account": (lambda connection, _, body: connection.account.update(body), "account"),
    "POST account/change-password": (
        lambda connection, _, body: connection.account.change_password(body["oldPassword"], body["newPassword"]),
        NOTHING,
    ),
    "POST account/change-username": (
        lambda connection, _, body: connection.account.change_username(body["newUsername"]),
        EVERYTHING,
    ),
    "GET account/username-changes": (lambda connection, _, __: connection.account.username_changes(), EVERYTHING),
    **{f"GET profile/{name}": (partial(read_profile, name), "profile") for name in PROFILES},
    **{f"PUT profile/{name}": (partial(change_profile, name), "profile") for name in PROFILES},
    "POST auth/logout": (lambda connection, _, __: connection.logout(), NOTHING),
    "POST mfa/activate": (
        lambda connection, _, body: connection.service.mfa_activate(connection, **body),
        "mfaToken",
    ),
    "POST mfa/deactivate": (lambda connection, _, __: connection.service.mfa_deactivate(connection), NOTHING),
}
SERVICE_CALLS: dict[str, tuple[Callable[[Service, str, str, Any], Any], set[str], str]] = {
    "POST auth/login": (
        lambda service, user, _, body: service.login(body["username"], body["password"], body["appId"]).token,
        {"username", "password", "appId"},
        "token",
    ),
    "POST mfa/challenge": (lambda service, user, token, _: service.mfa_challenge(user, token), set(), NOTHING),
    "POST mfa/verify": (
        lambda service, user, token, body: service.mfa_verify(user, token, body["code"]).token,
        {"code"},
        "token",
    ),
    "POST mfa/confirm": (
        lambda service, user, token, body: service.mfa_confirm(user, token, body["code"]),
        {"code"},
        "recoveryCodes",
    ),
    "POST mfa/recover": (
        lambda service, user, _, body: service.mfa_recover(user, body["password"], body["recoveryCode"]),
        {"username", "password", "recoveryCode"},
        NOTHING,
    ),
    "POST account/verify-email": (
        lambda service, user, _, body: service.verify_email(user, body["token"], body["appId"]),
        {"appId", "token"},
        "email",
    ),
    "DELETE users/ID": (lambda service, user, token, _: service.delete_user(user, token), set(), NOTHING),
}
LISTS = {
    "GET streams": lambda connection, params: connection.streams.list(params),
    "GET accesses": lambda connection, params: connection.accesses.list(params),
}


def exchanges() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """The recorded exchanges with JSON bodies, each with what it is and the id in its path."""
    topics = ("events", "streams", "accesses", "webhooks", "account", "auth", "second/account", "second/mfa")
    for topic in topics:
        for exchange in json.loads((RECORDINGS / f"{topic}.json").read_text(encoding="utf-8")):
            request = exchange["request"]
            path = request["path"] if request["path"].startswith("users/") else request["path"].partition("/")[2]
            what = re.sub(r"^(events|streams|accesses|webhooks|users)/[^/]+", r"\1/ID", path)
            is_json = request.get("raw") is None and "_text" not in exchange["response"]["json"]
            if is_json and request["method"] != "HOOK":
                yield f"{request['method']} {what}", path.split("/")[1] if "/" in path else "", exchange


MEMBERS = {
    "POST account/change-password": {"oldPassword", "newPassword"},
    "POST account/change-username": {"newUsername"},
}


def is_ours(what: str, exchange: dict[str, Any]) -> bool:
    """Whether a resource would send a request: with these parameters, and an event without an id of its own."""
    body, query = exchange["request"].get("json"), exchange["request"].get("query")
    if what == "POST webhooks":
        return set(body) <= {"url", "scopes"}
    if what in MEMBERS:
        return bool(body.keys() == MEMBERS[what])
    return what in CALLS and not query and (body is None or isinstance(body, dict)) and what != "POST events/ID"


RECORDED = list(exchanges())
ONE = [(what, item, exchange) for what, item, exchange in RECORDED if is_ours(what, exchange)]
ALL = [(what, exchange) for what, _, exchange in RECORDED if what in LISTS]


def selected(body: dict[str, Any], key: str) -> Any:
    """What a call returns of a response."""
    return body if key == EVERYTHING else body[key] if key else None


def answer(wire: Wire, exchange: dict[str, Any]) -> dict[str, Any]:
    """Have the recorded response sent, and return its body."""
    response = exchange["response"]
    wire.always = reply(json.dumps(response["json"]), response["status"])
    body: dict[str, Any] = response["json"]
    return body


@pytest.mark.parametrize(("what", "item", "exchange"), ONE, ids=[what for what, _, _ in ONE])
def test_a_call(wire: Wire, connection: Connection, what: str, item: str, exchange: dict[str, Any]) -> None:
    call, key = CALLS[what]
    body, sent = answer(wire, exchange), exchange["request"].get("json")
    if "error" in body:
        with pytest.raises(ApiError) as refused:
            call(connection, item, sent)
        assert (refused.value.id, refused.value.status) == (body["error"]["id"], exchange["response"]["status"])
    else:
        assert call(connection, item, sent) == selected(body, key)
    request = wire.requests[0]
    assert f"{request.method} {urlsplit(request.target).path}" == what.replace(" ", " /user/").replace(
        "ID", item.replace(":", "%3A")
    )
    assert (json.loads(request.body) if request.body else None) == sent


@pytest.mark.parametrize(("what", "exchange"), ALL, ids=[what for what, _ in ALL])
def test_a_list(wire: Wire, connection: Connection, what: str, exchange: dict[str, Any]) -> None:
    body, params = answer(wire, exchange), exchange["request"].get("query")
    kind = what.partition(" ")[2]
    deletions = body.get(f"{kind.removesuffix('es' if kind == 'accesses' else 's')}Deletions", [])
    assert LISTS[what](connection, params) == [*body[kind], *deletions]
    assert dict(parse_qsl(urlsplit(wire.requests[0].target).query)) == {
        name: str(value) for name, value in (params or {}).items()
    }


def test_each_kind_of_call_was_recorded() -> None:
    assert CALLS.keys() - {what for what, _, _ in ONE} == set()
    assert LISTS.keys() - {what for what, _ in ALL} == set()
    assert SERVICE_CALLS.keys() - {what for what, _ in OF_SERVICES} == set()
    assert len(AUDIT) > 20


def is_of_a_service(what: str, request: dict[str, Any]) -> bool:
    """Whether a service would send a request: with these members, for the user in its path, and with a plain token."""
    if what not in SERVICE_CALLS:
        return False
    members, body = SERVICE_CALLS[what][1], request.get("json") or {}
    token = request["headers"].get("Authorization", "")
    user = body.get("username", request["path"].partition("/")[0])
    return bool(
        body.keys() == members
        and (members <= {"code"}) == bool(token)
        and " " not in token
        and request["path"].startswith(f"{user}/")
    )


OF_SERVICES = [(what, exchange) for what, _, exchange in RECORDED if is_of_a_service(what, exchange["request"])]


@pytest.mark.parametrize(("what", "exchange"), OF_SERVICES, ids=[what for what, _ in OF_SERVICES])
def test_a_call_of_a_service(wire: Wire, what: str, exchange: dict[str, Any]) -> None:
    call, _, key = SERVICE_CALLS[what]
    request, response = exchange["request"], exchange["response"]
    token = request.get("headers", {}).get("Authorization", "")
    user = request["path"].removeprefix("users/").partition("/")[0]
    info = wire.service_info(register=f"{wire.url}reg/")
    if what.startswith("DELETE"):
        wire.replies.append(reply({"server": wire.url}))
    body = answer(wire, exchange)
    with Service(None, info, retry=None, timeout=2) as service:
        if "error" in body:
            with pytest.raises(ApiError) as refused:
                call(service, user, token, request.get("json"))
            assert (refused.value.id, refused.value.status) == (body["error"]["id"], response["status"])
        elif "mfaToken" in body:
            with pytest.raises(MfaRequiredError) as required:
                call(service, user, token, request.get("json"))
            assert required.value.mfa_token == body["mfaToken"]
        else:
            assert call(service, user, token, request.get("json")) == selected(body, key)
    sent = wire.requests[-1]
    assert (sent.method, sent.target) == (request["method"], f"/{request['path']}")
    assert sent.headers.get("authorization", "") == token
    assert (json.loads(sent.body) if sent.body else None) == request.get("json")


AUDIT = [
    exchange
    for exchange in json.loads((RECORDINGS / "second" / "audit.json").read_text(encoding="utf-8"))
    if re.search(r':_audit:(accesses|ac)"|:_audit:ac(cess|tion)-', str(exchange["request"].get("query")))
    and "diary" not in str(exchange["request"]["query"]["streams"])
    and "Authorization" in exchange["request"]["headers"]
]


@pytest.mark.parametrize("exchange", AUDIT, ids=[exchange["name"] for exchange in AUDIT])
def test_the_audit_log(wire: Wire, connection: Connection, exchange: dict[str, Any]) -> None:
    query = dict(exchange["request"]["query"])
    streams = query.pop("streams")
    access, action = (re.search(rf":_audit:{kind}-([^\"]+)", streams) for kind in ("access", "action"))
    body = answer(wire, exchange)
    events = connection.audit(query, access=access and access[1], action=action and action[1])
    if "error" in body:
        with pytest.raises(ApiError) as refused:
            list(events)
        assert refused.value.id == body["error"]["id"]
    else:
        assert list(events) == body["events"]
    (sent,) = parse_qs(urlsplit(wire.requests[0].target).query)["streams"]
    assert (json.loads(sent) if sent.startswith("{") else [sent]) == json.loads(streams)
