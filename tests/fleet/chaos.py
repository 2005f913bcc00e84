"""Accounts that are written to while workers are killed, PostgreSQL restarts, and some accounts are poisoned."""

from __future__ import annotations

import itertools
import os
import random
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import attrs
from tests.fleet.celery_workers import kill
from tests.waiting import wait_for

from pryv import Connection, UnknownResourceError
from pryv_fleet import EmbeddedPostgres, Fleet
from pryv_fleet._leases import CLAIM_BITS
from pryv_sandbox import Account, Sandbox

LEASE = 5
LIMIT = LEASE + 10
"""Seconds within which the accounts of a killed worker are passed."""
SETTINGS: dict[str, Any] = {"lease": LEASE, "timeout": 2, "overlap": 5}
POISONS = ("refused", "broken", "malformed", "stalled")
ODD: list[Any] = ["\0", 2**63, 1e300, {"deep": [[[["é"]]]]}, [None, {}], "x" * 20_000, "\u2028", ""]
"""Contents that PostgreSQL cannot keep in a column, or that are easily changed on the way."""

_LOG = """
CREATE TABLE {schema}.written (account bigint, id text, modified float8);
CREATE FUNCTION {schema}.log() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN INSERT INTO {schema}.written VALUES (NEW.account, NEW.id, NEW.modified); RETURN NEW; END $$;
CREATE TRIGGER log AFTER INSERT OR UPDATE ON {schema}.events FOR EACH ROW EXECUTE FUNCTION {schema}.log()
"""
_TWICE = "SELECT account, id, modified FROM {schema}.written GROUP BY account, id, modified HAVING count(*) > 1"
_LEASED = "SELECT name FROM {schema}.accounts WHERE leased_until > now() AND state = 'active'"
_BEHIND = "SELECT count(*) FROM {schema}.accounts WHERE name = ANY(%s) AND state = 'active' AND due <= %s"

_PROCESSES = f"""
    SELECT count(DISTINCT leased_by >> {CLAIM_BITS}) FROM {{schema}}.accounts
    WHERE name = ANY(%s) AND leased_until > now()
"""
_NEVER_PASSED = "SELECT count(*) FROM {schema}.accounts WHERE name = ANY(%s) AND synced IS NULL"

StartWorker = Callable[[], AbstractContextManager["subprocess.Popen[Any]"]]


@attrs.frozen
class Size:
    """How much happens."""

    accounts: int
    writes: int
    kills: int
    interval: float


