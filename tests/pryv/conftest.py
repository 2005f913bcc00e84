"""The platform under test, and servers of exact bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import keyring
import pytest
from tests.accounts import Account
from tests.peers.certificates import server_context
from tests.pryv.authorization_server import AuthorizationServer
from tests.pryv.keyrings import FileKeyring
from tests.pryv.people import Person
from tests.pryv.wire import Wire

from pryv import Connection, Service


@pytest.fixture
def service(platform_url: str) -> Iterator[Service]:
    """The platform under test."""
    with Service(platform_url) as service:
        yield service


@pytest.fixture
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Isolate the tests from the network settings of the environment."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NETRC"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def wire(plain_environment: None) -> Iterator[Wire]:
    """A server of exact bytes."""
    with closing(Wire()) as server:
        yield server


@pytest.fixture
def other_wire(plain_environment: None) -> Iterator[Wire]:
    """A second one, on another port, and so another host in the eyes of a client."""
    with closing(Wire()) as server:
        yield server


@pytest.fixture
def secure_wire(authority: Any, plain_environment: None) -> Iterator[Wire]:
    """A server of exact bytes over TLS, with a certificate of the tests' authority."""
    with closing(Wire(server_context(authority))) as server:
        yield server


@pytest.fixture
def server(plain_environment: None) -> Iterator[AuthorizationServer]:
    """An OAuth authorization server, to which clients keep the protocol."""
    with AuthorizationServer() as server:
        yield server
    assert server.violations == []


@pytest.fixture
def connection(wire: Wire) -> Iterator[Connection]:
    """A connection to `wire`, with short waits."""
    with wire.connection() as connection:
        yield connection


@pytest.fixture
def person(service: Service, new_account: Callable[[], Account]) -> Person:
    """Someone with an account, who answers access requests."""
    username, _, connection = new_account()
    return Person(service, username, connection)


@pytest.fixture
def system_keyring(tmp_path: Path) -> Iterator[FileKeyring]:
    """The system's keyring, for these tests."""
    before = keyring.get_keyring()
    backend = FileKeyring(tmp_path)
    keyring.set_keyring(backend)
    yield backend
    keyring.set_keyring(before)
