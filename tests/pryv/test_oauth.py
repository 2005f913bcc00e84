"""OAuth: metadata, authorization requests, what the browser comes back with, and requests for tokens."""

from __future__ import annotations

import base64
import hashlib
import json
import pickle
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
import requests
from tests.pryv.authorization_server import AuthorizationServer
from tests.pryv.wire import FAST, Wire, reply

from pryv import (
    AccessRefusedError,
    OAuthError,
    OAuthLoginRequiredError,
    PryvConnectionError,
    PryvError,
    PryvProtocolError,
    PryvTimeoutError,
    ResponseTooLargeError,
)
from pryv.oauth import AuthorizationRequest, MemoryTokenStore, OAuthClient, OAuthTokens
from pryv.oauth._authorization import challenge_of

RECORDINGS = Path(__file__).parents[1] / "recordings"
REDIRECT_URI = "http://127.0.0.1:53682/callback"

Callback = tuple[AuthorizationRequest, dict[str, str]]


def client_of(server: AuthorizationServer, **options: Any) -> OAuthClient:
    options = {"scope": "cmc:study-A", "redirect_uri": REDIRECT_URI, "timeout": 2, "retry": FAST, **options}
    return OAuthClient(server.url, server.client_id, **options)


@pytest.fixture
def client(server: AuthorizationServer) -> OAuthClient:
    return client_of(server)


def logged_in(server: AuthorizationServer, client: OAuthClient) -> OAuthClient:
    request = client.authorization_request()
    client.handle_callback(server.consent(request.url), request).close()
    return client


def test_the_authorization_url_is_that_of_the_javascript_client(client: OAuthClient) -> None:
    request = client.authorization_request()
    query = dict(parse_qsl(urlsplit(request.url).query))
    recorded = "response_type client_id redirect_uri scope code_challenge code_challenge_method state"
    assert list(query) == recorded.split()
    assert (query["redirect_uri"], query["scope"], query["state"]) == (REDIRECT_URI, "cmc:study-A", request.state)
    digest = hashlib.sha256(request.code_verifier.encode()).digest()
    assert query["code_challenge"] == base64.urlsafe_b64encode(digest).decode().rstrip("=")
    assert len(request.code_verifier) >= 43
    other = client.authorization_request(state="chosen")
    assert other.state == "chosen"
    assert other.code_verifier != request.code_verifier


def test_the_challenge_is_that_of_the_standard() -> None:
    """The pair is that of RFC 7636, appendix B."""
    verifier, challenge = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
    assert challenge_of(verifier) == challenge


def test_a_request_survives_a_pickle_and_shows_no_secret(client: OAuthClient) -> None:
    request = client.authorization_request()
    assert pickle.loads(pickle.dumps(request)) == request
    assert request.state not in repr(request)
    assert request.code_verifier not in repr([request, *vars_of(request)])


def vars_of(request: AuthorizationRequest) -> list[str]:
    return [request.state, request.code_verifier]


def test_an_endpoint_with_a_query_keeps_it(server: AuthorizationServer, client: OAuthClient) -> None:
    server.metadata["authorization_endpoint"] = f"{server.url}/oauth2/authorize?tenant=a"
    assert "?tenant=a&response_type=code&" in client.authorization_request().url


def test_a_callback_becomes_a_connection(server: AuthorizationServer, client: OAuthClient) -> None:
    request = client.authorization_request()
    with client.handle_callback(server.consent(request.url), request) as connection:
        assert connection.username() == "alice"
        assert client.tokens is not None
        assert connection.token == client.tokens.access_token
        assert connection.token not in repr(client.tokens)
    assert list(server.forms[0]) == ["redirect_uri", "code", "code_verifier", "grant_type", "client_id"]
    assert server.forms[0]["redirect_uri"] == REDIRECT_URI


@pytest.mark.parametrize("part", ["url", "query", "query with mark"])
def test_a_callback_may_be_a_query(server: AuthorizationServer, client: OAuthClient, part: str) -> None:
    request = client.authorization_request()
    back = server.consent(request.url) + "#_"
    query = back.partition("?")[2]
    client.handle_callback({"url": back, "query": query, "query with mark": f"?{query}"}[part], request).close()
    assert server.seen["token"] == 1
    assert client.tokens is not None


