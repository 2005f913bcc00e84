"""DPoP: keys, proofs, connections that sign their requests, and assertions of clients."""

from __future__ import annotations

import copy
import json
import logging
import os
import pickle
import re
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from email.utils import formatdate
from typing import Any

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st
from tests.pryv.proof_verifier import (
    VECTORS,
    RefusedError,
    parts,
    thumbprint,
    verify_assertion,
    verify_proof,
)
from tests.pryv.wire import Reply, Wire, error_reply, reply

from pryv import InvalidAccessTokenError, MissingAddonError, PryvError, RetryPolicy, Service
from pryv.oauth import DPoPKey, OAuthClient, SignedConnection
from pryv.oauth._assertions import client_assertion
from pryv.oauth._es256 import key_from_jwk, key_from_pem
from pryv_socket_io import SocketIO

PRIVATE: dict[str, str] = VECTORS["key"]["privateKey"]
PUBLIC: dict[str, str] = VECTORS["key"]["publicKey"]
NOW: int = VECTORS["now"]
AUDIENCES = ("https://as.example", "https://as.example/oauth2/token")
REFUSED = error_reply(403, "invalid-access-token")


@pytest.fixture(scope="module")
def key() -> DPoPKey:
    return DPoPKey.from_jwk(PRIVATE)


@pytest.fixture
def signed(wire: Wire, key: DPoPKey) -> Iterator[SignedConnection]:
    wire.always = on_time()
    retry = RetryPolicy(attempts=3, backoff=0.01, max_backoff=0.02, deadline=5)
    connection = SignedConnection(wire.api_endpoint, key, timeout=2, retry=retry)
    yield connection
    connection.close()


def on_time(ahead: float = 0) -> Reply:
    """Return a result with the current time, as `META` has another."""
    return reply(json.dumps({"streams": [], "meta": {"serverTime": time.time() + ahead}}))


def proofs(wire: Wire) -> list[dict[str, Any]]:
    """Return the payloads of the proofs that have arrived, once each is verified for its request."""
    payloads = []
    for request in wire.requests:
        assert request.headers["authorization"] == f"DPoP {wire.token}"
        url = f"{wire.url.rstrip('/')}{request.target}"
        payloads.append(verify_proof(request.headers["dpop"], request.method, url, time.time(), wire.token))
    return payloads


def verdict(verify: Callable[..., Any], *arguments: Any) -> dict[str, Any]:
    try:
        verify(*arguments)
    except RefusedError as refusal:
        return {"accepted": False, "reason": str(refusal)}
    return {"accepted": True}


def verdicts(vectors: list[dict[str, Any]]) -> dict[str, Any]:
    names = ("accepted", "reason")
    return {item["name"]: {name: item["server"][name] for name in names if name in item["server"]} for item in vectors}


def test_the_verifier_agrees_with_the_vectors() -> None:
    htm, htu = VECTORS["expected"].values()
    vectors = VECTORS["proofs"]
    found = {item["name"]: verdict(verify_proof, item["proof"], htm, htu, NOW, VECTORS["token"]) for item in vectors}
    assert found == verdicts(vectors)
    assert len(found) == 34


def test_thumbprint_and_token_digest_are_those_of_the_vectors(key: DPoPKey) -> None:
    assert key.thumbprint == VECTORS["thumbprint"] == thumbprint(PUBLIC)
    proof = key.proof("GET", VECTORS["expected"]["htu"], VECTORS["token"])
    assert parts(proof)[1]["ath"] == VECTORS["ath"]


@pytest.mark.parametrize("vector", VECTORS["libjs"])
def test_proofs_are_those_of_the_javascript_client(key: DPoPKey, vector: dict[str, Any]) -> None:
    method, url, token = vector["htm"], vector["htu"], vector["accessToken"]
    theirs = verify_proof(vector["proof"], method, vector["payload"]["htu"], NOW, token)
    ours = key.proof(method, url, token, issued_at=NOW + 0.9)
    payload = verify_proof(ours, method, vector["payload"]["htu"], NOW, token)
    assert parts(ours)[0] == json.loads(vector["headerText"])
    assert {**payload, "jti": theirs["jti"]} == theirs == vector["payload"]
    assert list(payload) == list(theirs)


