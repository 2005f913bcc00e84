"""The members of an item that say who made and who changed it, and when."""

from __future__ import annotations

from typing import Any


def tracked(author: str, now: float) -> dict[str, Any]:
    """These members of an item that this author makes now."""
    return {"created": now, "createdBy": author, "modified": now, "modifiedBy": author}
