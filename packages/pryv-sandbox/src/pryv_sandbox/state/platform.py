"""The state of a platform: its data, its clock, and the listeners to changes."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from pryv_sandbox.model.access import Access
from pryv_sandbox.model.stream_tree import StreamTree
from pryv_sandbox.state.attachments import Files
from pryv_sandbox.state.changes import Change, Listener
from pryv_sandbox.state.clock import Clock
from pryv_sandbox.state.database import connect
from pryv_sandbox.state.outbox import Outbox
from pryv_sandbox.state.settings import Settings
from pryv_sandbox.state.users import User, Users


class Platform:
    """The state that the methods of the API read and write.

    Attributes:
        db: the database.
        files: the attached files.
        users: the accounts.
        outbox: the mails and texts that were sent.
        listeners: called with each change, on the event loop's thread.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings or Settings()
        self.clock = Clock()
        self.db = connect(self.settings.data, null_characters=self.settings.null_characters)
        self.files = Files(self.settings.data)
        self.users = Users(self.db)
        self.outbox = Outbox()
        self.listeners: list[Listener] = []
        self._trees: dict[int, StreamTree] = {}
        self._accesses: dict[int, dict[str, Access]] = {}

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """A transaction; nothing is awaited inside."""
        self.db.execute("BEGIN")
        try:
            yield
        except BaseException:
            self.db.execute("ROLLBACK")
            raise
        self.db.execute("COMMIT")

    def publish(self, change: Change) -> None:
        """Notify the listeners of a change."""
        for listener in self.listeners:
            listener(change)

    def tree(self, user: User) -> StreamTree:
        """The streams of an account; they are cached until ``forget``."""
        if user.key not in self._trees:
            self._trees[user.key] = _read_tree(self.db, user.key)
        return self._trees[user.key]

    def cached_accesses(self, user: User) -> dict[str, Access]:
        """The accesses of an account that were read since ``forget``, by token."""
        return self._accesses.setdefault(user.key, {})

    def forget(self, user: User) -> None:
        """Drop the streams and accesses of an account from the cache."""
        self._trees.pop(user.key, None)
        self._accesses.pop(user.key, None)

    def forget_access(self, user: User, access_id: str) -> None:
        """Drop one access of an account from the cache. The others stay in it, as on the real platform."""
        cached = self.cached_accesses(user)
        for token in [token for token, access in cached.items() if access.id == access_id]:
            del cached[token]

    def close(self) -> None:
        """Close the database, and remove temporary files."""
        self.db.close()
        self.files.close()


def _read_tree(db: sqlite3.Connection, user: int) -> StreamTree:
    rows = db.execute("SELECT deleted, doc FROM streams WHERE user = ?", (user,)).fetchall()
    kept = [json.loads(doc) for deleted, doc in rows if deleted is None]
    return StreamTree(kept, has_deleted=len(kept) < len(rows))
