"""A view for each type of events that somebody asks for."""

from __future__ import annotations

import re
from typing import Final

from psycopg import sql

from pryv_fleet._database import LONGEST_NAME, Database

_VIEW: Final = """
    CREATE OR REPLACE VIEW {schema}.{view} AS
    SELECT
        a.name AS account, e.id, e.time,
        CASE WHEN e.time BETWEEN -62135596800 AND 253402300799 THEN to_timestamp(e.time) END AS moment,
        e.stream_ids, e.number, e.text, e.json, e.modified
    FROM {schema}.events e JOIN {schema}.accounts a ON a.id = e.account
    WHERE e.type = {type} AND NOT e.trashed
"""
_COMMENT: Final = "COMMENT ON VIEW {schema}.{view} IS {type}"
_TYPE: Final = "SELECT obj_description(to_regclass(%s), 'pg_class')"
_GRANTS: Final = """
    SELECT DISTINCT format('GRANT SELECT ON %%I.%%I TO %%s', %(schema)s::text, %(view)s::text,
        CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END)
    FROM pg_class, aclexplode(relacl)
    WHERE oid = to_regclass(%(events)s) AND privilege_type = 'SELECT'
        AND has_column_privilege(grantee, to_regclass(%(accounts)s), 'name', 'SELECT')
"""
"""For the roles that may read what the view has: the events, and the names of the accounts."""


def create_view(database: Database, event_type: str) -> str:
    """Make the view of an event type, have those read it who may read what it shows, and return its name.

    Raises:
        ValueError: it is not the type of events, or the view of another type has the name.
        DatabaseError: PostgreSQL cannot be reached, or refuses.
    """
    if not re.fullmatch(r"[a-z0-9-]+/[a-z0-9-]+", event_type):
        raise ValueError(f"an event type is a class and a format, such as mass/kg, not {event_type!r}")
    name = re.sub(r"[^a-z0-9]", "_", event_type)
    if len(name) > LONGEST_NAME:
        raise ValueError(f"{event_type}: the name of its view would be too long")
    parts = {"schema": sql.Identifier(database.schema), "view": sql.Identifier(name), "type": sql.Literal(event_type)}
    with database.transaction() as connection:
        view = sql.SQL("{schema}.{view}").format(**parts).as_string(connection)
        ((kept,),) = connection.execute(_TYPE, (view,)).fetchall()
        if kept not in (None, event_type):
            raise ValueError(f"{event_type}: the view {name} is that of {kept}")
        for statement in (_VIEW, _COMMENT):
            connection.execute(sql.SQL(statement).format(**parts))
        values = {"schema": database.schema, "view": name}
        tables = {table: database.sql(f"{{schema}}.{table}") for table in ("events", "accounts")}
        for (grant,) in connection.execute(_GRANTS, values | tables).fetchall():
            connection.execute(grant)
    return name
