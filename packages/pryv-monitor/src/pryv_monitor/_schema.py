"""The tables of a mirror, and how a file is recognized as a mirror."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Final

import attrs

from pryv_monitor.errors import AnchorError

APPLICATION_ID: Final = 0x50727976
"""`Pryv`: identifies the program that a database belongs to, https://sqlite.org/pragma.html#pragma_application_id"""

EVENT_COLUMNS: Final = """
    id,
    time,
    CASE json_type(json, '$.duration') WHEN 'null' THEN NULL ELSE coalesce(json_extract(json, '$.duration'), 0) END
        AS duration,
    json_extract(json, '$.type') AS type,
    json_extract(json, '$.content') AS content,
    CASE json_type(json, '$.streamIds') WHEN 'array' THEN json_extract(json, '$.streamIds') END AS stream_ids,
    json_extract(json, '$.modified') AS modified,
    coalesce(json_extract(json, '$.trashed'), 0) AS trashed,
    json,
    number
"""
"""The columns of `events`, extracted from the texts by each query: to write generated columns takes twice as long."""

_INITIAL: Final = (
    """
    CREATE TABLE event_texts (
        number INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        time REAL NOT NULL,
        json TEXT NOT NULL,
        generation INTEGER NOT NULL,
        exact TEXT
    )
    """,
    "CREATE INDEX event_texts_by_time ON event_texts (time)",
    f"CREATE VIEW events AS SELECT {EVENT_COLUMNS} FROM event_texts",  # noqa: S608
    "CREATE TABLE deletion_texts (id TEXT PRIMARY KEY, deleted REAL NOT NULL, json TEXT NOT NULL, exact TEXT)",
    "CREATE VIEW deletions AS SELECT id, deleted, json FROM deletion_texts",
    "CREATE TABLE stream_texts (position INTEGER PRIMARY KEY, json TEXT NOT NULL, exact TEXT)",
    """
    CREATE VIEW streams AS
    SELECT
        json_extract(json, '$.id') AS id,
        json_extract(json, '$.parentId') AS parent_id,
        json_extract(json, '$.name') AS name,
        coalesce(json_extract(json, '$.trashed'), 0) AS trashed,
        position,
        json
    FROM stream_texts
    """,
    "CREATE TABLE delivered (id TEXT PRIMARY KEY, exact TEXT)",
    "CREATE TABLE anchor (one INTEGER PRIMARY KEY CHECK (one = 1), text TEXT NOT NULL)",
    f"PRAGMA application_id = {APPLICATION_ID}",
)


@attrs.frozen
class Migration:
    """Brings a mirror from one version of the schema to the next."""

    name: str
    run: Callable[[sqlite3.Connection], object]


def _initial(db: sqlite3.Connection) -> None:
    for statement in _INITIAL:
        db.execute(statement)


MIGRATIONS: Final = (Migration("initial", _initial),)
"""Version n of the schema is the result of the first n."""

_UNRELEASED: Final = {"event_texts", "deletions", "stream_texts", "anchor"}
"""The tables of a mirror made before the first release, which has no application id."""


def version(db: sqlite3.Connection) -> int:
    """Return the version of a mirror's schema, 0 for an empty database.

    Raises:
        AnchorError: it is not a mirror, or of another version of this package.
        sqlite3.Error: it cannot be read, or is not a database.
    """
    number = _pragma(db, "user_version")
    if _is_marked(db):
        if number > len(MIGRATIONS):
            raise AnchorError(f"schema {number} is later than this package knows ({len(MIGRATIONS)}): upgrade it")
        return number
    if belongs_to_another(db):
        raise AnchorError("a database of another program, not a mirror")
    if number:
        raise AnchorError("a mirror made before the first release of pryv-monitor: move it away and start over")
    return 0


def belongs_to_another(db: sqlite3.Connection) -> bool:
    """Return whether a database is neither a mirror nor empty.

    Raises:
        sqlite3.Error: it cannot be read, or is not a database.
    """
    tables = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    return not _is_marked(db) and bool(tables or _pragma(db, "application_id")) and not tables >= _UNRELEASED


def migrate(db: sqlite3.Connection) -> None:
    """Bring a mirror to the current schema.

    Raises:
        AnchorError: it is not a mirror, or of another version of this package.
        sqlite3.Error: it cannot be written.
    """
    if version(db) == len(MIGRATIONS):
        return
    with db:
        db.execute("BEGIN IMMEDIATE")
        for migration in MIGRATIONS[version(db) :]:
            migration.run(db)
        db.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")


def _is_marked(db: sqlite3.Connection) -> bool:
    return _pragma(db, "application_id") == APPLICATION_ID


def _pragma(db: sqlite3.Connection, name: str) -> int:
    value: int = db.execute(f"PRAGMA {name}").fetchone()[0]
    return value
