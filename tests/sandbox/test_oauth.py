"""OAuth 2: what the recordings do not show."""

from __future__ import annotations

import base64
import hashlib
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
import requests
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key

from pryv_sandbox import Account, OAuthSettings, Sandbox
from pryv_sandbox.model.oauth import is_registered
from pryv_sandbox.model.proofs import ProofError, check_dpop, thumbprint

from .caller import Caller
from .proofs import Jwk, Proofs, signed
from .raw_socket import RawSocket

VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
CALLBACK = "https://app.example/cb"
DIARY = {"streamId": "diary", "level": "read"}
NOTES = {"streamId": "notes", "level": "contribute"}


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(oauth=OAuthSettings(access_lifetime=100, refresh_lifetime=1000, refresh_limit=2500)) as sandbox:
        offers: dict[str, Any] = {"all": [DIARY, NOTES], "choice": ([{**DIARY, "mandatory": True}, NOTES], True)}
        sandbox.register_oauth_client("study", redirect_uris=[CALLBACK], offers=offers)
        yield sandbox


@pytest.fixture
def account(sandbox: Sandbox) -> Account:
    account = sandbox.create_account()
    Caller(sandbox.url, account.username, account.token).add_streams("diary", "notes")
    return account


def authorization_url(sandbox: Sandbox, scope: str = "cmc:all") -> str:
    challenge = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).decode().rstrip("=")
    query = {
        "response_type": "code",
        "client_id": "study",
        "redirect_uri": CALLBACK,
        "scope": scope,
        "code_challenge": challenge,
        "code_challenge_method": "S256",
        "state": "some state",
    }
    return f"{sandbox.url}oauth2/authorize?{urlencode(query)}"


def ask(sandbox: Sandbox, expect: int = 200, *, proof: str | None = None, **params: str) -> Any:
    headers = {"DPoP": proof} if proof else {}
    answer = requests.post(
        f"{sandbox.url}oauth2/token", data={"client_id": "study", **params}, headers=headers, timeout=5
    )
    assert answer.status_code == expect, answer.text
    return answer.json()


def accept(sandbox: Sandbox, account: Account, scope: str = "cmc:all", granted: Any = None) -> str:
    """The code that the client gets."""
    place = sandbox.accept_oauth(authorization_url(sandbox, scope), account.username, granted)
    query = parse_qs(urlsplit(place).query)
    assert (query["state"], query["iss"]) == (["some state"], [sandbox.url.rstrip("/")])
    return query["code"][0]


def exchange(sandbox: Sandbox, code: str, expect: int = 200, **options: Any) -> Any:
    return ask(
        sandbox,
        expect,
        grant_type="authorization_code",
        code=code,
        code_verifier=VERIFIER,
        redirect_uri=CALLBACK,
        **options,
    )


def refresh(sandbox: Sandbox, token: str, expect: int = 200, **options: Any) -> Any:
    return ask(sandbox, expect, grant_type="refresh_token", refresh_token=token, **options)


def session(sandbox: Sandbox, account: Account, tokens: Any) -> Caller:
    return Caller(sandbox.url, account.username, tokens["access_token"])


def test_tokens_grant_what_the_person_keeps(sandbox: Sandbox, account: Account) -> None:
    tokens = exchange(sandbox, accept(sandbox, account, "cmc:choice", [DIARY]))
    assert tokens["apiEndpoint"].endswith(f"@{urlsplit(sandbox.url).netloc}/{account.username}/")
    caller = session(sandbox, account, tokens)
    assert [stream["id"] for stream in caller.get("streams")["streams"]][:1] == ["diary"]
    caller.add_event("notes", expect=403)
    with pytest.raises(ValueError, match="mandatory"):
        accept(sandbox, account, "cmc:choice", [NOTES])
    with pytest.raises(ValueError, match="all-or-nothing"):
        accept(sandbox, account, "cmc:all", [DIARY])
    with pytest.raises(ValueError, match="valid user session"):
        sandbox.accept_oauth(authorization_url(sandbox), "nobody-here")


def test_access_and_refresh_tokens_expire_by_the_clock_of_the_platform(sandbox: Sandbox, account: Account) -> None:
    tokens = exchange(sandbox, accept(sandbox, account))
    assert tokens["expires_in"] == 100
    for skew in (500, 1000, 1500, 2000):
        sandbox.faults.skew = skew
        session(sandbox, account, tokens).get("events", 403)
        tokens = refresh(sandbox, tokens["refresh_token"])
        session(sandbox, account, tokens).get("events")
    sandbox.faults.skew = 2600  # the last one is valid no longer than the first would be renewed
    assert refresh(sandbox, tokens["refresh_token"], 400)["error"] == "invalid_grant"


