"""Connections that sign their requests, on a platform that verifies each proof."""

from __future__ import annotations

import base64
import hashlib
import io
import secrets
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
import requests
from tests.accounts import Account

from pryv import Connection, InvalidAccessTokenError, PryvError
from pryv.oauth import DPoPKey, SignedConnection
from pryv.utils import extract_token_and_api_endpoint
from pryv_monitor import Monitor, SocketUpdates

if TYPE_CHECKING:
    from pryv_sandbox import Sandbox

CALLBACK = "https://app.example/cb"
OFFER = [{"streamId": "diary", "level": "manage"}]


class Person:
    """Someone who gives a client tokens that are bound to a key."""

    def __init__(self, sandbox: Sandbox, username: str) -> None:
        self._sandbox = sandbox
        self._username = username
        self._client_id = f"client-{secrets.token_hex(4)}"
        sandbox.register_oauth_client(self._client_id, redirect_uris=[CALLBACK], offers={"all": list(OFFER)})

    def tokens(self, key: DPoPKey) -> dict[str, Any]:
        verifier = secrets.token_urlsafe(32)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
        query = {
            "response_type": "code",
            "client_id": self._client_id,
            "redirect_uri": CALLBACK,
            "scope": "cmc:all",
            "code_challenge": challenge,
            "code_challenge_method": "S256",
            "state": "state",
        }
        place = self._sandbox.accept_oauth(f"{self._sandbox.url}oauth2/authorize?{urlencode(query)}", self._username)
        code = parse_qs(urlsplit(place).query)["code"][0]
        data = {"code": code, "code_verifier": verifier, "redirect_uri": CALLBACK, "client_id": self._client_id}
        url = f"{self._sandbox.url}oauth2/token"
        headers = {"DPoP": key.proof("POST", url)}
        data["grant_type"] = "authorization_code"
        answer = requests.post(url, data=data, headers=headers, timeout=5)
        tokens: dict[str, Any] = answer.json()
        assert tokens["token_type"] == "DPoP"
        return tokens


@pytest.fixture
def person(sandbox: Sandbox, new_account: Callable[[], Account]) -> Person:
    username, _, connection = new_account()
    connection.streams.ensure({"id": "diary", "name": "Diary"})
    return Person(sandbox, username)


@pytest.fixture
def signed(person: Person) -> Iterator[SignedConnection]:
    key = DPoPKey.generate()
    connection = SignedConnection(person.tokens(key)["apiEndpoint"], key)
    yield connection
    connection.close()


def test_everything_that_a_connection_does_is_signed(signed: SignedConnection) -> None:
    event: Any = {"streamIds": ["diary"], "type": "note/txt", "content": "é ~'%2F"}
    created = signed.events.create(event)
    assert signed.events.update(created["id"], {"content": "x"})["content"] == "x"
    assert signed.get(f"events/{created['id']}")["event"]["content"] == "x"
    results = signed.api([{"method": "events.create", "params": event}] * 3)
    assert not [result for result in results if "error" in result]
    assert len(list(signed.iter_events({"streams": ["diary"]}))) == 4
    file: Any = {"streamIds": ["diary"], "type": "file/attached"}
    uploaded = signed.create_event_with_file_from_buffer(file, b"data" * 50_000, "é ~'.txt")["event"]
    (attachment,) = uploaded["attachments"]
    assert signed.download_attachment(uploaded["id"], attachment) == b"data" * 50_000
    signed.download_attachment(uploaded["id"], attachment["id"], io.BytesIO())
    assert signed.streams.list()[0]["id"] == "diary"
    assert signed.service.info().name
    signed.events.delete(created["id"])
    assert signed.access_info()["type"] == "app"
    signed.revoke()
    with pytest.raises(InvalidAccessTokenError):
        signed.access_info(force_refresh=True)


@pytest.mark.parametrize("skew", [600, -600])
def test_a_clock_that_is_wrong_by_ten_minutes(sandbox: Sandbox, person: Person, skew: int) -> None:
    key = DPoPKey.generate()
    tokens = person.tokens(key)
    sandbox.faults.skew = skew
    try:
        with SignedConnection(tokens["apiEndpoint"], key) as signed:
            signed.events.create({"streamIds": ["diary"], "type": "note/txt", "content": "x"})
            assert len(list(signed.iter_events())) == 1
            sandbox.faults.skew = -skew  # the machine's clock is set while the program runs
            signed.streams.list()
            signed.streams.list()
    finally:
        sandbox.faults.skew = 0


def test_the_platform_refuses_without_the_key(
    sandbox: Sandbox, signed: SignedConnection, new_account: Callable[[], Account]
) -> None:
    signed.streams.list()
    for other in (Connection(signed.api_endpoint), SignedConnection(signed.api_endpoint, DPoPKey.generate())):
        with other, pytest.raises(InvalidAccessTokenError, match="proof"):
            other.streams.list()
    _, _, plain = new_account()
    unbound = SignedConnection(plain.api_endpoint, DPoPKey.generate())
    with unbound, pytest.raises(InvalidAccessTokenError, match="proof"):
        unbound.streams.list()


def test_a_revoked_key_is_of_no_use(sandbox: Sandbox, person: Person) -> None:
    key = DPoPKey.generate()
    with SignedConnection(person.tokens(key)["apiEndpoint"], key) as signed:
        signed.streams.list()
        sandbox.revoke_key(key.thumbprint)
        with pytest.raises(InvalidAccessTokenError):
            signed.streams.list()


def test_a_monitor_follows_by_timer_and_not_by_socket(signed: SignedConnection) -> None:
    signed.events.create({"streamIds": ["diary"], "type": "note/txt", "content": "x"})
    assert Monitor(signed, {"streams": ["diary"]}).sync().events == 1
    with pytest.raises(PryvError, match="SocketUpdates: not with a DPoP token"):
        Monitor(signed).add_update_method(SocketUpdates())


def test_an_endpoint_stays_that_of_the_token(signed: SignedConnection) -> None:
    assert extract_token_and_api_endpoint(signed.api_endpoint) == (signed.token, signed.endpoint)
