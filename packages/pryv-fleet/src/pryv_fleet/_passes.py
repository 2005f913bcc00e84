"""One pass of one account, and what comes of it."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, Final, Literal

import attrs

from pryv import ApiError, Connection, Limits, PryvError, RetryPolicy, Service
from pryv.addons import redact
from pryv.utils import build_api_endpoint
from pryv_fleet._database import Database
from pryv_fleet._holds import HeldError, Holds, asked_pause
from pryv_fleet._leases import Claim, Finish
from pryv_fleet._sessions import SessionPool
from pryv_fleet._transaction import AccountState
from pryv_fleet.errors import DatabaseError
from pryv_fleet.mirror import ClaimedMirror
from pryv_fleet.secrets import Secrets, TokenCipher
from pryv_monitor import AnchorMismatchError, ContendedError, Monitor, SyncReport

_FIRST_BACKOFF: Final = 5.0
_LONGEST_BACKOFF: Final = 3600.0
_SOON: Final = 1.0
"""Seconds until an account is looked at again whose pass another worker was faster with."""
_LEAST_RATE: Final = 1024
"""Bytes a second of a response, on average over the read timeout."""
_REFUSED: Final = (401, 403)
_LONGEST_ERROR: Final = 500

Result = Literal["done", "failed", "refused", "contended", "deferred"]


@attrs.frozen
class Outcome:
    """The outcome of a claim.

    Attributes:
        result: `done`; `failed`, `refused`: the account's state says so; `contended`: another worker was faster;
            `deferred`: not passed, as its platform has asked for a pause.
        report: The monitor's report of a pass that is done.
        error: What was raised otherwise.
        finish: What to write; `None` if the lease is to be left.
    """

    claim: Claim
    result: Result
    seconds: float
    report: SyncReport | None = None
    error: Exception | None = None
    finish: Finish | None = None


class Passes:
    """Makes passes, on any thread.

    Args:
        database: The database.
        secrets: Where tokens are; `None` for the table `accounts`.
        cipher: Decrypts tokens of the table.
        scope: The scope of accounts that have none of their own.
        interval: The interval of accounts that have none of their own, in seconds.
        overlap: See `Monitor`.
        lease: The seconds by which a commit prolongs a lease.
        timeout: The time limits of a request.
    """

    def __init__(
        self,
        database: Database,
        *,
        secrets: Secrets | None,
        cipher: TokenCipher,
        scope: Mapping[str, Any] | None,
        interval: float,
        overlap: float,
        lease: float,
        timeout: Any,
    ) -> None:
        self._database = database
        self._secrets = secrets
        self._cipher = cipher
        self._scope = scope
        self._interval = interval
        self._overlap = overlap
        self._lease = lease
        self._options = _connection_options(timeout)
        self._sessions = SessionPool()
        self._services: dict[tuple[int, int], Service] = {}
        self._holds = Holds(database)

    def make(self, claim: Claim, *, full: bool = False) -> Outcome:
        """Make a pass, and return its outcome; no exception is raised."""
        begin = time.monotonic()
        try:
            report, endpoint = self._sync(claim, full)
        except HeldError:
            return Outcome(claim, "deferred", time.monotonic() - begin)
        except Exception as error:  # noqa: BLE001  (it is the outcome of the pass)
            return self._failed(claim, error.with_traceback(None), time.monotonic() - begin)
        seconds = time.monotonic() - begin
        wait = max(0.0, (claim.seconds or self._interval) - seconds)
        moved_to = None if endpoint == claim.endpoint else endpoint
        return Outcome(
            claim, "done", seconds, report, finish=Finish(claim, "active", wait, endpoint=moved_to, age=seconds)
        )

    @contextmanager
    def connection(self, claim: Claim) -> Iterator[Connection]:
        """Make a connection to an account, over network connections that other accounts of the platform have used.

        Each request of it raises `HeldError` while the platform has asked not to be called.

        Raises:
            FleetError: its token is missing, or cannot be decrypted.
        """
        endpoint = build_api_endpoint(claim.endpoint, self._token(claim))
        with self._sessions.session(lambda: self._holds.check(claim.platform)) as session:
            yield Connection(endpoint, self._service(claim), session=session, **self._options)

    def hold(self, claim: Claim, error: Exception) -> float | None:
        """Have no worker call a platform before the time that its answer names; return the seconds, if it names one."""
        asked = asked_pause(error)
        if asked is not None:
            with suppress(DatabaseError):  # what the pass leaves says it again, as soon as PostgreSQL is there
                self._holds.add(claim.platform, asked)
        return asked

    def on_response(self, callback: Callable[[int], object]) -> None:
        """Have a function called with the status of each response."""
        self._sessions.callbacks.append(callback)

    def close(self) -> None:
        """Close the network connections; a later pass opens new ones."""
        self._sessions.close()

    def _sync(self, claim: Claim, full: bool) -> tuple[SyncReport, str]:
        state = AccountState(claim.id, claim.version, claim.lease, self._lease)
        mirror = ClaimedMirror(self._database, claim.name, state, claim.anchor)
        scope = self._scope if claim.scope is None else claim.scope
        with self.connection(claim) as connection:
            monitor = Monitor(connection, scope, mirror=mirror, overlap=self._overlap)
            if claim.adopts:
                monitor.adopt()
            return monitor.sync(full=full), connection.endpoint

    def _token(self, claim: Claim) -> str:
        if self._secrets is not None:
            return self._secrets.load(claim.name)
        return self._cipher.decrypt(claim.secret or "")

    def _service(self, claim: Claim) -> Service:
        """Return the platform of an account. Its service info is read once by a process, not for each account."""
        platform = claim.platform
        service = self._services.get((os.getpid(), platform))
        if service is None:
            session = self._sessions.shared(lambda: self._holds.check(platform))
            service = Service(claim.endpoint + "service/info", session=session, **self._options)
            self._services[os.getpid(), platform] = service
        return service

    def _failed(self, claim: Claim, error: Exception, seconds: float) -> Outcome:
        if isinstance(error, ContendedError):
            finish = Finish(claim, "active", _SOON, failures=claim.failures)
            return Outcome(claim, "contended", seconds, error=error, finish=finish)
        failures = claim.failures + 1
        text = message_of(error)
        if _is_refusal(error):
            finish = Finish(claim, "refused", 0, failures=failures, error=text)
            return Outcome(claim, "refused", seconds, error=error, finish=finish)
        asked = self.hold(claim, error)
        wait = max(asked or 0.0, backoff(failures))
        finish = Finish(claim, "failing", wait, failures=failures, error=text, retry_after=asked)
        return Outcome(claim, "failed", seconds, error=error, finish=finish)


def _connection_options(timeout: Any) -> dict[str, Any]:
    """Return options of connections that hold a thread for a limited time: a response has to come whole, or at a rate.

    There are no retries: whoever claims the account next repeats a pass that failed.
    """
    seconds = timeout[1] if isinstance(timeout, tuple) else timeout
    retry = RetryPolicy(attempts=1) if seconds is None else RetryPolicy(attempts=1, deadline=seconds)
    return {"timeout": timeout, "retry": retry, "limits": Limits(rate=_LEAST_RATE)}


def backoff(failures: int) -> float:
    """Return the seconds until an account is passed again after a number of failures in a row: to an hour, random."""
    longest: float = min(_LONGEST_BACKOFF, _FIRST_BACKOFF * 2 ** min(failures - 1, 30))
    return longest * random.uniform(0.5, 1)


def _is_refusal(error: Exception) -> bool:
    """Return whether only a new token helps."""
    if isinstance(error, AnchorMismatchError):
        return error.differs != "scope"
    return isinstance(error, ApiError) and error.status in _REFUSED


def message_of(error: Exception) -> str:
    """Return what is stored and shown of an error: no token, and nothing of an error that might quote any data."""
    if isinstance(error, AnchorMismatchError) and error.differs == "scope":
        return "the scope of this worker is not that of the passes before: resume the account with a scope of its own"
    if isinstance(error, (PryvError, OSError, ValueError)):
        return redact(str(error), None)[:_LONGEST_ERROR]
    return type(error).__name__
