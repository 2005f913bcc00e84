"""A fleet: many accounts in one database."""

from __future__ import annotations

import math
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sized
from contextlib import suppress
from types import TracebackType
from typing import Any

from pryv import Connection
from pryv.addons import (
    SignalSafeEvent,
    require_callback,
    require_methods,
    require_seconds,
    without_frames,
)
from pryv.types import EventsParams, Untyped
from pryv_fleet._arguments import checked_scope, require_count, require_interval
from pryv_fleet._database import Database, Pool
from pryv_fleet._export import export_parquet
from pryv_fleet._leases import Leases
from pryv_fleet._passes import Outcome, Passes
from pryv_fleet._registry import Endpoint, Progress, Registry, Settings, masked
from pryv_fleet._schema import create_tables
from pryv_fleet._status import status_of
from pryv_fleet._views import create_view
from pryv_fleet._worker import Worker
from pryv_fleet.accounts import Account, State
from pryv_fleet.errors import BusyError, DatabaseError, FleetError, RefusedError
from pryv_fleet.mirror import PostgresMirror, checked_name
from pryv_fleet.pacing import Pacing
from pryv_fleet.reports import ExportReport, FleetReport, FleetStatus, WebhooksReport
from pryv_fleet.secrets import Secrets, TokenCipher
from pryv_fleet.webhooks import Receiver, register_webhooks
from pryv_monitor import SyncReport

Timeout = float | tuple[float | None, float | None] | None
StopEvent = threading.Event | SignalSafeEvent


