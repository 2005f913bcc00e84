"""Verify a backup against its manifest, without a platform."""

from __future__ import annotations

import os
from pathlib import Path

from pryv_backup import _files
from pryv_backup._errors import BackupError
from pryv_backup._folder import root_of
from pryv_backup._layout import MANIFEST, OTHER_STATES, STATE
from pryv_backup._manifest import Manifest
from pryv_backup._reports import Verification


def verify(folder: str | os.PathLike[str]) -> Verification:
    """Compare each file of a backup with the manifest. This needs no platform.

    Args:
        folder: The folder of the backup, or one above it that has no other backup.

    Raises:
        BackupError: there is no backup.
        OSError: a file cannot be read.
    """
    root = root_of(folder)
    try:
        manifest = Manifest.read(root)
    except BackupError:
        return Verification(ok=False, mismatches=(MANIFEST,))
    if manifest is None:
        return Verification(ok=False, missing=(MANIFEST,))
    present = set(_files.paths(root, without=[STATE, MANIFEST]))
    if manifest.anchor is None:
        present -= OTHER_STATES - manifest.entries.keys()
    missing = sorted(manifest.entries.keys() - present)
    found = sorted(manifest.entries.keys() & present)
    mismatches = [path for path in found if not _has_digest(root, path, manifest.entries[path].digest)]
    extra = sorted(present - manifest.entries.keys())
    return Verification(not (missing or mismatches or extra), tuple(mismatches), tuple(missing), tuple(extra))


def has_manifest(folder: str | os.PathLike[str]) -> bool:
    """Return whether a backup has a manifest, damaged or not.

    Raises:
        BackupError: there is no backup.
        OSError: the folder cannot be read.
    """
    return os.path.lexists(root_of(folder) / MANIFEST)


def _has_digest(root: Path, path: str, digest: str) -> bool:
    try:
        return _files.entry_of(root, path).digest == digest
    except BackupError:
        return False
