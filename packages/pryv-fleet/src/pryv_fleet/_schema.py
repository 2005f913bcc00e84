"""The tables. Their columns are an interface: docs/guides/fleet.md describes them."""

from __future__ import annotations

from typing import Final

from pryv_fleet._database import Connection, Database
from pryv_fleet.errors import DatabaseError

_INITIAL: Final = """
CREATE TABLE {schema}.platforms (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    url text NOT NULL UNIQUE,
    not_before timestamptz,
    paced_until timestamptz
);
CREATE TABLE {schema}.accounts (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE,
    platform bigint REFERENCES {schema}.platforms,
    endpoint text,
    secret text,
    scope json,
    seconds float8,
    anchor text,
    version bigint NOT NULL DEFAULT 0,
    state text NOT NULL DEFAULT 'paused' CHECK (state IN ('active', 'refused', 'paused', 'failing')),
    error text,
    failures integer NOT NULL DEFAULT 0,
    due timestamptz NOT NULL DEFAULT now(),
    leased_until timestamptz,
    leased_by bigint,
    not_before timestamptz,
    synced timestamptz,
    added timestamptz NOT NULL DEFAULT now(),
    adopts boolean NOT NULL DEFAULT false,
    wake_id text UNIQUE,
    changed xid8
) WITH (fillfactor = 70);
CREATE INDEX accounts_due ON {schema}.accounts (platform, due) WHERE state IN ('active', 'failing');
CREATE INDEX accounts_leased ON {schema}.accounts (platform) WHERE leased_until IS NOT NULL;
CREATE TABLE {schema}.events (
    account bigint NOT NULL REFERENCES {schema}.accounts ON DELETE CASCADE,
    id text NOT NULL,
    time float8,
    modified float8,
    type text,
    stream_ids text[],
    trashed boolean NOT NULL,
    number float8,
    text text,
    json json NOT NULL,
    exact text,
    generation integer NOT NULL,
    applied xid8 NOT NULL DEFAULT pg_current_xact_id(),
    PRIMARY KEY (account, id)
);
CREATE INDEX events_by_type ON {schema}.events (type, account, time);
CREATE TABLE {schema}.deletions (
    account bigint NOT NULL REFERENCES {schema}.accounts ON DELETE CASCADE,
    id text NOT NULL,
    deleted float8,
    json json NOT NULL,
    exact text,
    applied xid8 NOT NULL DEFAULT pg_current_xact_id(),
    PRIMARY KEY (account, id)
);
CREATE TABLE {schema}.streams (
    account bigint NOT NULL REFERENCES {schema}.accounts ON DELETE CASCADE,
    position integer NOT NULL,
    id text NOT NULL,
    parent_id text,
    name text,
    trashed boolean NOT NULL,
    json json NOT NULL,
    exact text,
    PRIMARY KEY (account, position)
);
CREATE TABLE {schema}.forgotten (
    name_hash text,
    forgotten timestamptz NOT NULL DEFAULT now(),
    events bigint NOT NULL,
    deletions bigint NOT NULL
);
ALTER TABLE {schema}.accounts
    ALTER name SET STATISTICS 0, ALTER endpoint SET STATISTICS 0, ALTER error SET STATISTICS 0,
    ALTER anchor SET STATISTICS 0;
ALTER TABLE {schema}.events
    ALTER stream_ids SET STATISTICS 0, ALTER text SET STATISTICS 0, ALTER exact SET STATISTICS 0;
ALTER TABLE {schema}.streams
    ALTER id SET STATISTICS 0, ALTER parent_id SET STATISTICS 0, ALTER name SET STATISTICS 0,
    ALTER exact SET STATISTICS 0
"""
"""The planner's statistics have samples of values, which would stay when an account is forgotten."""

_MIGRATIONS: Final = (_INITIAL,)
"""Version n of the schema is the result of the first n."""

_EXISTS: Final = "SELECT to_regclass(%s) IS NOT NULL"
_LOCK: Final = "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))"


def create_tables(database: Database) -> None:
    """Make the tables, or bring them to the current version. Several processes may do this at once.

    Raises:
        DatabaseError: the tables are of a later version of this package, or cannot be made.
    """
    with database.transaction() as connection:
        connection.execute(_LOCK, (f"pryv-fleet {database.schema}",))
        version = _version(database, connection)
        if version > len(_MIGRATIONS):
            raise DatabaseError(
                f"the tables are of version {version}, this package knows version {len(_MIGRATIONS)}: upgrade it"
            )
        if version == len(_MIGRATIONS):
            return
        if version == 0:
            if not _has_schema(database, connection):  # `IF NOT EXISTS` asks for the right to create one all the same
                connection.execute(database.sql("CREATE SCHEMA {schema}"))
            connection.execute(database.sql("CREATE TABLE {schema}.pryv_fleet (version integer NOT NULL)"))
            connection.execute(database.sql("INSERT INTO {schema}.pryv_fleet VALUES (0)"))
        for migration in _MIGRATIONS[version:]:
            for statement in migration.split(";\n"):
                connection.execute(database.sql(statement))
        connection.execute(database.sql("UPDATE {schema}.pryv_fleet SET version = %s"), (len(_MIGRATIONS),))


def tables_exist(database: Database, connection: Connection) -> bool:
    """Return whether the tables were made."""
    row = connection.execute(_EXISTS, (database.sql("{schema}.pryv_fleet"),)).fetchone()
    return row is not None and bool(row[0])


def _has_schema(database: Database, connection: Connection) -> bool:
    row = connection.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", (database.schema,)).fetchone()
    return row is not None


def _version(database: Database, connection: Connection) -> int:
    """Return the version of the tables, 0 if there are none."""
    if not tables_exist(database, connection):
        return 0
    row = connection.execute(database.sql("SELECT version FROM {schema}.pryv_fleet")).fetchone()
    return 0 if row is None else int(row[0])