class Chaos:
    """An account of each number on a platform, a fleet of them, and what is done to both."""

    def __init__(self, size: Size, platform: Sandbox, server: EmbeddedPostgres, fleet: Fleet) -> None:
        self.size = size
        self.platform = platform
        self.server = server
        self.fleet = fleet
        self.recoveries: list[float] = []
        self._random = random.Random(size.accounts)
        self._processes = ExitStack()
        people = [platform.create_account() for _ in range(size.accounts)]
        self.connections = {person.username: _app_of(person) for person in people}
        poisoned = people[: len(POISONS) * max(1, size.accounts // 200)]
        self.poisoned = dict(zip((person.username for person in poisoned), itertools.cycle(POISONS)))
        self.healthy = [name for name in self.connections if name not in self.poisoned]

    def begin(self) -> None:
        """Add the accounts; from now on, each event that is written to the tables is logged."""
        self.fleet.create_tables()
        for statement in _LOG.split(";\nCREATE"):
            self.fleet._database.execute(statement if statement.lstrip().startswith("CREATE") else f"CREATE{statement}")
        self.fleet.add_many(connection.api_endpoint for connection in self.connections.values())
        for name, poison in self.poisoned.items():
            self._poison(name, poison)

    def _poison(self, name: str, poison: str) -> None:
        path, often = f"/{name}(/|$)", 1_000_000
        if poison == "refused":
            self.connections[name].revoke()
        elif poison == "broken":
            self.platform.faults.status(500, path=path, times=often)
        elif poison == "malformed":
            self.platform.faults.status(200, body=b"<html>", path=path, times=often)
        else:
            self.platform.faults.stall(path=path, times=often)

    def write(self) -> None:
        """Create, change and delete events of healthy accounts, on two threads."""
        with ThreadPoolExecutor(2) as threads:
            list(threads.map(self._write, range(2)))

    def _write(self, number: int) -> None:
        chance, own = random.Random(number), self.healthy[number::2]
        events: dict[str, list[str]] = {name: [] for name in own}
        pause = 2 * LEASE * self.size.kills / self.size.writes
        for count in range(self.size.writes // 2):
            time.sleep(pause)  # so that they last as long as the kills
            name = chance.choice(own)
            connection, known = self.connections[name], events[name]
            if not known or chance.random() < 0.6:
                content = chance.choice(ODD) if chance.random() < 0.2 else count
                event: dict[str, Any] = {"streamIds": ["diary"], "type": "test/any", "content": content}
                known.append(connection.events.create(event)["id"])
            elif chance.random() < 0.6:
                connection.events.update(chance.choice(known), {"content": f"changed {count}"})
            else:
                with suppress(UnknownResourceError):
                    connection.events.delete(known.pop(chance.randrange(len(known))), permanently=True)

    def hurt(self, start_worker: StartWorker, disturb: Callable[[], object]) -> None:
        """Kill workers and start others, and restart PostgreSQL once, until all is written."""
        writer = threading.Thread(target=self.write)
        with ExitStack() as processes:
            workers = [processes.enter_context(start_worker()) for _ in range(2)]
            wait_for(lambda: not self._rows(_NEVER_PASSED, self.healthy)[0][0], seconds=300)
            writer.start()
            for number in range(self.size.kills):
                disturb()
                self._kill(workers[number % 2], whole=number % 4 != 3)
                if number == self.size.kills // 2:
                    self.server.stop()
                    self.server.start()
                    self.fleet.close()  # its connections are broken
                if workers[number % 2].poll() is not None:
                    workers[number % 2] = processes.enter_context(start_worker())
            writer.join()
            disturb()
            self._settle()

    def _kill(self, worker: subprocess.Popen[Any], *, whole: bool) -> None:
        """Kill a worker, or one of the processes that it has forked, and wait until its accounts are passed."""
        wait_for(self._begin_passes, seconds=60)
        leased, moment = self._leased(), self._now()
        children = Path(f"/proc/{worker.pid}/task/{worker.pid}/children").read_text().split()
        if children and not whole:
            os.kill(int(children[0]), signal.SIGKILL)
        elif children:
            kill(worker)
        else:
            worker.kill()
            worker.wait()
        begin = time.monotonic()
        wait_for(lambda: not self._behind(leased, moment), seconds=120)
        self.recoveries.append(time.monotonic() - begin)

    def _begin_passes(self) -> bool:
        """Wake accounts whose responses take a second; return whether two processes pass some of them now."""
        woken = self._random.sample(self.healthy, 24)
        self.platform.faults.delay(1, times=24, path=f"/({'|'.join(woken)})(/|$)")
        for name in woken:
            self.fleet.wake(name)
        with suppress(AssertionError):
            wait_for(lambda: self._rows(_PROCESSES, woken)[0][0] > 1, seconds=3)
            return True
        return False

    def _leased(self) -> list[str]:
        return [name for (name,) in self._rows(_LEASED) if name in set(self.healthy)]

    def _now(self) -> datetime:
        now: datetime = self._rows("SELECT now()")[0][0]
        return now

    def _behind(self, names: list[str], moment: datetime) -> int:
        """Return how many of these accounts have been due since before a moment."""
        count: int = self._rows(_BEHIND, names, moment)[0][0]
        return count

    def _rows(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        return self.fleet._database.execute(statement, values)

    def _settle(self) -> None:
        """Cure what can be cured, and wait until every account has been passed after that."""
        self.platform.faults.clear()
        moment = self._now()
        cured = [name for name, poison in self.poisoned.items() if poison != "refused"]
        for name in [*self.healthy, *cured]:
            self.fleet.wake(name)
        names = [*self.healthy, *cured]
        synced = "SELECT count(*) FROM {schema}.accounts WHERE name = ANY(%s) AND synced > %s AND state = 'active'"
        wait_for(lambda: self._rows(synced, names, moment)[0][0] == len(names), seconds=300)

    def differences(self) -> list[str]:
        """Return the accounts whose copy is not equal to the platform."""
        reading = [name for name in self.connections if self.poisoned.get(name) != "refused"]
        return [name for name in reading if self._on_platform(name) != self._in_tables(name)]

    def _on_platform(self, name: str) -> list[dict[str, Any]]:
        return sorted((dict(event) for event in self.connections[name].iter_events({"state": "all"})), key=_key)

    def _in_tables(self, name: str) -> list[dict[str, Any]]:
        return sorted((dict(event) for event in self.fleet.mirror(name).events({"state": "all"})), key=_key)

    def written_twice(self) -> list[Any]:
        """Return the versions of events that were written to the tables more than once."""
        return self._rows(_TWICE)

    def states(self) -> dict[str, set[str]]:
        """Return the states of the accounts by their poison."""
        found: dict[str, set[str]] = {}
        for account in self.fleet.accounts():
            found.setdefault(self.poisoned.get(account.name, "healthy"), set()).add(account.state)
        return found


def _app_of(person: Account) -> Connection:
    """Return a connection to the diary of a person."""
    with Connection(person.api_endpoint) as owner:
        owner.streams.create({"id": "diary", "name": "Diary"})
        permissions = [{"streamId": "diary", "level": "manage"}]
        access = owner.api_one("accesses.create", {"name": "fleet", "permissions": permissions}, "access")
    return Connection(access["apiEndpoint"])


def _key(event: dict[str, Any]) -> str:
    return str(event["id"])


@contextmanager
def chaos(size: Size) -> Iterator[Chaos]:
    """Make a platform, a database, and a fleet of accounts."""
    with (
        Sandbox() as platform,
        EmbeddedPostgres(settings={"fsync": "off"}) as server,
        Fleet(server.dsn, interval=size.interval, **SETTINGS) as fleet,
    ):
        yield Chaos(size, platform, server, fleet)
