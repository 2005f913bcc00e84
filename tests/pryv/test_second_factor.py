"""The second factor: activation, confirmation, recovery and deactivation."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.accounts import APP_ID, Account
from tests.pryv.wire import Wire, reply

from pryv import (
    Connection,
    ForbiddenError,
    InvalidAccessTokenError,
    InvalidCredentialsError,
    InvalidParametersError,
    MfaRequiredError,
    PryvProtocolError,
    ServerError,
    Service,
)
from pryv_sandbox import Sandbox

PHONE = "+41 79 000 00 00"


@pytest.fixture
def owned(sandbox: Sandbox) -> Iterator[tuple[Service, str, str, Connection]]:
    """A service, and an account with its name, its password and a personal token."""
    account = sandbox.create_account()
    with Service(sandbox.service_info_url) as service, Connection(account.api_endpoint) as owner:
        yield service, account.username, account.password, owner


def activated(sandbox: Sandbox, service: Service, username: str, owner: Connection) -> list[str]:
    """Activate a second factor, and return the recovery codes."""
    token = service.mfa_activate(owner, phone=PHONE)
    return service.mfa_confirm(username, token, sandbox.text_messages[-1].code)


def test_from_the_activation_to_a_login(sandbox: Sandbox, owned: tuple[Service, str, str, Connection]) -> None:
    service, username, password, owner = owned
    token = service.mfa_activate(owner, phone=PHONE)
    sent = sandbox.text_messages[-1]
    assert sent.to == PHONE
    service.login(username, password, APP_ID).close()  # it is not confirmed yet
    with pytest.raises(InvalidParametersError) as wrong:
        service.mfa_confirm(username, token, "wrong-code")
    assert "wrong-code" not in str(wrong.value)
    codes = service.mfa_confirm(username, token, sent.code)
    assert len(set(codes)) == 10
    with pytest.raises(InvalidAccessTokenError):
        service.mfa_confirm(username, token, sent.code)
    with pytest.raises(MfaRequiredError) as required:
        service.login(username, password, APP_ID)
    with service.mfa_verify(username, required.value.mfa_token, sandbox.text_messages[-1].code) as session:
        assert session.username() == username


def test_a_recovery_code_deactivates_the_second_factor(
    sandbox: Sandbox, owned: tuple[Service, str, str, Connection]
) -> None:
    service, username, password, owner = owned
    codes = activated(sandbox, service, username, owner)
    with pytest.raises(InvalidCredentialsError):
        service.mfa_recover(username, "not-the-password", codes[0])
    with pytest.raises(InvalidParametersError) as wrong:
        service.mfa_recover(username, password, "no-recovery-code")
    assert "no-recovery-code" not in str(wrong.value)
    service.mfa_recover(username, password, codes[3])
    service.login(username, password, APP_ID).close()
    with pytest.raises(InvalidParametersError) as inactive:
        service.mfa_recover(username, password, codes[3])
    assert inactive.value.id == "invalid-operation"


def test_it_is_deactivated(sandbox: Sandbox, owned: tuple[Service, str, str, Connection]) -> None:
    service, username, password, owner = owned
    activated(sandbox, service, username, owner)
    service.mfa_deactivate(owner)
    service.mfa_deactivate(owner)
    with service.login(username, password, APP_ID) as connection:
        assert connection.username() == username


def test_the_private_profile_set_shows_no_recovery_codes(
    sandbox: Sandbox, owned: tuple[Service, str, str, Connection]
) -> None:
    service, username, password, owner = owned
    codes = activated(sandbox, service, username, owner)
    profile = owner.profile.get("private")
    assert profile["mfa"] == {"content": {"phone": PHONE}, "recoveryCodes": codes}
    assert not any(code in repr(profile) for code in codes)
    assert not any(code in repr(owner.profile.update("private", {"theme": "dark"})) for code in codes)
    service.mfa_recover(username, password, profile["mfa"]["recoveryCodes"][0])
    assert owner.profile.get("private") == {"theme": "dark"}


def test_an_app_activates_none(service: Service, new_account: Callable[[], Account]) -> None:
    _, _, owner = new_account()
    permissions = [{"streamId": "*", "level": "manage"}]
    made = owner.api_one("accesses.create", {"type": "app", "name": "x", "permissions": permissions}, "access")
    with Connection(made["apiEndpoint"]) as app:
        for call in (lambda: service.mfa_activate(app, phone=PHONE), lambda: service.mfa_deactivate(app)):
            with pytest.raises((ForbiddenError, ServerError)):  # a platform may have no second factor
                call()


def test_codes_and_tokens_are_strings_that_are_not_shown(
    sandbox: Sandbox, owned: tuple[Service, str, str, Connection]
) -> None:
    service, username, password, owner = owned
    token = service.mfa_activate(owner, phone=PHONE)
    codes = service.mfa_confirm(username, token, sandbox.text_messages[-1].code)
    with pytest.raises(MfaRequiredError) as required:
        service.login(username, password, APP_ID)
    for text in (token, *codes, required.value.mfa_token):
        assert len(text) == 36
        assert json.loads(json.dumps(text)) == f"{text}" == text
        assert pickle.loads(pickle.dumps(text)) == text
        assert text not in repr([token, codes]) + repr(vars(required.value)) + str(required.value)


@pytest.mark.parametrize("status", [200, 302])
def test_post_takes_a_302_with_a_body_and_no_place_as_the_response(
    wire: Wire, connection: Connection, status: int
) -> None:
    wire.always = reply({"mfaToken": "held"}, status)
    assert connection.post("mfa/activate", {"phone": PHONE})["mfaToken"] == "held"
    with Service(wire.url) as service:
        assert service.mfa_activate(connection, phone=PHONE) == "held"
    assert [request.json() for request in wire.requests] == [{"phone": PHONE}] * 2


@pytest.mark.parametrize("headers", [{}, {"Location": "https://elsewhere.example/"}])
def test_another_302_is_a_protocol_error(wire: Wire, connection: Connection, headers: dict[str, str]) -> None:
    wire.always = reply("" if not headers else None, 302, headers)
    with pytest.raises(PryvProtocolError, match="302"):
        connection.post("mfa/activate", {})
    assert len(wire.requests) == 1


@pytest.mark.parametrize("odd", [None, 5, "", "to ken", "töken", ["x"], {"x": "y"}])
def test_a_response_without_a_token_or_codes(wire: Wire, connection: Connection, odd: Any) -> None:
    wire.always = reply({"mfaToken": odd, "recoveryCodes": [odd] if isinstance(odd, (int, list)) else odd})
    info = {"name": "Wire", "api": wire.url + "{username}/", "access": wire.url, "register": wire.url}
    with Service(None, info) as service:
        with pytest.raises(PryvProtocolError, match="no mfaToken"):
            service.mfa_activate(connection)
        with pytest.raises(PryvProtocolError, match="no recoveryCodes"):
            service.mfa_confirm("alice", "held", "1234")


def test_arguments_are_checked(wire: Wire, connection: Connection) -> None:
    odd: Any = wire.api_endpoint
    with Service(wire.url) as service:
        for call in (service.mfa_activate, service.mfa_deactivate):
            with pytest.raises(TypeError, match=r"connection is a pryv\.Connection"):
                call(odd)
        with pytest.raises(TypeError, match="phone"):
            service.mfa_activate(connection, phone=object())
        with pytest.raises(ValueError, match="token is not a token"):
            service.mfa_confirm("alice", "to\nken", "1234")
    assert wire.requests == []
