"""The state of a restore that has not ended, kept outside of the backup."""

from __future__ import annotations

import errno
import hashlib
import json
import os
from pathlib import Path
from typing import Any, Final

import attrs

from pryv import Connection
from pryv.addons import replace_file
from pryv_backup._errors import BackupError

_NAME: Final = "name a file for the state of the restore (--state)"


@attrs.frozen
class RestoreState:
    """When a restore began: what was created since then, with an id of the backup, was created by it.

    Attributes:
        file: The file that keeps it.
        began: The platform's time, in seconds.
    """

    file: Path
    began: float

    @classmethod
    def begin(cls, file: Path, connection: Connection) -> RestoreState:
        """Return the state in a file; without one, the restore begins now.

        Raises:
            BackupError: the file has something else in it, or the state of a restore into another account.
            PryvError: the platform cannot be reached.
            OSError: the file cannot be read or written.
        """
        try:
            text = file.read_text(encoding="utf-8")
        except (FileNotFoundError, NotADirectoryError):
            began = connection.get("access-info")["meta"]["serverTime"]
            _write(file, {"began": began, "endpoint": connection.endpoint})
            return cls(file, began)
        try:
            state = json.loads(text)
            began, endpoint = float(state["began"]), state["endpoint"]
        except (ValueError, TypeError, KeyError):
            raise BackupError(f"{file}: not the state of a restore") from None
        if endpoint != connection.endpoint:
            raise BackupError(f"{file}: the state of a restore into another account, {endpoint}")
        return cls(file, began)

    def is_own(self, item: Any) -> bool:
        """Return whether this restore has created an event or a stream, which has an id of the backup."""
        created = item.get("created")
        return isinstance(created, (int, float)) and created >= self.began

    def end(self) -> None:
        """Forget the state."""
        self.file.unlink(missing_ok=True)


def _write(file: Path, state: dict[str, Any]) -> None:
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with replace_file(os.fspath(file), private=True) as new:
            new.write(json.dumps(state).encode())
    except OSError as error:
        raise OSError(error.errno, f"{error.strerror}; {_NAME}", str(file)) from None


def state_file(root: Path, connection: Connection) -> Path:
    """Return the file for the state of the restore of a backup into an account.

    See https://specifications.freedesktop.org/basedir-spec/latest/, by which a relative path is ignored.

    Raises:
        FileNotFoundError: the user has no home directory.
    """
    base = os.environ.get("XDG_STATE_HOME", "")
    if not os.path.isabs(base):
        base = os.path.join(os.path.expanduser("~"), ".local", "state")
    if not os.path.isabs(base):
        raise FileNotFoundError(errno.ENOENT, f"no home directory; set HOME or XDG_STATE_HOME, or {_NAME}", "state")
    key = f"{os.path.realpath(root)}\n{connection.endpoint}".encode(errors="surrogateescape")
    return Path(base) / "pryv-backup" / f"restore-{hashlib.sha256(key).hexdigest()[:16]}.json"
