"""Access requests and the authentication flow, answered like the platform's page."""

from __future__ import annotations

import math
import os
import pickle
import signal
import threading
import time
from collections.abc import Mapping
from typing import Any
from unittest.mock import AsyncMock
from urllib.parse import parse_qs, urlsplit

import attrs
import pytest
import requests
from tests.pryv.people import APP_ID, PERMISSIONS, Interface, Person
from tests.pryv.wire import Wire
from tests.waiting import within

from pryv import (
    AccessRefusedError,
    AccessRequest,
    AccessTimeoutError,
    ApiError,
    Connection,
    PryvConnectionError,
    PryvError,
    RateLimitedError,
    ServerError,
    Service,
)
from pryv.auth import (
    AuthController,
    AuthorizationData,
    AuthSettings,
    AuthState,
    AuthStates,
    LoginUI,
    setup_auth,
    wait_for_access,
)
from pryv_sandbox import Sandbox

ASKED: dict[str, Any] = {"requestingAppId": APP_ID, "requestedPermissions": PERMISSIONS}
FAST = 0.05


def start(service: Service, poll_rate: float = FAST) -> AccessRequest:
    return attrs.evolve(service.start_access_request(ASKED), poll_rate=poll_rate)


# ---- waiting for the answer


def test_an_accepted_request_leads_to_a_connection(service: Service, person: Person) -> None:
    request = start(service)
    states: list[AuthState] = []
    answering = threading.Timer(3 * FAST, person.accept, [request.key])
    answering.start()
    with wait_for_access(service, request, timeout=30, on_state=states.append) as connection:
        assert connection.username() == person.username
        assert connection.service is service
    answering.join()
    assert [state.status for state in states] == [AuthStates.NEED_SIGNIN, AuthStates.AUTHORIZED]
    assert states[0].auth_url == request.auth_url
    assert "apiEndpoint" not in states[1]


def test_a_refused_request_raises(service: Service, person: Person) -> None:
    request = start(service)
    person.refuse(request.key)
    states: list[AuthState] = []
    with pytest.raises(AccessRefusedError):
        wait_for_access(service, request, on_state=states.append)
    assert states[-1].status == AuthStates.REFUSED


def test_waiting_ends_at_the_timeout(service: Service) -> None:
    with within(8, at_least=0.3), pytest.raises(AccessTimeoutError, match=r"within 0\.3 seconds"):
        wait_for_access(service, start(service, poll_rate=60), timeout=0.3)


def test_a_silent_platform_does_not_prolong_the_timeout(service: Service, sandbox: Sandbox) -> None:
    request = start(service)
    sandbox.faults.stall(times=100, path="reg/access")
    with within(5), pytest.raises(AccessTimeoutError):
        wait_for_access(service, request, timeout=0.5)


def test_a_request_that_the_platform_deleted_is_a_timeout(service: Service, sandbox: Sandbox) -> None:
    request = start(service)
    sandbox.faults.skew = 3601
    with pytest.raises(AccessTimeoutError, match="no longer knows"):
        wait_for_access(service, request)


def test_an_unknown_request_is_a_timeout(service: Service) -> None:
    request = start(service)
    unknown = attrs.evolve(request, key="unknown-key", poll=request.poll.replace(request.key, "unknown-key"))
    with pytest.raises(AccessTimeoutError, match="no longer knows"):
        wait_for_access(service, unknown)


def test_transient_failures_are_retried(service: Service, person: Person, sandbox: Sandbox) -> None:
    request = start(service)
    person.accept(request.key)
    sandbox.faults.status(502, times=2, path="reg/access")
    sandbox.faults.status(429, path="reg/access", retry_after=0.2)
    sandbox.faults.cut(path="reg/access")
    with wait_for_access(service, request, timeout=30) as connection:
        assert connection.username() == person.username


def test_polling_continues_while_the_platform_is_unreachable(
    service: Service, person: Person, sandbox: Sandbox
) -> None:
    request = start(service)
    person.accept(request.key)
    waiting = threading.Thread(target=lambda: got.append(wait_for_access(service, request, timeout=30)))
    got: list[Connection] = []
    with sandbox.faults.refuse():
        with pytest.raises(PryvConnectionError):
            service.poll_access_request(request.poll)
        waiting.start()
        waiting.join(3 * FAST)
        assert waiting.is_alive()
    waiting.join()
    assert got[0].username() == person.username


def test_a_token_alone_leads_to_the_account(service: Service, person: Person) -> None:
    request = start(service)
    body = {"status": "ACCEPTED", "username": person.username, "token": person.connection.token}
    assert requests.post(request.poll, json=body, timeout=10).status_code == 200
    with service.connect_from_key(request.key) as connection:
        assert connection.api_endpoint == person.connection.api_endpoint


