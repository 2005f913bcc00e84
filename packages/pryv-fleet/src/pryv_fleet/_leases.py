"""Leases: which worker passes which account, and what comes of it.

An account is claimed if it is due and not leased. The lease ends by itself if its worker is killed, so that another
one claims the account. A lease only saves work: the guarantee is the compare-and-swap in the commit of a mirror.
"""

from __future__ import annotations

import itertools
import json
import os
import secrets
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Final

import attrs

from pryv_fleet._database import Connection, Database
from pryv_fleet._platforms import keep_platforms
from pryv_fleet.accounts import platform_of
from pryv_fleet.pacing import Pacing

_IS_CLAIMABLE: Final = """
    a.state IN ('active', 'failing') AND a.due <= least(now(), %(until)s::timestamptz)
    AND (a.leased_until IS NULL OR a.leased_until <= now()) AND (a.not_before IS NULL OR a.not_before <= now())
"""
_PLATFORMS: Final = f"""
    SELECT p.id, extract(epoch FROM now() - p.paced_until)::float8 FROM {{schema}}.platforms p
    WHERE (p.not_before IS NULL OR p.not_before <= now())
        AND (%(platform)s::text IS NULL OR rtrim(p.url, '/') = rtrim(%(platform)s, '/'))
        AND EXISTS (SELECT 1 FROM {{schema}}.accounts a WHERE a.platform = p.id AND {_IS_CLAIMABLE})
    ORDER BY p.id FOR NO KEY UPDATE
"""  # noqa: S608
_COLUMNS: Final = """
    a.id, a.name, a.platform, a.endpoint, a.secret, a.scope::text, a.seconds, a.anchor, a.version, a.due, a.failures,
    a.adopts, (SELECT url FROM {schema}.platforms WHERE id = a.platform), a.leased_by
"""
_CLAIM: Final = f"""
    WITH chosen AS (
        SELECT a.id FROM {{schema}}.accounts a WHERE a.platform = %(platform)s AND {_IS_CLAIMABLE} ORDER BY a.due
        LIMIT least(%(limit)s, greatest(0, %(connections)s - (
            SELECT count(*) FROM {{schema}}.accounts WHERE platform = %(platform)s AND leased_until > now()
        )))
        FOR UPDATE SKIP LOCKED
    )
    UPDATE {{schema}}.accounts a SET leased_until = now() + make_interval(secs => %(lease)s), leased_by = %(number)s
    FROM chosen WHERE a.id = chosen.id RETURNING {_COLUMNS}
"""  # noqa: S608
_CLAIM_ONE: Final = f"""
    UPDATE {{schema}}.accounts a SET leased_until = now() + make_interval(secs => %(lease)s), leased_by = %(number)s
    FROM {{schema}}.platforms p
    WHERE a.name = %(name)s AND p.id = a.platform AND a.state IN ('active', 'failing')
        AND (a.leased_until IS NULL OR a.leased_until <= now()) AND (a.not_before IS NULL OR a.not_before <= now())
        AND (p.not_before IS NULL OR p.not_before <= now())
    RETURNING {_COLUMNS}
"""  # noqa: S608
_LOOK: Final = f"""
    SELECT {_COLUMNS} FROM {{schema}}.accounts a
    WHERE a.id > %s AND a.state IN ('active', 'failing') ORDER BY a.id LIMIT 1000
"""  # noqa: S608
_PACE: Final = """
    UPDATE {schema}.platforms
    SET paced_until = greatest(paced_until, now() - make_interval(secs => %s)) + make_interval(secs => %s)
    WHERE id = %s
"""
_FINISH: Final = """
    UPDATE {schema}.accounts a SET
        due = CASE WHEN a.due = o.due THEN now() + make_interval(secs => o.wait) ELSE a.due END,
        not_before = now() + make_interval(secs => o.retry_after),
        leased_until = NULL, leased_by = NULL, failures = o.failures, error = o.error,
        state = CASE WHEN a.state = 'paused' AND o.state <> 'refused' THEN a.state ELSE o.state END,
        endpoint = coalesce(o.endpoint, a.endpoint),
        platform = coalesce((SELECT id FROM {schema}.platforms WHERE url = o.platform), a.platform),
        adopts = a.adopts AND o.state <> 'active',
        synced = coalesce(now() - make_interval(secs => o.age), a.synced)
    FROM unnest(%s::bigint[], %s::timestamptz[], %s::float8[], %s::float8[], %s::int[], %s::text[], %s::text[],
        %s::text[], %s::text[], %s::float8[], %s::bigint[])
        AS o (id, due, wait, retry_after, failures, state, error, endpoint, platform, age, leased_by)
    WHERE a.id = o.id AND a.leased_by = o.leased_by
"""
_HOLD: Final = """
    UPDATE {schema}.platforms p SET not_before = greatest(p.not_before, now() + make_interval(secs => o.retry_after))
    FROM (
        SELECT o.platform, max(o.retry_after) AS retry_after
        FROM unnest(%s::bigint[], %s::float8[]) AS o (platform, retry_after) GROUP BY platform
    ) AS o WHERE p.id = o.platform
"""
_RELEASE: Final = """
    UPDATE {schema}.accounts a SET leased_until = NULL, leased_by = NULL
    FROM unnest(%s::bigint[], %s::bigint[]) AS o (id, leased_by) WHERE a.id = o.id AND a.leased_by = o.leased_by
"""
_NEXT: Final = """
    SELECT extract(epoch FROM min(soonest.moment) - now())::float8
    FROM {schema}.platforms p CROSS JOIN LATERAL (
        SELECT min(greatest(a.due, a.leased_until, a.not_before, p.not_before)) AS moment
        FROM {schema}.accounts a
        WHERE a.platform = p.id AND a.state IN ('active', 'failing')
            AND a.due <= least(now() + make_interval(secs => %(within)s), %(until)s::timestamptz)
    ) AS soonest
    WHERE p.not_before IS NULL OR p.not_before <= now() + make_interval(secs => %(within)s)
"""
"""It reads only accounts that are due by then: of 1,000,000, all would take 0.4 s, each time that a worker waits."""

