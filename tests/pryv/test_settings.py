"""Settings that cannot be used (proxies, CA bundles, client certificates): the error names the setting and is final."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st
from requests.adapters import BaseAdapter, HTTPAdapter
from tests.peers.certificates import server_context
from tests.peers.network import Proxy, Scripted
from tests.pryv.wire import FAST, Reply, Wire, error_reply, reply
from urllib3.util import Retry

from pryv import (
    ApiError,
    Connection,
    InvalidAccessTokenError,
    PryvConnectionError,
    PryvError,
    PryvTimeoutError,
    PryvTlsError,
    ServerError,
    UnknownResourceError,
)
from pryv._transport.settings import setting_error
from pryv.addons import http_settings

pytestmark = pytest.mark.usefixtures("plain_environment")

ENDPOINT = "https://token@127.0.0.1:9/user/"
SOMEWHERE = requests.Request("GET", "https://platform.example/").prepare()
BARE = requests.Session()
BARE.trust_env = False


@pytest.fixture
def retries(caplog: pytest.LogCaptureFixture) -> Callable[[], int]:
    """Return the number of retries of a call."""
    caplog.set_level(logging.INFO, logger="pryv")
    return lambda: sum("failed, the next" in record.message for record in caplog.records)


def assert_named(name: str, session: requests.Session | None = None, endpoint: str = ENDPOINT) -> str:
    """Return the message of the error that names a setting, of an HTTP call and for an add-on."""
    with Connection(endpoint, retry=FAST, timeout=2, session=session) as connection:
        for use in (lambda: connection.get("streams"), lambda: http_settings(connection)):
            with pytest.raises(PryvConnectionError) as failed:
                use()
            assert name in str(failed.value)
            assert "broke" not in str(failed.value)
            assert (failed.value.retryable, failed.value.sent) == (False, False)
            assert isinstance(failed.value, PryvTlsError) is ("prox" not in name.lower())
    return str(failed.value)


# Proxies

NO_PROXIES = {
    "no host": "http://",
    "no host of https": "https://",
    "no port": "http://proxy:abc",
    "a port too high": "http://proxy:99999",
    "half a bracket": "http://[::1",
    "a space": "http://pro xy:3128",
    "a space at the end": "http://proxy:3128 ",
    "a hash in the password": "http://user:pa#ssword@127.0.0.1:9",
    "a letter beyond Latin-1 in the password": "http://user:password\u0142@127.0.0.1:9",
    "quoted": '"http://127.0.0.1:9"',
    "no scheme before a name": "proxy:3128",
    "credentials without scheme": "user:password@proxy:3128",
    "ftp": "ftp://user:password@127.0.0.1:9",
    "socks6": "socks6://user:password@127.0.0.1:9",
}


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
@pytest.mark.parametrize("value", NO_PROXIES.values(), ids=NO_PROXIES.keys())
def test_a_variable_that_is_not_the_url_of_a_proxy(
    monkeypatch: pytest.MonkeyPatch, retries: Callable[[], int], variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    assert "password" not in assert_named(variable)
    assert retries() == 0


@pytest.mark.parametrize("key", ["https", "all", "https://127.0.0.1"])
@pytest.mark.parametrize("value", NO_PROXIES.values(), ids=NO_PROXIES.keys())
def test_a_session_with_an_invalid_proxy(
    monkeypatch: pytest.MonkeyPatch, retries: Callable[[], int], key: str, value: str
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    with requests.Session() as session:
        session.trust_env = key != "all"
        session.proxies = {key: value}
        assert "password" not in assert_named(f"proxies[{key!r}] of the session", session)
    assert retries() == 0


@given(st.one_of(st.text(), st.from_regex(r"[a-z]{0,6}:?/{0,2}([^@\0]{0,3}@)?[^\0]{0,5}(:[^\0]{0,3})?")))
def test_any_proxy_that_requests_cannot_use_is_named(proxy: str) -> None:
    BARE.proxies = {"https": proxy}
    wrong = setting_error("x", BARE, SOMEWHERE.url or "")
    try:
        HTTPAdapter().get_connection_with_tls_context(SOMEWHERE, True, BARE.proxies)
    except Exception:  # noqa: BLE001  (requests raises several)
        assert wrong is not None


@pytest.mark.parametrize(
    "value", ["http://[::1]:3128", "127.0.0.1:3128", "http://user:p@ss@proxy", "socks5h://h:1", ""]
)
def test_proxies_that_can_be_used(value: str) -> None:
    with requests.Session() as session:
        session.proxies = {"https": value}
        assert setting_error("x", session, "https://platform.example/") is None


def test_an_unused_proxy_setting_is_ignored(
    wire: Wire, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://")
    connection.get("streams")
    monkeypatch.setenv("HTTP_PROXY", "http://")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    connection.get("streams")
    assert len(wire.requests) == 2


@pytest.mark.parametrize("value", ["garbage.invalid", "http://127.0.0.1:9", "http://user:password@127.0.0.1:9"])
def test_a_proxy_that_is_not_reached_is_named_by_its_setting(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("ALL_PROXY", value)
    for endpoint in (ENDPOINT, ENDPOINT.replace("https:", "http:")):
        error = failure(endpoint)
        assert "the proxy of ALL_PROXY does not connect to 127.0.0.1:9" in str(error)
        assert "password" not in str(error)
        assert (error.retryable, error.sent) == (True, False)


def test_other_variables_are_not_named_as_the_proxy_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_PROXY_OF_OTHERS", "http://127.0.0.1:9")
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # it is the one that is used
    assert "the proxy of https_proxy does not connect" in str(failure(ENDPOINT))


def test_the_proxy_setting_of_another_scheme_is_not_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")
    assert "the proxy of https_proxy does not connect" in str(failure("https://token@core.example/"))
    assert "the proxy of http_proxy does not connect" in str(failure("http://token@core.example/"))


def test_socks_without_its_library() -> None:
    program = """
        import os, sys
        sys.modules["socks"] = None
        os.environ["ALL_PROXY"] = "socks5://user:password@127.0.0.1:9"
        import pryv
        try:
            pryv.Connection("http://token@platform.invalid/user/").get("streams")
        except pryv.PryvConnectionError as error:
            print(error, error.retryable, error.sent)
    """
    run = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, check=True)
    assert 'ALL_PROXY names a SOCKS proxy, which needs PySocks: pip install "requests[socks]" False False' in run.stdout


def test_an_https_proxy_is_gone_through(
    proxy: Proxy, secure_wire: Wire, authority: Any, authority_file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy._tls = server_context(authority)
    monkeypatch.setenv("HTTPS_PROXY", f"https://127.0.0.1:{proxy.port}")
    with secure_wire.connection() as connection:
        with pytest.raises(PryvTlsError, match=r"the proxy of HTTPS_PROXY on the way to .*certificate") as failed:
            connection.get("streams")
        assert not failed.value.sent
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", authority_file)
        connection.get("streams")
        connection.post("streams", {"name": "é" * 100_000})
    assert len(proxy.asked) == 1


def failure(endpoint: str = ENDPOINT, method: str = "get", **options: Any) -> PryvConnectionError:
    """The error of a call to an endpoint."""
    with (
        Connection(endpoint, **{"retry": FAST, "timeout": 2, **options}) as connection,
        pytest.raises(PryvConnectionError) as failed,
    ):
        getattr(connection, method)("streams")
    return failed.value


@pytest.fixture
def plain() -> Iterator[Scripted]:
    """A server that responds to any handshake with HTTP."""
    with contextlib.closing(Scripted(b"HTTP/1.1 400 Bad Request\r\n\r\n", "close")) as plain:
        yield plain


def test_an_https_proxy_that_speaks_no_tls(plain: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"https://127.0.0.1:{plain.port}")
    error = failure()
    assert "HTTPS_PROXY begins with https://, but the proxy does not speak TLS" in str(error)
    assert (error.retryable, error.sent, plain.connections) == (False, False, 1)


def test_a_platform_without_tls_behind_an_https_proxy(
    proxy: Proxy, plain: Scripted, authority: Any, authority_file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy._tls = server_context(authority)
    monkeypatch.setenv("HTTPS_PROXY", f"https://127.0.0.1:{proxy.port}")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", authority_file)
    error = failure(f"https://token@127.0.0.1:{plain.port}/user/")
    assert "the response is not TLS" in str(error)
    assert (error.retryable, error.sent, plain.connections) == (True, False, 3)


# Authorities and certificates


@pytest.fixture(params=["missing", "directory", "empty", "garbage", "key"])
def no_certificate(request: pytest.FixtureRequest, tmp_path: Path, authority: Any) -> str:
    """A path without a usable certificate."""
    path = tmp_path / "file.pem"
    if request.param == "directory":
        path.mkdir()
        (path / "ca.pem").write_text("not named by its hash")
    elif request.param == "key":
        authority.private_key_pem.write_to_path(str(path))
    elif request.param != "missing":
        path.write_text("not a certificate" if request.param == "garbage" else "")
    return str(path)


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_a_variable_that_is_not_a_ca_bundle(
    secure_wire: Wire, monkeypatch: pytest.MonkeyPatch, no_certificate: str, variable: str
) -> None:
    monkeypatch.setenv(variable, no_certificate)
    message = assert_named(variable, endpoint=secure_wire.api_endpoint)
    assert no_certificate in message
    assert message.endswith("does not contain certificates in PEM form") is Path(no_certificate).is_file()
    assert secure_wire.requests == []
    assert secure_wire.connections <= 1


@pytest.mark.parametrize("form", [str, Path])
def test_a_session_with_an_invalid_ca_bundle(secure_wire: Wire, no_certificate: str, form: Any) -> None:
    with requests.Session() as session:
        session.verify = form(no_certificate)
        assert_named("verify of the session", session, secure_wire.api_endpoint)
    assert secure_wire.requests == []
    assert secure_wire.connections <= 1


def test_a_session_with_an_invalid_client_certificate(
    secure_wire: Wire, authority_file: str, no_certificate: str
) -> None:
    with requests.Session() as session:
        session.verify = authority_file
        for session.cert in (no_certificate, (no_certificate, authority_file)):
            assert_named("cert of the session", session, secure_wire.api_endpoint)
    assert secure_wire.requests == []


def test_a_certificate_without_its_own_key(
    secure_wire: Wire, authority: Any, authority_file: str, tmp_path: Path
) -> None:
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    authority.issue_cert("a@example.org").cert_chain_pems[0].write_to_path(str(certificate))
    authority.issue_cert("b@example.org").private_key_pem.write_to_path(str(key))
    with requests.Session() as session:
        session.verify = authority_file
        for session.cert in (str(certificate), (str(certificate), str(key))):
            assert_named("cert of the session", session, secure_wire.api_endpoint)


def test_a_key_with_a_passphrase_is_not_at_fault(authority: Any, tmp_path: Path) -> None:
    serialization = pytest.importorskip("cryptography.hazmat.primitives.serialization")
    leaf = authority.issue_cert("a@example.org")
    key = serialization.load_pem_private_key(leaf.private_key_pem.bytes(), None)
    encrypted = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"passphrase"),
    )
    path = tmp_path / "client.pem"
    path.write_bytes(encrypted + leaf.cert_chain_pems[0].bytes())
    with requests.Session() as session:
        session.cert = str(path)
        assert "Connection refused" in str(failure(session=session))


def test_certificate_settings_are_ignored_without_tls(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/none.pem")
    with wire.connection() as connection:
        connection.get("streams")
        assert http_settings(connection)
    assert "Connection refused" in str(failure("http://token@127.0.0.1:9/user/"))


def test_a_key_log_that_cannot_be_written(
    secure_wire: Wire, authority_file: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", shutil.copy(authority_file, str(tmp_path)))
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "none" / "keys.log"))
    assert_named("SSLKEYLOGFILE", endpoint=secure_wire.api_endpoint)
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys.log"))
    with secure_wire.connection() as connection:
        connection.get("streams")


# Sessions with tries and hooks of their own


def trying_session(**options: Any) -> requests.Session:
    session = requests.Session()
    for scheme in ("http://", "https://"):
        session.mount(scheme, HTTPAdapter(max_retries=Retry(total=2, backoff_factor=0, **options)))
    return session


@pytest.mark.parametrize("status", [413, 429, 500, 503, 504])
def test_a_session_that_tries_again_gives_the_status_back(wire: Wire, status: int) -> None:
    wire.always = error_reply(status, "unexpected-error")
    options = {"status_forcelist": [status], "allowed_methods": None}
    with trying_session(**options) as session, wire.connection(session=session, retry=None) as connection:
        uses: list[Callable[[], object]] = [
            lambda: connection.get("streams"),
            lambda: connection.post("streams"),
            lambda: list(connection.iter_events()),
        ]
        for use in uses:
            wire.requests.clear()
            with pytest.raises(PryvError, match=f"HTTP {status}") as failed:
                use()
            assert len(wire.requests) == 3
            assert isinstance(failed.value, ServerError) is (status >= 500)
            assert failed.value.retryable is (status != 413)
            assert not isinstance(failed.value, PryvConnectionError)
    with (
        trying_session(raise_on_status=False, **options) as session,
        wire.connection(session=session, retry=None) as connection,
        pytest.raises(ApiError) as refused,
    ):
        connection.get("streams")
    assert refused.value.id == "unexpected-error"


def test_a_session_and_the_policy_may_both_retry(wire: Wire) -> None:
    wire.replies.extend([error_reply(503, "x")] * 4)
    with trying_session(status_forcelist=[503]) as session, wire.connection(session=session) as connection:
        assert connection.get("streams")
    assert len(wire.requests) == 5


def test_a_session_that_tries_again_to_connect_says_why_it_cannot(wire: Wire) -> None:
    with trying_session() as session:
        error = failure("http://token@127.0.0.1:9/user/", "post", session=session, retry=None)
        assert "Connection refused" in str(error)
        assert not error.sent
        wire.always = Reply(b"", "hang")
        error = failure(wire.api_endpoint, session=session, retry=None, timeout=0.1)
        assert isinstance(error, PryvTimeoutError)
        assert error.sent


@pytest.mark.parametrize(
    "read",
    [lambda response: response.content, lambda response: response.json(), lambda response: len(response.text)],
)
def test_a_hook_may_read_the_response(wire: Wire, read: Callable[[requests.Response], object]) -> None:
    def hook(response: requests.Response, **_: Any) -> None:
        read(response)

    wire.always = reply({"events": [{"id": "a"}], "results": [{}]}, headers={"X-Test": "1"})
    with requests.Session() as session, wire.connection(session=session) as connection:
        session.hooks["response"].append(hook)
        assert connection.get("events")["events"] == [{"id": "a"}]
        assert [event["id"] for event in connection.iter_events()] == ["a"]
        assert connection.api([{"method": "events.get"}]) == [{}]
        assert json.loads(connection.download_attachment("event", {"id": "file"}))["results"] == [{}]
        wire.replies.append(error_reply(404, "unknown-resource"))
        with pytest.raises(UnknownResourceError):
            connection.get("events")
    assert wire.connections == 1


def test_a_hook_may_raise_for_a_status(wire: Wire) -> None:
    with requests.Session() as session, wire.connection(session=session, retry=FAST) as connection:
        session.hooks["response"].append(lambda response, **_: response.raise_for_status())
        wire.replies.append(error_reply(404, "unknown-resource"))
        with pytest.raises(UnknownResourceError):
            connection.post("events")
        wire.replies.extend([error_reply(503, "x")] * 2)
        assert connection.get("streams")
        assert len(wire.requests) == 4
        wire.replies.append(error_reply(403, "invalid-access-token"))
        with pytest.raises(InvalidAccessTokenError) as refused:
            list(connection.iter_events())
        assert refused.value.__context__ is None


class Canned(BaseAdapter):
    """An adapter without a network, as those of libraries for tests: `raw` is not a response of urllib3."""

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        response = requests.Response()
        response.status_code = 200
        response.headers["Content-Type"] = "application/json"
        response.url = request.url or ""
        response.request = request
        response.raw = io.BytesIO(reply({"events": [{"id": "a"}], "results": [{}]}).data.partition(b"\r\n\r\n")[2])
        return response

    def close(self) -> None:
        pass


def test_an_adapter_may_make_the_response() -> None:
    with requests.Session() as session, Connection("https://token@h.example/user/", session=session) as connection:
        session.mount("https://", Canned())
        assert connection.get("events")["events"] == [{"id": "a"}]
        assert [event["id"] for event in connection.iter_events()] == ["a"]
        assert connection.api([{"method": "events.get"}]) == [{}]


@pytest.mark.parametrize("error", [PermissionError("mine"), ValueError("mine")])
def test_exceptions_of_a_hook_pass_through(wire: Wire, error: Exception) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise error

    with requests.Session() as session, wire.connection(session=session) as connection:
        session.hooks["response"].append(fail)
        with pytest.raises(type(error), match="mine"):
            connection.get("streams")
    assert len(wire.requests) == 1