def test_a_failure_on_the_page_is_raised(service: Service) -> None:
    request = start(service)
    requests.post(request.poll, json={"status": "ERROR", "message": "Out of order."}, timeout=10)
    assert service.poll_access_request(request.key) == {"status": "ERROR", "message": "Out of order."}
    with pytest.raises(PryvError, match="Out of order"):
        wait_for_access(service, request)
    with pytest.raises(PryvError, match="ERROR"):
        service.connect_from_key(request.key)


def test_permanent_failures_are_raised(service: Service, sandbox: Sandbox) -> None:
    request = start(service)
    sandbox.faults.status(400, path="reg/access", body={"error": {"id": "invalid-parameters", "message": "No."}})
    states: list[AuthState] = []
    with pytest.raises(ApiError):
        wait_for_access(service, request, on_state=states.append)
    assert states[-1].status == AuthStates.ERROR
    assert "No." in str(states[-1].message)


def test_the_poll_rate_of_the_platform_is_respected(service: Service, sandbox: Sandbox) -> None:
    request = start(service, poll_rate=0.4)
    sandbox.faults.status(503, times=5, path="reg/access")
    with pytest.raises(AccessTimeoutError):
        wait_for_access(service, request, timeout=1.0)  # asks 3 times
    with Service(service.info().register + "service/info", retry=None) as once, pytest.raises(ServerError):
        once.poll_access_request(request.poll)


def test_retry_after_is_respected(service: Service, person: Person, sandbox: Sandbox) -> None:
    request = start(service)
    person.accept(request.key)
    sandbox.faults.status(429, path="reg/access", retry_after=1)
    begin = time.monotonic()
    with wait_for_access(service, request, timeout=30):
        assert time.monotonic() - begin >= 1


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("retry_after", [31, 99_999_999_999])
def test_a_retry_after_beyond_the_timeout_is_raised_at_once(
    service: Service, sandbox: Sandbox, status: int, retry_after: float
) -> None:
    request = start(service)
    sandbox.faults.status(status, path="reg/access", retry_after=retry_after)
    with within(10), pytest.raises((RateLimitedError, ServerError)) as failed:
        wait_for_access(service, request, timeout=30)
    error: Any = failed.value
    assert error.retry_after == min(retry_after, 86_400)


def test_an_exception_of_a_listener_is_logged_only(
    service: Service, person: Person, caplog: pytest.LogCaptureFixture
) -> None:
    request = start(service)
    person.accept(request.key)

    def fail(state: AuthState) -> None:
        raise LookupError("the listener's own")

    with wait_for_access(service, request, on_state=fail) as connection:
        assert connection.username() == person.username
    assert "the listener's own" in caplog.text


@pytest.mark.parametrize(
    ("timeout", "kind"), [(0, ValueError), (-1, ValueError), (math.nan, ValueError), ("", TypeError)]
)
def test_an_invalid_timeout_is_refused_before_any_request(wire: Wire, timeout: Any, kind: type[Exception]) -> None:
    request = AccessRequest("key", wire.url, wire.url, 0.1, "NEED_SIGNIN")
    with Service(wire.url) as service:
        controller = AuthController(AuthSettings(ASKED), service)
        for wait in (
            lambda: wait_for_access(service, request, timeout=timeout),
            lambda: controller.start_auth_request(timeout),
            lambda: setup_auth(AuthSettings(ASKED), wire.url, timeout=timeout),
        ):
            with pytest.raises(kind):
                wait()
    assert wire.requests == []


def test_the_types_of_the_arguments_are_checked(service: Service, platform_url: str) -> None:
    with pytest.raises(TypeError, match="service"):
        wait_for_access(platform_url, start(service))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="request"):
        wait_for_access(service, ASKED)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="on_state"):
        wait_for_access(service, start(service), timeout=0.2, on_state="print")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="on_state is a coroutine"):
        wait_for_access(service, start(service), timeout=0.2, on_state=AsyncMock())


# ---- settings


def test_settings_copy_the_request() -> None:
    asked = {**ASKED, "clientData": {"a": 1}}
    settings = AuthSettings(asked)
    assert settings.auth_request == {**asked, "returnURL": False}
    assert "returnURL" not in asked


