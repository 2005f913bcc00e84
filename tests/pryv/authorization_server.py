"""An authorization server that is strict about each rule, with an account behind it.

A client breaks a rule if it

- requests anything but `GET` of the metadata and `POST` of the token endpoint, or sends parameters in the URL;
- repeats a parameter, sends an empty one, one that the grant does not have, or a body that is not a form;
- sends a code, a code verifier or a refresh token a second time after a known outcome, or a third time at all;
- names another redirect URI than the one of the authorization request, or a verifier that does not match;
- authenticates in another way than it is registered for, in two ways, or with a secret that is not percent-encoded;
- sends a DPoP proof that is not valid, or that came before, or none where the tokens are bound to a key;
- asks for authorization without PKCE, `S256`, a state, or with parameters that OAuth does not have;
- sends a token in another header, or another form, than the platform reads.

Each is in `violations`, and the client is refused.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import secrets
import socket
import threading
import time
from collections import Counter, deque
from collections.abc import Mapping
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

import attrs
from tests.pryv.proof_verifier import RefusedError, parts, thumbprint, verify_proof

_FORM = "application/x-www-form-urlencoded"
_GRANTS = {
    "authorization_code": {"code", "code_verifier", "redirect_uri"},
    "refresh_token": {"refresh_token"},
    "client_credentials": {"scope"},
}
_UNRESERVED = re.compile(r"[A-Za-z0-9._~%-]+")


@attrs.define
class Grant:
    """What a code or a refresh token stands for; `outcome_lost` if the client got no response when it was used."""

    scope: str
    challenge: str = ""
    redirect_uri: str = ""
    key: str | None = None
    uses: int = 0
    used_at: float = 0.0
    outcome_lost: bool = False


@attrs.define
class AuthorizationServer:
    """The server, which listens until it is closed.

    Attributes:
        lifetime: Seconds that an access token is valid.
        grace: Seconds in which a used refresh token is only refused; after them, the consent ends.
        skew: Seconds by which its clock, and its `Date`, are ahead.
        cached: Age in seconds of a copy of the metadata, which a proxy returns to a request that accepts it.
        refuses_deletion: Whether an access may not delete itself.
        secret: The secret of the client, if it has one.
        supports_dpop: Whether tokens that are requested with a proof are bound to its key.
        nonce: The nonce that proofs need at the token endpoint, if they need one.
        account_nonce: The same at the account.
        faults: What happens to the next token requests: `cut-before` and `cut-after` the request is processed,
            `hang-after`, `echo` the request in an error, an error status, or a body.
        metadata: Members of the metadata that replace the usual ones; `None` removes one.
        tokens: Members of the responses with tokens that replace the usual ones.
        seen: How many requests of each kind there were.
        violations: The rules that were broken.
    """

    lifetime: float = 3600
    grace: float = 10
    skew: float = 0
    refuses_deletion: bool = False
    cached: float = 0
    client_id: str = "study-app"
    secret: str | None = None
    supports_dpop: bool = True
    nonce: str | None = None
    account_nonce: str | None = None
    faults: deque[Any] = attrs.field(factory=deque)
    metadata: dict[str, Any] = attrs.field(factory=dict)
    tokens: dict[str, Any] = attrs.field(factory=dict)
    seen: Counter[str] = attrs.field(factory=Counter)
    violations: list[str] = attrs.field(factory=list)
    forms: list[dict[str, str]] = attrs.field(factory=list)
    grants: dict[str, Grant] = attrs.field(factory=dict)
    sessions: dict[str, float] = attrs.field(factory=dict)
    keys: dict[str, str] = attrs.field(factory=dict)
    proofs: set[str] = attrs.field(factory=set)
    consent_has_ended: bool = False
    _lock: Any = attrs.field(factory=threading.RLock)
    _http: Any = None

    def __enter__(self) -> AuthorizationServer:
        self._http = _Http(("127.0.0.1", 0), self)
        threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()

    @property
    def url(self) -> str:
        return "http://{}:{}".format(*self._http.server_address)

    @property
    def now(self) -> float:
        return time.time() + self.skew

    @property
    def live_refresh_tokens(self) -> list[str]:
        return [token for token, grant in self.grants.items() if not grant.uses]

    def consent(self, authorization_url: str) -> str:
        """Accept a request as the browser of a person does, and return the URL that it is sent back to."""
        query = self._once(parse_qsl(urlsplit(authorization_url).query, keep_blank_values=True))
        expected = {"response_type", "client_id", "redirect_uri", "scope", "code_challenge", "code_challenge_method"}
        self._rule(query.keys() == expected | {"state"}, "other parameters of the authorization request")
        self._rule(query["response_type"] == "code", "response_type")
        self._rule(query["client_id"] == self.client_id, "client_id of the authorization request")
        self._rule(query["code_challenge_method"] == "S256" and len(query["code_challenge"]) == 43, "PKCE")
        self._rule(len(query["state"]) >= 8, "a state that can be guessed")
        self.consent_has_ended = False
        code = self._issue(Grant(query["scope"], query["code_challenge"], query["redirect_uri"]))
        return f"{query['redirect_uri']}?{urlencode({'code': code, 'state': query['state'], 'iss': self.url})}"

    def respond(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Any:
        """Return the response to a request: a status and an object, bytes, or what to do with the connection."""
        with self._lock:
            path = target.partition("?")[0]
            if path == "/.well-known/oauth-authorization-server":
                self.seen["metadata"] += 1
                self._rule(method == "GET" and "?" not in target, "not a GET of the metadata")
                return 200, self._metadata()
            if path == "/oauth2/token":
                self.seen["token"] += 1
                return self._token_response(method, target, headers, body)
            return self._account_response(method, target, headers)

    def _metadata(self) -> dict[str, Any]:
        usual = {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/oauth2/authorize",
            "token_endpoint": f"{self.url}/oauth2/token",
            "grant_types_supported": ["authorization_code"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "private_key_jwt", "none"],
            "authorization_response_iss_parameter_supported": True,
        }
        return {name: value for name, value in {**usual, **self.metadata}.items() if value is not None}

    def _token_response(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Any:
        self._rule(method == "POST" and "?" not in target, "not a POST without query")
        self._rule(headers.get("Content-Type", "").partition(";")[0] == _FORM, "not a form")
        form = self._once(parse_qsl(body.decode(), keep_blank_values=True, strict_parsing=True))
        self.forms.append(form)
        fault = self.faults.popleft() if self.faults else None
        if fault == "cut-before" or isinstance(fault, tuple):
            self._lose_outcome(form)
            return fault
        response = self._issue_tokens(form, headers)
        if fault is not None:
            self._lose_outcome(form)
        if fault == "echo":
            return 400, {"error": "server_error", "error_description": f"{urlencode(form)} {form} {dict(headers)}"}
        return response if fault is None else fault

    def _issue_tokens(self, form: dict[str, str], headers: Mapping[str, str]) -> Any:
        kind = form.get("grant_type", "")
        allowed = _GRANTS.get(kind, set()) | {"grant_type", "client_id", "client_secret"}
        if not self._rule(
            kind in _GRANTS and form.keys() <= allowed and all(form.values()), f"parameters: {sorted(form)}"
        ):
            return 400, {"error": "invalid_request", "error_description": "parameters"}
        if not self._is_authenticated(form, headers):
            return 401, {"error": "invalid_client", "error_description": "client authentication failed"}
        if kind == "client_credentials":
            return 200, self._session(None, None)
        payload = self._proof_at_token_endpoint(headers)
        if payload is not None and payload.get("nonce") != self.nonce:
            self.seen["nonce"] += 1
            return 400, {"error": "use_dpop_nonce"}, {"DPoP-Nonce": str(self.nonce)}
        return self._exchange(kind, form, None if payload is None else payload.get("key"))

    def _proof_at_token_endpoint(self, headers: Mapping[str, str]) -> dict[str, Any] | None:
        if not self.supports_dpop or "DPoP" not in headers:
            return None
        return self._proof("POST", "/oauth2/token", headers["DPoP"])

    def _exchange(self, kind: str, form: dict[str, str], key: str | None) -> Any:
        token = form.get("code") or form.get("refresh_token") or ""
        grant = self.grants.get(token)
        refused = 400, {"error": "invalid_grant", "error_description": f"{kind} is invalid or already used"}
        if grant is None or self.consent_has_ended:
            return refused
        grant.uses += 1
        if grant.uses > 1:
            self._rule(grant.outcome_lost and grant.uses == 2, f"a {kind} that was used came {grant.uses} times")
            if self.now - grant.used_at >= self.grace:
                self.consent_has_ended = True
                self.sessions.clear()
            return refused
        if kind == "refresh_token" and not self._rule(key == grant.key, "the key of the tokens"):
            return 400, {"error": "invalid_dpop_proof"}
        grant.used_at = self.now
        if kind == "authorization_code":
            digest = base64.urlsafe_b64encode(hashlib.sha256(form["code_verifier"].encode()).digest())
            same = digest.decode().rstrip("=") == grant.challenge and form["redirect_uri"] == grant.redirect_uri
            if not self._rule(same and 43 <= len(form["code_verifier"]) <= 128, "verifier or redirect URI"):
                return refused
        return 200, self._session(grant, key)

    def _session(self, grant: Grant | None, key: str | None) -> dict[str, Any]:
        token = secrets.token_hex(12)
        self.sessions[token] = self.now + self.lifetime
        refresh = {}
        if grant is not None:
            refresh = {"refresh_token": self._issue(Grant(grant.scope, key=key)), "scope": grant.scope}
        if key is not None:
            self.keys[token] = key
        usual = {
            "access_token": token,
            "token_type": "Bearer" if key is None else "DPoP",
            "expires_in": self.lifetime,
            "apiEndpoint": f"{self.url.replace('//', f'//{token}@')}/alice/",
            **refresh,
        }
        return {name: value for name, value in {**usual, **self.tokens}.items() if value is not None}

    def _is_authenticated(self, form: dict[str, str], headers: Mapping[str, str]) -> bool:
        header = headers.get("Authorization")
        if not self._rule(form.get("client_id") == self.client_id, "client_id"):
            return False
        if self.secret is None:
            return self._rule(header is None and "client_secret" not in form, "a secret of a client that has none")
        if not self._rule((header is None) != ("client_secret" not in form), "authentication in two ways, or in none"):
            return False
        if header is None:
            return form["client_secret"] == self.secret
        scheme, _, encoded = header.partition(" ")
        pair = base64.b64decode(encoded).decode().split(":")
        encoded_well = scheme == "Basic" and len(pair) == 2 and all(_UNRESERVED.fullmatch(part) for part in pair)
        return self._rule(encoded_well, "Basic") and list(map(unquote, pair)) == [self.client_id, self.secret]

    def _account_response(self, method: str, target: str, headers: Mapping[str, str]) -> Any:
        self.seen["account"] += 1
        token = headers.get("Authorization", "").removeprefix("DPoP ")
        bound = self.keys.get(token)
        self._rule(("DPoP" in headers) == (bound is not None), "a proof of a plain token, or none of a bound one")
        if bound is not None:
            payload = self._proof(method, target, headers["DPoP"], token)
            self._rule(payload.get("key") == bound, "the key of the token")
            if payload.get("nonce") != self.account_nonce:
                challenge = {"WWW-Authenticate": 'DPoP error="use_dpop_nonce"', "DPoP-Nonce": str(self.account_nonce)}
                return 401, {}, challenge
        expires = self.sessions.get(token)
        if expires is None:
            return 403, {"error": {"id": "invalid-access-token", "message": "Cannot find access from token."}}
        if self.now > expires:
            return 403, {"error": {"id": "forbidden", "message": "Access has expired."}}
        self.seen[f"{method} done"] += 1
        meta = {"meta": {"apiVersion": "2.0.0", "serverTime": self.now, "serial": "1"}}
        if method == "POST" and self.refuses_deletion:
            refusal = {"id": "forbidden", "message": "You may not delete this access."}
            return 200, {"results": [{"error": refusal}], **meta}
        return 200, {"id": "access", "user": {"username": "alice"}, "event": {"id": "e"}, "accessDeletion": {}, **meta}

    def _proof(self, method: str, target: str, proof: str, token: str | None = None) -> dict[str, Any]:
        """Return the payload of a proof, with the thumbprint of its `key`; it is empty if the proof is not valid."""
        try:
            payload = verify_proof(proof, method, f"{self.url}{target}", self.now, token)
        except RefusedError as refusal:
            self._rule(False, f"proof: {refusal}")
            return {}
        self._rule(payload["jti"] not in self.proofs, "a proof that came before")
        self.proofs.add(payload["jti"])
        return {**payload, "key": thumbprint(parts(proof)[0]["jwk"])}

    def _issue(self, grant: Grant) -> str:
        token = secrets.token_urlsafe(32)
        self.grants[token] = grant
        return token

    def _lose_outcome(self, form: dict[str, str]) -> None:
        grant = self.grants.get(form.get("refresh_token", ""))
        if grant is not None:
            grant.outcome_lost = True

    def _once(self, pairs: list[tuple[str, str]]) -> dict[str, str]:
        self._rule(len(dict(pairs)) == len(pairs), "a parameter that is repeated")
        return dict(pairs)

    def _rule(self, holds: bool, name: str) -> bool:
        if not holds:
            self.violations.append(name)
        return holds


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], server: AuthorizationServer) -> None:
        super().__init__(address, _Handler)
        self.strict = server

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore clients that were killed."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Http

    def _respond(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length)
        if len(body) < length:  # the client was killed
            self.close_connection = True
            return
        server = self.server.strict
        response = server.respond(self.command, self.path, dict(self.headers.items()), body)
        if response in ("cut-before", "cut-after"):
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        if response == "hang-after":
            self.connection.recv(1)  # until the client has gone
            self.close_connection = True
            return
        status, content, *headers = response if isinstance(response, tuple) else (200, response)
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response_only(status)
        is_copy = self.path.startswith("/.well-known/") and "no-cache" not in self.headers.get("Cache-Control", "")
        self.send_header("Date", formatdate(server.now - (server.cached if is_copy else 0), usegmt=True))
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        for name, value in headers[0].items() if headers else ():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = _respond  # noqa: N815  (names of the standard library)

    def log_message(self, *_: object) -> None:
        """Print nothing."""
