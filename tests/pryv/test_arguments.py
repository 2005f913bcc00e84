"""Arguments that cannot be used are refused before any request, with an error that names them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.pryv.wire import Wire, reply

from pryv import Call, Connection, OAuthError, RetryPolicy, Series, Service
from pryv._arguments import require_seconds
from pryv.auth import (
    AuthSettings,
    FileStore,
    MemoryStore,
    TerminalLogin,
    setup_auth,
    sign_in,
    sign_out,
    wait_for_access,
)
from pryv.cli import exit_code
from pryv.oauth import DPoPKey, FileTokenStore, OAuthClient

ENDPOINT = "http://token@127.0.0.1:1/alice/"
INFO = {
    "name": "P",
    "api": "http://127.0.0.1:1/{username}/",
    "access": "http://127.0.0.1:1/",
    "register": "http://127.0.0.1:1/",
}
ASKED = {"requestingAppId": "an-app", "requestedPermissions": []}
SERIES = Series(["deltaTime"], [[1]])


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda c: c.get_latest_by_content("drug", "aspirin"), TypeError, "values is an iterable"),
        (lambda c: c.get_latest_by_content("drug", {"a": 1}), TypeError, "values is an iterable"),
        (lambda c: c.add_points_batch({"": SERIES}), ValueError, "not an id"),
        (lambda c: c.add_points_batch({"a": SERIES, "..": Series(["deltaTime"], [])}), ValueError, "not an id"),
        (lambda c: c.api([], progress=5), TypeError, "progress"),
        (lambda c: c.api(Call("streams.get")), TypeError, "calls is an iterable"),
        (lambda c: c.add_points_to_hf_event("id", Call("a"), []), TypeError, "Call"),
        (lambda c: c.api_one("events.create", {}, ["event"]), TypeError, "expected_key is a string"),
        (lambda c: c.api_one("events.create", {}, 5), TypeError, "expected_key is a string"),
        (lambda c: c.api_one("events.create", {}, ""), ValueError, "expected_key is empty"),
    ],
)
def test_bad_arguments_send_nothing(call: Callable[[Any], Any], error: type[Exception], message: str) -> None:
    with Connection(ENDPOINT, retry=None) as connection, pytest.raises(error, match=message):
        call(connection)


@pytest.mark.parametrize("start", ["0", True, None, [1]])
def test_the_start_of_a_series_is_a_time(start: Any) -> None:
    with pytest.raises(TypeError, match="start is a time"):
        SERIES.times(start)
    if start is not None:
        with pytest.raises(TypeError, match="start is a time"):
            SERIES.to_pandas(start)
    with pytest.raises(ValueError, match="start is not a time"):
        SERIES.times(10**400)


@pytest.mark.parametrize("argument", ["access_token", "nonce"])
def test_the_arguments_of_a_proof_are_strings(argument: str) -> None:
    key = DPoPKey.generate()
    with pytest.raises(TypeError, match=f"{argument} is a string, not int"):
        key.proof("GET", "https://host/", **{argument: 5})  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=f"{argument} is empty"):
        key.proof("GET", "https://host/", **{argument: ""})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("seconds", "error"), [(True, TypeError), ("5", TypeError), (0, ValueError), (float("nan"), ValueError)]
)
def test_waits_are_numbers_of_seconds(wire: Wire, seconds: Any, error: type[Exception]) -> None:
    client = OAuthClient("http://127.0.0.1:1", "client", retry=None)
    with pytest.raises(error, match="timeout is a number of seconds"):
        client.login(timeout=seconds)
    request = {"key": "k", "authUrl": wire.url, "poll": wire.url, "poll_rate_ms": 1000, "status": "NEED_SIGNIN"}
    wire.replies.append(reply(request))
    with Service(None, {**INFO, "access": wire.url}, retry=None) as service:
        started = service.start_access_request({"requestingAppId": "an-app", "requestedPermissions": []})
        with pytest.raises(error, match="timeout is a number of seconds"):
            wait_for_access(service, started, seconds)
    assert len(wire.requests) == 1


@pytest.mark.parametrize("endless", [True, False])
@pytest.mark.parametrize("above_zero", [True, False])
def test_require_seconds_returns_a_float(endless: bool, above_zero: bool) -> None:
    allowed = {
        0.5: True,
        0: not above_zero,
        -1: False,
        float("inf"): endless,
        float("-inf"): False,
        10**400: endless,
        -(10**400): False,
        float("nan"): False,
    }
    for seconds, is_allowed in allowed.items():
        if is_allowed:
            number = require_seconds(seconds, "pause", above_zero=above_zero, endless=endless)
            assert type(number) is float
            assert number == (float("inf") if seconds == 10**400 else seconds)
        else:
            with pytest.raises(ValueError, match=r"^pause is a number of seconds, (above|at least) 0$"):
                require_seconds(seconds, "pause", above_zero=above_zero, endless=endless)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"attempts": 0}, ValueError),
        ({"attempts": True}, TypeError),
        ({"attempts": 1.5}, TypeError),
        ({"backoff": -1}, ValueError),
        ({"backoff": "1"}, TypeError),
        ({"max_backoff": float("nan")}, ValueError),
        ({"deadline": 0}, ValueError),
        ({"deadline": None}, TypeError),
    ],
)
def test_a_retry_policy_names_the_number_that_is_wrong(change: dict[str, Any], error: type[Exception]) -> None:
    (name,) = change
    with pytest.raises(error, match=rf"^RetryPolicy\.{name} is .*\w$"):
        RetryPolicy(**change)
    RetryPolicy(attempts=1, backoff=0, max_backoff=0, deadline=float("inf"))


def test_the_waits_of_a_retry_policy_are_floats() -> None:
    number: Any = np.float32(0.5)  # which `time.sleep` does not accept
    policy = RetryPolicy(backoff=number, max_backoff=number, deadline=number)
    assert {type(policy.deadline), type(policy.wait(1)), type(policy.wait(2, 60))} <= {float, int}


@pytest.mark.parametrize("error", ["access_denied", "invalid_client", "invalid_grant", "unauthorized_client"])
def test_a_refused_oauth_client_has_exit_code_77(error: str) -> None:
    assert exit_code(OAuthError(error, "no", status=401)) == 77
    assert exit_code(OAuthError("server_error", "later", status=500)) == 1


@pytest.mark.parametrize("store", ["credentials", {}, FileStore])
def test_objects_without_the_methods_of_a_store_are_refused(store: Any) -> None:
    for use in (
        lambda: OAuthClient("http://127.0.0.1:1", "client", store=store),
        lambda: sign_in("http://127.0.0.1:1", "an-app", [{"streamId": "a", "level": "read"}], store=store),
        lambda: sign_out("http://127.0.0.1:1", store=store),
    ):
        with pytest.raises(
            TypeError, match=r"^store is a (Token|Credential)Store, not (str|dict|the class FileStore)$"
        ):
            use()
    with pytest.raises(TypeError, match="tokens are OAuthTokens"):
        FileTokenStore("tokens").save(store)


@pytest.mark.parametrize("customizations", [[], "", 5, [("name", "P")]])
def test_customizations_are_a_dict(customizations: Any) -> None:
    with pytest.raises(TypeError, match="customizations is a dict"):
        Service("http://127.0.0.1:1/", customizations)


@pytest.mark.parametrize("argument", ["settings", "service", "store"])
def test_a_sign_in_from_a_terminal_needs_its_arguments(argument: str) -> None:
    right: dict[str, Any] = {"settings": AuthSettings(ASKED), "service": Service(None, INFO), "store": MemoryStore()}
    TerminalLogin(**right)
    with pytest.raises(TypeError, match=f"^{argument} (is|are) a .*, not dict$"):
        TerminalLogin(**{**right, argument: ASKED})
    if argument == "settings":
        with pytest.raises(TypeError, match="settings are a"):
            setup_auth(ASKED, "http://127.0.0.1:1/")  # type: ignore[arg-type]


def test_a_ui_that_cannot_show_the_page_is_refused_before_the_request(wire: Wire) -> None:
    with pytest.raises(TypeError, match="ui is a LoginUI, not NoneType"):
        sign_in(
            wire.url,
            "an-app",
            [{"streamId": "a", "level": "read"}],
            store=MemoryStore(),
            ui=lambda _settings, _service: None,  # type: ignore[arg-type, return-value]
        )
    assert wire.requests == []


def test_reprs_and_texts_of_stores(tmp_path: Path) -> None:
    assert repr(FileStore(tmp_path)) == f"FileStore({str(tmp_path)!r})"


def test_the_repr_of_what_a_service_returns_is_masked(wire: Wire) -> None:
    endpoint = wire.url.replace("//", f"//{wire.token}@") + "alice/"
    info = {**INFO, "api": f"{wire.url}{{username}}/", "access": wire.url, "register": wire.url}
    wire.replies.append(reply({"username": "alice", "apiEndpoint": endpoint}))
    accepted = {"status": "ACCEPTED", "username": "alice", "token": wire.token, "apiEndpoint": endpoint}
    wire.replies.append(reply(accepted))
    with Service(None, info, retry=None) as service:
        created = service.create_user(
            username="alice", password="see-you", email="a@b.ch", app_id="an-app", hosting="h"
        )
        polled = service.poll_access_request("some-key")
    assert json.loads(json.dumps([created, polled])) == [
        {"username": "alice", "apiEndpoint": endpoint},
        {**accepted, "meta": polled["meta"]},
    ]
    assert wire.token not in f"{created} {polled}"
