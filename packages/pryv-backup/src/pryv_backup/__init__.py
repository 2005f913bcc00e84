"""Backup add-on of the Pryv.io SDK for Python: a whole account in a folder, verified, and restored.

A name's module is imported when the name is first used, as in `pryv`.
"""

from __future__ import annotations

from pryv import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pryv_backup._backup import backup
    from pryv_backup._errors import BackupError
    from pryv_backup._folder import BackupFolder, read
    from pryv_backup._reports import BackupReport, Failure, RestoreReport, Verification
    from pryv_backup._restore import restore
    from pryv_backup._verification import verify

__all__ = [
    "BackupError",
    "BackupFolder",
    "BackupReport",
    "Failure",
    "RestoreReport",
    "Verification",
    "__version__",
    "backup",
    "read",
    "restore",
    "verify",
]

_LATER = {
    "BackupError": "_errors",
    "BackupFolder": "_folder",
    "BackupReport": "_reports",
    "Failure": "_reports",
    "RestoreReport": "_reports",
    "Verification": "_reports",
    "backup": "_backup",
    "read": "_folder",
    "restore": "_restore",
    "verify": "_verification",
}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"pryv_backup.{_LATER[name]}"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*__all__, *(name for name in globals() if name.startswith("__"))})