def test_a_query_needs_no_percent_encoding(server: AuthorizationServer, client: OAuthClient) -> None:
    request = client.authorization_request()
    query = dict(parse_qsl(urlsplit(server.consent(request.url)).query))
    client.handle_callback(urlencode(query, safe=":/"), request).close()
    assert server.seen["token"] == 1
    assert client.tokens is not None


@pytest.mark.parametrize("url", [REDIRECT_URI, "app.example:/callback", "https://app.example"])
def test_a_url_without_query_has_no_parameters(client: OAuthClient, url: str) -> None:
    request = client.authorization_request()
    with pytest.raises(OAuthError, match="state"):
        client.handle_callback(url, request)


@pytest.fixture
def callback(server: AuthorizationServer, client: OAuthClient) -> Callback:
    """A request, and the right parameters that answer it."""
    request = client.authorization_request()
    return request, dict(parse_qsl(urlsplit(server.consent(request.url)).query))


def back(params: dict[str, str]) -> str:
    return f"{REDIRECT_URI}?{urlencode(params)}"


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"state": "another"}, "state"),
        ({"state": ""}, "state"),
        ({"iss": "https://evil.example"}, "iss"),
        ({"iss": None}, "iss"),
        ({"code": None}, "code"),
        ({"code": ""}, "code"),
        ({"code": None, "error": "invalid_scope", "error_description": "no such offer"}, "no such offer"),
        ({"code": None, "error": "server_error"}, "server_error"),
    ],
)
def test_a_wrong_callback_is_refused_before_any_request(
    server: AuthorizationServer, client: OAuthClient, callback: Callback, change: dict[str, Any], problem: str
) -> None:
    request, right = callback
    params = {name: value for name, value in {**right, **change}.items() if value is not None}
    with pytest.raises(OAuthError, match=problem) as caught:
        client.handle_callback(back(params), request)
    assert not caught.value.retryable
    assert request.state not in str(caught.value)
    assert server.seen["token"] == 0


def test_a_refusal_is_an_error_of_its_own(client: OAuthClient, callback: Callback) -> None:
    request, right = callback
    with pytest.raises(AccessRefusedError):
        client.handle_callback(back({"error": "access_denied", "state": request.state, "iss": right["iss"]}), request)


def test_parameters_that_are_repeated_are_refused(client: OAuthClient, callback: Callback) -> None:
    request, right = callback
    with pytest.raises(OAuthError, match="repeated"):
        client.handle_callback(f"{back(right)}&code=another", request)


def test_iss_is_not_required_of_a_server_that_does_not_promise_it(
    server: AuthorizationServer, client: OAuthClient
) -> None:
    server.metadata["authorization_response_iss_parameter_supported"] = False
    request = client.authorization_request()
    query = parse_qsl(urlsplit(server.consent(request.url)).query)
    client.handle_callback(back({name: value for name, value in query if name != "iss"}), request).close()
    assert client.tokens is not None


def test_a_request_is_answered_once(server: AuthorizationServer, client: OAuthClient, callback: Callback) -> None:
    request, right = callback
    with pytest.raises(OAuthError):  # anyone can send a wrong state
        client.handle_callback(back({**right, "state": "another"}), request)
    client.handle_callback(back(right), request).close()
    with pytest.raises(ValueError, match="before"):
        client.handle_callback(back(right), pickle.loads(pickle.dumps(request)))
    assert server.seen["token"] == 1


def test_two_requests_may_have_the_same_state(server: AuthorizationServer, client: OAuthClient) -> None:
    for _ in range(2):
        request = client.authorization_request(state="of the caller")
        client.handle_callback(server.consent(request.url), request).close()
    assert server.seen["token"] == 2