@pytest.mark.parametrize(
    ("url", "taken"),
    [
        (None, False),
        (False, False),
        ("auto#", False),
        ("https://app.example/#", "https://app.example/#"),
        ("https://app.example/in?next=%2F&", "https://app.example/in?next=%2F&"),
        ("https://app.example/in?pryvKey=old&next=1&", "https://app.example/in?next=1&"),
    ],
)
def test_return_urls(url: Any, taken: Any) -> None:
    assert AuthSettings({**ASKED, "returnURL": url}).auth_request["returnURL"] == taken


@pytest.mark.parametrize(
    ("asked", "error"),
    [
        (None, TypeError),
        ([], TypeError),
        ({}, ValueError),
        ({"requestedPermissions": PERMISSIONS}, ValueError),
        ({"requestingAppId": "", "requestedPermissions": PERMISSIONS}, ValueError),
        ({"requestingAppId": APP_ID}, ValueError),
        ({"requestingAppId": APP_ID, "requestedPermissions": "diary"}, ValueError),
        ({**ASKED, "returnURL": "https://app.example/"}, ValueError),
        ({**ASKED, "returnURL": "self#"}, ValueError),
        ({**ASKED, "returnURL": 7}, TypeError),
    ],
)
def test_invalid_requests_are_refused(asked: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        AuthSettings(asked)


def test_a_listener_is_callable() -> None:
    with pytest.raises(TypeError):
        AuthSettings(ASKED, on_state_change="print")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="on_state_change is a coroutine"):
        AuthSettings(ASKED, on_state_change=AsyncMock())


# ---- states


def test_the_seven_states() -> None:
    values = {name: value for name, value in vars(AuthStates).items() if name.isupper()}
    assert len(values) == 7
    assert values.pop("AUTHORIZED") == "ACCEPTED"
    assert all(name == value for name, value in values.items())


def test_a_state_shows_no_secret() -> None:
    state = AuthState("ACCEPTED", key="secret", auth_url="http://h/?key=secret", api_endpoint="http://secret@h/")
    assert "secret" not in repr(state) + str(state)
    assert state["apiEndpoint"] == state.api_endpoint
    assert state["id"] == state["status"] == "ACCEPTED"
    assert set(state) == {"status", "id", "key", "authUrl", "apiEndpoint"}
    assert len(state) == 5
    assert pickle.loads(pickle.dumps(state)) == state
    with pytest.raises(KeyError):
        state["username"]


# ---- the controller


def test_a_controller_from_the_click_to_the_sign_out(service: Service, person: Person) -> None:
    told: list[AuthState] = []
    interface = Interface(person.accept)
    controller = AuthController(AuthSettings(ASKED, told.append), service, interface)
    assert controller.init() is service
    assert controller.state.status == AuthStates.INITIALIZED
    controller.handle_click()
    assert controller.state.status == AuthStates.AUTHORIZED
    assert controller.state.username == person.username
    assert interface.kept is not None
    with Connection(interface.kept["apiEndpoint"]) as connection:
        assert connection.username() == interface.kept["username"] == person.username

    authorized = told[-1]
    assert set(authorized) == {"status", "id", "key", "serviceInfo"}
    with service.connect_from_key(authorized["key"]) as connection:
        assert connection.username() == person.username

    controller.handle_click()
    assert interface.kept is None
    assert interface.statuses == [
        AuthStates.LOADING,
        AuthStates.INITIALIZED,
        AuthStates.NEED_SIGNIN,
        AuthStates.AUTHORIZED,
        AuthStates.SIGNOUT,
        AuthStates.LOADING,
        AuthStates.INITIALIZED,
    ]
    assert [state.status for state in told] == interface.statuses


def test_stored_credentials_sign_in(service: Service, person: Person) -> None:
    first = Interface(person.accept)
    AuthController(AuthSettings(ASKED), service, first).start_auth_request()
    again, told = Interface(), list[AuthState]()
    again.kept = first.kept
    controller = AuthController(AuthSettings(ASKED, told.append), service, again)
    controller.init()
    assert again.statuses == [AuthStates.LOADING, AuthStates.AUTHORIZED]
    assert told[-1].key is None
    with Connection(told[-1]["apiEndpoint"]) as connection:
        assert connection.username() == told[-1]["username"] == person.username


def test_after_a_refusal_the_controller_is_initialized_again(service: Service, person: Person) -> None:
    interface = Interface(person.refuse)
    controller = AuthController(AuthSettings(ASKED), service, interface)
    controller.init()
    controller.start_auth_request()
    assert interface.statuses[-2:] == [AuthStates.REFUSED, AuthStates.INITIALIZED]
    assert controller.state.status == AuthStates.INITIALIZED
    assert interface.kept is None
    interface.at_signin = person.accept
    controller.handle_click()
    assert controller.state.status == AuthStates.AUTHORIZED