def test_a_code_and_a_decision_expire(sandbox: Sandbox, account: Account) -> None:
    code = accept(sandbox, account)
    sandbox.faults.skew = 601
    assert exchange(sandbox, code, 400)["error"] == "invalid_grant"
    shown = requests.get(authorization_url(sandbox), timeout=5, allow_redirects=False).headers["Location"]
    sandbox.faults.skew = 901.5
    body = {"state": parse_qs(urlsplit(shown).query)["state"][0]}
    answer = requests.post(f"{sandbox.url}oauth2/authorize/refuse", json=body, timeout=5)
    assert (answer.status_code, answer.json()["error_description"]) == (400, "signed state expired")


def test_a_code_is_no_refresh_token_and_the_reverse(sandbox: Sandbox, account: Account) -> None:
    tokens, code = exchange(sandbox, accept(sandbox, account)), accept(sandbox, account)
    assert exchange(sandbox, tokens["refresh_token"], 400)["error"] == "invalid_grant"
    assert refresh(sandbox, code, 400)["error"] == "invalid_grant"


def test_a_code_that_fails_leaves_no_access(sandbox: Sandbox, account: Account) -> None:
    owner = Caller(sandbox.url, account.username, account.token)
    code = accept(sandbox, account)
    before = len(owner.get("accesses")["accesses"])
    ask(sandbox, 400, grant_type="authorization_code", code=code, code_verifier="another" * 7, redirect_uri=CALLBACK)
    assert len(owner.get("accesses")["accesses"]) == before - 1


def test_after_a_revocation_for_reuse_a_person_can_consent_again(sandbox: Sandbox, account: Account) -> None:
    first = exchange(sandbox, accept(sandbox, account))
    second = refresh(sandbox, first["refresh_token"])
    refresh(sandbox, first["refresh_token"], 400)
    session(sandbox, account, second).get("events")
    sandbox.faults.skew = 11
    refresh(sandbox, first["refresh_token"], 400)
    session(sandbox, account, second).get("events", 403)
    assert refresh(sandbox, second["refresh_token"], 400)["error_description"] == "consent has been revoked"
    session(sandbox, account, exchange(sandbox, accept(sandbox, account))).get("events")


def test_permissions_shrink_with_the_consent(sandbox: Sandbox, account: Account) -> None:
    owner = Caller(sandbox.url, account.username, account.token)
    tokens = exchange(sandbox, accept(sandbox, account))
    consent = next(doc for doc in owner.get("accesses")["accesses"] if doc["name"].startswith("cmc:"))
    owner.put(f"accesses/{consent['id']}", {"permissions": [DIARY]})
    caller = session(sandbox, account, refresh(sandbox, tokens["refresh_token"]))
    caller.get("events", streams=["diary"])
    caller.add_event("notes", expect=403)


@pytest.mark.parametrize(
    ("uri", "matches"),
    [
        ("http://127.0.0.1:1234/cb", True),
        ("http://127.0.0.1/cb", True),
        ("http://127.0.0.1:1234/cb/", False),
        ("http://127.0.0.1:1234/cb?a=1", False),
        ("http://user@127.0.0.1:1234/cb", False),
        ("https://127.0.0.1:1234/cb", False),
        ("http://[::1]:1234/cb", False),
        ("http://127.0.0.1:x/cb", False),
        ("http://127.0.0.1:1234/cb#a", False),
    ],
)
def test_the_port_of_a_loopback_address_does_not_matter(uri: str, matches: bool) -> None:
    assert is_registered(uri, ["http://127.0.0.1:8080/cb"]) is matches


# ---- DPoP


@pytest.fixture(scope="module")
def key() -> Jwk:
    numbers = generate_private_key(SECP256R1()).private_numbers()
    coordinates = {"x": numbers.public_numbers.x, "y": numbers.public_numbers.y, "d": numbers.private_value}
    encoded = {
        name: base64.urlsafe_b64encode(value.to_bytes(32, "big")).decode().rstrip("=")
        for name, value in coordinates.items()
    }
    return {"kty": "EC", "crv": "P-256", **encoded}


NOW = 1_800_000_000
URL = "https://host.example/alice/events"


