"""The status of a fleet."""

from __future__ import annotations

from typing import Final

from pryv_fleet._database import Database
from pryv_fleet.accounts import STATES
from pryv_fleet.reports import FleetStatus, PlatformStatus

_COUNTS: Final = """
    SELECT
        state, count(*),
        count(*) FILTER (WHERE due <= now() AND (leased_until IS NULL OR leased_until <= now())),
        count(*) FILTER (WHERE leased_until > now()),
        coalesce(max(extract(epoch FROM now() - coalesce(synced, added))), 0)::float8
    FROM {schema}.accounts WHERE endpoint IS NOT NULL GROUP BY state
"""
_PLATFORMS: Final = """
    SELECT p.url, count(a.id), CASE WHEN p.not_before > now() THEN p.not_before END
    FROM {schema}.platforms p LEFT JOIN {schema}.accounts a ON a.platform = p.id GROUP BY p.id ORDER BY p.url
"""
_EVENTS: Final = "SELECT greatest(0, reltuples)::bigint FROM pg_class WHERE oid = to_regclass(%s)"
_FORGOTTEN: Final = "SELECT count(*) FROM {schema}.forgotten"


def status_of(database: Database, wait: float | None = None) -> FleetStatus:
    """Return the status of the fleet in a database.

    Args:
        database: The database.
        wait: Seconds to wait for a connection.

    Raises:
        DatabaseError: PostgreSQL cannot be reached, or the tables are missing.
    """
    with database.connection(wait) as connection:
        counts, platforms, ((forgotten,),) = (
            connection.execute(database.sql(query)).fetchall() for query in (_COUNTS, _PLATFORMS, _FORGOTTEN)
        )
        ((events,),) = connection.execute(_EVENTS, (database.sql("{schema}.events"),)).fetchall()
    rows = {state: values for state, *values in counts}
    passed = [rows[state] for state in ("active", "failing") if state in rows]
    return FleetStatus(
        accounts=sum(values[0] for values in rows.values()),
        states={state: rows[state][0] if state in rows else 0 for state in STATES},
        due=sum(values[1] for values in passed),
        in_flight=sum(values[2] for values in rows.values()),
        lag=max((values[3] for values in passed), default=0.0),
        events=events,
        forgotten=forgotten,
        platforms=tuple(PlatformStatus(*row) for row in platforms),
    )