_PROCESS_BITS: Final = 42
CLAIM_BITS: Final = 20
"""How the number of a lease is made up: of a number of the process, and one of its claims."""


def _scope_of(text: str | None) -> dict[str, Any] | None:
    return None if text is None else json.loads(text)


@attrs.frozen
class Claim:
    """An account that this worker has leased.

    Attributes:
        secret: The ciphertext of its token; `None` if another store has it.
        due: When it was due; a later time in its row means that it was woken in the meantime.
        lease: The number of the lease. Its row has another one if the account was claimed again in the meantime, with
            a new token perhaps.
    """

    id: int
    name: str
    platform: int
    endpoint: str
    secret: str | None = attrs.field(repr=False)
    scope: dict[str, Any] | None = attrs.field(converter=_scope_of)
    seconds: float | None
    anchor: str | None = attrs.field(repr=False)
    version: int
    due: datetime
    failures: int
    adopts: bool
    platform_url: str
    lease: int | None


@attrs.frozen
class Finish:
    """What a pass leaves in the row of its account.

    Attributes:
        wait: Seconds until the next pass is due.
        retry_after: Seconds that the platform has asked to wait, for this account and the whole platform.
        endpoint: The endpoint, if the platform has moved the account.
        age: Seconds since the pass began, if it was complete.
    """

    claim: Claim
    state: str
    wait: float = attrs.field(converter=float)  # psycopg refuses lists with integers and floats
    failures: int = 0
    error: str | None = None
    retry_after: float | None = None
    endpoint: str | None = None
    age: float | None = None


class LeaseNumbers:
    """Numbers for leases: that of the process, and those of its claims. A process that it forks has other ones."""

    def __init__(self) -> None:
        self._seed = secrets.randbits(_PROCESS_BITS)
        self._claims = itertools.count()

    def __next__(self) -> int:
        """Return the number of the leases of another claim."""
        return (self._seed ^ os.getpid()) << CLAIM_BITS | next(self._claims) % (1 << CLAIM_BITS)


