"""Shared secrets: values such as tokens that can be read once, by anyone who has the key.

The API reference does not describe them; see `those of the server
<https://github.com/pryv/open-pryv.io/tree/master/components/shared-secrets>`__.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import re
import secrets
from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

import attrs

from pryv._arguments import require, require_seconds
from pryv._display import SecretText
from pryv._tracebacks import without_frames
from pryv._transport import json
from pryv._transport.results import member, with_members
from pryv._transport.timeouts import DEFAULT, DEFAULT_TIMEOUT, CallTimeout, Timeout
from pryv.connection import Connection
from pryv.errors import ApiError, PryvError, PryvProtocolError, SharedSecretUnavailableError
from pryv.types import SharedSecretStatus
from pryv.utils import extract_token_and_api_endpoint

__all__ = [
    "SharedSecret",
    "SharedSecretUnavailableError",
    "create",
    "parse_key",
    "retrieve",
    "status",
]

_CREATE, _STATUS, _RETRIEVE = "sharedSecrets.create", "sharedSecrets.getOne", "sharedSecrets.retrieve"

_KEY = re.compile(r"([A-Za-z0-9_-]{1,64})\.([A-Za-z0-9_-]{32,128})")
_WEB_URL = re.compile(r"https?://\S+", re.IGNORECASE)
"""The platform's rule for a return URL."""

_RANDOM_SIZE = 24
"""Bytes of the random part of a key."""

_PASSPHRASE, _HMAC = "secret", "hmac-sha256"
"""Types of signatures."""


@attrs.frozen
class SharedSecret:
    """A shared secret, without the secret itself.

    It cannot be pickled: pass its `key` on.

    Attributes:
        id: The id of its event.
        key: The key that gives the secret, once. Its `repr` is masked, as it is a secret too.
        title: Its title, for its creator.
        status: `pending`, `consumed` or `discarded`.
        status_history: Its statuses, the oldest first, each with its `time` and perhaps an `info`.
        expires: The time from which it is discarded, in seconds since 1970.
        message: The text for anyone who tries to read it when it is no longer available.
        return_url: A page for them; `None` if it has none.
        signature_type: `secret` if a passphrase is required to read it, `hmac-sha256` if a verifier secret is; `None`
            if the key is enough.
    """

    id: str
    key: str = attrs.field(repr=False, converter=SecretText)
    title: str
    status: str
    status_history: list[SharedSecretStatus]
    expires: float
    message: str
    return_url: str | None
    signature_type: str | None

    def __reduce__(self) -> NoReturn:
        raise TypeError("a shared secret cannot be pickled: it contains its key")


@without_frames
def create(
    connection: Connection,
    secret: Any,
    *,
    ttl: float,
    title: str,
    message: str,
    return_url: str | None = None,
    passphrase: str | None = None,
    verifier_secret: str | None = None,
    timeout: CallTimeout = DEFAULT,
) -> SharedSecret:
    """Store a secret that can be read once, and return it with its key.

    The request is never sent twice.

    Args:
        connection: A connection to the account that keeps the secret.
        secret: A string, or other JSON data. Platforms allow 4096 bytes of JSON unless configured otherwise.
        ttl: Seconds until the secret is discarded. Platforms allow 30 days unless configured otherwise.
        title: A title, by which the creator recognizes it.
        message: A text for anyone who tries to read it when it is no longer available.
        return_url: The http(s) URL of a page for them.
        passphrase: A passphrase that is required to read it. The platform gets it.
        verifier_secret: A secret that is required to read it, and that the platform never gets: the proof is an HMAC.
        timeout: Replaces the connection's timeout.

    Raises:
        TypeError: an argument has the wrong type, or the secret has no JSON form.
        ValueError: an argument is empty or out of range, or both `passphrase` and `verifier_secret` are given.
        ForbiddenError: the access may not create shared secrets.
        InvalidParametersError: the secret is too large, or the `ttl` too long.
        PryvConnectionError: there is no complete response. If its `sent` is true, the secret may have been stored.
        PryvError: the call failed; see *Errors and retries*.
    """
    data = _checked(secret, ttl, title, message, return_url)
    random_part = secrets.token_urlsafe(_RANDOM_SIZE)
    proof = _signature(passphrase, verifier_secret, random_part)
    if proof is not None:
        if proof[0] == _HMAC:
            data["keyHash"] = hashlib.sha256(random_part.encode()).hexdigest()
        data["signature"] = {"type": proof[0], "value": proof[1]}
    with _sent_once("the shared secret may have been created"):
        body = _post(connection, "", _CREATE, data, secret, passphrase, verifier_secret, random_part, timeout=timeout)
        shared = member(body, "sharedSecret", dict, _CREATE)
        key = f"{shared.get('id')}.{random_part}" if "keyHash" in data else shared.get("key")
        return _shared_secret(shared, key, _CREATE)


