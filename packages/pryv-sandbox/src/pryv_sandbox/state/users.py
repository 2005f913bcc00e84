"""The users of a platform, and their passwords."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from pryv_sandbox.state import passwords

_SELECT = "SELECT key, username, email, language, attached_files, mfa FROM users WHERE "


@dataclass(frozen=True)
class User:
    """A user, who owns an account."""

    key: int
    username: str
    email: str
    language: str
    attached_files: int
    has_second_factor: bool


class Users:
    """The users in a database."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def find(self, username: str) -> User | None:
        """The user with this name."""
        return self._first("username = ?", username)

    def find_by_email(self, email: str) -> User | None:
        """The user with this e-mail address."""
        return self._first("email = ?", email)

    def every(self) -> list[User]:
        """All users."""
        return [User(*row) for row in self._db.execute(_SELECT + "true").fetchall()]

    def add(self, username: str, email: str, language: str, password: str) -> User:
        """Add a user; the username and the e-mail address must be free."""
        self._db.execute(
            "INSERT INTO users (username, email, language, password) VALUES (?, ?, ?, ?)",
            (username, email, language, passwords.hash_password(password)),
        )
        user = self.find(username)
        assert user  # noqa: S101
        return user

    def has_password(self, user: User, password: str) -> bool:
        """Whether the password is this user's."""
        (hashed,) = self._db.execute("SELECT password FROM users WHERE key = ?", (user.key,)).fetchone()
        return passwords.matches(password, hashed)

    def set_password(self, user: User, password: str) -> None:
        """Change the password of a user."""
        hashed = passwords.hash_password(password)
        self._db.execute("UPDATE users SET password = ? WHERE key = ?", (hashed, user.key))

    def _first(self, where: str, value: str) -> User | None:
        row = self._db.execute(_SELECT + where, (value,)).fetchone()
        return User(*row) if row else None