class Leases:
    """The leases of one worker.

    Args:
        database: The database.
        seconds: How long a lease lasts.
        pacing: The limits of each platform.
    """

    def __init__(self, database: Database, seconds: float, pacing: Pacing) -> None:
        self._numbers = LeaseNumbers()
        self.seconds = seconds
        self._database = database
        self._pacing = pacing

    @property
    def is_paced(self) -> bool:
        """Whether accounts that are due may have to wait for the rate of their platform."""
        return self._pacing.rate is not None

    def now(self) -> datetime:
        """Return the time of the database, whose clock all workers go by.

        Raises:
            DatabaseError: PostgreSQL cannot be reached.
        """
        now: datetime = self._database.execute("SELECT now()")[0][0]
        return now

    def claim(self, limit: int, platform: str | None = None, until: datetime | None = None) -> list[Claim]:
        """Lease accounts that are due, those that have waited longest first, within the limits of each platform.

        Args:
            limit: How many, at most.
            platform: The platform whose accounts are leased; `None` for all.
            until: Leases only accounts that were due at this time; `None` for now.

        Raises:
            DatabaseError: PostgreSQL cannot be reached.
        """
        claims: list[Claim] = []
        with self._database.transaction() as connection:
            rows = connection.execute(self._database.sql(_PLATFORMS), {"platform": platform, "until": until}).fetchall()
            for left, (key, since) in zip(range(len(rows), 0, -1), rows, strict=True):
                share = -(-(limit - len(claims)) // left)
                claims += self._claim_of(connection, key, since, share, until)
        return claims

    def look(self) -> Iterator[Claim]:
        """Yield what a claim of each account that is active or failing would return, without a lease.

        Raises:
            DatabaseError: PostgreSQL cannot be reached.
        """
        last = 0
        while rows := self._database.execute(_LOOK, (last,)):
            last = rows[-1][0]
            yield from (Claim(*row) for row in rows)

    def claim_one(self, name: str) -> Claim | None:
        """Lease an account, due or not; return `None` if that is not possible now.

        Raises:
            DatabaseError: PostgreSQL cannot be reached.
        """
        values = {"name": name, "lease": self.seconds, "number": next(self._numbers)}
        rows = self._database.execute(_CLAIM_ONE, values)
        return Claim(*rows[0]) if rows else None

    def finish(self, finishes: Sequence[Finish]) -> None:
        """Write what passes have left, and end their leases. A later lease of an account is left alone.

        Raises:
            DatabaseError: PostgreSQL cannot be reached. Nothing is written.
        """
        held = [finish for finish in finishes if finish.retry_after is not None]
        platforms = [None if finish.endpoint is None else platform_of(finish.endpoint) for finish in finishes]
        columns = (
            [finish.claim.id for finish in finishes],
            [finish.claim.due for finish in finishes],
            [finish.wait for finish in finishes],
            [finish.retry_after for finish in finishes],
            [finish.failures for finish in finishes],
            [finish.state for finish in finishes],
            [finish.error for finish in finishes],
            [finish.endpoint for finish in finishes],
            platforms,
            [finish.age for finish in finishes],
            [finish.claim.lease for finish in finishes],
        )
        with self._database.transaction() as connection:
            if held:
                values = ([finish.claim.platform for finish in held], [finish.retry_after for finish in held])
                connection.execute(self._database.sql(_HOLD), values)
            if found := {url for url in platforms if url is not None}:
                keep_platforms(self._database, connection, found)
            connection.execute(self._database.sql(_FINISH), columns)

    def release(self, claims: Sequence[Claim]) -> None:
        """End leases of accounts that were not passed; they stay due.

        Raises:
            DatabaseError: PostgreSQL cannot be reached.
        """
        if claims:
            self._database.execute(_RELEASE, ([claim.id for claim in claims], [claim.lease for claim in claims]))

    def seconds_until_next(self, within: float, until: datetime | None = None) -> float | None:
        """Return the seconds until an account can be claimed; `None` if none is due soon.

        Args:
            within: How soon, in seconds.
            until: Looks only at accounts that are due at this time; `None` for all.

        Raises:
            DatabaseError: PostgreSQL cannot be reached.
        """
        seconds: float | None = self._database.execute(_NEXT, {"within": within, "until": until})[0][0]
        return seconds

    def _claim_of(
        self, connection: Connection, platform: int, since: float | None, limit: int, until: datetime | None
    ) -> list[Claim]:
        rate = self._pacing.rate
        burst = 0.0 if rate is None else max(1.0, 1 / rate)
        if rate is not None:
            limit = min(limit, int(rate * (burst if since is None else min(since, burst)) + 1e-6))
        if limit < 1:
            return []
        values = {
            "platform": platform,
            "limit": limit,
            "until": until,
            "connections": self._pacing.connections,
            "lease": self.seconds,
            "number": next(self._numbers),
        }
        rows = connection.execute(self._database.sql(_CLAIM), values).fetchall()
        if rate is not None and rows:
            connection.execute(self._database.sql(_PACE), (burst, len(rows) / rate, platform))
        return [Claim(*row) for row in rows]
