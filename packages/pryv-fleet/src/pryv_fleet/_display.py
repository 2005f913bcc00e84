"""What the commands print."""

from __future__ import annotations

from datetime import timezone
from typing import TYPE_CHECKING, Any, Final

import attrs

from pryv.cli import Column, on_terminal, write_json, write_table
from pryv_fleet.accounts import Account

if TYPE_CHECKING:
    from pryv_fleet.reports import FleetReport, FleetStatus


_PASSED: Final = ("active", "failing")


def summary(report: FleetReport) -> str:
    """Return a report in one line."""
    return (
        f"{report.passes:,} accounts passed, {report.changed:,} changed: {report.events:,} events, "
        f"{report.event_deletions:,} deletions; {report.failed:,} failed, {report.refused:,} refused, "
        f"{report.contended:,} contended, in {report.seconds:.1f} s"
    )


def described(status: FleetStatus) -> str:
    """Return a status for people."""
    states = ", ".join(f"{number:,} {state}" for state, number in status.states.items() if number)
    lines = [
        f"accounts   {status.accounts:,} ({states or 'none'})",
        f"due        {status.due:,}",
        f"in flight  {status.in_flight:,}",
        f"lag        {status.lag:,.0f} s",
        f"events     {status.events:,} (estimate)",
        f"forgotten  {status.forgotten:,}",
    ]
    for platform in status.platforms:
        held = f", not before {_moment(platform.not_before)} UTC" if platform.not_before else ""
        lines.append(f"platform   {platform.url}: {platform.accounts:,} accounts{held}")
    return "\n".join(lines)


def write_accounts(accounts: list[Account], *, as_json: bool) -> None:
    """Write accounts as a table on a terminal, and as JSON elsewhere."""
    if not on_terminal() or as_json:
        write_json([attrs.asdict(account, value_serializer=plain_value) for account in accounts])
        return
    columns: list[Column] = [
        Column("name", lambda account: account.name, whole=True),
        Column("state", lambda account: account.state),
        Column("synced (UTC)", lambda account: _moment(account.synced)),
        Column("due (UTC)", lambda account: _moment(account.due if account.state in _PASSED else None)),
        Column("error", lambda account: account.error or ""),
    ]
    write_table(columns, accounts)


def _moment(value: Any) -> str:
    return "" if value is None else f"{value.astimezone(timezone.utc):%Y-%m-%d %H:%M:%S}"


def plain_value(_instance: Any, _field: Any, value: Any) -> Any:
    """Return a value of a report for JSON: times as ISO 8601."""
    return value.isoformat() if hasattr(value, "isoformat") else value
