"""The error of backups."""

from __future__ import annotations

from pryv import PryvError


class BackupError(PryvError):
    """A folder cannot be used: it is no backup, is damaged, or belongs to another account."""
