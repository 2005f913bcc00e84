"""The database: pooled connections, statements in one schema, and errors."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cached_property
from typing import Any, Final, TypeAlias

from pryv import MissingAddonError
from pryv_fleet.errors import DatabaseError

try:
    import psycopg
    from psycopg import sql
    from psycopg.rows import tuple_row
    from psycopg_pool import ConnectionPool, PoolClosed, PoolTimeout
except ImportError as error:  # psycopg itself does not contain the client library of PostgreSQL
    raise MissingAddonError('psycopg needs libpq; if it is not installed: pip install "psycopg[binary]"') from error

Connection: TypeAlias = psycopg.Connection[tuple[Any, ...]]
Pool: TypeAlias = ConnectionPool[Connection]

CONNECTIONS: Final = 4
"""Connections that a process opens; its threads take turns, because no connection is held during an HTTP request."""
_WAIT: Final = 30.0
"""Seconds to wait for a connection."""
LONGEST_NAME: Final = 63
"""Bytes of an identifier: https://www.postgresql.org/docs/current/sql-syntax-lexical.html#SQL-SYNTAX-IDENTIFIERS"""
_UNCHECKED: Final = 0.1
"""Seconds without a statement, after which the connections are checked before the next one."""
_DIAGNOSIS_WAIT: Final = 2
"""Seconds in which one more connection is tried, to learn why there is none."""