def test_a_listener_can_stop_the_request(service: Service) -> None:
    def stop(key: str) -> None:
        controller.stop_auth_request("No more.")

    interface = Interface(stop)
    controller = AuthController(AuthSettings(ASKED), service, interface)
    controller.start_auth_request()
    assert controller.state == AuthState(AuthStates.ERROR, message="No more.")
    assert interface.statuses == [AuthStates.NEED_SIGNIN, AuthStates.ERROR]


def test_another_thread_can_stop_the_request(service: Service, person: Person, sandbox: Sandbox) -> None:
    keys: list[str] = []

    def stop_soon(key: str) -> None:
        keys.append(key)
        sandbox.faults.status(429, path=key, retry_after=60)
        threading.Timer(0.3, controller.stop_auth_request, ["No more."]).start()

    interface = Interface(stop_soon)
    controller = AuthController(AuthSettings(ASKED), service, interface)
    with within(20):  # it was told to wait for a minute
        controller.start_auth_request()
    person.accept(keys[0])  # too late
    assert controller.state == AuthState(AuthStates.ERROR, message="No more.")
    assert interface.kept is None


def test_a_response_after_the_stop_is_ignored(platform_url: str, person: Person) -> None:
    def stop(answer: requests.Response, **_: Any) -> None:
        if answer.request.method == "GET" and "/access/" in answer.url:
            controller.stop_auth_request("No more.")

    interface = Interface(person.accept)
    with requests.Session() as session, Service(platform_url, session=session) as service:
        session.hooks["response"].append(stop)
        controller = AuthController(AuthSettings(ASKED), service, interface)
        controller.start_auth_request()
    assert controller.state.message == "No more."
    assert interface.kept is None


def test_a_new_request_replaces_a_pending_one(service: Service, person: Person) -> None:
    waiting = threading.Event()
    interface = Interface(lambda key: waiting.set())
    controller = AuthController(AuthSettings(ASKED), service, interface)
    first = threading.Thread(target=controller.start_auth_request)
    first.start()
    assert waiting.wait(10)
    interface.at_signin = person.accept
    controller.start_auth_request()
    first.join()
    assert controller.state.status == AuthStates.AUTHORIZED


def test_a_click_while_it_waits_shows_the_page_again(service: Service) -> None:
    def click_once(key: str) -> None:
        if len(interface.states) == 1:
            controller.handle_click()
        else:
            controller.stop_auth_request("Seen.")

    interface = Interface(click_once)
    controller = AuthController(AuthSettings(ASKED), service, interface)
    controller.start_auth_request()
    assert interface.statuses == [AuthStates.NEED_SIGNIN, AuthStates.NEED_SIGNIN, AuthStates.ERROR]
    assert interface.states[0] == interface.states[1]


def test_without_an_interface_the_callback_gets_the_sign_out(service: Service, person: Person) -> None:
    told: list[AuthState] = []

    def listen(state: AuthState) -> None:
        told.append(state)
        if state.status == AuthStates.NEED_SIGNIN:
            person.accept(state["key"])

    controller = AuthController(AuthSettings(ASKED, listen), service)
    controller.init()
    controller.handle_click()
    controller.handle_click()
    assert told[-1].status == AuthStates.SIGNOUT
    controller.handle_click()
    assert told[-1].status == AuthStates.AUTHORIZED


def test_a_request_that_cannot_be_made_is_an_error(service: Service, sandbox: Sandbox) -> None:
    sandbox.faults.status(400, method="POST", path="reg/access")
    interface = Interface()
    controller = AuthController(AuthSettings(ASKED), service, interface)
    with pytest.raises(ApiError):
        controller.start_auth_request()
    assert interface.statuses == [AuthStates.ERROR]
    assert isinstance(controller.state.error, ApiError)


def test_a_request_without_an_answer_in_time_is_an_error(service: Service) -> None:
    controller = AuthController(AuthSettings(ASKED), service)
    with pytest.raises(AccessTimeoutError):
        controller.start_auth_request(timeout=0.2)
    assert controller.state.status == AuthStates.ERROR


def test_a_platform_that_cannot_be_reached_is_an_error(platform_url: str) -> None:
    controller = AuthController(AuthSettings(ASKED), Service("http://127.0.0.1:9/", retry=None))
    with pytest.raises(PryvConnectionError):
        controller.init()
    assert controller.state.status == AuthStates.ERROR