@pytest.mark.parametrize(
    ("uri", "problem"),
    [
        ("http://localhost/callback", "127.0.0.1"),
        ("http://127.0.0.1/callback#x", "fragment"),
        ("/callback", "absolute"),
        ("http://127.0.0.1:x/callback", "URI"),
        ("http://127.0.0.1/a b", "white space"),
    ],
)
def test_redirect_uris_that_no_server_accepts_are_refused(client: OAuthClient, uri: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        OAuthClient("https://host.example", "app", redirect_uri=uri)
    with pytest.raises(ValueError, match=problem):
        client.authorization_request(redirect_uri=uri)


@pytest.mark.parametrize(
    "uri", ["http://localhost:8080/cb", "https://app.example/cb?a=%C3%A9", "http://[::1]:1/x", "com.example.app:/cb"]
)
def test_redirect_uris_are_sent_as_they_are(server: AuthorizationServer, client: OAuthClient, uri: str) -> None:
    request = client.authorization_request(redirect_uri=uri)
    query = urlsplit(server.consent(request.url).replace(uri, "", 1)).query
    client.handle_callback(query, request).close()
    assert server.forms[0]["redirect_uri"] == uri


@pytest.mark.parametrize(
    "issuer",
    ["http://host.example", "http://127.0.0.1.evil.example", "http://10.0.0.1", "ftp://host", "https://h/?a=b"],
)
def test_authorization_servers_that_are_not_secure_are_refused(issuer: str) -> None:
    with pytest.raises(ValueError, match="authorization_server"):
        OAuthClient(issuer, "app")


@pytest.mark.parametrize("issuer", ["http://localhost:1", "http://[::1]:1/", "https://host.example/pryv/"])
def test_authorization_servers_on_this_machine_may_use_http(issuer: str) -> None:
    assert issuer.rstrip("/") in repr(OAuthClient(issuer, "app"))


@pytest.mark.parametrize(
    "change",
    [
        {"issuer": "https://evil.example"},
        {"issuer": None},
        {"token_endpoint": "http://host.example/token"},
        {"authorization_endpoint": "http://host.example/authorize"},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"token_endpoint": None},
        {"token_endpoint": "https://user:password@host.example/token"},
    ],
)
def test_metadata_that_lie_are_refused(
    server: AuthorizationServer, client: OAuthClient, change: dict[str, Any]
) -> None:
    server.metadata.update(change)
    with pytest.raises(PryvProtocolError):
        client.authorization_request()


@pytest.mark.parametrize("body", ["[]", "null", "not JSON", ""])
def test_metadata_are_an_object(wire: Wire, body: str) -> None:
    wire.always = reply(body)
    with pytest.raises(PryvProtocolError):
        OAuthClient(wire.url, "app", retry=None).metadata()


def test_metadata_are_a_mapping_and_fetched_once(server: AuthorizationServer, client: OAuthClient) -> None:
    server.metadata.update(issuer=f"{server.url}/", future="kept", scopes_supported=["cmc:*"])
    metadata = client.metadata()
    assert metadata is client.metadata()
    assert (metadata["future"], metadata.scopes_supported, metadata.issuer) == ("kept", ("cmc:*",), f"{server.url}/")
    assert len(metadata) == len(list(metadata))
    assert client.metadata(force_fetch=True) == metadata
    assert server.seen["metadata"] == 2


def test_the_url_of_metadata_has_the_path_of_the_issuer_at_its_end(wire: Wire) -> None:
    """RFC 8414, section 3.1."""
    wire.always = reply("{}", 404)
    with pytest.raises(PryvError):
        OAuthClient(f"{wire.url}pryv/", "app").metadata()
    assert wire.requests[0].target == "/.well-known/oauth-authorization-server/pryv"


@pytest.mark.parametrize("digits", [400, 5000])
def test_an_invalid_lifetime_is_ignored(wire: Wire, digits: int) -> None:
    metadata = {"issuer": wire.url, "authorization_endpoint": wire.url, "token_endpoint": wire.url}
    headers = {"Date": "Fri, 27 Nov 2026 08:00:00 GMT", "Age": "9" * digits}
    wire.always = reply(metadata, 200, headers)
    assert OAuthClient(wire.url, "app").metadata()["issuer"] == wire.url


