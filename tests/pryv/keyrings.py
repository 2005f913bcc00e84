"""A keyring for tests."""

from __future__ import annotations

from pathlib import Path

import keyring.errors
from keyring.backend import KeyringBackend


class FileKeyring(KeyringBackend):
    """A system's keyring, for systems that have none: it keeps its passwords in a directory.

    It fails as those do whose user does not unlock them when it is `locked`.
    """

    priority = 1.0
    locked = False

    def __init__(self, directory: Path) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._directory = directory

    def _file(self, service: str, username: str) -> Path:
        if self.locked:
            raise keyring.errors.KeyringLocked("the keyring is locked")
        return self._directory / f"{service}-{username.encode().hex()}"

    def get_password(self, service: str, username: str) -> str | None:
        file = self._file(service, username)
        return file.read_text() if file.exists() else None

    def set_password(self, service: str, username: str, password: str) -> None:
        self._file(service, username).write_text(password)

    def delete_password(self, service: str, username: str) -> None:
        try:
            self._file(service, username).unlink()
        except FileNotFoundError:
            raise keyring.errors.PasswordDeleteError(username) from None
