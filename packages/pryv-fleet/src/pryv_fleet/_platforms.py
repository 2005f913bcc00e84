"""The platforms of a fleet: the rows that its accounts refer to."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from pryv_fleet._database import Connection, Database

_ADD: Final = "INSERT INTO {schema}.platforms (url) SELECT DISTINCT unnest(%s::text[]) ON CONFLICT DO NOTHING"
_KEEP: Final = "SELECT id FROM {schema}.platforms WHERE url = ANY(%s) FOR KEY SHARE"
_UNUSED: Final = "NOT EXISTS (SELECT FROM {schema}.accounts a WHERE a.platform = p.id)"
_LOCK_UNUSED: Final = f"SELECT p.id FROM {{schema}}.platforms p WHERE {_UNUSED} FOR UPDATE SKIP LOCKED"  # noqa: S608
_REMOVE_UNUSED: Final = f"DELETE FROM {{schema}}.platforms p WHERE p.id = ANY(%s) AND {_UNUSED}"  # noqa: S608


def keep_platforms(database: Database, connection: Connection, urls: Collection[str]) -> None:
    """Add the platforms that are missing; nobody removes one of them during the transaction.

    Raises:
        psycopg.Error: PostgreSQL cannot be reached.
    """
    values = (list(urls),)
    kept = 0
    while kept < len(urls):
        connection.execute(database.sql(_ADD), values)
        kept = connection.execute(database.sql(_KEEP), values).rowcount


def remove_unused_platforms(database: Database) -> None:
    """Remove the platforms without an account: the host of one may be the name of a person.

    Raises:
        DatabaseError: PostgreSQL cannot be reached.
    """
    with database.transaction() as connection:
        rows = connection.execute(database.sql(_LOCK_UNUSED)).fetchall()
        connection.execute(database.sql(_REMOVE_UNUSED), ([key for (key,) in rows],))
