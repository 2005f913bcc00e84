"""Webhooks: who may make one, when it is called, and what happens when it does not answer as it should."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Queue
from threading import Thread
from typing import Any

import pytest
from tests.waiting import wait_for

from pryv import Connection
from pryv_sandbox import Sandbox

from .caller import Caller

WAIT = 20


class Receiver:
    """An HTTP server that is called: it keeps what it gets, and answers with the statuses given, else with 200."""

    def __init__(self) -> None:
        self.calls: Queue[tuple[str, Any, str]] = Queue()
        self.statuses: Queue[int] = Queue()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(200 if receiver.statuses.empty() else receiver.statuses.get())
                self.end_headers()
                receiver.calls.put((self.path, json.loads(body), self.headers["User-Agent"]))

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def next(self) -> tuple[str, Any]:
        """The path and the messages of the next call."""
        path, body, agent = self.calls.get(timeout=WAIT)
        assert "serverTime" in body["meta"]
        assert agent == "node"
        return path, body["messages"]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    thread = Thread(target=receiver.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    with receiver.server:
        yield receiver
        receiver.server.shutdown()
    thread.join()


@pytest.fixture
def owner(platform_url: str, new_account: Callable[[], tuple[str, str, Connection]]) -> Caller:
    username, _, connection = new_account()
    caller = Caller(platform_url.removesuffix("reg/service/info"), username, connection.token or "")
    caller.add_streams("diary", "heart")
    return caller


@pytest.fixture
def app(owner: Caller) -> Caller:
    return owner.grant(every="manage")


def add_webhook(app: Caller, url: str, **properties: Any) -> str:
    """A webhook that is called at most every 50 ms; its id."""
    webhook = app.post("webhooks", {"url": url, "minIntervalMs": 50, **properties})["webhook"]
    return str(webhook["id"])


def events_of(*streams: str) -> dict[str, Any]:
    return {stream: {"kind": "events", "query": {"streams": [stream]}} for stream in streams}


def run_count(app: Caller, webhook_id: str) -> int:
    return int(app.get(f"webhooks/{webhook_id}")["webhook"]["runCount"])


def test_each_change_is_told_without_saying_what_it_was(owner: Caller, app: Caller, receiver: Receiver) -> None:
    add_webhook(app, receiver.url + "/hook")
    owner.add_event("diary")
    assert receiver.next() == ("/hook", [None])
    owner.add_streams("later")
    assert receiver.next() == ("/hook", [None])


def test_scopes_are_told_by_their_keys(owner: Caller, app: Caller, receiver: Receiver) -> None:
    streams = {"tree": {"kind": "streams", "query": {}}}
    add_webhook(app, receiver.url + "/hook", scopes=events_of("heart") | streams)
    owner.add_event("diary")
    owner.add_event("heart")
    assert receiver.next() == ("/hook", ["heart"])
    owner.add_streams("later", under="diary")
    assert receiver.next() == ("/hook", ["tree"])


def test_changes_too_soon_after_a_call_are_told_together(owner: Caller, app: Caller, receiver: Receiver) -> None:
    add_webhook(app, receiver.url + "/hook", minIntervalMs=1000, scopes=events_of("diary", "heart"))
    owner.add_event("diary")
    assert receiver.next() == ("/hook", ["diary"])
    event = {"type": "note/txt", "content": "text"}
    owner.batch(*(("events.create", {**event, "streamIds": [stream]}) for stream in ("heart", "diary", "heart")))
    assert receiver.next() == ("/hook", ["heart", "diary"])


def test_a_call_that_fails_is_repeated(owner: Caller, app: Caller, receiver: Receiver) -> None:
    webhook_id = add_webhook(app, receiver.url + "/hook", scopes=events_of("diary"))
    receiver.statuses.put(500)
    owner.add_event("diary")
    assert [receiver.next(), receiver.next()] == [("/hook", ["diary"])] * 2
    wait_for(lambda: run_count(app, webhook_id) == 2)
    webhook = app.get(f"webhooks/{webhook_id}")["webhook"]
    assert [run["status"] for run in webhook["runs"]] == [200, 500]
    assert (webhook["failCount"], webhook["currentRetries"], webhook["state"]) == (1, 0, "active")
    assert webhook["lastRun"] == webhook["runs"][0]


def test_one_that_fails_again_and_again_is_given_up_until_its_state_is_written(
    owner: Caller, app: Caller, receiver: Receiver
) -> None:
    webhook_id = add_webhook(app, receiver.url + "/hook", maxRetries=1)
    for _ in range(2):
        receiver.statuses.put(500)
    owner.add_event("diary")
    receiver.next()
    receiver.next()
    wait_for(lambda: run_count(app, webhook_id) == 2)
    assert app.get(f"webhooks/{webhook_id}")["webhook"]["state"] == "inactive"
    owner.add_event("diary")

    again = app.put(f"webhooks/{webhook_id}", {"state": "active"})["webhook"]
    assert (again["state"], again["currentRetries"]) == ("active", 0)
    assert receiver.calls.empty()
    owner.add_event("diary")
    assert receiver.next() == ("/hook", [None])


def test_one_that_nobody_serves_counts_as_failed(owner: Caller, app: Caller) -> None:
    webhook_id = add_webhook(app, "nowhere", maxRetries=1)
    owner.add_event("diary")
    wait_for(lambda: run_count(app, webhook_id) == 2)
    webhook = app.get(f"webhooks/{webhook_id}")["webhook"]
    assert (webhook["lastRun"]["status"], webhook["state"]) == (0, "inactive")


def test_a_call_to_try_it(app: Caller, receiver: Receiver) -> None:
    webhook_id = add_webhook(app, receiver.url + "/hook")
    assert app.post(f"webhooks/{webhook_id}/test", {}, expect=200)["webhook"]["id"] == webhook_id
    assert receiver.next() == ("/hook", ["test"])
    receiver.statuses.put(404)
    refused = app.post(f"webhooks/{webhook_id}/test", {}, expect=400)
    assert refused["error"]["id"] == "unknown-referenced-resource"
    assert run_count(app, webhook_id) == 0


def test_nothing_is_told_after_a_webhook_or_its_access_is_deleted(
    owner: Caller, app: Caller, receiver: Receiver
) -> None:
    first, _ = add_webhook(app, receiver.url + "/first"), add_webhook(app, receiver.url + "/second")
    assert app.delete(f"webhooks/{first}")["webhookDeletion"]["id"] == first
    app.get(f"webhooks/{first}", expect=404)
    owner.add_event("diary")
    assert receiver.next() == ("/second", [None])

    owner.delete(f"accesses/{app.get('access-info')['id']}")
    assert owner.get("webhooks")["webhooks"] == []
    add_webhook(owner.grant(every="manage"), receiver.url + "/third")
    owner.add_event("diary")
    assert receiver.next() == ("/third", [None])


def test_a_call_that_failed_is_not_repeated_after_its_webhook_is_deleted(
    owner: Caller, app: Caller, receiver: Receiver
) -> None:
    first = add_webhook(app, receiver.url + "/first", minIntervalMs=1500)
    receiver.statuses.put(500)
    owner.add_event("diary")
    assert receiver.next() == ("/first", [None])
    wait_for(lambda: run_count(app, first) == 1)
    app.delete(f"webhooks/{first}")
    add_webhook(app, receiver.url + "/second", minIntervalMs=2000)
    for _ in range(2):  # it is called once more when the first one would have been
        owner.add_event("diary")
        assert receiver.next() == ("/second", [None])


def test_who_may_have_one(owner: Caller, app: Caller) -> None:
    webhook_id = add_webhook(app, "http://127.0.0.1:9/hook", minIntervalMs=5000)
    owner.post("webhooks", {"url": "http://127.0.0.1:9/hook"}, expect=403)
    app.post("webhooks", {"url": "http://127.0.0.1:9/hook"}, expect=409)

    other = owner.grant(diary="read")
    add_webhook(other, "http://127.0.0.1:9/hook")
    assert [webhook["id"] for webhook in app.get("webhooks")["webhooks"]] == [webhook_id]
    assert len(owner.get("webhooks")["webhooks"]) == 2
    for refused in (
        other.get(f"webhooks/{webhook_id}", expect=403),
        other.put(f"webhooks/{webhook_id}", {"state": "active"}, expect=403),
        other.delete(f"webhooks/{webhook_id}", expect=403),
        other.post(f"webhooks/{webhook_id}/test", {}, expect=403),
        other.post("webhooks", {"url": "http://127.0.0.1:9/b", "scopes": events_of("heart")}, expect=403),
        app.put(f"webhooks/{webhook_id}", {"url": "http://127.0.0.1:9/b"}, expect=403),
    ):
        assert refused["error"]["id"] == "forbidden"
    assert app.put(f"webhooks/{webhook_id}", {"scopes": events_of("diary")})["webhook"]["scopes"] == events_of("diary")


def test_webhooks_outlast_the_platform_s_restart(receiver: Receiver) -> None:
    with Sandbox() as sandbox:
        owner = Caller.of(sandbox)
        owner.add_streams("diary", "heart", "passing")
        app = owner.grant(every="manage")
        add_webhook(app, receiver.url + "/hook", scopes=events_of("diary"))
        without_a_scope = add_webhook(app, receiver.url + "/lost", scopes=events_of("passing"))
        owner.delete("streams/passing")
        owner.delete("streams/passing")
    with sandbox:
        assert receiver.next() == ("/hook", ["webhooksServiceBoot"])
        owner.add_event("heart")
        owner.add_event("diary")
        assert receiver.next() == ("/hook", ["diary"])
        app.delete(f"webhooks/{without_a_scope}")


def test_a_platform_that_stops_calls_nobody_any_more(receiver: Receiver, tmp_path: Path) -> None:
    with Sandbox(data=str(tmp_path / "platform.db")) as sandbox:
        owner = Caller.of(sandbox)
        owner.add_streams("diary")
        add_webhook(owner.grant(every="manage"), receiver.url + "/hook", minIntervalMs=2000)
        owner.add_event("diary")
        receiver.next()
        owner.add_event("diary")
    with Sandbox(data=str(tmp_path / "platform.db")):
        assert receiver.next() == ("/hook", ["webhooksServiceBoot"])
