"""The time of the last pass over a mirror, beside its file.

A pass in which nothing changed leaves the mirror's file as it is. What it found out is kept in a small file beside it:
that the data under a certain anchor are complete until a certain time. The file names the anchor by its digest, so that
it counts for no other data: not for a mirror that was replaced, restored or written to meanwhile. It may be lost, or be
older than it could be: the next pass then reads more, and delivers the same.
"""

from __future__ import annotations

import errno
import functools
import hashlib
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import attrs

from pryv_monitor import _files
from pryv_monitor.anchor import Anchor
from pryv_monitor.errors import AnchorError

SUFFIX: Final = "-pass"
"""What the name of the file has after that of the mirror."""
_LONGEST: Final = 3600
"""Seconds for which a mirror's file may stay as it is: the platform reports the deletions of a whole account, and would
report more and more of them again."""
_SIZE: Final = 512
"""Bytes of the file. It is overwritten in place; what is half written has another checksum."""
_NAME: Final = "pryv-monitor last pass"
_HEAD: Final = f'{{"{_NAME}": '.encode()
"""How each of these files begins."""
_KEPT: Final = ("since", "latest", "begun", "synced", "changes")
"""The fields of an anchor that a pass changes in which nothing else changes."""

parsed = functools.lru_cache(maxsize=1)(Anchor.loads)
"""`Anchor.loads`, for the text in a mirror: each pass needs the anchor twice, and it often stays the same."""


def is_enough(anchor: Anchor, committed: Anchor) -> bool:
    """Return whether it is enough to keep an anchor beside a mirror that has committed another one."""
    if anchor.synced is None or committed.synced is None:
        return False
    is_recent = 0 <= anchor.synced - committed.synced < _LONGEST
    return is_recent and attrs.evolve(committed, **_kept(anchor)) == anchor


def write(path: Path, anchor: Anchor, text: str) -> None:
    """Keep what an anchor says of the last pass.

    Args:
        path: The mirror's file.
        anchor: The anchor after the pass.
        text: The text of the anchor in the mirror's file.

    Raises:
        OSError: it cannot be written.
    """
    file = _beside(path)
    if not _is_ours(file):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(file))
    body = json.dumps({**_kept(anchor), "anchor": _digest(text)})
    content = json.dumps({_NAME: 1, "checksum": _digest(body), "pass": body}).ljust(_SIZE)
    _files.overwrite(file, content.encode(), like=path)


def read(path: Path) -> Mapping[str, Any]:
    """Return the content of the file beside a mirror; an empty one if it has none that can be used."""
    with suppress(AnchorError, OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        outer = json.loads((_files.read(_beside(path)) or b"").decode())
        content: dict[str, Any] = json.loads(outer["pass"])
        if outer["checksum"] == _digest(outer["pass"]) and content.keys() >= {*_KEPT, "anchor"}:
            return content
    return {}


def applied(content: Mapping[str, Any], text: str) -> Anchor:
    """Return the anchor with a text in a mirror, with the last pass if the content of the file belongs to it.

    Raises:
        AnchorError: the text is not that of an anchor.
    """
    anchor = parsed(text)
    if content.get("anchor") != _digest(text):
        return anchor
    return attrs.evolve(anchor, **{name: content[name] for name in _KEPT})


def remove(path: Path) -> None:
    """Remove the file, unless it is another one of that name.

    Raises:
        OSError: it cannot be removed.
    """
    file = _beside(path)
    if _is_ours(file):
        file.unlink(missing_ok=True)


def _beside(path: Path) -> Path:
    target = _files.real(path)
    return target.with_name(f"{target.name}{SUFFIX}")


def _is_ours(file: Path) -> bool:
    """Return whether there is no other file of that name: none, or one that begins as ours do, maybe half written.

    After a crash, a file system may show zeros for what it had not written yet.
    """
    try:
        content = _files.read(file, _SIZE + 1)
    except (AnchorError, OSError):
        return False
    if content is None or (len(content) <= _SIZE and not content.strip(b"\0")):
        return True
    return content.startswith(_HEAD[: len(content)])


def _kept(anchor: Anchor) -> dict[str, Any]:
    return {name: getattr(anchor, name) for name in _KEPT}


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