def test_discovery_is_retried(wire: Wire) -> None:
    wire.always = reply("{}", 503)
    with pytest.raises(PryvError) as caught:
        OAuthClient(wire.url, "app", retry=FAST).metadata()
    assert caught.value.retryable
    assert len(wire.requests) == 3


@pytest.mark.parametrize(
    "endpoint",
    [
        None,
        "http://tok@127.0.0.1/x@evil.example/",
        "http://tok@host.example/alice/",
        "ftp://tok@host/",
        "https://tok@host.example/?a=b",
        7,
    ],
)
def test_the_account_is_at_a_secure_url_and_tokens_are_kept_first(server: AuthorizationServer, endpoint: Any) -> None:
    store = MemoryTokenStore()
    server.tokens["apiEndpoint"] = endpoint
    with pytest.raises(PryvProtocolError):
        logged_in(server, client_of(server, store=store))
    tokens = store.load()
    assert tokens is not None
    assert tokens.refresh_token in server.live_refresh_tokens


def recorded_refusals() -> list[Any]:
    refusals = []
    for exchange in json.loads((RECORDINGS / "second" / "oauth2.json").read_text()):
        response = exchange["response"]
        if exchange["request"]["path"].endswith("oauth2/token") and response["status"] >= 400:
            refusals.append(pytest.param(response["status"], response["json"], id=exchange["name"]))
    return refusals


@pytest.mark.parametrize(("status", "body"), recorded_refusals())
def test_recorded_refusals_of_a_code(
    server: AuthorizationServer, client: OAuthClient, callback: Callback, status: int, body: dict[str, Any]
) -> None:
    server.faults.append((status, body))
    with pytest.raises(OAuthError) as caught:
        client.handle_callback(back(callback[1]), callback[0])
    assert type(caught.value) is OAuthError
    check_refusal(caught.value, status, body)
    assert server.seen["token"] == 1


@pytest.mark.parametrize(("status", "body"), recorded_refusals())
def test_recorded_refusals_of_a_refresh(
    server: AuthorizationServer, client: OAuthClient, status: int, body: dict[str, Any]
) -> None:
    logged_in(server, client)
    server.faults.append((status, body))
    with pytest.raises(OAuthError) as caught:
        client.refresh()
    ended = body["error"] == "invalid_grant"
    assert type(caught.value) is (OAuthLoginRequiredError if ended else OAuthError)
    check_refusal(caught.value, status, body)
    assert server.seen["token"] == 2
    assert (client.tokens is None) == ended


def check_refusal(error: OAuthError, status: int, body: dict[str, Any]) -> None:
    assert (error.status, error.error, error.description) == (status, body["error"], body["error_description"])
    assert not error.retryable
    assert body["error"] in str(error)
    again = pickle.loads(pickle.dumps(error))
    assert (again.error, again.status, str(again)) == (error.error, error.status, str(error))


LOST = [
    pytest.param("cut-before", PryvConnectionError, id="cut before"),
    pytest.param("cut-after", PryvConnectionError, id="cut after"),
    pytest.param("hang-after", PryvTimeoutError, id="hang"),
    pytest.param((502, b"<html>Bad Gateway</html>"), OAuthError, id="502"),
    pytest.param((503, {"error": {"id": "api-unavailable", "message": "x"}}), OAuthError, id="503"),
    pytest.param((429, b""), OAuthError, id="429"),
    pytest.param((302, b""), OAuthError, id="302"),
    pytest.param(b"<html>Sign in to the WLAN</html>", PryvProtocolError, id="captive portal"),
    pytest.param(b"[]", PryvProtocolError, id="a list"),
    pytest.param(b'{"token_type": "Bearer"}', PryvProtocolError, id="no token"),
    pytest.param(b"{" * 1_400_000, ResponseTooLargeError, id="too large"),
]


