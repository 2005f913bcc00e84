"""Shared secrets: their validation, their keys, and the changes of their status."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from typing import Any

from pryv_sandbox.model.errors import ApiError, forbidden, invalid_operation, invalid_parameters
from pryv_sandbox.model.json_text import dumps
from pryv_sandbox.model.system_streams import SHARED_SECRETS, store_of

Content = dict[str, Any]

EVENT_TYPE = "shared-secret/item"
MAX_TTL = 30 * 24 * 3600
MAX_SIZE = 4096
PROOFS = ("secret", "hmac-sha256")

_KEY = re.compile(r"(?P<id>[A-Za-z0-9_-]{1,64})\.(?P<half>[A-Za-z0-9_-]{32,128})")
_DIGEST = re.compile("[0-9a-f]{64}")
_URL = re.compile(r"https?://\S+", re.IGNORECASE)


# ---- creation


def check_new(params: dict[str, Any]) -> None:
    """Refuse the parameters of a shared secret that are not valid.

    Raises:
        ApiError: with a specific id in the data.
    """
    ttl, title, on_consumed, proof = (params.get(key) for key in ("ttl", "title", "onConsumed", "signature"))
    if isinstance(ttl, bool) or not isinstance(ttl, (int, float)) or ttl <= 0:
        raise _invalid("invalid-ttl", "ttl must be a positive number of seconds.")
    if ttl > MAX_TTL:
        raise _invalid("ttl-too-long", f"ttl exceeds the maximum of {MAX_TTL} seconds.")
    if not isinstance(title, str) or not title.strip():
        raise _invalid("invalid-title", "title is required.")
    if not isinstance(on_consumed, dict) or not _is_text(on_consumed.get("message")):
        raise _invalid("invalid-on-consumed", "onConsumed.message is required.")
    url = on_consumed.get("returnUrl")
    if url is not None and not (isinstance(url, str) and _URL.fullmatch(url)):
        raise _invalid("invalid-return-url", "onConsumed.returnUrl must be an http(s) URL.")
    if params.get("secret") is None:
        raise _invalid("missing-secret", "secret is required and may not be null.")
    if len(dumps(params["secret"]).encode()) > MAX_SIZE:
        raise _invalid("too-large", f"secret exceeds the maximum of {MAX_SIZE} bytes.")
    if "keyHash" in params and not (isinstance(params["keyHash"], str) and _DIGEST.fullmatch(params["keyHash"])):
        raise _invalid("invalid-key-hash", "keyHash must be a hex SHA-256 digest.")
    if proof is not None and not _is_proof(proof):
        message = f"signature.type must be one of {', '.join(PROOFS)} with a non-empty value."
        raise _invalid("invalid-signature", message)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and value != ""


def _is_proof(value: Any) -> bool:
    return isinstance(value, dict) and value.get("type") in PROOFS and _is_text(value.get("value"))


def _invalid(name: str, message: str) -> ApiError:
    return invalid_parameters({"id": f"shared-secret-{name}"}, message)


def new_key(item_id: str) -> tuple[str, str]:
    """A new key of an item, and the digest by which it is recognized."""
    half = secrets.token_urlsafe(24)
    return f"{item_id}.{half}", _digest(half)


def new_content(params: dict[str, Any], key_hash: str, now: float) -> Content:
    """The content of a new item."""
    content = {
        "title": params["title"],
        "secret": params["secret"],
        "status": "pending",
        "keyHash": key_hash,
        "onConsumed": params["onConsumed"],
        "statusHistory": [{"time": now, "status": "pending"}],
    }
    return content if params.get("signature") is None else {**content, "signature": params["signature"]}


# ---- use


def parse_key(key: Any) -> tuple[str, str] | None:
    """The id of the item and the secret half in a key, if it has the form of one."""
    match = _KEY.fullmatch(key) if isinstance(key, str) else None
    return (match["id"], match["half"]) if match else None


def fits(event: dict[str, Any], half: str) -> bool:
    """Whether an event is a shared secret, and has this secret half of the key."""
    return is_item(event) and hmac.compare_digest(_digest(half), event["content"]["keyHash"])


def is_proven(content: Content, given: Any) -> bool:
    """Whether the given proof is the one that the item requires, if it requires one."""
    wanted = content.get("signature")
    return wanted is None or (
        isinstance(given, dict)
        and given.get("type") == wanted["type"]
        and isinstance(given.get("payload"), str)
        and hmac.compare_digest(given["payload"].encode(), wanted["value"].encode())
    )


def ended(content: Content, status: str, now: float, info: str | None = None) -> Content:
    """The content after a change of the status, without the secret and the proof that it required."""
    step = {"status": status, "time": now} if info is None else {"status": status, "time": now, "info": info}
    kept = {key: value for key, value in content.items() if key != "secret"}
    if "signature" in kept:
        kept["signature"] = {"type": kept["signature"]["type"]}
    return {**kept, "status": status, "statusHistory": [*content["statusHistory"], step]}


def unavailable(content: Content) -> ApiError:
    """The error for a secret that is no longer available, with the creator's message."""
    data = {"id": "shared-secret-unavailable"}
    url = content["onConsumed"].get("returnUrl")
    return forbidden(content["onConsumed"]["message"], data if url is None else {**data, "returnUrl": url})


def public(item: dict[str, Any], now: float) -> dict[str, Any]:
    """An item as its creator sees it, without the secret."""
    content, expires = item["content"], item["time"] + item["duration"]
    shown = {"id": item["id"], **{key: content[key] for key in ("title", "status", "statusHistory", "onConsumed")}}
    if "signature" in content:
        shown["signatureType"] = content["signature"]["type"]
    shown["expires"] = expires
    if content["status"] == "pending" and now > expires:
        shown |= {"status": "discarded", "expired": True}
    return shown


def _digest(half: str) -> str:
    return hashlib.sha256(half.encode()).hexdigest()


# ---- guards: the items are events, but are not written as such


def is_item(event: dict[str, Any]) -> bool:
    """Whether an event is a shared secret."""
    return any(store_of(stream_id) == "shared-secrets" for stream_id in event.get("streamIds", []))


def check_new_event(event: dict[str, Any]) -> None:
    """Refuse an event that would be a shared secret.

    Raises:
        ApiError: ``forbidden``.
    """
    if is_item(event):
        message = "Shared secrets can only be created through their own endpoint."
        raise forbidden(message, {"id": "shared-secret-reserved-stream"})
    if event["type"] == EVENT_TYPE:
        raise forbidden("The shared-secret event type is reserved.", {"id": "shared-secret-reserved-type"})


def check_update(event: dict[str, Any], changed: dict[str, Any]) -> None:
    """Refuse an update of a shared secret, or one that would make one.

    Raises:
        ApiError: ``forbidden``.
    """
    if is_item(event):
        raise forbidden("A shared secret cannot be modified.", {"id": "shared-secret-immutable"})
    if is_item(changed) or changed["type"] == EVENT_TYPE:
        raise forbidden("An event cannot be turned into a shared secret.", {"id": "shared-secret-reserved-type"})


def check_stream(*stream_ids: str | None) -> None:
    """Refuse to write to a stream of shared secrets.

    Raises:
        ApiError: ``invalid-operation``.
    """
    if any(stream_id and stream_id.startswith(SHARED_SECRETS) for stream_id in stream_ids):
        message = "The shared-secrets namespace is managed by the server."
        raise invalid_operation(message, {"id": "shared-secret-reserved-stream"})
