"""DPoP: proofs of possession of a key, one for each request (RFC 9449)."""

from __future__ import annotations

import hashlib
import re
import time
import uuid
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import requests

from pryv._arguments import require
from pryv._display import SecretText, secret
from pryv._transport.credentials import Credentials, Refusal
from pryv.errors import ERRORS
from pryv.oauth._es256 import SigningKey, base64url, encoded, key_from_jwk, new_key

_DEFAULT_PORTS = {"http": 80, "https": 443}
_NONCE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]{1,1000}")
_ASKS_FOR_NONCE = "use_dpop_nonce"
_TOLERANCE = 30
"""Seconds by which the time of a refused proof may differ from the `Date` of the response without being the cause."""


class DPoPKey:
    """A key pair that tokens are bound to (DPoP): it proves, with each request, that its owner sends it.

    It needs the extra `pryv[dpop]`. The `repr` shows the thumbprint only; a pickle holds the private key.

    See `RFC 9449 <https://www.rfc-editor.org/rfc/rfc9449>`__.
    """

    def __init__(self, key: SigningKey) -> None:
        if not isinstance(key, SigningKey):
            kind = type(key).__name__
            del key, self  # or a traceback would hold them
            raise TypeError(f"use DPoPKey.generate() or DPoPKey.from_jwk(…): this is not a key, but {kind}")
        self._key = key
        self._header = encoded({"typ": "dpop+jwt", "alg": "ES256", "jwk": key.public_jwk})

    @classmethod
    def generate(cls) -> DPoPKey:
        """Return a new key.

        Raises:
            MissingAddonError: the extra is not installed.
        """
        return cls(new_key())

    @classmethod
    def from_jwk(cls, jwk: Mapping[str, Any]) -> DPoPKey:
        """Return the key in a private JWK, as `to_jwk(private=True)` returns it.

        Args:
            jwk: A dict with `kty` "EC", `crv` "P-256", `x`, `y` and `d`; others are ignored.

        Raises:
            MissingAddonError: the extra is not installed.
            TypeError: `jwk` is not a dict.
            ValueError: it is not a private key on the curve P-256.
        """
        try:
            key = key_from_jwk(jwk)
        finally:
            del jwk  # or a traceback would hold the key
        return cls(key)

    def to_jwk(self, private: bool = False) -> dict[str, str]:
        """Return the key as a JWK (RFC 7517).

        Args:
            private: Whether the private key is included; it is a secret.
        """
        return self._key.private_jwk() if private else dict(self._key.public_jwk)

    @property
    def thumbprint(self) -> str:
        """The SHA-256 thumbprint of the public key (RFC 7638), by which the platform knows it."""
        jwk = self._key.public_jwk
        return _digest(f'{{"crv":"{jwk["crv"]}","kty":"{jwk["kty"]}","x":"{jwk["x"]}","y":"{jwk["y"]}"}}')

    def proof(
        self,
        method: str,
        url: str,
        access_token: str | None = None,
        *,
        nonce: str | None = None,
        issued_at: float | None = None,
    ) -> str:
        """Return a proof for one request; a server accepts it once, and for two minutes.

        Args:
            method: The method of the request, such as `GET`.
            url: The URL of the request; its query and fragment do not count.
            access_token: The token that goes with the proof; none at a token endpoint.
            nonce: The last nonce of a server that issues them.
            issued_at: The time of the server, in seconds since 1970; by default the local time.

        Returns:
            The value of the header `DPoP`.

        Raises:
            TypeError: an argument has the wrong type.
            ValueError: an argument is empty, or `url` is not that of an HTTP request.
        """
        url, access_token = secret(url), secret(access_token)
        require(method=method, url=url)
        if access_token is not None:
            require(access_token=access_token)
        if nonce is not None:
            require(nonce=nonce)
        claims = {
            "jti": str(uuid.uuid4()),
            "htm": method,
            "htu": _target(url),
            "iat": int(time.time() if issued_at is None else issued_at),
            **({} if access_token is None else {"ath": _digest(access_token)}),
            **({} if nonce is None else {"nonce": nonce}),
        }
        return self._key.signed(self._header, claims)

    def __repr__(self) -> str:
        return f"<DPoPKey {self.thumbprint}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DPoPKey) and self._key.public_jwk == other._key.public_jwk

    def __hash__(self) -> int:
        return hash(self.thumbprint)

    def __reduce__(self) -> tuple[Any, ...]:
        return DPoPKey, (self._key,)


