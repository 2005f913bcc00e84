"""The classification of failures: whether one is transient, and whether anything was sent."""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
import requests
from tests.peers.certificates import server_context
from tests.peers.network import Proxy, Relay, Scripted, alert
from tests.pryv.wire import FAST, Wire, error_reply, reply

from pryv import (
    ApiError,
    Connection,
    PryvConnectionError,
    PryvError,
    PryvProtocolError,
    PryvTimeoutError,
    PryvTlsError,
    RateLimitedError,
    ServerError,
    Service,
)
from pryv._transport.failures import is_transient, is_transient_status

if TYPE_CHECKING:
    from pryv_sandbox import Sandbox

# Statuses

HTML = b"<html>busy</html>"


def error_of(wire: Wire, use: Callable[[Connection], object], **options: Any) -> PryvError:
    with wire.connection(**options) as connection, pytest.raises(PryvError) as failed:
        use(connection)
    return failed.value


def failure(endpoint: str, method: str = "get", **options: Any) -> PryvConnectionError:
    """The error of a call to an endpoint."""
    with (
        Connection(endpoint, **{"retry": FAST, "timeout": 5, **options}) as connection,
        pytest.raises(PryvConnectionError) as failed,
    ):
        getattr(connection, method)("streams")
    return failed.value


@pytest.mark.parametrize("status", range(400, 600))
def test_each_status_is_transient_or_permanent(wire: Wire, status: int) -> None:
    may_pass = status in {408, 425, 429, 500, 502, 503, 504, 507, 520, 521, 522, 523, 524, 529, 530}
    for answer in (error_reply(status, "never-heard-of"), reply(HTML, status)):
        wire.requests.clear()
        wire.always = answer
        error = error_of(wire, lambda connection: connection.get("streams"))
        assert error.retryable is may_pass
        assert len(wire.requests) == (3 if may_pass else 1)
        if isinstance(error, ApiError):
            assert error.status == status
            assert isinstance(error, ServerError) is (status >= 500)
            assert isinstance(error, RateLimitedError) is (status == 429)
        else:
            assert isinstance(error, PryvProtocolError)
        wire.requests.clear()
        error = error_of(wire, lambda connection: connection.post("streams"))
        assert error.retryable is may_pass
        assert len(wire.requests) == 1


def test_streams_and_services_use_the_same_statuses(wire: Wire) -> None:
    for status in (408, 425, 501, 507, 511, 529):
        wire.always = reply(HTML, status)
        uses: list[Callable[[Connection], object]] = [
            lambda connection: list(connection.iter_events()),
            lambda connection: connection.download_attachment("e", {"id": "f"}),
            lambda connection: connection.service.info(),
        ]
        for use in uses:
            wire.requests.clear()
            assert error_of(wire, use).retryable is (is_transient_status(status))
            assert len(wire.requests) == (3 if is_transient_status(status) else 1)


@pytest.mark.parametrize(
    ("answer", "passes"),
    [
        (error_reply(503, "api-unavailable"), True),
        (error_reply(501, "unsupported-operation"), False),
        (error_reply(401, "invalid-access-token"), False),
        (reply(HTML, 511), True),
        (reply(HTML, 501), True),
        (reply(HTML, 404), True),
        (reply(HTML), True),
    ],
)
def test_responses_that_are_not_of_the_api_are_transient_for_add_ons(wire: Wire, answer: Any, passes: bool) -> None:
    wire.always = answer
    assert is_transient(error_of(wire, lambda connection: connection.get("streams"))) is passes


def test_exceptions_of_others_are_not_transient() -> None:
    assert not is_transient(OSError())
    assert not is_transient(KeyboardInterrupt())


# TLS


