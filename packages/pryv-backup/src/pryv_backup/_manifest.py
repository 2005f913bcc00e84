"""The manifest: the files of a backup with their digests, and what the backup is of."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Final

import attrs

from pryv_backup import _files
from pryv_backup._errors import BackupError
from pryv_backup._files import Entry
from pryv_backup._layout import MANIFEST

_VERSION: Final = 1
_CHECKSUM: Final = "checksum"
_TYPES: Final = {
    **dict.fromkeys(("sizes", "counts"), dict),
    **dict.fromkeys(("anchor", "endpoint", "generated_at"), str),
    **dict.fromkeys(("secrets", "trashed"), bool),
    "unreadable": list,
}
"""The types of members, where a manifest has them."""


@attrs.frozen
class Manifest:
    """What is in a backup.

    Attributes:
        entries: The files by their path, all but the manifest and the state. The size is -1 if it is not known.
        counts: The numbers of events, deletions and other data, as the platform sent them.
        unreadable: What the token could not read.
        anchor: The progress of the monitor, as text; it identifies the account.
        secrets: Whether tokens are in the backup.
        trashed: Whether events in the trash are; `None` if it is not known.
        endpoint: The endpoint of the account, without a token.
        generated: When it was written, in ISO 8601.
    """

    entries: Mapping[str, Entry]
    counts: Mapping[str, int] = attrs.field(factory=dict)
    unreadable: tuple[str, ...] = ()
    anchor: str | None = None
    secrets: bool = False
    trashed: bool | None = None
    endpoint: str | None = None
    generated: str | None = None

    def dumps(self, now: float) -> str:
        """Return the text of the manifest, with a checksum."""
        files = dict(sorted(self.entries.items()))
        return _text(
            {
                "algorithm": "sha256",
                "version": _VERSION,
                "generated_at": datetime.fromtimestamp(now, timezone.utc).isoformat(timespec="milliseconds"),
                "file_count": len(files),
                "endpoint": self.endpoint,
                "secrets": self.secrets,
                "trashed": self.trashed,
                "counts": dict(self.counts),
                "unreadable": list(self.unreadable),
                "anchor": self.anchor,
                "sizes": {path: entry.size for path, entry in files.items()},
                "files": {path: entry.digest for path, entry in files.items()},
            }
        )

    @classmethod
    def read(cls, root: Path) -> Manifest | None:
        """Return the manifest of a folder, `None` if there is none; that of account-backup too.

        Raises:
            BackupError: it is damaged.
            OSError: it cannot be read.
        """
        try:
            with _files.open_regular(root, MANIFEST) as file:
                text = file.read().decode()
        except FileNotFoundError:
            return None
        except UnicodeDecodeError:
            raise _damaged(root) from None
        try:
            data = json.loads(text)
        except (ValueError, RecursionError):
            raise _damaged(root) from None
        if not isinstance(data, dict) or (_CHECKSUM in data and _text(data) != text):
            raise _damaged(root)
        return _manifest(data, root)


def _manifest(data: dict[str, Any], root: Path) -> Manifest:
    if not isinstance(data.get("files"), dict) or any(
        data.get(name) is not None and not isinstance(data[name], kind) for name, kind in _TYPES.items()
    ):
        raise _damaged(root)
    sizes = data.get("sizes") or {}
    return Manifest(
        {path: Entry(sizes.get(path, -1), digest) for path, digest in data["files"].items()},
        data.get("counts") or {},
        tuple(data.get("unreadable") or ()),
        data.get("anchor"),
        bool(data.get("secrets")),
        data.get("trashed"),
        data.get("endpoint"),
        data.get("generated_at"),
    )


def _text(data: dict[str, Any]) -> str:
    """Return JSON with a checksum of all other members as its last one."""
    content = {key: value for key, value in data.items() if key != _CHECKSUM}
    checksum = hashlib.sha256(json.dumps(content).encode()).hexdigest()
    return json.dumps({**content, _CHECKSUM: checksum}, indent=1) + "\n"


def _damaged(root: Path) -> BackupError:
    return BackupError(f"{root / MANIFEST}: the manifest is damaged")