@without_frames
def retrieve(
    api_endpoint: str,
    key: str,
    *,
    passphrase: str | None = None,
    verifier_secret: str | None = None,
    timeout: Timeout = DEFAULT_TIMEOUT,
) -> Any:
    """Return a secret, which nobody can read again.

    No token is needed. The request is never sent twice. A wrong passphrase or verifier secret discards the secret; a
    missing one does not.

    Args:
        api_endpoint: The API endpoint of the account; a token in it is not sent.
        key: The key of the secret.
        passphrase: The passphrase with which the secret was created.
        verifier_secret: The verifier secret with which it was created.
        timeout: Seconds for connecting, and for each step after it, as in `Connection`.

    Raises:
        TypeError: an argument has the wrong type.
        ValueError: an argument is malformed or empty, or both `passphrase` and `verifier_secret` are given.
        SharedSecretUnavailableError: it was read or discarded before, or has expired, or the passphrase or verifier
            secret is missing or wrong.
        UnknownResourceError: there is no such secret, or no such account.
        PryvConnectionError: there is no complete response. If its `sent` is true, the secret may be spent.
        PryvError: the call failed; see *Errors and retries*.
    """
    _, endpoint = extract_token_and_api_endpoint(api_endpoint)
    _, random_part = parse_key(key)
    proof = _signature(passphrase, verifier_secret, random_part)
    data: dict[str, Any] = {"key": key}
    if proof is not None:
        data["signature"] = {"type": proof[0], "payload": proof[1]}
    hidden = (key, random_part, passphrase, verifier_secret, proof and proof[1])
    with _sent_once("the secret may be spent"), Connection(endpoint, timeout=timeout) as connection:
        body = _post(connection, "/retrieve", _RETRIEVE, data, *hidden)
        if body.get("secret") is None:
            raise PryvProtocolError(f"{_RETRIEVE}: the response has no secret")
        return body["secret"]


@without_frames
def status(connection: Connection, key: str, *, timeout: CallTimeout = DEFAULT) -> SharedSecret:
    """Return the status of a shared secret, which stays as it is.

    Args:
        connection: A connection with the token of its creator, or with a personal token.
        key: The key of the secret.
        timeout: Replaces the connection's timeout.

    Raises:
        TypeError: `key` is not a string.
        ValueError: `key` is malformed.
        UnknownResourceError: there is no such secret, or another access created it.
        PryvError: the call failed; see *Errors and retries*.
    """
    _, random_part = parse_key(key)
    body = _post(connection, "/status", _STATUS, {"key": key}, key, random_part, idempotent=True, timeout=timeout)
    return _shared_secret(member(body, "sharedSecret", dict, _STATUS), key, _STATUS)


@without_frames
def parse_key(key: str) -> tuple[str, str]:
    """Return the parts of a key: the id of the shared secret, and the random part that only the key has.

    Args:
        key: The key, `ID.RANDOM`.

    Raises:
        TypeError: it is not a string.
        ValueError: it is not a key. The message does not repeat it.
    """
    require(key=key)
    match = _KEY.fullmatch(key)
    if match is None:
        raise ValueError("not a key of a shared secret: expected ID.RANDOM")
    return match[1], match[2]


