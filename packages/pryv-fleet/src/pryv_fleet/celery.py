"""Celery as the engine of a fleet: its workers pass the accounts that are due.

A task only says that a worker should look at what is due. It has no arguments, so no message contains a token or the
name of an account. A message may be lost, late or doubled: PostgreSQL has the truth.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

import attrs

from pryv import MissingAddonError
from pryv_fleet._arguments import require_count, require_interval
from pryv_fleet.errors import DatabaseError
from pryv_fleet.fleet import Fleet
from pryv_fleet.reports import FleetReport

if TYPE_CHECKING:
    from celery import Celery, Task

__all__ = ["install"]

_NAME: Final = "pryv_fleet.sync_due"

_EXPIRES: Final = 300
"""Seconds after which a message is dropped, so that they do not pile up while all workers are busy. The time is that of
the sender's clock, so it is longer than clocks differ."""

_log = logging.getLogger("pryv_fleet")


def install(app: Celery, fleet: Fleet, *, every: float = 1, limit: int = 200, name: str = _NAME) -> Task:
    """Add a task to a Celery app that passes the accounts which are due, and have beat send it.

    A task that reaches its limit sends another one. A message is acknowledged before its task runs: if the worker is
    killed, a later task passes its accounts, once their leases have ended. While PostgreSQL cannot be reached, a task
    logs a warning, and sends no request to a platform.

    Args:
        app: The app. Its workers and beat import the module that calls this.
        fleet: The fleet. Processes that the worker forks may use it.
        every: Seconds between two tasks that beat sends: within this time, an account that is due is noticed.
        limit: Accounts that one task passes, at most.
        name: The name of the task, for an app with several fleets.

    Returns:
        The task. It returns the numbers of a `FleetReport` as a dict, which is not stored.

    Raises:
        TypeError: an argument has the wrong type.
        ValueError: `every` or `limit` is out of range.
        MissingAddonError: Celery is not installed.
    """
    _check(app, fleet)
    require_interval(every, "every")
    require_count(limit, "limit")

    def sync_due(task: Task) -> dict[str, Any]:
        """Pass the accounts that are due now."""
        report = _sync_due(fleet, limit)
        if report.passes + report.failed + report.refused + report.contended >= limit:
            task.apply_async()
        return attrs.asdict(report)

    app.add_periodic_task(every, app.signature(name), name=name)
    return app.task(sync_due, bind=True, name=name, shared=False, ignore_result=True, acks_late=False, expires=_EXPIRES)


def _sync_due(fleet: Fleet, limit: int) -> FleetReport:
    try:
        return fleet.sync_due(limit=limit)
    except DatabaseError as error:
        if not error.retryable:
            raise
        _log.warning("%s; the next task tries again", error)
        return FleetReport()


def _check(app: object, fleet: object) -> None:
    """Check the types of arguments.

    Raises:
        TypeError: one is wrong.
        MissingAddonError: Celery is not installed.
    """
    try:
        from celery import Celery
    except ModuleNotFoundError:
        raise MissingAddonError('Celery needs: pip install "pryv-fleet[celery]"') from None
    if not isinstance(app, Celery):
        raise TypeError(f"app is a celery.Celery, not {type(app).__name__}")
    if not isinstance(fleet, Fleet):
        raise TypeError(f"fleet is a Fleet, not {type(fleet).__name__}")
