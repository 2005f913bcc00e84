"""Service infos and assets that are invalid: each raises its typed error."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tests.pryv.wire import FAST, Reply, Wire, error_reply, reply

from pryv import PryvConnectionError, PryvError, PryvProtocolError, RateLimitedError, ServerError, Service

Use = Callable[[Service], Any]

REQUEST: dict[str, Any] = {"requestingAppId": "app-id", "requestedPermissions": []}
ANSWER = {"key": "k", "poll": "https://host/k", "authUrl": "https://host/"}
INFO = {
    "name": "x",
    "api": "https://pryv.me/{username}",
    "access": "https://pryv.me/a",
    "register": "https://pryv.me/r",
}
USES: dict[str, Use] = {
    "info": lambda service: service.info(force_fetch=True),
    "assets": lambda service: service.assets(),
    "login": lambda service: service.login("userone", "password", "app-id"),
    "mfa_challenge": lambda service: service.mfa_challenge("userone", "mfa-token"),
    "mfa_verify": lambda service: service.mfa_verify("userone", "mfa-token", "code"),
    "user_exists": lambda service: service.user_exists("userone"),
    "user_id_for_email": lambda service: service.user_id_for_email("a@b.org"),
    "available_hostings": lambda service: service.available_hostings(),
    "flat_hostings": lambda service: service.flat_hostings(),
    "create_user": lambda service: service.create_user(
        username="userone", password="password", email="a@b.org", app_id="app-id"
    ),
    "start_access_request": lambda service: service.start_access_request(REQUEST),
    "poll_access_request": lambda service: service.poll_access_request("key"),
    "connect_from_key": lambda service: service.connect_from_key("key"),
}
ODD: list[tuple[str, dict[str, Any]]] = [
    ("info", {"name": 5}),
    ("info", {**INFO, "register": ""}),
    ("info", {**INFO, "api": None}),
    ("info", {**INFO, "api": "{username}.pryv.me"}),
    ("login", {"token": 5}),
    ("login", {"token": None}),
    ("login", {"mfaToken": 5}),
    ("login", {"token": "a b"}),
    ("login", {"token": "a\r\nX: b"}),
    ("mfa_verify", {"token": []}),
    ("flat_hostings", {"regions": []}),
    ("flat_hostings", {"regions": {"a": None}}),
    ("flat_hostings", {"regions": {"a": {"zones": {"b": {"hostings": {"c": "d"}}}}}}),
    ("create_user", {"regions": "x"}),
    ("start_access_request", {}),
    ("start_access_request", {**ANSWER, "poll": None}),
    ("start_access_request", {**ANSWER, "poll_rate_ms": "soon"}),
    ("start_access_request", {**ANSWER, "poll_rate_ms": None}),
    ("start_access_request", {**ANSWER, "poll_rate_ms": -1}),
    ("connect_from_key", {"status": "ACCEPTED"}),
    ("connect_from_key", {"status": "ACCEPTED", "apiEndpoint": 5}),
    ("connect_from_key", {"status": "ACCEPTED", "apiEndpoint": "no endpoint"}),
    ("connect_from_key", {"status": "NEED_SIGNIN"}),
    ("connect_from_key", {}),
]


def described(wire: Wire) -> Service:
    service = Service(wire.url, timeout=1, retry=FAST)
    service.set_service_info(wire.service_info(assets={"definitions": wire.url}))
    return service


@pytest.mark.parametrize("use", USES.values(), ids=USES.keys())
@pytest.mark.parametrize(
    "body", [b"<html></html>", b"", b"[]", b"null", b"5", b'"x"', b"{", b"\xff", b"[" * 100_000, b'{"a": Infinity}']
)
@pytest.mark.parametrize("status", [200, 403])
def test_a_response_that_is_not_of_the_api(wire: Wire, use: Use, body: bytes, status: int) -> None:
    wire.always = reply(body, status)
    with described(wire) as service, pytest.raises(PryvProtocolError):
        use(service)


@pytest.mark.parametrize("use", USES.values(), ids=USES.keys())
@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (error_reply(500, "x"), ServerError),
        (error_reply(429, "x"), RateLimitedError),
        (reply("<html>", 502), ServerError),
        (Reply(b"", "reset"), PryvConnectionError),
        (Reply(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{", "close"), PryvConnectionError),
    ],
)
def test_a_platform_that_fails(wire: Wire, use: Use, answer: Reply, error: type[PryvError]) -> None:
    wire.always = answer
    with described(wire) as service, pytest.raises(error) as failed:
        use(service)
    assert failed.value.retryable


@pytest.mark.parametrize(("use", "body"), ODD)
def test_a_response_with_odd_members(wire: Wire, use: str, body: dict[str, Any]) -> None:
    wire.always = reply(body)
    with described(wire) as service, pytest.raises(PryvError):
        USES[use](service)


@pytest.mark.parametrize(
    ("rate", "seconds"),
    [("0", 0), ("500", 0.5), ("60000", 60), ("60001", 60), ("99999999999", 60), ("1" + "0" * 400, 60), ("1e999", 60)],
)
def test_the_poll_rate_is_bounded(wire: Wire, caplog: pytest.LogCaptureFixture, rate: str, seconds: float) -> None:
    wire.always = reply(f'{{"key": "k", "poll": "{wire.url}k", "authUrl": "{wire.url}", "poll_rate_ms": {rate}}}')
    with described(wire) as service:
        assert service.start_access_request(REQUEST).poll_rate == seconds
    assert ("between two polls" in caplog.text) is (float(rate) > 60_000)


@pytest.mark.parametrize("odd", ["x", 5, ["noHF"]])
@pytest.mark.parametrize("member", ["features", "assets"])
def test_members_of_the_wrong_type(wire: Wire, member: str, odd: Any) -> None:
    wire.always = reply({**INFO, member: odd})
    with Service(wire.url) as service, pytest.raises(PryvProtocolError, match=member):
        service.info()


@pytest.mark.parametrize("empty", [None, [], {}, ""])
def test_members_that_are_empty(wire: Wire, empty: Any) -> None:
    wire.always = reply({**INFO, "features": empty, "assets": empty})
    with Service(wire.url) as service:
        assert service.supports_hf()
        assert service.assets() is None


@pytest.mark.parametrize("server", [5, "", "no url", "ftp://host/", "http://["])
def test_an_invalid_server_of_an_e_mail_address(wire: Wire, server: Any) -> None:
    wire.always = reply({"server": server}, 307)
    with described(wire) as service, pytest.raises(PryvProtocolError):
        service.user_id_for_email("a@b.org")


def test_a_response_with_a_server_that_is_not_an_object(wire: Wire) -> None:
    wire.always = reply("[]", 307)
    with described(wire) as service, pytest.raises(PryvProtocolError):
        service.user_id_for_email("a@b.org")


@pytest.mark.parametrize("origin", ["x\r\nX-Injected: 1", "nowhere", "", 5])
def test_an_origin_is_a_url(wire: Wire, origin: Any) -> None:
    with described(wire) as service, pytest.raises((ValueError, TypeError)):
        service.login("userone", "password", "app-id", origin)
    assert wire.requests == []