class Prover:
    """Proves the possession of a key to one platform: by its time, and with its nonce if it issues them.

    Attributes:
        key: The key.
    """

    def __init__(self, key: DPoPKey) -> None:
        self.key = key
        self._ahead = 0.0
        self._nonce: str | None = None

    def headers(self, method: str, url: str, access_token: str | None = None) -> dict[str, str]:
        """Return the headers of one attempt of a request, with the token if there is one."""
        issued_at = time.time() + self._ahead
        proof = self.key.proof(method, url, access_token, nonce=self._nonce, issued_at=issued_at)
        return {**({} if access_token is None else {"Authorization": f"DPoP {access_token}"}), "DPoP": proof}

    def observe_clock(self, ahead: float) -> None:
        """Take note of the seconds by which the platform's clock is ahead of the local one."""
        self._ahead = ahead

    def accept_nonce(self, headers: Mapping[str, str]) -> bool:
        """Take the nonce of a response that asks for one; return whether there is one (RFC 9449, section 8)."""
        nonce = headers.get("DPoP-Nonce") or ""
        if not _NONCE.fullmatch(nonce):
            return False
        self._nonce = nonce
        return True

    def correct(self, refusal: Refusal) -> bool:
        """Return whether another proof may be accepted: with the platform's nonce, or by its time."""
        if _ASKS_FOR_NONCE in f"{refusal.error_id} {refusal.headers.get('WWW-Authenticate')}":
            return self.accept_nonce(refusal.headers)
        ahead = refusal.clock_ahead
        if refusal.error_id != ERRORS.INVALID_ACCESS_TOKEN or ahead is None or abs(ahead - self._ahead) <= _TOLERANCE:
            return False
        self._ahead = ahead
        return True


class BoundToken(Credentials):
    """A token that stays the same, and is bound to a key."""

    is_bound = True

    def __init__(self, token: str, key: DPoPKey) -> None:
        self._token = SecretText(token)
        self._prover = Prover(key)

    @property
    def token(self) -> str:
        """The token."""
        return self._token

    @property
    def secrets(self) -> tuple[str, ...]:
        """The token."""
        return (self._token,)

    def headers(self, method: str, url: str) -> Mapping[str, str]:
        """Return the token and a new proof."""
        return self._prover.headers(method, url, self._token)

    def before_request(self) -> None:
        """Do nothing: it is never due."""

    def renewed(self, refusal: Refusal) -> bool:
        """Return whether another proof may be accepted."""
        return self._prover.correct(refusal)

    def observe_clock(self, ahead: float) -> None:
        """Date proofs by the platform's time."""
        self._prover.observe_clock(ahead)


def _digest(text: str) -> str:
    return base64url(hashlib.sha256(text.encode()).digest())


def _target(url: str) -> str:
    """Return the `htu` of a URL: as it is requested, in lower case up to the path, without default port and query.

    Raises:
        ValueError: it is not an http(s) URL.
    """
    try:
        parts = urlsplit(str(requests.Request("GET", url).prepare().url))
        port = parts.port
    except (ValueError, requests.RequestException):
        parts, port = None, None
    if parts is None or parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
        raise ValueError("url is not an http(s) URL")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    place = host if port in (None, _DEFAULT_PORTS[parts.scheme]) else f"{host}:{port}"
    return f"{parts.scheme}://{place}{parts.path}"
