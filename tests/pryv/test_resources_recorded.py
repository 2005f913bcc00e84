"""Exchanges recorded with the real platform: a resource sends the same request, and understands the response."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from tests.pryv.wire import Wire, reply

from pryv import ApiError, Connection

RECORDINGS = Path(__file__).resolve().parents[1] / "recordings"

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
}
LISTS = {
    "GET streams": lambda connection, params: connection.streams.list(params),
    "GET accesses": lambda connection, params: connection.accesses.list(params),
}


def exchanges() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """The recorded exchanges with JSON bodies, each with what it is and the id in its path."""
    for topic in ("events", "streams", "accesses", "webhooks"):
        for exchange in json.loads((RECORDINGS / f"{topic}.json").read_text(encoding="utf-8")):
            request = exchange["request"]
            path = request["path"].partition("/")[2]
            what = re.sub(r"^(\w+)/[^/]+", r"\1/ID", path)
            if request.get("raw") is None and "_text" not in exchange["response"]["json"]:
                yield f"{request['method']} {what}", path.split("/")[1] if "/" in path else "", exchange


def is_ours(what: str, exchange: dict[str, Any]) -> bool:
    """Whether a resource would send a request: with these parameters, and an event without an id of its own."""
    body, query = exchange["request"].get("json"), exchange["request"].get("query")
    if what == "POST webhooks":
        return set(body) <= {"url", "scopes"}
    return what in CALLS and not query and (body is None or isinstance(body, dict)) and what != "POST events/ID"


RECORDED = list(exchanges())
ONE = [(what, item, exchange) for what, item, exchange in RECORDED if is_ours(what, exchange)]
ALL = [(what, exchange) for what, _, exchange in RECORDED if what in LISTS]


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
        assert call(connection, item, sent) == body[key]
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
