"""The reports of a fleet."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import attrs


@attrs.frozen
class FleetReport:
    """The report of `sync_due`.

    Attributes:
        passes: Passes that were committed, or found nothing new.
        changed: Those of them that changed the tables.
        events: Events that were new or changed.
        event_deletions: Events that were deleted.
        failed: Passes that failed and are tried again.
        refused: Accounts whose platform refused the token.
        contended: Passes that another worker was faster with; nothing of them is committed.
        seconds: How long it took.
    """

    passes: int = 0
    changed: int = 0
    events: int = 0
    event_deletions: int = 0
    failed: int = 0
    refused: int = 0
    contended: int = 0
    seconds: float = 0.0


@attrs.frozen
class PlatformStatus:
    """A platform, as its workers see it now.

    Attributes:
        url: What it is known by.
        accounts: Accounts on it.
        not_before: The time before which it has asked not to be called; `None` if it has not.
    """

    url: str
    accounts: int
    not_before: datetime | None


@attrs.frozen
class FleetStatus:
    """The status of a fleet.

    Attributes:
        accounts: All accounts.
        states: Their number by state: `active`, `refused`, `paused`, `failing`.
        due: Accounts that wait for a pass.
        in_flight: Accounts that a worker has leased.
        lag: Seconds since the oldest `synced` of the accounts that are active or failing; of an account that was
            never passed, since it was added.
        events: Events in the tables, by PostgreSQL's estimate: 0 until it has first analyzed them.
        forgotten: Accounts that were forgotten.
        platforms: The platforms.
    """

    accounts: int
    states: Mapping[str, int]
    due: int
    in_flight: int
    lag: float
    events: int
    forgotten: int
    platforms: tuple[PlatformStatus, ...]


@attrs.frozen
class ExportReport:
    """The report of an export.

    Attributes:
        events: Events written.
        deletions: Deletions written.
        snapshot: What the export has seen, as `since` of the next one.
    """

    events: int
    deletions: int
    snapshot: str


@attrs.frozen
class WebhooksReport:
    """The report of a registration of webhooks.

    Attributes:
        registered: Accounts whose platform notifies now.
        failed: The errors of the others, by the name of the account.
    """

    registered: int
    failed: Mapping[str, str]