CUT_SHORT: dict[str, tuple[bytes, str]] = {
    "end": (b"", "close"),
    "reset": (b"", "reset"),
    "half a record": (b"\x16\x03\x03\x00\x7a\x02\x00", "close"),
    "half a record, reset": (b"\x16\x03\x03\x00\x7a\x02\x00", "reset"),
    "internal error": (alert(80), "close"),
    "user canceled": (alert(90), "close"),
    "unrecognized name": (alert(112), "close"),
    "closed": (b"\x15\x03\x03\x00\x02\x01\x00", "close"),
    "http": (b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\n\r\nbusy", "close"),
    "http, reset": (b"HTTP/1.0 400 Bad Request\r\n\r\n", "reset"),
    "garbage": (b"garbage " * 10, "close"),
}
REFUSED: dict[str, bytes] = {
    "handshake failure": alert(40),
    "bad certificate": alert(42),
    "certificate expired": alert(45),
    "unknown authority": alert(48),
    "access denied": alert(49),
    "protocol version": alert(70),
    "insufficient security": alert(71),
    "certificate required": alert(116),
}


@pytest.fixture(params=["own", "given"])
def session(request: pytest.FixtureRequest, plain_environment: None) -> Iterator[requests.Session | None]:
    """No session, or one that is given."""
    with requests.Session() as session:
        yield session if request.param == "given" else None


@pytest.mark.parametrize("fault", CUT_SHORT)
def test_a_handshake_cut_short_is_transient(fault: str, session: requests.Session | None) -> None:
    with contextlib.closing(Scripted(*CUT_SHORT[fault])) as server:
        error = failure(f"https://token@127.0.0.1:{server.port}/user/", "post", session=session)
        assert server.connections == 3
    assert type(error) is PryvConnectionError
    assert f"no connection to 127.0.0.1:{server.port}" in str(error)
    assert (error.retryable, error.sent) == (True, False)
    assert fault.partition(",")[0] != "http" or "not TLS" in str(error)


@pytest.mark.parametrize("fault", REFUSED)
def test_a_refused_handshake_is_permanent(fault: str, session: requests.Session | None) -> None:
    with contextlib.closing(Scripted(REFUSED[fault], "close")) as server:
        error = failure(f"https://token@127.0.0.1:{server.port}/user/", session=session)
        assert server.connections == 1
    assert type(error) is PryvTlsError
    assert (error.retryable, error.sent) == (False, False)


def test_a_handshake_of_a_service_cut_short_is_transient(plain_environment: None) -> None:
    with contextlib.closing(Scripted(b"", "close")) as server:
        service = Service(f"https://127.0.0.1:{server.port}/", retry=FAST)
        with service, pytest.raises(PryvConnectionError) as failed:
            service.info()
        assert server.connections == 3
    assert (failed.value.retryable, failed.value.sent) == (True, False)


@pytest.fixture
def relay(sandbox: Sandbox, authority: Any, authority_file: str, monkeypatch: Any) -> Iterator[Relay]:
    """TLS in front of the platform, trusted."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", authority_file)
    host, _, port = sandbox.url.partition("//")[2].rstrip("/").partition(":")
    relay = Relay(host, int(port), server_context(authority))
    yield relay
    relay.close()


@pytest.mark.usefixtures("plain_environment")
@pytest.mark.parametrize("cut_after", [0, 1, 5, 50, 200, 500])
def test_a_handshake_cut_anywhere_is_transient(cut_after: int, relay: Relay) -> None:
    with contextlib.closing(Relay("127.0.0.1", relay.port)) as cutting:
        cutting.cut_after = cut_after
        error = failure(f"https://token@127.0.0.1:{cutting.port}/user/", "post")
        assert cutting.connections == 3
    assert (error.retryable, error.sent) == (True, False)


@pytest.mark.usefixtures("plain_environment")
def test_the_request_of_an_encrypted_response_cut_short_was_sent(relay: Relay) -> None:
    relay.cut_after = 0
    error = failure(f"https://token@127.0.0.1:{relay.port}/user/", "post")
    assert relay.connections == 1
    assert (error.retryable, error.sent) == (True, True)


@pytest.mark.usefixtures("plain_environment")
def test_no_common_protocol_is_permanent(authority: Any, authority_file: str, monkeypatch: Any) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", authority_file)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with contextlib.closing(Wire(context)) as wire:
        only_newer = ssl.create_default_context(cafile=authority_file)
        only_newer.minimum_version = ssl.TLSVersion.TLSv1_3

        class Adapter(requests.adapters.HTTPAdapter):
            def init_poolmanager(self, *args: Any, **options: Any) -> None:
                super().init_poolmanager(*args, ssl_context=only_newer, **options)

        with requests.Session() as session:
            session.mount("https://", Adapter())
            with wire.connection(session=session) as connection, pytest.raises(PryvTlsError) as failed:
                connection.get("streams")
        assert wire.connections == 1
    assert (failed.value.retryable, failed.value.sent) == (False, False)


@pytest.mark.usefixtures("plain_environment")
def test_nothing_is_sent_if_the_certificate_is_refused(authority: Any) -> None:
    with contextlib.closing(Wire(server_context(authority))) as wire:
        error = error_of(wire, lambda connection: connection.get("streams"))
        assert isinstance(error, PryvTlsError)
        assert (error.retryable, error.sent, wire.connections) == (False, False, 1)
        with requests.Session() as session:
            adapter = requests.adapters.HTTPAdapter()
            adapter.init_poolmanager(1, 1, assert_fingerprint="00" * 32)
            session.mount("https://", adapter)
            session.verify = False
            error = error_of(wire, lambda connection: connection.get("streams"), session=session)
        assert isinstance(error, PryvTlsError)
        assert not error.retryable


def test_nothing_is_sent_if_the_handshake_takes_too_long(session: requests.Session | None) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = f"https://token@127.0.0.1:{silent.getsockname()[1]}/user/"
        error = failure(endpoint, "post", retry=None, timeout=0.2, session=session)
    assert type(error) is PryvTimeoutError
    assert (error.retryable, error.sent) == (True, False)


class Failing(requests.adapters.HTTPAdapter):
    """Raises an exception in place of each request."""

    def __init__(self, exception: Exception) -> None:
        super().__init__()
        self.exception = exception

    def send(self, *args: Any, **options: Any) -> Any:
        raise self.exception


def untrusted() -> requests.exceptions.SSLError:
    """The exception with `truststore`, whose certificate errors have no `reason`."""
    inner = ssl.SSLCertVerificationError("not trusted")
    inner.verify_message = "“localhost” certificate is not trusted"
    return requests.exceptions.SSLError(inner)


@pytest.mark.parametrize(
    ("exception", "expected", "message"),
    [
        (requests.ReadTimeout(), PryvTimeoutError, "no response from localhost in time"),
        (requests.ConnectTimeout(), PryvTimeoutError, "no connection to localhost in time"),
        (untrusted(), PryvTlsError, "the TLS connection to localhost failed: “localhost” certificate is not trusted"),
        (requests.exceptions.SSLError(ssl.SSLError("odd")), PryvConnectionError, "connection to localhost.*: SSLError"),
    ],
)
def test_exceptions_of_an_adapter(exception: Exception, expected: type[PryvConnectionError], message: str) -> None:
    with requests.Session() as session:
        session.mount("https://", Failing(exception))
        error = failure("https://token@localhost/user/", retry=None, session=session)
    assert type(error) is expected
    assert re.search(f"{message}$", str(error))
    assert error.retryable is (expected is not PryvTlsError)


# Proxies


@pytest.mark.parametrize("status", [400, 403, 407, 429, 500, 501, 502, 503, 504, 505, 511, 529])
def test_a_refusal_of_a_proxy_uses_the_same_statuses(
    proxy: Proxy, plain_environment: None, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    proxy.status = f"{status} No"
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
    with (
        Connection("https://token@localhost:9/user/", retry=FAST) as connection,
        pytest.raises(PryvConnectionError, match=f"proxy .* HTTP {status}") as failed,
    ):
        connection.post("streams")
    assert len(proxy.asked) == (3 if is_transient_status(status) else 1)
    assert (failed.value.retryable, failed.value.sent) == (is_transient_status(status), False)


# Surroundings


def test_an_exception_that_the_caller_handles_is_not_the_reason(plain_environment: None) -> None:
    try:
        raise TimeoutError("the caller's own")
    except TimeoutError:
        error = failure("http://token@127.0.0.1:9/user/", retry=None)
    assert type(error) is PryvConnectionError
    assert "Connection refused" in str(error)


@pytest.mark.parametrize("host", ["a" * 64 + ".example", "a..example"])
def test_an_invalid_host_name_is_not_retried(
    plain_environment: None, caplog: pytest.LogCaptureFixture, host: str
) -> None:
    caplog.set_level("INFO", logger="pryv")
    place = f"http://{host}/"
    info = {"name": "Nowhere", "api": "http://localhost/{username}/", "access": place, "register": place}
    service = Service(None, info, retry=FAST)
    with service, pytest.raises(PryvConnectionError, match="no connection to") as failed:
        service.available_hostings()
    assert (failed.value.retryable, failed.value.sent) == (False, False)
    assert caplog.records == []