PATHS = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="?#\\"), max_size=20)


@given(PATHS, st.sampled_from(["", "?q=1", "?a#b", "#x"]))
def test_the_target_of_a_proof_is_the_requested_url(path: str, rest: str) -> None:
    key = DPoPKey.from_jwk(PRIVATE)
    sent = requests.Request("GET", f"https://Host.example:8443/{path}{rest}").prepare()
    target = parts(key.proof("GET", str(sent.url)))[1]["htu"]
    assert target == f"https://host.example:8443{sent.path_url.partition('?')[0]}"
    assert parts(key.proof("GET", f"https://Host.example:8443/{path}{rest}"))[1]["htu"] == target


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("HTTPS://TOKEN@AS.Example:443/Alice/?x", "https://as.example/Alice/"),
        ("http://as.example:80", "http://as.example/"),
        ("https://as.example:80/a", "https://as.example:80/a"),
        ("https://[::1]:443/a", "https://[::1]/a"),
        ("https://[::1]:444/a", "https://[::1]:444/a"),
    ],
)
def test_targets(key: DPoPKey, url: str, target: str) -> None:
    assert parts(key.proof("GET", url))[1]["htu"] == target


@pytest.mark.parametrize("url", ["", "alice/events", "ftp://as.example/", "https://", "https://h:99999999/", 5, None])
def test_a_proof_names_the_method_and_the_url(key: DPoPKey, url: Any) -> None:
    with pytest.raises(ValueError if isinstance(url, str) else TypeError, match="url"):
        key.proof("GET", url)
    with pytest.raises(ValueError, match="method"):
        key.proof("", "https://as.example/")


def test_a_proof_has_the_nonce(key: DPoPKey) -> None:
    payload = parts(key.proof("POST", "https://as.example/oauth2/token", nonce="n-1"))[1]
    assert payload["nonce"] == "n-1"
    assert "ath" not in payload
    assert abs(payload["iat"] - time.time()) < 5


def test_a_proof_takes_less_than_a_millisecond(key: DPoPKey) -> None:
    times = []
    for _ in range(50):
        start = time.thread_time()
        key.proof("GET", "https://as.example/alice/events", "token")
        times.append(time.thread_time() - start)
    assert min(times) < 0.0002


def test_a_key_can_be_exported_and_imported_as_jwk() -> None:
    key = DPoPKey.generate()
    jwk = key.to_jwk(private=True)
    assert DPoPKey.from_jwk(jwk) == DPoPKey.from_jwk(json.loads(json.dumps(jwk))) == key
    assert hash(DPoPKey.from_jwk({**jwk, "kid": "x", "alg": "ES256"})) == hash(key)
    assert key.to_jwk() == {name: jwk[name] for name in ("kty", "crv", "x", "y")}
    assert key != DPoPKey.generate()
    assert DPoPKey.from_jwk(PRIVATE).to_jwk(private=True) == PRIVATE
    for other in (copy.deepcopy(key), pickle.loads(pickle.dumps(key))):
        assert other.to_jwk(private=True) == jwk


BAD_JWKS: list[Any] = [
    {},
    PUBLIC,
    {**PRIVATE, "kty": "RSA"},
    {**PRIVATE, "crv": "P-384"},
    {**PRIVATE, "d": "A" * 43},
    {**PRIVATE, "d": PRIVATE["d"] + "="},
    {**PRIVATE, "d": PRIVATE["d"][:-1]},
    {**PRIVATE, "d": 5},
    {**PRIVATE, "x": PRIVATE["y"]},
    {**PRIVATE, "d": DPoPKey.generate().to_jwk(private=True)["d"]},
]


def shown(error: BaseException) -> str:
    """Return the text of an error, with the local variables of this package's frames."""
    trace = traceback.TracebackException.from_exception(error, capture_locals=True)
    ours = [frame for frame in trace.stack if "test_dpop" not in frame.filename]
    return f"{error!r} {[frame.locals for frame in ours]} {error.__context__!r} {error.__cause__!r}"


