"""Logins, with a second factor if the platform requires one, and password resets."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.pryv.wire import Wire, reply

from pryv import (
    ApiError,
    Connection,
    InvalidAccessTokenError,
    InvalidCredentialsError,
    InvalidParametersError,
    MfaRequiredError,
    PryvProtocolError,
    Service,
)
from pryv_sandbox import Sandbox
from pryv_sandbox.second_factor import CODE

Account = tuple[str, str, Connection]
APP_ID = "pryv-login-tests"


@pytest.fixture
def served(wire: Wire) -> Iterator[Service]:
    """A platform of exact bytes, whose service info is known."""
    info = wire.service_info(access=f"{wire.url}access/")
    with Service(None, info, timeout=2, retry=None) as service:
        yield service


def test_a_login_gives_a_connection(service: Service, new_account: Callable[[], Account]) -> None:
    username, password, _ = new_account()
    with service.login(username, password, APP_ID) as connection:
        assert connection.username() == username
        assert connection.access_info()["type"] == "personal"
        assert connection.service is service


def test_a_login_is_led_to_the_core_of_the_account(sandbox: Sandbox) -> None:
    account = sandbox.create_account()
    with Service(sandbox.service_info_url) as service:
        service.info()
        sandbox.faults.wrong_core(sandbox.url.replace("127.0.0.1", "localhost"))
        with service.login(account.username, account.password, APP_ID) as connection:
            assert connection.username() == account.username


def test_a_wrong_password(service: Service, new_account: Callable[[], Account]) -> None:
    username, password, _ = new_account()
    with pytest.raises(InvalidCredentialsError) as caught:
        service.login(username, password + "x", APP_ID)
    assert password not in str(caught.value)


def test_an_origin_that_is_not_trusted(sandbox: Sandbox) -> None:
    account = sandbox.create_account()
    with Service(sandbox.service_info_url) as service:
        with pytest.raises(InvalidCredentialsError):
            service.login(account.username, account.password, APP_ID, "https://evil.example")
        service.login(account.username, account.password, APP_ID, "http://localhost:8080").close()


def test_the_origin_is_the_register_s_unless_another_is_given(wire: Wire, served: Service) -> None:
    wire.always = reply({"token": "abc"})
    served.login("alice", "p", APP_ID)
    served.login("alice", "p", APP_ID, "https://app.example")
    assert [request.headers["origin"] for request in wire.requests] == [wire.url[:-1], "https://app.example"]
    assert all("authorization" not in request.headers for request in wire.requests)


def test_a_connection_has_the_options_of_its_service(wire: Wire) -> None:
    wire.always = reply({"token": "abc"})
    info = {"name": "Wire", "api": wire.url + "{username}/", "access": wire.url, "register": wire.url}
    with Service(None, info, timeout=2, retry=None) as service, service.login("alice", "p", APP_ID) as connection:
        wire.always = reply({}, 503)
        with pytest.raises(ApiError):
            connection.get("events")
    assert len(wire.requests) == 2


@pytest.mark.parametrize("status", [200, 302])
def test_a_second_factor_may_be_asked_for_in_either_way(wire: Wire, served: Service, status: int) -> None:
    wire.always = reply(
        {"mfaToken": "held"}, status, {"Location": "https://elsewhere.example/"} if status == 302 else None
    )
    with pytest.raises(MfaRequiredError) as caught:
        served.login("alice", "p", APP_ID)
    assert (caught.value.mfa_token, caught.value.status) == ("held", status)
    assert "held" not in f"{caught.value} {caught.value!r}"
    assert len(wire.requests) == 1


def test_three_steps_with_a_second_factor(sandbox: Sandbox) -> None:
    account = sandbox.create_account(mfa=True)
    with Service(sandbox.service_info_url) as service:
        with pytest.raises(MfaRequiredError) as caught:
            service.login(account.username, account.password, APP_ID)
        held = caught.value.mfa_token
        service.mfa_challenge(account.username, held)
        with pytest.raises(InvalidParametersError):
            service.mfa_verify(account.username, held, "000000")
        with service.mfa_verify(account.username, held, CODE) as connection:
            assert connection.username() == account.username
        with pytest.raises(InvalidAccessTokenError):
            service.mfa_verify(account.username, held, CODE)


def test_the_token_of_the_first_step_goes_with_the_others(wire: Wire, served: Service) -> None:
    wire.always = reply({"token": "abc", "message": "x"})
    served.mfa_challenge("alice", "held")
    served.mfa_verify("alice", "held", "1234").close()
    assert [(request.target, request.headers["authorization"]) for request in wire.requests] == [
        ("/alice/mfa/challenge", "held"),
        ("/alice/mfa/verify", "held"),
    ]
    assert wire.requests[1].json() == {"code": "1234"}


@pytest.mark.parametrize("body", [{}, {"token": None}, {"token": 5}, {"token": ""}, {"token": "a/b"}, {"mfaToken": 5}])
def test_a_login_without_a_token_is_an_error(wire: Wire, served: Service, body: dict[str, Any]) -> None:
    wire.always = reply(body)
    with pytest.raises(PryvProtocolError):
        served.login("alice", "p", APP_ID)
    with pytest.raises(PryvProtocolError):
        served.mfa_verify("alice", "held", "1234")


def test_a_forgotten_password_is_replaced(sandbox: Sandbox) -> None:
    account = sandbox.create_account()
    with Service(sandbox.service_info_url) as service:
        service.request_password_reset(account.username, APP_ID)
        token = sandbox.reset_token(account.username)
        service.reset_password(account.username, "another-one", token, APP_ID)
        service.login(account.username, "another-one", APP_ID).close()
        with pytest.raises(InvalidCredentialsError):
            service.login(account.username, account.password, APP_ID)
        with pytest.raises(ApiError):
            service.reset_password(account.username, "yet-another", token, APP_ID)


def test_an_unknown_reset_token_is_an_error(service: Service, new_account: Callable[[], Account]) -> None:
    username, _, _ = new_account()
    with pytest.raises(ApiError) as caught:
        service.reset_password(username, "another-one", "never-was", APP_ID)
    assert "another-one" not in str(caught.value)


CALLS: list[tuple[str, dict[str, str]]] = [
    ("login", {"username": "alice", "password": "p", "app_id": APP_ID}),
    ("mfa_challenge", {"username": "alice", "mfa_token": "m"}),
    ("mfa_verify", {"username": "alice", "mfa_token": "m", "code": "1"}),
    ("request_password_reset", {"username": "alice", "app_id": APP_ID}),
    ("reset_password", {"username": "alice", "new_password": "p", "reset_token": "r", "app_id": APP_ID}),
]


@pytest.mark.parametrize(
    ("call", "arguments", "missing"), [(call, given, name) for call, given in CALLS for name in given]
)
def test_empty_arguments_are_refused_before_any_request(
    wire: Wire, served: Service, call: str, arguments: dict[str, str], missing: str
) -> None:
    with pytest.raises(ValueError, match=f"{missing} is empty"):
        getattr(served, call)(**{**arguments, missing: ""})
    with pytest.raises(TypeError, match=f"{missing} is a string"):
        getattr(served, call)(**{**arguments, missing: b"bytes"})
    assert wire.requests == []
