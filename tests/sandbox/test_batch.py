"""Several calls in one request."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from pryv_sandbox import Sandbox
from pryv_sandbox.http.app import create_app
from pryv_sandbox.http.server_thread import ServerThread
from pryv_sandbox.state.platform import Platform
from pryv_sandbox.state.settings import Settings

from .caller import Caller


def test_carries_calls_out_in_order_and_each_on_its_own(owner: Caller) -> None:
    event = {"streamIds": ["a"], "type": "note/txt", "content": "x"}
    results = owner.batch(
        ("events.create", event),
        ("streams.create", {"id": "a", "name": "A"}),
        ("events.create", event),
        ("events.get", {"streams": ["a"]}),
        ("events.get", {"limit": "many"}),
        ('no"."such', {}),
    )
    errors = [result["error"]["id"] if "error" in result else None for result in results]
    assert errors == [
        "unknown-referenced-resource", None, None, None, "invalid-parameters-format", "invalid-method",
    ]  # fmt: skip
    assert results[3]["events"] == [results[2]["event"]]


def test_batches_may_hold_batches(owner: Caller) -> None:
    inner = [{"method": "streams.create", "params": {"id": name, "name": name}} for name in "ab"]
    ((first, second),) = (result["results"] for result in owner.batch(("callBatch", inner)))
    assert (first["stream"]["id"], second["stream"]["id"]) == ("a", "b")


@pytest.mark.parametrize(
    ("body", "path"),
    [({}, "#"), ([1], "#/0"), ([{"method": "x"}], "#/0/"), ([{"method": 1, "params": {}}], "#/0/method")],
)
def test_names_the_place_of_a_malformed_call(owner: Caller, body: Any, path: str) -> None:
    problems = owner.post("", body, 400)["error"]["data"]
    assert problems[0]["path"] == path


def test_each_call_sees_what_those_before_it_did(owner: Caller) -> None:
    owner.add_streams("a")
    results = owner.grant(a="manage").batch(
        ("streams.create", {"id": "b", "name": "B", "parentId": "a"}),
        ("events.create", {"streamIds": ["b"], "type": "note/txt", "content": "x"}),
        ("events.get", {"streams": ["b"]}),
    )
    assert results[2]["events"] == [results[1]["event"]]


def test_notes_how_often_each_method_was_used(owner: Caller) -> None:
    app = owner.grant(every="manage")
    app.batch(("events.get", {}), ("events.get", {}), ("streams.get", {}))
    app.get("events")
    app.post("streams", {"id": "a", "name": "A"})
    calls = app.get("access-info")["calls"]
    assert {name: calls.get(name) for name in ("events:get", "streams:get", "streams:create")} == {
        "events:get": 3, "streams:get": 1, "streams:create": 1,
    }  # fmt: skip


def test_a_call_that_proves_itself_otherwise_fails_in_a_batch(pryv_sandbox: Sandbox) -> None:
    account = pryv_sandbox.create_account()
    owner = Caller(pryv_sandbox.url, account.username, account.token)
    login = {"username": account.username, "password": account.password, "appId": "the-app"}
    right, wrong, forgotten = owner.batch(
        ("auth.login", login),
        ("auth.login", {**login, "password": "wrong"}),
        ("account.requestPasswordReset", {"appId": "the-app"}),
    )
    errors = [result["error"]["id"] for result in (right, wrong, forgotten)]
    assert errors == ["unexpected-error", "invalid-credentials", "unexpected-error"]
    assert owner.call("POST", "auth/login", json=login)["token"]
    token = pryv_sandbox.reset_token(account.username)
    reset = {"appId": "the-app", "resetToken": token, "newPassword": "another-one"}
    (result,) = owner.batch(("account.resetPassword", reset))
    assert result["error"]["id"] == "unexpected-error"


class TestLimit:
    """A batch holds no more results than the platform allows; the same read on its own does."""

    @pytest.fixture
    def url(self) -> Iterator[str]:
        platform = Platform(Settings(results_limit=50, page_size=20))
        server = ServerThread(lambda: create_app(platform), "127.0.0.1", 0)
        server.start()
        yield f"http://127.0.0.1:{server.port}/"
        server.stop()
        platform.close()

    def test_too_many_results_are_an_error(self, url: str) -> None:
        person = {"username": "someone", "password": "some-password", "email": "a@b.c", "appId": "the-app"}
        endpoint = requests.post(f"{url}reg/users", json=person, timeout=5).json()["apiEndpoint"]
        owner = Caller(url, "someone", endpoint.split("//")[1].split("@")[0])
        owner.add_streams("a")
        event = {"streamIds": ["a"], "type": "note/txt", "content": "x"}
        owner.batch(*[("events.create", event)] * 51)
        fits, exceeds = owner.batch(*(("events.get", {"streams": ["a"], "limit": limit}) for limit in (50, 51)))
        assert len(fits["events"]) == 50
        assert (exceeds["error"]["id"], exceeds["error"]["data"]) == ("too-many-results", {"limit": 50})
        assert len(owner.get("events", streams="a", limit=51)["events"]) == 51
