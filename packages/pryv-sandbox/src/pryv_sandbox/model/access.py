"""Permissions of accesses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pryv_sandbox.model import system_streams
from pryv_sandbox.model.stream_tree import StreamTree

RANK = {"none": -1, "read": 0, "create-only": 1, "contribute": 1, "manage": 2}


class Access:
    """An access and its permissions.

    Attributes:
        doc: the access as stored.
        key: the thumbprint of the key to which its token is bound (DPoP).
        permissions: its permissions, and those that every access has; empty for a personal access, which may do all.
    """

    def __init__(self, doc: dict[str, Any], tree: Callable[[], StreamTree]) -> None:
        self.doc = doc
        self.id: str = doc["id"]
        self.type: str = doc["type"]
        self.token: str = doc["token"]
        self.key: str | None = ((doc.get("clientData") or {}).get("dpop") or {}).get("jkt")
        self.permissions = [] if self.is_personal else self._effective_permissions(doc["permissions"])
        self.features = {entry["feature"]: entry["setting"] for entry in self.permissions if "feature" in entry}
        self._tree = tree
        self._granted: dict[str, str] = {
            entry["streamId"]: entry["level"] for entry in self.permissions if "streamId" in entry
        }

    def _effective_permissions(self, granted: list[dict[str, Any]]) -> list[dict[str, Any]]:
        permissions = [{"streamId": system_streams.ACCOUNT, "level": "none"}, *granted]
        if not any(entry.get("feature") == "selfAudit" and entry["setting"] == "forbidden" for entry in granted):
            permissions.append({"streamId": f"{system_streams.AUDIT}access-{self.id}", "level": "read"})
        return permissions

    @property
    def is_personal(self) -> bool:
        """Whether it is a session of the owner of the account."""
        return self.type == "personal"

    def level(self, stream_id: str) -> str | None:
        """The level of the permission on the stream, or else on its nearest ancestor, or else on all streams."""
        if self.is_personal:
            return "manage"
        if stream_id == system_streams.SHARED_SECRETS + self.id:
            return "contribute"
        for ancestor in self._tree().lineage(stream_id):
            if ancestor in self._granted:
                return self._granted[ancestor]
        return None if stream_id.startswith(":") else self._granted.get("*")

    def _reaches(self, stream_id: str, level: str) -> bool:
        return RANK.get(self.level(stream_id) or "none", -1) >= RANK[level]

    def can_list(self, stream_id: str) -> bool:
        """Whether the stream may be seen."""
        return self._reaches(stream_id, "read")

    def can_read(self, stream_id: str) -> bool:
        """Whether the stream's events may be read."""
        return self.level(stream_id) != "create-only" and self._reaches(stream_id, "read")

    def can_create(self, stream_id: str) -> bool:
        """Whether events may be created in the stream."""
        return self._reaches(stream_id, "contribute")

    def can_update(self, stream_id: str) -> bool:
        """Whether the stream's events may be changed and deleted."""
        return self.level(stream_id) != "create-only" and self._reaches(stream_id, "contribute")

    def can_manage(self, stream_id: str | None) -> bool:
        """Whether the stream may be changed and deleted, and children added to it."""
        return self._reaches(stream_id or "*", "manage")

    def can_grant(self, stream_id: str, level: str) -> bool:
        """Whether this level on this stream may be granted to another access."""
        return self.level(stream_id) not in (None, "create-only") and self._reaches(stream_id, level)

    def listable(self) -> list[str]:
        """The streams with a permission to see them, in the order of the permissions."""
        return [stream_id for stream_id, level in self._granted.items() if RANK[level] >= RANK["read"]]

    def unlistable(self) -> frozenset[str]:
        """The streams that a permission hides. The account's own are listed with all streams in spite of it."""
        return frozenset(
            stream_id
            for stream_id, level in self._granted.items()
            if level == "none" and not system_streams.is_account_stream(stream_id)
        )

    def readable(self) -> list[str]:
        """The streams with a permission to read them, in the order of the permissions."""
        return [stream_id for stream_id in self._granted if self.can_read(stream_id)]

    def unreadable(self) -> frozenset[str]:
        """The streams whose events may not be read, although the events of an ancestor may."""
        if self.is_personal:
            return frozenset()
        withheld = (stream_id for stream_id, level in self._granted.items() if level in ("none", "create-only"))
        return frozenset((*withheld, system_streams.EMAILS))
