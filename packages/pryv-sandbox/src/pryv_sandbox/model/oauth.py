"""OAuth 2: the permissions that a client may request, and those that a person may keep."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

from pryv_sandbox.model.access import RANK, Access
from pryv_sandbox.model.json_text import dumps

Permission = dict[str, Any]

_OFFER = re.compile("[a-zA-Z0-9][a-zA-Z0-9._-]{0,63}")
_LOOPBACK = ("127.0.0.1", "::1")
MOST_PERMISSIONS = 100


class OAuthError(Exception):
    """An error of OAuth: its name, a description, and an HTTP status."""

    def __init__(self, name: str, description: str, status: int = 400) -> None:
        super().__init__(description)
        self.name = name
        self.description = description
        self.status = status


def is_registered(redirect_uri: str, registered: Iterable[str]) -> bool:
    """Whether a URL is one of those registered; the port of a loopback address does not matter (RFC 8252, 7.3)."""
    return "#" not in redirect_uri and any(
        uri == redirect_uri or _without_port(uri) == _without_port(redirect_uri) is not None for uri in registered
    )


def _without_port(uri: str) -> tuple[str, ...] | None:
    """The parts of a loopback URL but its port."""
    try:
        parts = urlsplit(uri)
        _ = parts.port
    except ValueError:
        return None
    if parts.scheme != "http" or parts.hostname not in _LOOPBACK:
        return None
    return parts.hostname, parts.netloc.rpartition("@")[0], parts.path, parts.query


def parse_scope(scope: str, registered: Iterable[str]) -> str:
    """The name of the one offer in a scope.

    Raises:
        OAuthError: ``invalid_scope``.
    """
    tokens = scope.split()
    for token in tokens:
        namespace, colon, name = token.partition(":")
        if not colon:
            raise OAuthError("invalid_scope", f'scope token missing namespace prefix: "{token}"')
        if namespace != "cmc":
            raise OAuthError("invalid_scope", f'unknown scope namespace "{namespace}" in token "{token}"')
        if not _OFFER.fullmatch(name):
            expected = "1-64 chars of [a-zA-Z0-9._-], starting alphanumeric"
            raise OAuthError("invalid_scope", f'invalid cmc offer name "{name}" — expected {expected}')
    unknown = [token for token in tokens if token not in registered]
    if unknown:
        raise OAuthError("invalid_scope", f"client is not registered for scope(s): {' '.join(unknown)}")
    if len(tokens) != 1:
        raise OAuthError("invalid_scope", "scope must be exactly one cmc:<offer-name> consent-offer reference")
    return tokens[0].partition(":")[2]


# ---- permissions


def check_permissions(permissions: list[Any]) -> list[Permission]:
    """The permissions that a person keeps.

    Raises:
        OAuthError: ``invalid_scope``, if one is malformed or there is none.
    """
    for index, entry in enumerate(permissions):
        if not _is_permission(entry):
            expected = "{streamId, level in [none, read, create-only, contribute, manage]}"
            expected += " or {feature, setting in [forbidden, allowed]}"
            message = f"grantedPermissions invalid: invalid permission at index {index}: expected {expected}"
            raise OAuthError("invalid_scope", message)
    if not permissions:
        raise OAuthError("invalid_scope", "grantedPermissions must keep at least one permission (refuse instead)")
    return [_bare(entry) for entry in permissions]


def _is_permission(entry: Any) -> bool:
    if not isinstance(entry, dict):
        return False
    if "feature" in entry:
        return entry.get("setting") in ("forbidden", "allowed")
    return isinstance(entry.get("streamId"), str) and entry.get("level") in RANK


def _bare(entry: Permission) -> Permission:
    return {key: entry[key] for key in ("streamId", "level", "feature", "setting") if key in entry}


def check_choice(granted: list[Permission], offered: list[Permission], *, may_choose: bool) -> None:
    """Refuse permissions that are not offered, or that lack a mandatory one.

    Raises:
        OAuthError: ``invalid_scope``.
    """
    _refuse(
        "grantedPermissions must be a subset of the offered permissions; offending",
        (entry for entry in granted if not any(_covers(offer, entry) for offer in offered)),
    )
    missing = [offer for offer in offered if not any(_covers(offer, entry) for entry in granted)]
    if may_choose:
        message = "mandatory permissions cannot be unticked; missing"
        _refuse(message, (offer for offer in missing if offer.get("mandatory")))
    else:
        _refuse("this consent is all-or-nothing (the offer does not allow user choice); missing", missing)


def _covers(offer: Permission, entry: Permission) -> bool:
    if "feature" in entry:
        return (offer.get("feature"), offer.get("setting")) == (entry["feature"], entry["setting"])
    if offer.get("streamId") != entry["streamId"]:
        return False
    reads = offer["level"] != "create-only" or entry["level"] in ("none", "create-only")
    return reads and RANK[entry["level"]] <= RANK[offer["level"]]


def _refuse(message: str, entries: Iterable[Permission]) -> None:
    if offending := [_bare(entry) for entry in entries]:
        raise OAuthError("invalid_scope", f"{message}: {dumps(offending)}")


def check_not_wider(granted: Access, offered: Access, stream_ids: Iterable[str]) -> None:
    """Refuse permissions that would allow more than the offer on a stream below another.

    Raises:
        OAuthError: ``invalid_scope``.
    """
    for stream_id in stream_ids:
        if RANK[granted.level(stream_id) or "none"] > RANK[offered.level(stream_id) or "none"]:
            message = "grantedPermissions widen the offer under the stream hierarchy"
            raise OAuthError("invalid_scope", f"{message} — the kept subset must not grant more access than the offer")