def test_stored_credentials_without_an_endpoint_are_an_error(service: Service) -> None:
    interface = Interface()
    interface.kept = {"username": "alice"}  # type: ignore[assignment]
    controller = AuthController(AuthSettings(ASKED), service, interface)
    with pytest.raises(KeyError, match="apiEndpoint"):
        controller.init()
    assert interface.statuses == [AuthStates.LOADING, AuthStates.ERROR]


def test_an_interrupt_ends_the_wait(service: Service, sandbox: Sandbox) -> None:
    def interrupt_soon(key: str) -> None:
        sandbox.faults.status(429, path=key, retry_after=60)
        threading.Timer(0.1, os.kill, [os.getpid(), signal.SIGINT]).start()

    controller = AuthController(AuthSettings(ASKED), service, Interface(interrupt_soon))
    with within(20), pytest.raises(KeyboardInterrupt):  # it was told to wait for a minute
        controller.start_auth_request()
    assert controller.state.status == AuthStates.ERROR


def test_exceptions_of_listeners_are_logged_only(
    service: Service, person: Person, caplog: pytest.LogCaptureFixture
) -> None:
    class Failing(Interface):
        def on_state_change(self, state: AuthState) -> None:
            super().on_state_change(state)
            raise LookupError("the interface's own")

        def save_authorization_data(self, data: AuthorizationData) -> None:
            raise OSError("no room")

    def fail(state: AuthState) -> None:
        raise LookupError("the app's own")

    controller = AuthController(AuthSettings(ASKED, fail), service, Failing(person.accept))
    controller.init()
    controller.handle_click()
    assert controller.state.status == AuthStates.AUTHORIZED
    assert all(message in caplog.text for message in ("the interface's own", "the app's own", "no room"))
    assert str(controller.state.api_endpoint) not in caplog.text


@pytest.mark.parametrize(
    ("settings", "service", "ui"),
    [
        ({"authRequest": ASKED}, Service(), None),
        (AuthSettings(ASKED), None, None),
        (AuthSettings(ASKED), Service(), object()),
        (AuthSettings(ASKED), Service(), Interface),
    ],
)
def test_the_types_of_the_arguments_of_a_controller_are_checked(settings: Any, service: Any, ui: Any) -> None:
    with pytest.raises(TypeError):
        AuthController(settings, service, ui)


# ---- all at once


@pytest.mark.parametrize("is_made", [False, True])
def test_setup_auth_signs_in(platform_url: str, person: Person, is_made: bool) -> None:
    interface, given = Interface(person.accept), list[Any]()

    def make(*arguments: Any) -> LoginUI:
        given.extend(arguments)
        return interface

    settings = AuthSettings(ASKED)
    ui = make if is_made else interface
    service = setup_auth(settings, platform_url, {"name": "Customized"}, ui)
    assert interface.statuses[-1] == AuthStates.AUTHORIZED
    assert service.info().name == "Customized"
    assert given == ([settings, service] if is_made else [])

    interface.states.clear()
    setup_auth(settings, platform_url, ui=interface)
    assert interface.statuses == [AuthStates.LOADING, AuthStates.AUTHORIZED]


def test_an_answer_is_waited_for_as_long_as_asked(platform_url: str, service: Service) -> None:
    ui = Interface()
    controller = AuthController(AuthSettings(ASKED), service, ui)
    controller.init(timeout=(5, 10))
    with pytest.raises(AccessTimeoutError):
        controller.handle_click(timeout=0.2)
    with pytest.raises(AccessTimeoutError):
        setup_auth(AuthSettings(ASKED), platform_url, ui=ui, timeout=0.2)
    told = [AuthStates.LOADING, AuthStates.INITIALIZED, AuthStates.NEED_SIGNIN, AuthStates.ERROR]
    assert ui.statuses == [*told, *told]


def test_no_log_repr_or_error_shows_the_key_or_the_token(
    service: Service, person: Person, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(1)
    request = start(service)
    token = person.accept(request.key)
    connection = wait_for_access(service, request)
    shown = caplog.text + repr(request) + repr(connection) + str(parse_qs(urlsplit(service.info().access).query))
    with pytest.raises(PryvError) as failed:
        wait_for_access(service, attrs.evolve(request, poll=request.poll + "x"))
    assert token not in shown + repr(failed.value)
    own = "".join(record.getMessage() for record in caplog.records if record.name.startswith("pryv"))
    assert own
    assert request.key not in own + repr(request) + repr(failed.value)


def test_a_state_is_a_mapping() -> None:
    state: Mapping[str, Any] = AuthState(AuthStates.ERROR, message="why")
    assert dict(state) == {"status": "ERROR", "id": "ERROR", "message": "why"}
