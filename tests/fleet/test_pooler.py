"""A fleet behind a pooler in transaction mode, which gives each transaction any of its connections."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from tests.accounts import Account
from tests.fleet.persons import access_to, contents, note
from tests.fleet.pooler import pgbouncer

from pryv_fleet import Fleet

ROUNDS, WORKERS = 8, 3
"""psycopg prepares a statement that a connection has run five times."""


def test_workers_share_the_connections_of_a_pooler(
    new_database: Callable[[], str], new_account: Callable[[], Account], tmp_path: Path
) -> None:
    accounts = [new_account() for _ in range(3)]
    with ExitStack() as stack, pgbouncer(new_database(), connections=2) as dsn:
        fleets = [stack.enter_context(Fleet(dsn, interval=0.01, threads=4)) for _ in range(WORKERS)]
        with ThreadPoolExecutor(WORKERS) as pool:
            list(pool.map(lambda worker: worker.create_tables(), fleets))
            fleets[0].add_many([access_to(account) for account in accounts])
            for number in range(ROUNDS):
                for account in accounts:
                    note(account[2], str(number))
                    fleets[1].wake(account[0])
                list(pool.map(lambda worker: worker.sync_due(), fleets))
        expected = [str(number) for number in range(ROUNDS)]
        assert all(contents(fleets[2], account[0]) == expected for account in accounts)
        name = accounts[0][0]
        assert len(list(fleets[0].mirror(name).events({"types": ["note/txt"]}))) == ROUNDS
        assert fleets[1].export_parquet(tmp_path).events >= ROUNDS * len(accounts)
        assert fleets[1].status().states["active"] == len(accounts)
        fleets[2].forget(name)
        assert fleets[0].status().forgotten == 1
