"""Digests of items and files."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any, Literal

_stable = json.JSONEncoder(sort_keys=True, separators=(",", ":"))


def sri(digest: bytes) -> str:
    """A SHA-256 digest in the form of Subresource Integrity (https://www.w3.org/TR/SRI/)."""
    return "sha256-" + base64.b64encode(digest).decode()


Kind = Literal["EVENT", "ACCESS"]


def record(kind: Kind, item: dict[str, Any]) -> dict[str, Any]:
    """The record of a version of an item in the audit log."""
    return {"key": f"{kind}:0:{item['id']}:{item['modified']}", "integrity": item["integrity"]}


def item_integrity(kind: Kind, item: dict[str, Any]) -> str:
    """The digest of an event or access, over its JSON with sorted keys."""
    return f"{kind}:0:{sri(hashlib.sha256(_stable.encode(item).encode()).digest())}"