class Database:
    """A PostgreSQL database, with the tables in one schema. It survives a fork.

    Args:
        pool_or_dsn: A pool of connections, which is used as it is and stays open; or a connection string.
        schema: The schema of the tables.

    Raises:
        TypeError: `pool_or_dsn` or `schema` has the wrong type.
        ValueError: the connection string or the name of the schema is malformed.
    """

    def __init__(self, pool_or_dsn: Pool | str, schema: str) -> None:
        if not isinstance(pool_or_dsn, (ConnectionPool, str)):
            raise TypeError(f"pool_or_dsn is a ConnectionPool or a text, not {type(pool_or_dsn).__name__}")
        if not isinstance(schema, str):
            raise TypeError(f"schema is a text, not {type(schema).__name__}")
        if not 0 < len(schema.encode(errors="replace")) <= LONGEST_NAME or any(char in schema for char in "\0%"):
            raise ValueError(f"schema is a name of PostgreSQL: 1 to {LONGEST_NAME} bytes, without NUL and %")
        if isinstance(pool_or_dsn, str):
            _check_dsn(pool_or_dsn)
        self._given = None if isinstance(pool_or_dsn, str) else pool_or_dsn
        self._dsn = pool_or_dsn if isinstance(pool_or_dsn, str) else ""
        self.schema = schema
        self._reset()

    def __repr__(self) -> str:
        return f"<Database {self.schema}>"

    def _reset(self) -> None:
        self._lock = threading.Lock()
        self._own: Pool | None = None
        self._pid = os.getpid()
        self._statements: dict[str, str] = {}
        self._used_at = float("-inf")

    @cached_property
    def _identifier(self) -> sql.Identifier:
        return sql.Identifier(self.schema)

    def sql(self, template: str) -> str:
        """Return a statement, with the name of the schema for `{schema}`."""
        statement = self._statements.get(template)
        if statement is None:
            text = sql.SQL(template).format(schema=self._identifier)
            statement = self._statements[template] = text.as_string(None)
        return statement

    @contextmanager
    def connection(self, wait: float | None = None) -> Iterator[Connection]:
        """Borrow a connection from the pool.

        Args:
            wait: Seconds to wait for it, instead of the pool's own limit.

        Raises:
            DatabaseError: there is none, or a statement failed.
        """
        pool = self._pool()
        with translated():
            try:
                if self._given is None and time.monotonic() - self._used_at > _UNCHECKED:
                    pool.check()  # a restart, a firewall or a limit of idle time may have closed the connections
                with pool.connection(wait) as connection, _with_tuples(connection), _writable(connection):
                    yield connection
                    self._used_at = time.monotonic()
            except PoolTimeout as error:
                raise PoolTimeout(self._diagnosis() or str(error)) from None
            except PoolClosed:
                raise
            except psycopg.OperationalError:
                pool.check()  # after a restart of the server all are broken: so one statement fails, not one for each
                raise

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Borrow a connection, and commit what is done in the context in one transaction.

        Raises:
            DatabaseError: there is no connection, or a statement failed.
        """
        with self.connection() as connection, connection.transaction():
            yield connection

    def execute(self, template: str, values: Any = ()) -> list[tuple[Any, ...]]:
        """Run one statement and return its rows.

        Raises:
            DatabaseError: it failed.
        """
        with self.connection() as connection:
            cursor = connection.execute(self.sql(template), values)
            return cursor.fetchall() if cursor.description else []

    def close(self) -> None:
        """Close the connections; a later statement opens new ones."""
        with self._lock:
            pool, self._own = self._own, None
        if pool is not None and self._pid == os.getpid():
            pool.close()

    def _diagnosis(self) -> str | None:
        """Return why no connection can be made, as PostgreSQL or its client says it; `None` if one can be made."""
        if self._given is not None:
            return None
        options = psycopg.conninfo.conninfo_to_dict(self._dsn)
        if _is_misread(options):
            return "no connection can be made; special characters of a password have to be percent-encoded in a URL"
        try:
            psycopg.connect(self._dsn, connect_timeout=_DIAGNOSIS_WAIT).close()
        except psycopg.Error as error:
            password = str(options.get("password") or "")
            return _first_line(error).replace(password, "***") if password else _first_line(error)
        return None

    def _pool(self) -> Pool:
        if self._given is not None:
            return self._given
        if self._pid != os.getpid():
            self._reset()
        with self._lock:
            if self._own is None:
                self._own = ConnectionPool(
                    self._dsn,
                    kwargs={"autocommit": True, "application_name": "pryv-fleet", "client_encoding": "utf8"},
                    configure=_avoid_prepared_statements,
                    min_size=0,
                    max_size=CONNECTIONS,
                    timeout=_WAIT,
                    name="pryv-fleet",
                    open=True,
                )
            return self._own


def _avoid_prepared_statements(connection: Connection) -> None:
    """Prepare no statements behind a pooler: PgBouncer before 1.21 loses them in transaction mode.

    A pooler is known by the process that it names, which is not that of the server.
    """
    (pid,) = connection.execute("SELECT pg_backend_pid()").fetchone() or (None,)
    if pid != connection.info.backend_pid:
        connection.prepare_threshold = None


_UNDEFINED: Final = (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn, psycopg.errors.InvalidSchemaName)
_RETRYABLE: Final = (psycopg.OperationalError, psycopg.InterfaceError, psycopg.errors.ReadOnlySqlTransaction)


@contextmanager
def _with_tuples(connection: Connection) -> Iterator[None]:
    """Have rows come as tuples; the owner of a given pool may want something else."""
    row_factory, connection.row_factory = connection.row_factory, tuple_row
    try:
        yield
    finally:
        connection.row_factory = row_factory


@contextmanager
def _writable(connection: Connection) -> Iterator[None]:
    """Close a connection to a server that is a read-only standby by now, so that the pool makes another one."""
    try:
        yield
    except psycopg.errors.ReadOnlySqlTransaction:
        connection.close()
        raise


@contextmanager
def translated() -> Iterator[None]:
    """Raise psycopg's errors as errors of a fleet. Statements and their values are left out of the messages.

    Raises:
        DatabaseError: PostgreSQL cannot be reached, or refused a statement.
    """
    try:
        yield
    except psycopg.Error as error:
        message = error.diag.message_primary or _first_line(error)
        state = f" [{error.sqlstate}]" if error.sqlstate else ""
        hint = "; `pryv-fleet init` makes the tables, or upgrades them" if isinstance(error, _UNDEFINED) else ""
        retryable = isinstance(error, _RETRYABLE) and not isinstance(error, PoolClosed)
    else:
        return
    raise DatabaseError(f"PostgreSQL: {message}{state}{hint}", retryable=retryable)


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0] or type(error).__name__


def _is_misread(options: Mapping[str, Any]) -> bool:
    """Return whether a part of a password is taken for the host, the port or the database, and shown in messages."""
    port = str(options.get("port") or "0").replace(",", "")
    return not port.isdigit() or any("@" in str(options.get(name)) for name in ("host", "dbname"))


def _check_dsn(dsn: str) -> None:
    """Check a connection string. libpq's message may contain the password, so it is not shown.

    Raises:
        ValueError: it is malformed.
    """
    with suppress(psycopg.Error):
        psycopg.conninfo.conninfo_to_dict(dsn)
        return
    raise ValueError("dsn is not a connection string of PostgreSQL, such as postgresql://user@host/database")