class Fleet:
    """Keeps the data of any number of accounts up to date in one PostgreSQL database.

    Several processes, on several machines, may work on one fleet. A query sees each account as one complete pass left
    it. Each change is applied exactly once, even if workers are killed. Every active account is passed within its
    interval, plus the lease of a worker that was killed, plus the lag that `status` shows. A refused account is not
    passed again until it is resumed with a token. A slow or failing one delays no other by more than the time limit of
    its own requests.

    Args:
        dsn_or_pool: The connection string of a database, or a `psycopg_pool.ConnectionPool`, which stays open.
        schema: The schema of the tables.
        scope: Parameters of `events.get`, all but `limit` and `skip`: what is kept of an account. Accounts that are
            added get it as their own; it is used for others that have none. By default, all that their accesses may
            read.
        interval: Seconds between two passes of an account.
        lease: Seconds for which a worker claims an account; each commit prolongs it. After that, another worker may
            claim it.
        threads: Accounts that this process passes at the same time. With several platforms, have more than the
            `connections` of `pacing`, so that one that hangs leaves threads to the others.
        pacing: The limits of each platform, over all workers; use the same for all.
        secrets: Where tokens are kept. By default they are in the table `accounts`, encrypted with the first key in
            `PRYV_FLEET_KEY` (or in the file that `PRYV_FLEET_KEY_FILE` names).
        overlap: How late a change may become visible, in seconds; see `Monitor`.
        timeout: The time limits of a request to a platform, in seconds; see `Connection`.

    Raises:
        TypeError: an argument has the wrong type.
        ValueError: the connection string or a key is malformed, or a number is out of range.
    """

    @without_frames
    def __init__(
        self,
        dsn_or_pool: str | Pool,
        *,
        schema: str = "pryv",
        scope: EventsParams | Untyped | None = None,
        interval: float = 300,
        lease: float = 120,
        threads: int = 16,
        pacing: Pacing = Pacing(),  # noqa: B008  (frozen)
        secrets: Secrets | None = None,
        overlap: float = 15,
        timeout: Timeout = (5, 60),
    ) -> None:
        require_interval(interval, "interval")
        require_interval(lease, "lease")
        require_seconds(overlap, "overlap")
        require_count(threads, "threads")
        if not isinstance(pacing, Pacing):
            raise TypeError(f"pacing is a Pacing, not {type(pacing).__name__}")
        if secrets is not None:
            require_methods(secrets, "secrets", "a Secrets", "load", "save", "delete")
        Connection("https://token@host.invalid/", timeout=timeout)  # checks it, before any pass could fail by it
        self._database = Database(dsn_or_pool, schema)
        self._cipher = cipher = TokenCipher.from_environment()
        self._secrets = secrets
        plain_scope = checked_scope(scope)
        self._registry = Registry(self._database, secrets, cipher, Settings(plain_scope))
        self._leases = Leases(self._database, lease, pacing)
        self._passes = Passes(
            self._database,
            secrets=secrets,
            cipher=cipher,
            scope=plain_scope,
            interval=interval,
            overlap=overlap,
            lease=lease,
            timeout=timeout,
        )
        self._threads = threads
        self._observers: list[Callable[[Outcome], object]] = []

    def __repr__(self) -> str:
        return f"<Fleet {self._database.schema}>"

    def __enter__(self) -> Fleet:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections to the database and the platforms; a later use opens new ones."""
        self._passes.close()
        self._database.close()

    def create_tables(self) -> None:
        """Make the tables, or bring them to the version of this package. Several processes may do this at once.

        Raises:
            DatabaseError: PostgreSQL cannot be reached or refuses, or the tables are of a later version.
        """
        create_tables(self._database)

    def add(
        self,
        api_endpoint: str,
        *,
        name: str | None = None,
        scope: EventsParams | Untyped | None = None,
        interval: float | None = None,
    ) -> Account:
        """Add an account; its first pass is due at once. This sends no request to the platform.

        Args:
            api_endpoint: The account's API endpoint, `https://TOKEN@host/…`.
            name: Its name in the fleet; by default the username in the endpoint. A pseudonym is possible.
            scope: Replaces the scope of the fleet.
            interval: Replaces the interval of the fleet, in seconds.

        Returns:
            The account. It may have been added before, with the same endpoint and token.

        Raises:
            TypeError: an argument has the wrong type.
            ValueError: the endpoint is malformed or has no token; or another account has the name, or this one is in
                the fleet with another token, scope or interval: `resume` changes them.
            FleetError: there is no key to encrypt the token with.
            DatabaseError: PostgreSQL cannot be reached.
        """
        api_endpoint = masked(api_endpoint)
        endpoint: Endpoint = api_endpoint if name is None else (name, api_endpoint)
        return self.add_many([endpoint], scope=scope, interval=interval)[0]

    def add_many(
        self,
        endpoints: Iterable[Endpoint],
        progress: Progress | None = None,
        *,
        scope: EventsParams | Untyped | None = None,
        interval: float | None = None,
    ) -> list[Account]:
        """Add accounts; see `add`.

        Args:
            endpoints: API endpoints, or pairs of a name and an API endpoint.
            progress: Called after each 500 with the percentage, `None` if it is unknown, and the accounts so far.
            scope: Replaces the scope of the fleet for these accounts.
            interval: Replaces the interval of the fleet for these accounts, in seconds.

        Returns:
            The accounts, in order.

        Raises:
            TypeError: an argument has the wrong type.
            ValueError: an endpoint is malformed or has no token (the message has its number, from 0); or another
                account has its name, or it is in the fleet with another token, scope or interval. Accounts before it
                may have been added.
            FleetError: there is no key to encrypt the tokens with.
            DatabaseError: PostgreSQL cannot be reached.
        """
        if isinstance(endpoints, str):
            raise TypeError("endpoints are an iterable of API endpoints, not one of them")
        total = len(endpoints) if isinstance(endpoints, Sized) else None
        endpoints = map(masked, endpoints)
        return self._registry.add(endpoints, total, _settings(scope, interval), progress)

    def sync_due(self, *, limit: int = 200, platform: str | None = None, stop: StopEvent | None = None) -> FleetReport:
        """Pass the accounts that are due now, each once, and return.

        Args:
            limit: How many, at most.
            platform: Passes only accounts of this platform; see `Account.platform`. A slash at its end makes no
                difference.
            stop: An event that ends it early; passes that have begun are completed.

        Raises:
            TypeError: an argument has the wrong type.
            ValueError: `limit` is less than 1.
            FleetError: there is no key to decrypt the tokens with.
            DatabaseError: PostgreSQL cannot be reached.
        """
        require_count(limit, "limit")
        begin = time.monotonic()
        counts: Counter[str] = Counter()
        self._work(lambda outcome: _count(counts, outcome), platform=platform, limit=limit, stop=stop)
        return FleetReport(**counts, seconds=time.monotonic() - begin)

    def run(self, stop: StopEvent | None = None) -> None:
        """Pass accounts whenever they are due, until `stop` is set. It waits while PostgreSQL cannot be reached.

        Args:
            stop: An event that ends it; passes that have begun are completed. In a signal handler, set a
                `pryv.addons.SignalSafeEvent`.

        Raises:
            TypeError: `stop` is not an event.
            FleetError: there is no key to decrypt the tokens with.
            DatabaseError: PostgreSQL refused a statement.
        """
        self._work(lambda _: None, follows=True, stop=stop)

    def sync(self, name: str, *, full: bool = False) -> SyncReport:
        """Pass one account now, due or not.

        Args:
            name: Its name.
            full: Read its whole scope again, and drop what is no longer in it.

        Raises:
            FleetError: there is no such account, or it is paused; or there is no key to decrypt its token with.
            RefusedError: the platform has refused its token.
            BusyError: a worker passes it now, or its platform has asked not to be called before a time.
            PryvError: the pass failed; the account's state says so.
        """
        self._check_key()
        claim = self._leases.claim_one(checked_name(name))
        if claim is None:
            raise _not_claimed(self._registry.find(name))
        try:
            outcome = self._passes.make(claim, full=full)
        except BaseException:  # an interrupt
            with suppress(DatabaseError):
                self._leases.release([claim])
            raise
        if outcome.finish is None:
            self._leases.release([claim])
        else:
            self._leases.finish([outcome.finish])
        for observe in self._observers:
            observe(outcome)
        if outcome.report is not None:
            return outcome.report
        raise outcome.error or BusyError(f"the platform of {name} has asked not to be called now")

    def wake(self, name: str) -> None:
        """Have an account passed as soon as possible. To wake it twice before its pass begins has no further effect.

        Raises:
            FleetError: there is no such account.
        """
        self._registry.wake(name)

    def pause(self, name: str) -> None:
        """Keep an account from being passed until it is resumed. A pass that has begun is completed.

        A refused account stays refused: it is not passed anyway.

        Raises:
            FleetError: there is no such account.
        """
        self._registry.pause(name)

    def resume(
        self,
        name: str,
        api_endpoint: str | None = None,
        *,
        scope: EventsParams | Untyped | None = None,
        interval: float | None = None,
    ) -> None:
        """Have a paused or refused account passed again, at once; or change an account.

        Args:
            name: Its name.
            api_endpoint: Its API endpoint with a new token, which a refused account needs. The token may be of another
                access to the same account: its next pass then reads the whole scope again.
            scope: Replaces its scope; `{}` is all that the access may read. Its next pass reads the new scope from the
                start, and drops what is not in it.
            interval: Replaces its interval, in seconds.

        Raises:
            TypeError: an argument has the wrong type.
            ValueError: the endpoint is malformed or has no token; or there are both an endpoint and a scope, which
                have to be changed one after the other, with a pass between.
            FleetError: there is no such account.
            RefusedError: the account is refused, and there is no endpoint.
        """
        api_endpoint = masked(api_endpoint)
        if api_endpoint is not None and scope is not None:
            raise ValueError("change the endpoint first, and the scope after the next pass, which checks the account")
        self._registry.resume(name, api_endpoint, _settings(scope, interval))

    def forget(self, name: str) -> None:
        """Remove an account, because its owner has withdrawn consent: its data and its token, in one transaction.

        What stays is a row of the table `forgotten`: the time, the numbers of events and deletions, and a hash of the
        name that only a holder of the encryption key can compute. Exports and backups made before are yours to clean.

        Raises:
            FleetError: there is no such account.
        """
        self._registry.forget(name)

    def rotate_secrets(self) -> int:
        """Encrypt all tokens with the first key in `PRYV_FLEET_KEY`; the other keys decrypt them.

        Returns:
            The number of tokens.

        Raises:
            FleetError: a token was encrypted with a key that is not among them.
        """
        return self._registry.rotate_secrets()

    def account(self, name: str) -> Account:
        """Return an account.

        Raises:
            FleetError: there is no such account.
        """
        return self._registry.find(name)

    def accounts(self, state: State | None = None) -> Iterator[Account]:
        """Yield all accounts, or those in one state.

        Args:
            state: `active`, `refused`, `paused` or `failing`.

        Raises:
            ValueError: there is no such state.
        """
        return self._registry.all(state)

    def mirror(self, name: str) -> PostgresMirror:
        """Return the copy of an account, to read from.

        Raises:
            FleetError: there is no such account.
        """
        self._registry.find(name)
        return PostgresMirror.of(self._database, name)

    def register_webhooks(self, url: str) -> WebhooksReport:
        """Have the platforms notify of changes in all accounts that are active or failing.

        Repeat it, such as each day: it adds the webhooks of accounts that have none, and activates those that a
        platform has given up after several failed calls.

        Args:
            url: Where `receiver` can be reached; each account gets a URL below it that nobody can guess.

        Raises:
            ValueError: `url` is not a URL.
            FleetError: there is no key to decrypt the tokens with.
            DatabaseError: PostgreSQL cannot be reached.
        """
        if not url.startswith(("https://", "http://")):
            raise ValueError("url is the URL of a receiver, https://host/path")
        self._check_key()
        return register_webhooks(self._database, self._leases, self._passes, url, self._threads)

    def receiver(self) -> Receiver:
        """Return the WSGI application that the webhooks call."""
        return Receiver(self._database)

    def export_parquet(self, target: str | os.PathLike[str], *, since: str | None = None) -> ExportReport:
        """Write the events and deletions of all accounts to Parquet files, in one state of the database.

        The files are `events-FIRST-LAST.parquet` and `deletions-FIRST-LAST.parquet`, by the transactions that they are
        of: an export since another one begins with the number that the other ends with. An event that was changed
        stands in several of them; the last one counts. What a full read has dropped, and what was forgotten, is left
        out by a whole export only.

        Args:
            target: The directory; it is made if it is missing.
            since: The `snapshot` of an earlier report: only what was applied since then is written.

        Raises:
            MissingAddonError: pyarrow is not installed (`pryv-fleet[parquet]`).
            ValueError: `since` is not the snapshot of an export from this database.
            DatabaseError: PostgreSQL cannot be reached.
            OSError: a file cannot be written.
        """
        return export_parquet(self._database, target, since)

    def create_view(self, event_type: str) -> str:
        """Make a view of the events of one type, without those in the trash, and return its name.

        `mass/kg` becomes `mass_kg`: an underscore for each character but letters and digits. Its columns are `account`
        (the name), `id`, `time`, `moment` (a timestamp), `stream_ids`, `number`, `text`, `json` and `modified`. Roles
        that may read the table `events` and the names of the accounts may read it.

        Raises:
            ValueError: it is not an event type, or the view of another type has the name.
            DatabaseError: PostgreSQL cannot be reached, or refuses.
        """
        return create_view(self._database, event_type)

    def on_outcome(self, callback: Callable[[Outcome], object]) -> None:
        """Have a function called after each pass of this process.

        Args:
            callback: Gets an object with `result` (`done`, `failed`, `refused`, `contended` or `deferred`), `seconds`,
                `report` (of the monitor, if it is done), `error` (otherwise), and `claim`, with the `name` of the
                account and its `platform_url`. An exception that it raises ends the worker.
        """
        require_callback(callback, "callback")
        self._observers.append(callback)

    def on_response(self, callback: Callable[[int], object]) -> None:
        """Have a function called for each response of a platform, on several threads.

        Args:
            callback: Gets the HTTP status. An exception that it raises fails the pass.
        """
        require_callback(callback, "callback")
        self._passes.on_response(callback)

    def status(self, *, wait: float | None = None) -> FleetStatus:
        """Return the numbers of accounts by state, what is due, and the lag.

        Args:
            wait: Seconds to wait for a connection to PostgreSQL; 30 by default.

        Raises:
            TypeError: `wait` is not a number.
            ValueError: `wait` is negative, or not finite.
            DatabaseError: PostgreSQL cannot be reached, or the tables are missing.
        """
        if wait is not None:
            require_seconds(wait, "wait")
        return status_of(self._database, wait)

    def _check_key(self) -> None:
        """Check that there is a key, before accounts could fail by a mistake of this process.

        Raises:
            FleetError: there is none.
        """
        if self._secrets is None:
            self._cipher.check_key()

    def _work(
        self,
        observe: Callable[[Outcome], object],
        *,
        platform: str | None = None,
        limit: float = math.inf,
        follows: bool = False,
        stop: StopEvent | None = None,
    ) -> None:
        if stop is not None:
            require_methods(stop, "stop", "a threading.Event", "is_set")
        if not isinstance(platform, (str, type(None))):
            raise TypeError(f"platform is the URL of a platform, not {type(platform).__name__}")
        self._check_key()

        def observe_all(outcome: Outcome) -> None:
            for observer in (observe, *self._observers):
                observer(outcome)

        Worker(
            self._leases,
            self._passes,
            threads=self._threads,
            observe=observe_all,
            platform=platform,
            limit=limit,
            follows=follows,
            is_stopped=stop.is_set if stop is not None else lambda: False,
        ).run()


def _count(counts: Counter[str], outcome: Outcome) -> None:
    report = outcome.report
    if report is None:
        if outcome.result in ("failed", "refused", "contended"):
            counts[outcome.result] += 1
        return
    counts["passes"] += 1
    counts["changed"] += bool(report.events or report.event_deletions or report.streams_changed)
    counts["events"] += report.events
    counts["event_deletions"] += report.event_deletions


def _not_claimed(account: Account) -> FleetError:
    if account.state == "refused":
        return RefusedError(f"the platform refuses the token of {account.name}: resume it with a new one")
    if account.state == "paused":
        return FleetError(f"{account.name} is paused: resume it first")
    return BusyError(f"{account.name} is passed by another worker, or its platform has asked not to be called now")


def _settings(scope: Any, interval: float | None) -> Settings:
    """Return the settings of an account.

    Raises:
        TypeError: one has the wrong type.
        ValueError: one is malformed, or out of range.
    """
    if interval is not None:
        require_interval(interval, "interval")
    return Settings(checked_scope(scope), interval)