@pytest.mark.parametrize(("fault", "kind"), LOST)
def test_a_code_is_never_sent_twice(
    server: AuthorizationServer, callback: Callback, fault: Any, kind: type[PryvError]
) -> None:
    client = client_of(server, timeout=0.5)
    server.faults.append(fault)
    with pytest.raises(kind, match="outcome is unknown") as caught:
        client.handle_callback(back(callback[1]), callback[0])
    assert not caught.value.retryable
    assert server.seen["token"] == 1


@pytest.mark.parametrize(("fault", "kind"), LOST)
def test_a_refresh_is_never_sent_twice(server: AuthorizationServer, fault: Any, kind: type[PryvError]) -> None:
    client = logged_in(server, client_of(server, timeout=0.5))
    server.faults.append(fault)
    with pytest.raises(kind, match="outcome is unknown") as caught:
        client.refresh()
    assert not caught.value.retryable
    assert server.seen["token"] == 2
    assert list(server.forms[1]) == ["refresh_token", "grant_type", "client_id"]


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"scope": ""}, "scope"),
        ({"client_secret": ""}, "client_secret"),
        ({"leeway": "60"}, "leeway"),
        ({"leeway": -1}, "leeway"),
        ({"leeway": float("nan")}, "leeway"),
        ({"store": object()}, "store"),
        ({"redirect_uri": None}, "redirect_uri"),
        ({"timeout": 0}, "timeout"),
        ({"retry": 3}, "retry"),
        ({"session": 1}, "session"),
    ],
)
def test_arguments_are_checked_at_once(options: dict[str, Any], problem: str) -> None:
    with pytest.raises((TypeError, ValueError), match=problem):
        OAuthClient("https://host.example", "app", **options)


def test_a_request_may_be_answered_again_if_nothing_was_sent(
    server: AuthorizationServer, client: OAuthClient, callback: Callback
) -> None:
    server.metadata["issuer"] = "https://maintenance.example"
    with pytest.raises(PryvProtocolError):
        client.handle_callback(back(callback[1]), callback[0])
    del server.metadata["issuer"]
    client.handle_callback(back(callback[1]), callback[0]).close()


def test_two_tabs_answer_a_request_once(server: AuthorizationServer, client: OAuthClient, callback: Callback) -> None:
    def answer(_: int) -> bool:
        try:
            client.handle_callback(back(callback[1]), callback[0]).close()
        except ValueError:
            return False
        return True

    with ThreadPoolExecutor(8) as tabs:
        assert sum(tabs.map(answer, range(8))) == 1
    assert server.seen["token"] == 1


def test_arguments_of_a_callback_are_checked(client: OAuthClient) -> None:
    request = client.authorization_request()
    with pytest.raises(TypeError, match="request"):
        client.handle_callback("?a", "request")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="URL"):
        client.handle_callback(None, request)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("call", "problem"),
    [
        (lambda client: client.authorization_request(state=1), "state"),
        (lambda client: client.authorization_request(state=""), "state"),
        (lambda client: client.connection(timeout=0), "timeout"),
        (lambda client: client.connection(timeout="1"), "timeout"),
    ],
)
def test_arguments_are_checked_before_any_request(
    server: AuthorizationServer, call: Callable[[OAuthClient], Any], problem: str
) -> None:
    store = MemoryTokenStore()
    endpoint = f"{server.url}/alice/".replace("//", "//token@", 1)
    store.save(OAuthTokens(access_token="token", refresh_token="r", expires_at=1, expires_in=1, api_endpoint=endpoint))
    with pytest.raises((TypeError, ValueError), match=problem):
        call(OAuthClient(server.url, server.client_id, store=store))
    assert not server.seen


def test_a_session_of_the_user_sends_every_request(server: AuthorizationServer) -> None:
    sent = []
    with requests.Session() as session:
        session.hooks["response"].append(lambda response, **_: sent.append(urlsplit(response.url).path))
        client = client_of(server, session=session)
        request = client.authorization_request()
        with client.handle_callback(server.consent(request.url), request) as connection:
            connection.access_info()
    assert sent[-2:] == ["/oauth2/token", "/alice/access-info"]
