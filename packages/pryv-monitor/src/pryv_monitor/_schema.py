"""The tables of a mirror, and how its file is opened."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import Final

from .errors import AnchorError

MIGRATIONS: Final = (
    """
    CREATE TABLE events (
        id TEXT PRIMARY KEY,
        time REAL NOT NULL,
        json TEXT NOT NULL,
        round INTEGER NOT NULL,
        duration REAL AS (CASE json_type(json, '$.duration')
            WHEN 'null' THEN NULL ELSE coalesce(json_extract(json, '$.duration'), 0) END),
        type TEXT AS (json_extract(json, '$.type')),
        content AS (json_extract(json, '$.content')),
        stream_ids TEXT AS (json_extract(json, '$.streamIds')),
        modified REAL AS (json_extract(json, '$.modified')),
        trashed INTEGER AS (coalesce(json_extract(json, '$.trashed'), 0))
    );
    CREATE INDEX events_by_time ON events (time);
    CREATE TABLE deletions (id TEXT PRIMARY KEY, deleted REAL NOT NULL, json TEXT NOT NULL);
    CREATE TABLE streams (
        id TEXT PRIMARY KEY,
        parent_id TEXT,
        name TEXT,
        trashed INTEGER NOT NULL,
        position INTEGER NOT NULL,
        json TEXT NOT NULL
    );
    CREATE TABLE anchor (one INTEGER PRIMARY KEY CHECK (one = 1), text TEXT NOT NULL);
    """,
    # What is in the texts is taken out of them when it is asked for: writing generated columns takes twice as long.
    """
    CREATE TABLE event_texts (
        number INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        time REAL NOT NULL,
        json TEXT NOT NULL,
        round INTEGER NOT NULL
    );
    INSERT INTO event_texts SELECT rowid, id, time, json, round FROM events;
    DROP TABLE events;
    CREATE INDEX event_texts_by_time ON event_texts (time);
    CREATE VIEW events AS
    SELECT
        id,
        time,
        CASE json_type(json, '$.duration') WHEN 'null' THEN NULL ELSE coalesce(json_extract(json, '$.duration'), 0) END
            AS duration,
        json_extract(json, '$.type') AS type,
        json_extract(json, '$.content') AS content,
        json_extract(json, '$.streamIds') AS stream_ids,
        json_extract(json, '$.modified') AS modified,
        coalesce(json_extract(json, '$.trashed'), 0) AS trashed,
        json,
        number
    FROM event_texts;

    CREATE TABLE stream_texts (position INTEGER PRIMARY KEY, json TEXT NOT NULL);
    INSERT INTO stream_texts SELECT position, json FROM streams;
    DROP TABLE streams;
    CREATE VIEW streams AS
    SELECT
        json_extract(json, '$.id') AS id,
        json_extract(json, '$.parentId') AS parent_id,
        json_extract(json, '$.name') AS name,
        coalesce(json_extract(json, '$.trashed'), 0) AS trashed,
        position,
        json
    FROM stream_texts;
    """,
)
"""What brings the schema from each version (its index) to the next."""

_BUSY_TIMEOUT: Final = 30
_PAGE_SIZE: Final = 16 * 1024
_CACHE_KIB: Final = 16 * 1024
_PAGES_PER_CHECKPOINT: Final = 2000


def make(path: Path) -> None:
    """Make an empty mirror that its owner alone can read; who reads meanwhile finds no file, or all of it.

    Raises:
        OSError: it cannot be made.
        sqlite3.Error: the disk is full.
    """
    unfinished = path.with_name(f"{path.name}.new")
    remove(unfinished)
    os.close(os.open(unfinished, os.O_CREAT | os.O_WRONLY, 0o600))
    connect(unfinished).close()
    os.replace(unfinished, path)


def remove(path: Path) -> None:
    """Remove a mirror with the files that SQLite keeps beside it, those that are there.

    Raises:
        OSError: one cannot be removed.
    """
    for suffix in ("", "-wal", "-shm"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)


def connect(path: Path | str) -> sqlite3.Connection:
    """Open a mirror's file, brought to the present schema where needed.

    Raises:
        AnchorError: a later version of this package made it.
        sqlite3.Error: it cannot be opened, or is no mirror.
    """
    db = sqlite3.connect(path, timeout=_BUSY_TIMEOUT, isolation_level=None, check_same_thread=False)
    try:
        db.execute(f"PRAGMA page_size = {_PAGE_SIZE}")
        db.execute("PRAGMA journal_mode = WAL")
        db.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        db.execute(f"PRAGMA wal_autocheckpoint = {_PAGES_PER_CHECKPOINT}")
        _migrate(db, path)
    except BaseException:
        db.close()
        raise
    return db


def _migrate(db: sqlite3.Connection, path: Path | str) -> None:
    if _version(db, path) == len(MIGRATIONS):
        return
    with db:
        db.execute("BEGIN IMMEDIATE")
        for script in MIGRATIONS[_version(db, path) :]:  # another may have been faster
            for statement in script.split(";"):
                db.execute(statement)
        db.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")


def _version(db: sqlite3.Connection, path: Path | str) -> int:
    version: int = db.execute("PRAGMA user_version").fetchone()[0]
    if version > len(MIGRATIONS):
        raise AnchorError(f"{path}: schema {version} is later than this package knows ({len(MIGRATIONS)}): upgrade it")
    return version
