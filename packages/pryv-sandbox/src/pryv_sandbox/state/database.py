"""The database."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable
from typing import Any

from pryv_sandbox.model.content_query import meets
from pryv_sandbox.model.errors import unexpected

_SCHEMA = """
CREATE TABLE IF NOT EXISTS users (
    key INTEGER PRIMARY KEY,
    username TEXT NOT NULL UNIQUE,
    language TEXT NOT NULL,
    password BLOB NOT NULL,
    attached_files INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS former_usernames (
    username TEXT PRIMARY KEY,
    user INTEGER NOT NULL REFERENCES users
);
CREATE TABLE IF NOT EXISTS emails (
    key INTEGER PRIMARY KEY,
    user INTEGER NOT NULL REFERENCES users,
    value TEXT NOT NULL UNIQUE,
    is_primary INTEGER NOT NULL DEFAULT 0,
    is_verified INTEGER NOT NULL DEFAULT 0,
    verified_at REAL,
    method TEXT,
    token TEXT,
    sent_at REAL
);
CREATE TABLE IF NOT EXISTS accesses (
    user INTEGER NOT NULL REFERENCES users,
    id TEXT NOT NULL,
    token TEXT NOT NULL,
    type TEXT NOT NULL,
    name TEXT NOT NULL,
    device_name TEXT,
    deleted REAL,
    doc TEXT NOT NULL,
    last_used REAL,
    calls TEXT NOT NULL DEFAULT '{}',
    PRIMARY KEY (user, id)
);
CREATE INDEX IF NOT EXISTS accesses_by_token ON accesses (user, token);
CREATE TABLE IF NOT EXISTS access_versions (
    user INTEGER NOT NULL REFERENCES users,
    id TEXT NOT NULL,
    serial INTEGER NOT NULL,
    doc TEXT NOT NULL,
    PRIMARY KEY (user, id, serial)
);
CREATE TABLE IF NOT EXISTS sessions (
    token TEXT PRIMARY KEY,
    user INTEGER NOT NULL REFERENCES users,
    username TEXT NOT NULL,
    app_id TEXT NOT NULL,
    expires REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS password_resets (
    token TEXT PRIMARY KEY,
    user INTEGER NOT NULL REFERENCES users,
    expires REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS mfa_sessions (
    mfa_token TEXT PRIMARY KEY,
    user INTEGER NOT NULL REFERENCES users,
    token TEXT NOT NULL,
    content TEXT NOT NULL,
    code TEXT NOT NULL,
    expires REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS profiles (
    user INTEGER NOT NULL REFERENCES users,
    id TEXT NOT NULL,
    doc TEXT NOT NULL,
    PRIMARY KEY (user, id)
);
CREATE TABLE IF NOT EXISTS streams (
    user INTEGER NOT NULL REFERENCES users,
    id TEXT NOT NULL,
    deleted REAL,
    doc TEXT NOT NULL,
    PRIMARY KEY (user, id)
);
CREATE TABLE IF NOT EXISTS events (
    key INTEGER PRIMARY KEY,
    user INTEGER NOT NULL REFERENCES users,
    store TEXT NOT NULL,
    id TEXT NOT NULL,
    type TEXT,
    time REAL,
    end_time REAL,
    trashed INTEGER NOT NULL DEFAULT 0,
    modified REAL,
    deleted REAL,
    attached INTEGER NOT NULL DEFAULT 0,
    doc TEXT NOT NULL,
    UNIQUE (user, id)
);
CREATE INDEX IF NOT EXISTS events_by_time ON events (user, store, time);
CREATE INDEX IF NOT EXISTS events_by_modified ON events (user, store, modified);
CREATE INDEX IF NOT EXISTS events_by_deleted ON events (user, deleted) WHERE deleted IS NOT NULL;
CREATE TABLE IF NOT EXISTS event_streams (
    user INTEGER NOT NULL,
    stream TEXT NOT NULL,
    event INTEGER NOT NULL REFERENCES events,
    PRIMARY KEY (event, stream)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS events_by_stream ON event_streams (user, stream, event);
CREATE TABLE IF NOT EXISTS event_versions (
    key INTEGER PRIMARY KEY,
    event INTEGER NOT NULL REFERENCES events,
    doc TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS versions_by_event ON event_versions (event);
CREATE TABLE IF NOT EXISTS points (
    event INTEGER NOT NULL REFERENCES events,
    delta_time REAL NOT NULL,
    doc TEXT NOT NULL,
    PRIMARY KEY (event, delta_time)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS series_ends (
    event INTEGER PRIMARY KEY REFERENCES events,
    author TEXT NOT NULL,
    modified REAL NOT NULL,
    end REAL NOT NULL,
    due REAL NOT NULL,
    deadline REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS webhooks (
    key INTEGER PRIMARY KEY,
    user INTEGER NOT NULL REFERENCES users,
    id TEXT NOT NULL,
    access TEXT NOT NULL,
    url TEXT NOT NULL,
    doc TEXT NOT NULL,
    UNIQUE (user, id),
    UNIQUE (user, access, url)
);
CREATE TABLE IF NOT EXISTS auth_requests (
    key TEXT PRIMARY KEY,
    expires REAL NOT NULL,
    state TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS capabilities (
    token TEXT PRIMARY KEY,
    user INTEGER NOT NULL REFERENCES users,
    event TEXT NOT NULL,
    offer TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS accepted_offers (
    user INTEGER NOT NULL REFERENCES users,
    offer TEXT NOT NULL,
    PRIMARY KEY (user, offer)
);
CREATE TABLE IF NOT EXISTS oauth_clients (
    client_id TEXT PRIMARY KEY,
    doc TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS oauth_tokens (
    token TEXT PRIMARY KEY,
    user INTEGER NOT NULL REFERENCES users,
    expires REAL NOT NULL,
    used REAL,
    doc TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS used_proofs (
    owner TEXT NOT NULL,
    id TEXT NOT NULL,
    until REAL NOT NULL,
    PRIMARY KEY (owner, id)
);
CREATE TABLE IF NOT EXISTS revoked_keys (
    key TEXT PRIMARY KEY
);
"""


_NULL_CHARACTER = re.compile(r"\0|(?<!\\)(?:\\\\)*\\u0000")
"""U+0000, unescaped or escaped as in JSON."""


class _WithoutNullCharacters(sqlite3.Connection):
    """A database that refuses the character U+0000 in any text, as PostgreSQL does.

    See https://www.postgresql.org/docs/current/datatype-json.html.
    """

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
        _check_texts(parameters)
        return super().execute(sql, parameters)

    def executemany(self, sql: str, parameters: Iterable[Any], /) -> sqlite3.Cursor:
        rows = list(parameters)
        for row in rows:
            _check_texts(row)
        return super().executemany(sql, rows)


def _check_texts(values: Iterable[Any]) -> None:
    if any(isinstance(value, str) and _NULL_CHARACTER.search(value) for value in values):
        raise unexpected("unsupported Unicode escape sequence")


def connect(path: str | None, *, null_characters: bool = True) -> sqlite3.Connection:
    """Open the database at ``path``, or one in memory. Each statement commits, unless a transaction was begun.

    Without ``null_characters``, a text with U+0000 raises an ``ApiError``.
    """
    factory = sqlite3.Connection if null_characters else _WithoutNullCharacters
    db = sqlite3.connect(
        path or ":memory:", isolation_level=None, check_same_thread=False, cached_statements=512, factory=factory
    )
    db.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; PRAGMA foreign_keys = ON;")
    db.executescript(_SCHEMA)
    db.create_function("meets", 2, meets, deterministic=True)
    return db
