"""Responses of the API with one malformed member: a result or a `PryvError`, never another exception."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.pryv.wire import META, Wire, reply

from pryv import AccessRequest, Connection, PryvError, Service
from pryv.auth import wait_for_access

ODD: list[Any] = [None, True, 5, 1e308, 10**30, "", "ü/..", [], [[]], {}, {"a": 1}]

EVENT: dict[str, Any] = {
    "id": "c" * 25,
    "content": {"drug": "a"},
    "attachments": [{"id": "f", "fileName": "x", "size": 3, "integrity": "sha256-abc"}],
}
ACCOUNT = {"username": "bob", "emails": [{"value": "a@b.org", "primary": True}]}
ERROR = {"id": "stale-resource", "message": "x", "data": {"provided": "a", "currentSerial": 2}}
ENDPOINT = "http://token@localhost/user/"


def result(**members: Any) -> dict[str, Any]:
    return {"results": [members], "meta": META}


CALLS: dict[str, tuple[Callable[[Connection], Any], dict[str, Any]]] = {
    "api": (lambda account: account.api([{"method": "events.get"}]), result(events=[EVENT])),
    "api_one": (lambda account: account.api_one("events.get", {}, "events"), result(events=[EVENT])),
    "username": (lambda account: account.username(), {"user": {"username": "bob"}, "meta": META}),
    "revoke": (lambda account: account.revoke(), {"id": "a", "results": [{"error": ERROR}], "meta": META}),
    "update_access": (lambda account: account.update_access("a", {}), {"error": ERROR, "meta": META}),
    "iter_events": (lambda account: list(account.iter_events()), {"events": [EVENT], "meta": META}),
    "get_latest_by_content": (
        lambda account: account.get_latest_by_content("drug", ["a"]),
        {"events": [EVENT], "meta": META},
    ),
    "get_hf_points": (
        lambda account: account.get_hf_points("e"),
        {"fields": ["deltaTime", "value"], "points": [[1, 2]], "meta": META},
    ),
    "add_points_to_hf_event": (
        lambda account: account.add_points_to_hf_event("e", ["deltaTime"], [[1]]),
        {"status": "ok", "meta": META},
    ),
    "create_event_with_file_from_buffer": (
        lambda account: account.create_event_with_file_from_buffer(EVENT, b"abc", "x"),
        {"event": EVENT, "meta": META},
    ),
    "account.get": (lambda account: account.account.get(), {"account": ACCOUNT, "meta": META}),
    "account.update": (lambda account: account.account.update({}), {"account": ACCOUNT, "meta": META}),
    "account.change_password": (lambda account: account.account.change_password("old", "new"), {"meta": META}),
    "account.change_username": (
        lambda account: account.account.change_username("another-name"),
        {"account": ACCOUNT, "usernameChangesRemaining": 1, "meta": META},
    ),
    "account.username_changes": (
        lambda account: account.account.username_changes(),
        {"usernameChangesUsed": 1, "usernameChangesLimit": 2, "usernameChangesRemaining": 1, "meta": META},
    ),
    "profile": (lambda account: account.profile.get("app"), {"profile": {"a": 1}, "meta": META}),
    "audit": (lambda account: list(account.audit()), {"events": [EVENT], "meta": META}),
    "logout": (lambda account: account.logout(), {"meta": META}),
    "download_attachment": (lambda account: account.download_attachment("e", "f"), {"event": EVENT, "meta": META}),
}

TREE = {"regions": {"r": {"name": "R", "zones": {"z": {"hostings": {"h": {"name": "H", "available": True}}}}}}}
REQUEST: dict[str, Any] = {"requestingAppId": "app-id", "requestedPermissions": []}

PLATFORM_CALLS: dict[str, tuple[Callable[[Service], Any], dict[str, Any]]] = {
    "login": (lambda service: service.login("userone", "password", "app-id"), {"token": "t"}),
    "mfa": (lambda service: service.login("userone", "password", "app-id"), {"mfaToken": "t"}),
    "mfa_activate": (
        lambda service: service.mfa_activate(service._connection(f"{service.info().register}userone/")),
        {"mfaToken": "t", "meta": META},
    ),
    "mfa_confirm": (lambda service: service.mfa_confirm("userone", "t", "1"), {"recoveryCodes": ["a", "b"]}),
    "mfa_recover": (lambda service: service.mfa_recover("userone", "password", "a"), {"message": "x"}),
    "verify_email": (lambda service: service.verify_email("userone", "t", "app-id"), {"email": "a@b.org"}),
    "delete_user": (
        lambda service: service.delete_user("userone", "t"),
        {"server": "http://127.0.0.1:9/", "userDeletion": {"username": "userone"}},
    ),
    "user_id_for_email": (lambda service: service.user_id_for_email("a@b.org"), {"uid": "bob"}),
    "flat_hostings": (lambda service: service.flat_hostings(), TREE),
    "create_user": (
        lambda service: service.create_user(username="u", password="p", email="e", app_id="a", hosting="h"),
        {"username": "bob", "apiEndpoint": ENDPOINT},
    ),
    "start_access_request": (
        lambda service: service.start_access_request(REQUEST),
        {"key": "k", "authUrl": "http://h/", "poll": "http://h/", "poll_rate_ms": 1000, "status": "NEED_SIGNIN"},
    ),
    "poll_access_request": (
        lambda service: service.poll_access_request("k"),
        {"status": "ACCEPTED", "username": "bob", "token": "t"},
    ),
    "connect_from_key": (
        lambda service: service.connect_from_key("k"),
        {"status": "ACCEPTED", "apiEndpoint": ENDPOINT},
    ),
    "wait_for_access": (
        lambda service: wait_for_access(
            service, AccessRequest("k", "http://h/", service.info().access, 0.01, "NEED_SIGNIN"), timeout=0.1
        ),
        {"status": "ACCEPTED", "apiEndpoint": ENDPOINT, "message": "x"},
    ),
}


def described(wire: Wire) -> dict[str, Any]:
    return wire.service_info(version="1.5", assets={"definitions": wire.url}, features={"noHF": True})


def odd_shapes(data: Any) -> Iterator[Any]:
    """Yield the data with each part in turn removed, or replaced by a wrong value."""
    yield from ODD
    if isinstance(data, dict):
        for key, value in data.items():
            yield {other: data[other] for other in data if other != key}
            yield from ({**data, key: odd} for odd in odd_shapes(value))
    if isinstance(data, list):
        for index, item in enumerate(data):
            yield from ([*data[:index], odd, *data[index + 1 :]] for odd in odd_shapes(item))


def try_out(wire: Wire, answer: Any, call: Callable[[], Any]) -> None:
    wire.always = reply(json.dumps(answer))
    try:
        call()
    except PryvError:
        pass
    except Exception as error:  # noqa: BLE001
        pytest.fail(f"{error!r} for {answer}")


@pytest.mark.parametrize(("call", "answer"), CALLS.values(), ids=CALLS.keys())
def test_odd_responses_of_an_account(wire: Wire, call: Callable[[Connection], Any], answer: dict[str, Any]) -> None:
    with wire.connection(retry=None) as connection:
        for odd in odd_shapes(answer):
            connection._account.state.access_info = None
            try_out(wire, odd, lambda: call(connection))


@pytest.mark.parametrize(("call", "answer"), PLATFORM_CALLS.values(), ids=PLATFORM_CALLS.keys())
def test_odd_responses_of_a_platform(wire: Wire, call: Callable[[Service], Any], answer: dict[str, Any]) -> None:
    with Service(None, described(wire), retry=None) as service:
        for odd in odd_shapes(answer):
            try_out(wire, odd, lambda: call(service))


def test_odd_service_infos(wire: Wire) -> None:
    def use() -> None:
        with Service(wire.url, retry=None, timeout=1) as service:
            service.supports_hf(), service.supports_content_queries(), service.is_dns_less()
            service.assets()
            service.create_user(username="u", password="p", email="e", app_id="a", hosting="h")

    for odd in odd_shapes(described(wire)):
        try_out(wire, odd, use)