@pytest.mark.parametrize("jwk", BAD_JWKS)
def test_a_jwk_that_is_not_a_private_key_is_refused_without_showing_it(jwk: Any) -> None:
    with pytest.raises(ValueError, match="P-256") as caught:
        DPoPKey.from_jwk(jwk)
    assert not re.search(r"[A-Za-z0-9_-]{42}", shown(caught.value))


@pytest.mark.parametrize("jwk", [None, "text", [PRIVATE]])
def test_a_jwk_is_a_dict(jwk: Any) -> None:
    with pytest.raises(TypeError, match="dict") as caught:
        DPoPKey.from_jwk(jwk)
    assert PRIVATE["d"] not in shown(caught.value)
    with pytest.raises(TypeError, match="generate") as caught:
        DPoPKey(jwk)
    assert PRIVATE["d"] not in shown(caught.value)


def test_the_repr_of_a_key_shows_no_secret(key: DPoPKey, signed: SignedConnection, wire: Wire) -> None:
    assert repr(key) == f"<DPoPKey {VECTORS['thumbprint']}>"
    texts = [repr(key), str(vars(key)), repr(key.to_jwk(private=True)), repr(signed), str(vars(signed._account))]
    with pytest.raises(ValueError, match="url") as caught:
        key.proof("GET", "nowhere", wire.token)
    texts.append(shown(caught.value))
    wire.always = reply("<html>", 500)
    with pytest.raises(PryvError) as failed:
        signed.get("streams")
    texts.append(shown(failed.value))
    for text in texts:
        assert PRIVATE["d"] not in text
        assert wire.token not in text
        assert "eyJ" not in text.replace(key._header, "")


def test_each_call_has_its_own_proof(wire: Wire, signed: SignedConnection) -> None:
    for path in ("streams", "events", "events/%C3%A9%20x~'%2F", "events/"):
        signed.get(path, {"x": 1})
    signed.post("events", {"type": "note/txt"})
    signed.delete("events/x")
    found = proofs(wire)
    assert len({payload["jti"] for payload in found}) == len(wire.requests) == 6
    assert [payload["htm"] for payload in found] == ["GET"] * 4 + ["POST", "DELETE"]
    targets = [payload["htu"].removeprefix(wire.url.rstrip("/")) for payload in found]
    assert targets == [request.target.partition("?")[0] for request in wire.requests]
    assert targets[2] == "/user/events/%C3%A9%20x~'%2F"


def test_retries_and_moves_have_their_own_proofs(wire: Wire, other_wire: Wire, signed: SignedConnection) -> None:
    other_wire.token = wire.token
    moved = error_reply(421, "wrong-core", data={"coreUrl": f"{other_wire.url}user/"})
    wire.replies += [Reply(then="reset"), reply(status=503), moved]
    other_wire.replies += [Reply(then="close")]
    signed.get("streams")
    found = [*proofs(wire), *proofs(other_wire)]
    assert len({payload["jti"] for payload in found}) == len(found) == 5
    assert [payload["htu"] for payload in found[:3]] == [f"{wire.url}user/streams"] * 3
    assert [payload["htu"] for payload in found[3:]] == [f"{other_wire.url}user/streams"] * 2


@pytest.mark.parametrize("skew", [600, -600])
def test_a_wrong_clock_is_corrected_by_the_first_response(wire: Wire, signed: SignedConnection, skew: int) -> None:
    now = time.time() + skew
    date = {"Date": formatdate(now, usegmt=True)}
    wire.replies.append(error_reply(403, "invalid-access-token", date))
    wire.always = on_time(skew)
    signed.post("events", {"type": "note/txt"})
    first, second = wire.requests
    with pytest.raises(RefusedError, match="iat"):
        verify_proof(first.headers["dpop"], "POST", f"{wire.url}user/events", now, wire.token)
    verify_proof(second.headers["dpop"], "POST", f"{wire.url}user/events", now, wire.token)
    signed.get("streams")
    assert len(wire.requests) == 3
    verify_proof(wire.requests[2].headers["dpop"], "GET", f"{wire.url}user/streams", now, wire.token)


