"""Any history of an account, passed by two workers at once, ends in the state that the platform has."""

import itertools
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.accounts import Account
from tests.fleet.persons import STREAM, access_to, note

from pryv import Connection
from pryv_fleet import Fleet
from pryv_fleet._passes import Outcome

OPERATIONS = ("create", "update", "trash", "delete", "move", "race", "pass", "lost", "twice")
histories = st.lists(st.tuples(st.sampled_from(OPERATIONS), st.integers(0, 9)), min_size=3, max_size=14)


class Workers:
    """Two workers of one fleet, in threads."""

    def __init__(self, dsn: str) -> None:
        self.fleets = Fleet(dsn, overlap=5), Fleet(dsn, overlap=5)
        self.pool = ThreadPoolExecutor(2)

    def race(self, name: str) -> list[Outcome]:
        """Have both pass an account with the same lease, as if it had ended for one of them."""
        claim = self.fleets[0]._leases.claim_one(name)
        assert claim
        outcomes = list(self.pool.map(lambda fleet: fleet._passes.make(claim), self.fleets))
        for fleet, outcome in zip(self.fleets, outcomes, strict=True):
            assert outcome.result in ("done", "contended"), outcome.error
            assert outcome.finish
            fleet._leases.finish([outcome.finish])
        return outcomes

    def lose(self, name: str) -> None:
        """Have one claim an account and never pass it; its lease ends."""
        self.fleets[0]._leases.claim_one(name)
        self.fleets[0]._database.execute("UPDATE {schema}.accounts SET leased_until = now()")

    def close(self) -> None:
        self.pool.shutdown()
        for fleet in self.fleets:
            fleet.close()


@pytest.fixture(scope="module")
def workers(dsn: str) -> Iterator[Workers]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PRYV_FLEET_KEY", "A" * 43 + "=")
        workers = Workers(dsn)
    workers.fleets[0].create_tables()
    yield workers
    workers.close()


def write(connection: Connection, operation: str, chosen: str) -> None:
    if operation == "update":
        connection.events.update(chosen, {"content": "changed"})
    elif operation == "move":
        connection.events.update(chosen, {"streamIds": ["other"]})
    else:
        connection.events.delete(chosen, permanently=operation == "delete")


numbers = itertools.count()


@given(history=histories)
@settings(max_examples=12)
def test_two_workers_end_in_the_platforms_state(
    history: list[tuple[str, int]], workers: Workers, module_account: Account
) -> None:
    connection = module_account[2]
    connection.streams.ensure([{"id": STREAM, "name": "Diary"}, {"id": "other", "name": "Other"}])
    name = f"history-{next(numbers)}"
    workers.fleets[0].add(access_to(module_account), name=name, interval=3600)
    ids: list[str] = []
    for operation, number in history:
        if operation == "create":
            ids.append(note(connection, str(number))["id"])
        elif operation in ("race", "twice"):
            for _ in range(1 + (operation == "twice")):
                workers.race(name)
        elif operation == "pass":
            workers.fleets[1].sync(name)
        elif operation == "lost":
            workers.lose(name)
        elif ids:
            chosen = ids.pop(number % len(ids)) if operation == "delete" else ids[number % len(ids)]
            write(connection, operation, chosen)
    workers.fleets[1].sync(name)
    expected = sorted(map(as_text, connection.iter_events({"streams": [STREAM, "other"], "state": "all"})))
    kept = workers.fleets[0].mirror(name).events({"streams": [STREAM, "other"], "state": "all"})
    assert sorted(map(as_text, kept)) == expected
    workers.fleets[0].forget(name)


def as_text(event: Any) -> str:
    return json.dumps(event, sort_keys=True)


def test_a_race_applies_each_change_once(workers: Workers, new_account: Callable[[], Account]) -> None:
    account = new_account()
    workers.fleets[0].add(access_to(account))
    workers.race(account[0])
    for number in range(5):
        note(account[2], str(number))
        outcomes = workers.race(account[0])
        assert sum(outcome.report.events for outcome in outcomes if outcome.report is not None) == 1
