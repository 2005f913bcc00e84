"""No token, code, verifier, secret or state of OAuth is in a log, a message, a `repr`, a traceback, a pickled error."""

from __future__ import annotations

import logging
import pickle
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from tests.pryv.authorization_server import AuthorizationServer

from pryv import PryvError
from pryv.oauth import FileTokenStore, OAuthClient, OAuthTokens

SECRET = "canary-client-secret é:%"


@pytest.fixture(params=[None, SECRET])
def server(request: pytest.FixtureRequest, plain_environment: None) -> Iterator[AuthorizationServer]:
    with AuthorizationServer(secret=request.param) as server:
        yield server


@pytest.fixture
def client(server: AuthorizationServer, tmp_path: Path) -> OAuthClient:
    store = FileTokenStore(tmp_path / "study.tokens")
    options: dict[str, Any] = {"scope": "cmc:study-A", "client_secret": server.secret, "store": store, "timeout": 0.5}
    return OAuthClient(server.url, server.client_id, retry=None, **options)


def secrets_of(server: AuthorizationServer, *verifiers: str) -> set[str]:
    """Whatever the server has given out, and got."""
    sent = {
        value for form in server.forms for name, value in form.items() if name in ("code_verifier", "client_secret")
    }
    known = {*server.grants, *server.sessions, *verifiers, *sent}
    if server.secret:
        known |= {server.secret, quote(server.secret, safe="")}
    return known


def shown(error: BaseException) -> str:
    """What a shell, a log and an error tracker show of an exception."""
    assert error.__traceback__ is not None
    frames = error.__traceback__.tb_next  # without that of the test
    trace = traceback.TracebackException(type(error), error, frames, capture_locals=True)
    pickled = pickle.dumps(error).decode("latin-1")
    return "".join((*trace.format(), str(error), repr(error), repr(vars(error)), pickled))


FAULTS: list[Any] = [
    "cut-before",
    "cut-after",
    "hang-after",
    "echo",
    (502, b"<html>"),
    b"[]",
    b'{"access_token": "canary-access-token", "apiEndpoint": "http://canary-access-token@host.example/"}',
    b'{"access_token": "canary-access-token", "apiEndpoint": "https://canary-access-token@host',
    b'{"access_token": "canary/access/token", "apiEndpoint": "https://canary-access-token@host.example/"}',
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: str(fault)[:30])
def test_failures_show_no_secret(
    server: AuthorizationServer, client: OAuthClient, caplog: pytest.LogCaptureFixture, fault: Any
) -> None:
    caplog.set_level(logging.DEBUG)
    texts = []
    request = client.authorization_request()
    back = server.consent(request.url)
    server.faults.append(fault)
    with pytest.raises(PryvError) as caught:
        client.handle_callback(back, request)
    texts += [shown(caught.value), repr(request)]
    other = client.authorization_request()
    with client.handle_callback(server.consent(other.url), other) as connection:
        connection.access_info()
        server.faults.append(fault)
        server.sessions.clear()
        with pytest.raises(PryvError) as caught:
            connection.access_info(force_refresh=True)
        texts += [shown(caught.value), repr(client), str(client.tokens), repr(connection), repr(connection.__dict__)]
    texts += [record.getMessage() for record in caplog.records]
    verifiers = [text for asked in (request, other) for text in (asked.code_verifier, asked.state)]
    for secret in {*secrets_of(server, *verifiers), "canary"}:
        assert [text for text in texts if secret in text] == [], secret


def test_wrong_callbacks_show_no_secret(
    server: AuthorizationServer, client: OAuthClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    echo = "&error=invalid_scope&error_description={code}%20{verifier}%20{state}"
    texts: list[str] = []
    secrets: list[str] = []
    for change in (("state=", "state=x"), ("code=", "code=first&code="), ("iss=", "no="), ("&iss", f"{echo}&iss")):
        request = client.authorization_request()
        back = server.consent(request.url)
        code = parse_qs(urlsplit(back).query)["code"][0]
        wrong = back.replace(*change).format(code=code, verifier=request.code_verifier, state=request.state)
        with pytest.raises(PryvError) as caught:
            client.handle_callback(wrong, request)
        texts.append(shown(caught.value))
        secrets += [code, request.code_verifier, request.state]
    texts += [record.getMessage() for record in caplog.records]
    for secret in secrets:
        assert [text for text in texts if secret in text] == [], secret


def test_a_store_that_fails_shows_no_secret(server: AuthorizationServer, tmp_path: Path) -> None:
    class Failing(FileTokenStore):
        def save(self, tokens: OAuthTokens) -> None:
            raise OSError(28, f"No space left for {tokens.access_token}")

    options: dict[str, Any] = {"scope": "cmc:study-A", "client_secret": server.secret}
    client = OAuthClient(server.url, server.client_id, store=Failing(tmp_path / "tokens"), **options)
    request = client.authorization_request()
    with pytest.raises(PryvError) as caught:
        client.handle_callback(server.consent(request.url), request)
    text = shown(caught.value)
    assert "not-saved" in text
    assert [secret for secret in secrets_of(server, request.code_verifier) if secret in text] == []


def test_files_that_cannot_be_read_show_no_secret(server: AuthorizationServer, tmp_path: Path) -> None:
    path = tmp_path / "study.tokens"
    path.touch(0o600)
    path.write_text('{"access_token": "canary", "refresh_token": "canary", "api_endpoint": 5, "expires_at": "x"}')
    with pytest.raises(PryvError) as caught:
        OAuthClient(server.url, server.client_id, store=FileTokenStore(path)).connection()
    assert "canary" not in shown(caught.value)