def test_a_refusal_for_another_reason_than_the_clock_is_raised(wire: Wire, signed: SignedConnection) -> None:
    right = {"Date": formatdate(usegmt=True)}
    wrong = {"Date": formatdate(0, usegmt=True)}
    for error_id, headers in (("invalid-access-token", right), ("forbidden", wrong), ("invalid-access-token", {})):
        wire.always = error_reply(403, error_id, headers)
        wire.requests.clear()
        with pytest.raises(PryvError):
            signed.get("streams")
        assert len(wire.requests) == 1


@pytest.mark.parametrize("where", ["header", "header of an error", "body", "400"])
def test_a_nonce_is_answered_once(wire: Wire, signed: SignedConnection, where: str) -> None:
    def asking(nonce: str) -> Reply:
        headers = {"WWW-Authenticate": 'DPoP error="use_dpop_nonce"'} if "header" in where else {}
        body = '{"error": "use_dpop_nonce"}' if "header" not in where else "{}"
        if where == "header of an error":
            body = '{"error": {"id": "invalid-access-token", "message": "no nonce"}}'
        return reply(body, 400 if where == "400" else 401, {**headers, "DPoP-Nonce": nonce})

    wire.replies += [asking("n-1"), on_time()]
    signed.post("events", {"type": "note/txt"})
    signed.get("streams")
    assert [payload.get("nonce") for payload in proofs(wire)] == [None, "n-1", "n-1"]
    wire.requests.clear()
    wire.always = asking("n-2")
    with pytest.raises(PryvError):
        signed.get("streams")
    assert [payload.get("nonce") for payload in proofs(wire)] == ["n-1", "n-2"]
    wire.requests.clear()
    for bad in ("", 'a"b', "x" * 4000):
        wire.always = asking(bad)
        with pytest.raises(PryvError):
            signed.get("streams")
    assert [payload["nonce"] for payload in proofs(wire)] == ["n-2"] * 3


def test_a_proxy_gets_the_url_of_the_proof(wire: Wire, key: DPoPKey) -> None:
    with requests.Session() as session:
        session.proxies = {"http": wire.url}
        endpoint = f"http://{wire.token}@Pryv.invalid:80/user/"
        SignedConnection(endpoint, key, session=session, retry=None).get("events/é ~'%2F%C3%A9|")
    (request,) = wire.requests
    payload = verify_proof(request.headers["dpop"], "GET", request.target, time.time(), wire.token)
    assert payload["htu"] == request.target == "http://pryv.invalid/user/events/%C3%A9%20~'%2F%C3%A9%7C"


