"""The copy of one account in PostgreSQL."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from typing import Any, Final

from pryv.addons import plain, without_frames
from pryv.types import EventsParams, Untyped
from pryv_fleet._database import Connection, Database, Pool
from pryv_fleet._rows import is_text
from pryv_fleet._schema import create_tables, tables_exist
from pryv_fleet._transaction import STREAMS, AccountState, PostgresTransaction
from pryv_monitor import Anchor, ContendedError
from pryv_monitor.mirrors import kept_item, nested, select_events

_FIND: Final = "SELECT id, version, anchor FROM {schema}.accounts WHERE name = %s"
_ADD: Final = "INSERT INTO {schema}.accounts (name) VALUES (%s) ON CONFLICT DO NOTHING"

_EVENTS: Final = """
    SELECT coalesce(exact, json::text) FROM {schema}.events
    WHERE account = %s AND (time IS NULL OR time <= %s) AND (modified IS NULL OR modified > %s)
    ORDER BY time DIRECTION, id DIRECTION
"""
_DELETIONS: Final = """
    SELECT coalesce(exact, json::text) FROM {schema}.deletions WHERE account = %s AND deleted > %s ORDER BY deleted DESC
"""
_PAGE: Final = 100
"""Rows that are fetched at once: an event may have up to 10 MiB."""
_numbers: Final = count()
_LONGEST_NAME: Final = 200


class PostgresMirror:
    """A copy of the events and streams of one account in PostgreSQL, which also keeps the anchor: a `Mirror`.

    A pass changes the copy and the anchor in one transaction: readers see the state after a complete pass (or, during a
    full read, after one of its windows). Several workers may use it at once; the first to commit wins, and the others
    raise `ContendedError`. No connection is held between reading and committing. The guide *A fleet of accounts*
    describes the tables.

    Args:
        pool_or_dsn: A `psycopg_pool.ConnectionPool`, which stays open; or a connection string.
        account: The name of the account in the tables. It is added at the first write, and no fleet passes it.
        schema: The schema of the tables, which are made at the first write.

    Raises:
        TypeError: an argument has the wrong type.
        ValueError: the connection string is malformed, or a name is empty, too long, or not UTF-8 text.
    """

    @without_frames
    def __init__(self, pool_or_dsn: Pool | str, account: str, *, schema: str = "pryv") -> None:
        self.account = checked_name(account)
        self._database = Database(pool_or_dsn, schema)
        self._state: AccountState | None = None

    @classmethod
    def of(cls, database: Database, account: str) -> PostgresMirror:
        """Return the mirror of an account in a database that is open already."""
        mirror = cls.__new__(cls)
        mirror.account, mirror._database, mirror._state = account, database, None
        return mirror

    def __repr__(self) -> str:
        return f"PostgresMirror({self.account!r})"

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Make the tables and the account, if they are missing. It locks nobody out: see `Mirror.lock`.

        Raises:
            AnchorError: PostgreSQL cannot be reached, or the tables cannot be made.
        """
        create_tables(self._database)
        self._database.execute(_ADD, (self.account,))
        yield

    def load(self) -> Anchor | None:
        """Return the anchor committed last, `None` if there is none.

        Raises:
            AnchorError: it cannot be read, or is damaged.
        """
        rows = self._find()
        if not rows:
            return None
        ((key, version, anchor),) = rows
        self._state = AccountState(key, version)
        return None if anchor is None else Anchor.loads(anchor)

    def begin(self, anchor: Anchor, now: float) -> PostgresTransaction:
        """Begin a transaction that starts from `anchor`; see `Mirror`.

        Raises:
            RuntimeError: the account is missing: the mirror is not locked, or the account was forgotten.
            AnchorError: PostgreSQL cannot be reached.
        """
        if self._state is None:
            self.load()
        if self._state is None:
            raise RuntimeError("lock the mirror before writing to it")
        return PostgresTransaction(self._database, self._state, anchor, now)

    def events(self, params: EventsParams | Untyped | None = None) -> Iterator[dict[str, Any]]:
        """Yield the events that `events.get` would return for these parameters, then deletions if they were requested.

        Without time bounds, it yields events of any time; without `limit`, all events. They are of one state of the
        copy. A connection is held until the last one was yielded, or the iterator is closed.

        Args:
            params: Parameters of `events.get`. `includeDeletions`, with `modifiedSince`, yields deletions of events
                that were in the copy.

        Raises:
            TypeError: a parameter has another type.
            ValueError: a parameter is unknown or malformed.
            AnchorError: the copy cannot be read.
        """
        select_events([], params, [])  # refuses what is malformed before anything is read
        given: Any = params or {}
        return self._events(plain(dict(given)))

    def _events(self, given: dict[str, Any]) -> Iterator[dict[str, Any]]:
        rows = self._find()
        if not rows:
            return
        account = rows[0][0]
        direction = "ASC" if given.get("sortAscending") else "DESC"
        with self._database.transaction() as connection:
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            tree = nested(kept_item(text) for (text,) in connection.execute(self._database.sql(STREAMS), (account,)))
            kept = self._read(connection, _EVENTS.replace("DIRECTION", direction), account, *_bounds(given))
            yield from select_events(kept, given, tree)
            if given.get("includeDeletions") and "modifiedSince" in given:
                yield from self._read(connection, _DELETIONS, account, _bound(given["modifiedSince"]))

    def _read(self, connection: Connection, template: str, *values: Any) -> Iterator[dict[str, Any]]:
        with connection.cursor(f"pryv_{next(_numbers)}") as cursor:
            cursor.itersize = _PAGE
            for (text,) in cursor.execute(self._database.sql(template), values):
                yield kept_item(text)

    def streams(self) -> list[dict[str, Any]]:
        """Return the tree of streams, including those in the trash.

        Raises:
            AnchorError: it cannot be read.
        """
        rows = self._find()
        texts = self._database.execute(STREAMS, (rows[0][0],)) if rows else []
        return nested(kept_item(text) for (text,) in texts)

    def close(self) -> None:
        """Close the connections that were opened for a connection string; a later use opens new ones."""
        self._database.close()

    def _find(self) -> list[tuple[Any, ...]]:
        with self._database.connection() as connection:
            if not tables_exist(self._database, connection):
                return []
            return connection.execute(self._database.sql(_FIND), (self.account,)).fetchall()


