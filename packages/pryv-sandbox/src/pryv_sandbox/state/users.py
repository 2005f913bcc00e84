"""The users of a platform, and their passwords."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from pryv_sandbox.state import passwords

_SELECT = """
SELECT key, username, (SELECT value FROM emails WHERE user = users.key AND is_primary), language, attached_files
FROM users WHERE
"""


@dataclass(frozen=True)
class User:
    """A user, who owns an account."""

    key: int
    username: str
    email: str
    language: str
    attached_files: int


class Users:
    """The users in a database."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def find(self, username: str) -> User | None:
        """The user who has, or had, this name."""
        return self._first("username = ? OR key = (SELECT user FROM former_usernames WHERE username = ?1)", username)

    def find_by_email(self, email: str) -> User | None:
        """The user who has this e-mail address, and has verified it."""
        return self._first("key = (SELECT user FROM emails WHERE value = ? AND is_verified)", email)

    def owner_of_email(self, email: str) -> User | None:
        """The user who has this e-mail address, verified or not."""
        return self._first("key = (SELECT user FROM emails WHERE value = ?)", email)

    def read(self, key: int) -> User:
        """The user with this key."""
        found = self._first("key = ?", key)
        assert found  # noqa: S101
        return found

    def every(self) -> list[User]:
        """All users."""
        return [User(*row) for row in self._db.execute(_SELECT + "true").fetchall()]

    def add(self, username: str, email: str, language: str, password: str) -> User:
        """Add a user; the username and the e-mail address must be free."""
        key = self._db.execute(
            "INSERT INTO users (username, language, password) VALUES (?, ?, ?)",
            (username, language, passwords.hash_password(password)),
        ).lastrowid
        self._db.execute(
            "INSERT INTO emails (user, value, is_primary, is_verified, method) VALUES (?, ?, 1, 1, 'registration')",
            (key, email),
        )
        assert key  # noqa: S101
        return self.read(key)

    def has_password(self, user: User, password: str) -> bool:
        """Whether the password is this user's."""
        (hashed,) = self._db.execute("SELECT password FROM users WHERE key = ?", (user.key,)).fetchone()
        return passwords.matches(password, hashed)

    def set_password(self, user: User, password: str) -> None:
        """Change the password of a user."""
        hashed = passwords.hash_password(password)
        self._db.execute("UPDATE users SET password = ? WHERE key = ?", (hashed, user.key))

    def rename(self, user: User, username: str) -> None:
        """Change the name of a user; the former one stays theirs."""
        self._db.execute("INSERT INTO former_usernames VALUES (?, ?)", (user.username, user.key))
        self._db.execute("UPDATE users SET username = ? WHERE key = ?", (username, user.key))

    def renames(self, user: User) -> int:
        """How often the name of a user was changed."""
        (count,) = self._db.execute("SELECT count(*) FROM former_usernames WHERE user = ?", (user.key,)).fetchone()
        return int(count)

    def _first(self, where: str, value: str | int) -> User | None:
        row = self._db.execute(_SELECT + where, (value,)).fetchone()
        return User(*row) if row else None