@pytest.mark.parametrize(
    ("header", "payload", "valid"),
    [
        ({}, {}, True),
        ({}, {"iat": NOW - 120}, True),
        ({}, {"iat": NOW + 121}, False),
        ({}, {"iat": str(NOW)}, False),
        ({}, {"iat": True}, False),
        ({}, {"iat": 10**400}, False),
        ({}, {"htu": "https://HOST.example:443/alice/events?limit=1#x"}, True),
        ({}, {"htu": URL + "/"}, False),
        ({}, {"htu": "http://host.example/alice/events"}, False),
        ({}, {"htu": "/alice/events"}, False),
        ({}, {"htu": "https://host.example:x/alice/events"}, False),
        ({}, {"htm": "get"}, False),
        ({}, {"jti": ""}, False),
        ({}, {"jti": "j" * 257}, False),
        ({}, {"ath": "another"}, False),
        ({"typ": "JWT"}, {}, False),
        ({"alg": "none"}, {}, False),
    ],
)
def test_proofs(key: Jwk, header: dict[str, Any], payload: dict[str, Any], valid: bool) -> None:
    public = {name: value for name, value in key.items() if name != "d"}
    ath = base64.urlsafe_b64encode(hashlib.sha256(b"token").digest()).decode().rstrip("=")
    claims = {"jti": "one", "htm": "GET", "htu": URL, "iat": NOW, "ath": ath, **payload}
    proof = signed(key, {"typ": "dpop+jwt", "alg": "ES256", "jwk": public, **header}, claims)
    if valid:
        assert check_dpop(proof, "GET", URL, NOW + 0.9, "token") == (thumbprint(public), "one")
    else:
        with pytest.raises(ProofError):
            check_dpop(proof, "GET", URL, NOW + 0.9, "token")


def test_any_text_can_be_the_id_of_a_proof(sandbox: Sandbox, account: Account, key: Jwk) -> None:
    public = {name: value for name, value in key.items() if name != "d"}
    token_url = f"{sandbox.url}oauth2/token"
    for proof_id in ("\ud800", "\x00", "é"):
        claims = {"jti": proof_id, "htm": "POST", "htu": token_url, "iat": int(time.time())}
        proof = signed(key, {"typ": "dpop+jwt", "alg": "ES256", "jwk": public}, claims)
        exchange(sandbox, accept(sandbox, account), proof=proof)
        assert exchange(sandbox, accept(sandbox, account), 400, proof=proof)["error"] == "invalid_dpop_proof"


@pytest.mark.parametrize("header", ["x", "eyJ9", base64.urlsafe_b64encode(b"[" * 2900).decode().rstrip("=")])
def test_a_malformed_proof_is_refused_as_others_are(sandbox: Sandbox, header: str) -> None:
    form = {"grant_type": "authorization_code", "code": "none"}
    response = requests.post(
        f"{sandbox.url}oauth2/token", form, headers={"DPoP": f"{header}.e30.{'A' * 86}"}, timeout=5
    )
    assert (response.status_code, response.json()["error"]) == (400, "invalid_dpop_proof")


def test_a_private_key_in_a_proof_is_refused(key: Jwk) -> None:
    claims = {"jti": "one", "htm": "GET", "htu": URL, "iat": NOW}
    proof = signed(key, {"typ": "dpop+jwt", "alg": "ES256", "jwk": key}, claims)
    with pytest.raises(ProofError):
        check_dpop(proof, "GET", URL, NOW)


@pytest.mark.parametrize("path", ["access-info", "events/é x'~%2F..?limit=1", "streams?state=all"])
def test_a_proof_is_for_the_url_that_the_client_requests(
    sandbox: Sandbox, account: Account, key: Jwk, path: str
) -> None:
    proofs = Proofs()
    proof = proofs.dpop({"key": key}, "POST", f"{sandbox.url}oauth2/token")
    token = exchange(sandbox, accept(sandbox, account), proof=proof)["access_token"]
    prepared = requests.Request("GET", f"{sandbox.url}{account.username}/{path}").prepare()
    assert prepared.url
    claimed = prepared.url.partition("?")[0]
    for forwarded in ({}, {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "pryv.example:8443, inner"}):
        if forwarded:
            claimed = claimed.replace(sandbox.url, "https://pryv.example:8443/")
        headers = {"DPoP": proofs.dpop({"key": key, "token": token}, "GET", claimed), "Authorization": f"DPoP {token}"}
        answer = requests.get(prepared.url, headers={**headers, **forwarded}, timeout=5)
        assert answer.status_code != 403, answer.text


def test_a_bound_token_is_refused_where_no_proof_can_be_sent(sandbox: Sandbox, account: Account, key: Jwk) -> None:
    proofs = Proofs()

    def proof(method: str, url: str, **claims: str) -> str:
        return proofs.dpop({"key": key, **claims}, method, url)

    token_url = f"{sandbox.url}oauth2/token"
    tokens = exchange(sandbox, accept(sandbox, account), proof=proof("POST", token_url))
    assert tokens["token_type"] == "DPoP"
    url = f"{sandbox.url}{account.username}/access-info"

    def call() -> int:
        headers = {
            "Authorization": f"DPoP {tokens['access_token']}",
            "DPoP": proof("GET", url, token=tokens["access_token"]),
        }
        return requests.get(url, headers=headers, timeout=5).status_code

    assert call() == 200
    with RawSocket(sandbox, account.username, tokens["access_token"]) as raw:
        assert "DPoP proof verification failed" in raw.connect()
    sandbox.revoke_key(thumbprint(key))
    assert call() == 403
    refresh(sandbox, tokens["refresh_token"], 400, proof=proof("POST", token_url))
