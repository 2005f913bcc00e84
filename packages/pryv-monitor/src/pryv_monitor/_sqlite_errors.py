"""The errors of SQLite, as those of a mirror."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from pryv_monitor.errors import AnchorCorruptError, AnchorError, AnchorLockedError

_DAMAGE: Final = (sqlite3.DatabaseError, sqlite3.IntegrityError, UnicodeDecodeError)
_MESSAGE_OF_DAMAGE: Final = re.compile("malformed JSON|Could not decode|no such ")
"""How the messages of other errors begin that mean damage."""


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Raise the errors of SQLite as those of anchors, with the name of the file."""
    try:
        yield
    except AnchorError as error:
        name = f"{path}: "
        raise type(error)(name + str(error).removeprefix(name)) from None
    except (sqlite3.Error, UnicodeDecodeError) as error:  # its message may quote personal data: it is not the cause
        raise _translation(path, error) from None


def _translation(path: Path, error: sqlite3.Error | UnicodeDecodeError) -> AnchorError:
    if "locked" in str(error):
        return AnchorLockedError(f"{path}: another program is writing to it")
    if type(error) in _DAMAGE or _MESSAGE_OF_DAMAGE.match(str(error)):
        return AnchorCorruptError(f"{path}: damaged, or not a mirror: move it away or reset it, to start over")
    return AnchorError(f"{path}: {error}")
