"""The resource `webhooks`: webhooks are created by an app, changed, called and deleted."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Queue
from threading import Thread
from typing import Any

import pytest
from tests.accounts import Account
from tests.pryv.wire import Wire

from pryv import Connection, ForbiddenError, ItemAlreadyExistsError, UnknownResourceError
from pryv_sandbox import Sandbox


@pytest.fixture
def app(module_account: Account) -> Iterator[Connection]:
    """An app that may do everything."""
    owner = module_account[2]
    permissions = [{"streamId": "*", "level": "manage"}]
    asked: dict[str, Any] = {"type": "app", "name": secrets.token_hex(8), "permissions": permissions}
    with Connection(owner.accesses.create(asked)["apiEndpoint"]) as app:
        app.streams.ensure({"id": "diary", "name": "Diary"})
        yield app


@pytest.fixture
def receiver() -> Iterator[tuple[str, Queue[bytes]]]:
    """The URL of a server, and the bodies that are posted to it."""
    posted: Queue[bytes] = Queue()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.end_headers()
            posted.put(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/", posted
        server.shutdown()
        thread.join()


def test_a_webhook_from_its_creation_to_its_end(app: Connection) -> None:
    url = "http://127.0.0.1:9/hook"
    webhook = app.webhooks.create(url)
    assert (webhook["url"], webhook["state"]) == (url, "active")
    assert app.webhooks.list() == [webhook]
    assert app.webhooks.get(webhook["id"])["url"] == url
    with pytest.raises(ItemAlreadyExistsError):
        app.webhooks.create(url)
    assert app.webhooks.update(webhook["id"], {"state": "inactive"})["state"] == "inactive"
    assert app.webhooks.activate(webhook["id"])["state"] == "active"
    assert app.webhooks.delete(webhook["id"])["id"] == webhook["id"]
    with pytest.raises(UnknownResourceError):
        app.webhooks.get(webhook["id"])
    assert app.webhooks.list() == []


def test_scopes_say_what_a_webhook_is_called_for(app: Connection) -> None:
    webhook = app.webhooks.create(
        "http://127.0.0.1:9/", {"notes": {"kind": "events", "query": {"types": ["note/txt"]}}}
    )
    assert webhook["scopes"] == {"notes": {"kind": "events", "query": {"types": ["note/txt"]}}}
    changed = app.webhooks.update(webhook["id"], {"scopes": {"tree": {"kind": "streams", "query": {}}}})
    assert changed["scopes"].keys() == {"tree"}


def test_a_webhook_is_called(sandbox: Sandbox, app: Connection, receiver: tuple[str, Queue[bytes]]) -> None:
    url, posted = receiver
    webhook = app.webhooks.create(url)
    assert app.webhooks.test(webhook["id"])["id"] == webhook["id"]
    assert b'"test"' in posted.get(timeout=10)


def test_a_webhook_without_a_receiver_fails(app: Connection) -> None:
    webhook = app.webhooks.create("http://127.0.0.1:9/nobody")
    with pytest.raises(UnknownResourceError, match=r"^webhooks\.test: .*unknown-referenced-resource"):
        app.webhooks.test(webhook["id"])


def test_a_personal_token_creates_none(module_account: Account) -> None:
    with pytest.raises(ForbiddenError):
        module_account[2].webhooks.create("http://127.0.0.1:9/")


def test_arguments_are_checked_before_any_request(wire: Wire, connection: Connection) -> None:
    odd: Any = 5
    calls: list[tuple[type[Exception], Callable[[], Any]]] = [
        (TypeError, lambda: connection.webhooks.create(odd)),
        (ValueError, lambda: connection.webhooks.create("")),
        (TypeError, lambda: connection.webhooks.create("http://127.0.0.1:9/", odd)),
        (TypeError, lambda: connection.webhooks.update("x", odd)),
        *(
            (ValueError, lambda call=call: call(".."))
            for call in (
                connection.webhooks.get,
                connection.webhooks.activate,
                connection.webhooks.test,
                connection.webhooks.delete,
            )
        ),
    ]
    for error, call in calls:
        with pytest.raises(error):
            call()
    assert wire.requests == []