def _bounds(given: Mapping[str, Any]) -> tuple[float, float]:
    """Return bounds that leave out most of what the parameters do not select."""
    return _bound(given.get("toTime", math.inf)), _bound(given.get("modifiedSince", -math.inf))


def _bound(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


class ClaimedMirror:
    """The mirror of an account whose row a worker has read when it claimed it.

    Args:
        database: The database.
        name: The name of the account.
        state: Its row.
        anchor: The text of its anchor; `None` if there is none.
    """

    def __init__(self, database: Database, name: str, state: AccountState, anchor: str | None) -> None:
        self._database = database
        self._name = name
        self._state = state
        self._text = anchor
        self._is_fresh = True

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Do nothing: the worker has a lease."""
        yield

    def load(self) -> Anchor | None:
        """Return the anchor of the row: as it was claimed at first, later as it is.

        Raises:
            ContendedError: the account was forgotten.
            AnchorError: it cannot be read, or is damaged.
        """
        if not self._is_fresh:
            rows = self._database.execute(_FIND, (self._name,))
            if not rows or rows[0][0] != self._state.id:
                raise ContendedError(f"the account {self._name} was forgotten")
            _, self._state.version, self._text = rows[0]
        self._is_fresh = False
        return None if self._text is None else Anchor.loads(self._text)

    def begin(self, anchor: Anchor, now: float) -> PostgresTransaction:
        """Begin a transaction that starts from `anchor`; see `Mirror`."""
        return PostgresTransaction(self._database, self._state, anchor, now)


def checked_name(name: object) -> str:
    """Return a name of an account.

    Raises:
        TypeError: it is not a text.
        ValueError: it is empty, too long, or not UTF-8 text.
    """
    if not isinstance(name, str):
        raise TypeError(f"the name of an account is a text, not {type(name).__name__}")
    if not name.strip() or not is_text(name, _LONGEST_NAME):
        raise ValueError(f"the name of an account has 1 to {_LONGEST_NAME} bytes of UTF-8, without NUL")
    return name