def test_threads_and_forks_share_no_proof(wire: Wire, signed: SignedConnection) -> None:
    def call(count: int) -> None:
        for _ in range(count):
            signed.get("streams")

    call(1)
    child = os.fork()
    if child == 0:
        try:
            call(5)
        finally:
            os._exit(0)
    threads = [threading.Thread(target=call, args=(5,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    os.waitpid(child, 0)
    assert len({payload["jti"] for payload in proofs(wire)}) == len(wire.requests) == 46


def test_copies_and_pickles_sign_too(wire: Wire, signed: SignedConnection) -> None:
    for connection in (signed.with_options(timeout=5), pickle.loads(pickle.dumps(signed))):
        assert isinstance(connection, SignedConnection)
        connection.get("streams")
    assert len(proofs(wire)) == 2


REFUSING: dict[str, Any] = {
    "socket": lambda connection: connection.socket,
    "SocketIO": SocketIO,
    "add points": lambda connection: connection.add_points_to_hf_event("x", ["deltaTime"], [[1]]),
    "add batch": lambda connection: connection.add_points_batch({}),
    "get points": lambda connection: connection.get_hf_points("x"),
}


@pytest.mark.parametrize("call", REFUSING)
def test_sockets_and_series_are_refused_before_a_request(wire: Wire, signed: SignedConnection, call: str) -> None:
    with pytest.raises(PryvError, match="not with a DPoP token"):
        REFUSING[call](signed)
    assert not wire.requests


def test_arguments_are_checked_before_a_request(wire: Wire, key: DPoPKey) -> None:
    with pytest.raises(TypeError, match="DPoPKey"):
        SignedConnection(wire.api_endpoint, PRIVATE)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="no token"):
        SignedConnection(f"{wire.url}user/", key)
    with Service(f"{wire.url}service/info") as service:
        assert SignedConnection(wire.api_endpoint, key, service).service is service


def test_a_call_refused_for_its_proof_is_logged_without_it(
    wire: Wire, signed: SignedConnection, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    wire.always = REFUSED
    with pytest.raises(InvalidAccessTokenError):
        signed.get("streams")
    assert "eyJ" not in caplog.text
    assert wire.token not in caplog.text


BAD_CLIENTS: list[dict[str, Any]] = [
    {"redirect_uri": "nowhere"},
    {"store": 5},
    {"leeway": "x"},
    {"scope": ""},
    {"key_id": ""},
]
CREDENTIALS: list[dict[str, Any]] = [
    {"private_key": PRIVATE},
    {"client_secret": "canary-secret"},
    {"private_key": "canary-secret"},
    {"private_key": PRIVATE, "client_secret": "canary-secret"},
]


@pytest.mark.parametrize("arguments", BAD_CLIENTS, ids=str)
def test_bad_arguments_of_a_client_show_neither_its_key_nor_its_secret(arguments: dict[str, Any]) -> None:
    for credentials in CREDENTIALS:
        with pytest.raises((TypeError, ValueError)) as caught:
            OAuthClient("https://as.example", "robot", **arguments, **credentials)
        assert PRIVATE["d"] not in shown(caught.value)
        assert "canary-secret" not in shown(caught.value)


def test_without_the_extra(tmp_path: Any) -> None:
    (tmp_path / "cryptography.py").write_text("raise ModuleNotFoundError(name='cryptography')")
    program = """
import pryv.oauth
for use in (
    pryv.oauth.DPoPKey.generate,
    lambda: pryv.oauth.OAuthClient("https://as.example", "app", dpop=True),
    lambda: pryv.oauth.OAuthClient("https://as.example", "robot", private_key="text"),
):
    try:
        use()
    except pryv.MissingAddonError as error:
        print(error)
"""
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.count('pip install "pryv[dpop]"') == 3
    assert issubclass(MissingAddonError, PryvError)


def test_the_verifier_agrees_with_the_vectors_of_assertions() -> None:
    vectors, robot = VECTORS["assertions"], ("robot", PUBLIC, AUDIENCES, NOW)
    found = {item["name"]: verdict(verify_assertion, item["assertion"], *robot) for item in vectors}
    assert found == verdicts(vectors)
    assert len(found) == 13


def test_assertions_are_accepted() -> None:
    key = key_from_jwk(PRIVATE)
    made = [client_assertion(key, "robot", AUDIENCES[1], NOW + 0.5, kid) for kid in (None, "k1", "k1")]
    for assertion in made:
        claims = verify_assertion(assertion, "robot", {**PUBLIC, "kid": "k1"}, AUDIENCES, NOW)
        assert claims["exp"] - claims["iat"] <= 300
        assert "eyJ" not in repr(assertion)
    assert len({parts(assertion)[1]["jti"] for assertion in made}) == 3
    with pytest.raises(RefusedError, match="signature"):
        verify_assertion(made[0], "robot", DPoPKey.generate().to_jwk(), AUDIENCES, NOW)


def test_a_client_s_key_may_be_in_a_pem() -> None:
    from cryptography.hazmat.primitives import serialization as pem
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    none, some = pem.NoEncryption(), pem.BestAvailableEncryption(b"x")
    for form in (pem.PrivateFormat.PKCS8, pem.PrivateFormat.TraditionalOpenSSL):
        text = key.private_bytes(pem.Encoding.PEM, form, none)
        assert key_from_pem(text).public_jwk == key_from_pem(text.decode()).public_jwk
    other = ec.generate_private_key(ec.SECP384R1()).private_bytes(pem.Encoding.PEM, pem.PrivateFormat.PKCS8, none)
    locked = key.private_bytes(pem.Encoding.PEM, pem.PrivateFormat.PKCS8, some)
    public = key.public_key().public_bytes(pem.Encoding.PEM, pem.PublicFormat.SubjectPublicKeyInfo)
    for bad in (b"", "text", other, locked, public):
        with pytest.raises(ValueError, match="P-256") as caught:
            key_from_pem(bad)
        assert "BEGIN" not in shown(caught.value)