def _checked(secret: Any, ttl: float, title: str, message: str, return_url: str | None) -> dict[str, Any]:
    """Return the data of a new shared secret.

    Raises:
        TypeError: an argument has the wrong type.
        ValueError: an argument is empty or out of range.
    """
    require_seconds(ttl, "ttl", above_zero=True)
    require(title=title, message=message)
    if not title.strip():
        raise ValueError("title is blank")
    on_consumed = {"message": message}
    if return_url is not None:
        require(return_url=return_url)
        if not _WEB_URL.fullmatch(return_url):
            raise ValueError("return_url is not an http(s) URL")
        on_consumed["returnUrl"] = return_url
    if secret is None:
        raise ValueError("secret is None")
    return {"ttl": ttl, "title": title, "onConsumed": on_consumed, "secret": secret}


def _signature(passphrase: str | None, verifier_secret: str | None, random_part: str) -> tuple[str, str] | None:
    """Return the type and the value of the signature that a passphrase or verifier secret makes, `None` without one.

    Raises:
        TypeError: one is not a string.
        ValueError: both are given, or one is empty or has no UTF-8 form.
    """
    given = {"passphrase": passphrase, "verifier_secret": verifier_secret}
    for name, value in given.items():
        if value is not None:
            require(**{name: value})
            json.encode(value, name)
    if passphrase is not None and verifier_secret is not None:
        raise ValueError("passphrase and verifier_secret exclude each other")
    if verifier_secret is not None:
        return _HMAC, hmac.new(verifier_secret.encode(), random_part.encode(), hashlib.sha256).hexdigest()
    return None if passphrase is None else (_PASSPHRASE, passphrase)


def _post(
    connection: Connection,
    path: str,
    label: str,
    data: Mapping[str, Any],
    *hidden: Any,
    idempotent: bool = False,
    timeout: CallTimeout = DEFAULT,
) -> dict[str, Any]:
    """Send a call and return its result; the values in `hidden` are masked in its errors.

    Raises:
        TypeError: `connection` is none, or `data` has no JSON form.
    """
    if not isinstance(connection, Connection):
        raise TypeError(f"connection is a pryv.Connection, not {type(connection).__name__}")
    account = connection._account
    response = account.send(
        "POST",
        f"shared-secrets{path}",
        label=label,
        headers=json.HEADERS,
        body=json.encode(data),
        idempotent=idempotent,
        timeout=timeout,
    )
    return account.result(response, sent={"secret": hidden})


@contextlib.contextmanager
def _sent_once(doubt: str) -> Iterator[None]:
    """Add a doubt to the message of an error after which the platform may have carried out the call."""
    try:
        yield
    except ApiError as error:
        if error.id is None or (error.status or 0) >= 500:
            error.message = f"{error.message}; {doubt}"
        raise
    except PryvError as error:
        if getattr(error, "sent", True):
            error.args = (f"{error}; {doubt}",)
        raise


def _shared_secret(data: Mapping[str, Any], key: Any, label: str) -> SharedSecret:
    """Return a shared secret from the platform's data.

    Raises:
        PryvProtocolError: the data or the key are malformed.
    """
    kinds: dict[str, type] = {"id": str, "title": str, "status": str, "statusHistory": list, "onConsumed": dict}
    found = with_members(data, label, **kinds)
    expires, on_consumed = found.get("expires"), found["onConsumed"]
    if not isinstance(expires, (int, float)):
        raise PryvProtocolError(f"{label}: the response has no 'expires' of type number")
    if not isinstance(key, str) or not _KEY.fullmatch(key):
        raise PryvProtocolError(f"{label}: the response has no key")
    return SharedSecret(
        found["id"],
        key,
        found["title"],
        found["status"],
        found["statusHistory"],
        expires,
        member(on_consumed, "message", str, label),
        _text(on_consumed.get("returnUrl")),
        _text(found.get("signatureType")),
    )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
