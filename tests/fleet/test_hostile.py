"""Names, endpoints, clocks, keys and schemas as an operator, or somebody who means harm, may have them."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest
from tests.accounts import Account
from tests.fleet.persons import access_to, contents, note
from tests.waiting import wait_for

from pryv_fleet import DatabaseError, EmbeddedPostgres, Fleet, FleetError, generate_key
from pryv_fleet.cli import main
from pryv_sandbox import Sandbox

NAMES = [
    "'; DROP TABLE pryv.accounts; --",
    '"quoted" \\backslash\\N \\.',
    "line\nbreak\r\ttab",
    "\x1b[31mred\x1b[0m",
    "right to left \u202e \u2028",
    "%s %(name)s {schema} {{}}",
    "NULL",
    "-",
    "../../etc/passwd",
    "é" * 100,
    "🙂" * 50,
]


def test_names_are_only_names(
    fleet: Fleet,
    new_account: Callable[[], Account],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    account = new_account()
    endpoint = access_to(account)
    note(account[2], "noted")
    fleet.add_many([(name, endpoint) for name in NAMES])
    assert fleet.sync_due().passes == len(NAMES)
    assert [found.name for found in fleet.accounts("active")] == NAMES
    monkeypatch.setenv("PRYV_FLEET_DSN", fleet._database._dsn)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    assert main(["status", "--state", "active"]) == 0
    printed = capsys.readouterr().out
    assert len(printed.splitlines()) == len(NAMES) + 1
    assert not any(char in printed for char in "\x1b\r\t\u202e\u2028")
    assert fleet.export_parquet(tmp_path).events >= len(NAMES)
    for name in NAMES:
        assert contents(fleet, name) == ["noted"]
        assert [event["content"] for event in fleet.mirror(name).events({"types": ["note/txt"]})] == ["noted"]
        fleet.pause(name)
        fleet.resume(name)
        fleet.forget(name)
        with pytest.raises(FleetError, match="no account named") as raised:
            fleet.account(name)
        assert str(raised.value).isprintable()
    assert fleet.status().accounts == 0


def test_a_schema_may_have_any_name(fleet: Fleet, new_account: Callable[[], Account], tmp_path: Path) -> None:
    account = new_account()
    name = "We\"ird' {x}; é"
    with Fleet(fleet._database._dsn, schema=name) as other:
        other.create_tables()
        other.add(access_to(account))
        note(account[2], "noted")
        assert other.sync_due().passes == 1
        view = other.create_view("note/txt")
        assert other._database.execute(f"SELECT text FROM {{schema}}.{view}") == [("noted",)]
        assert other.export_parquet(tmp_path).events >= 1
        assert len(list(other.mirror(account[0]).events({"types": ["note/txt"]}))) == 1
        other.forget(account[0])
        assert other.status().forgotten == 1
    assert fleet.status().accounts == fleet.status().forgotten == 0


def test_an_account_is_forgotten_while_its_pass_waits_for_the_platform(
    fleet: Fleet, new_account: Callable[[], Account], sandbox: Sandbox
) -> None:
    account, other = new_account(), new_account()
    fleet.add_many([access_to(account), access_to(other)])
    note(account[2], "not to be kept")
    sandbox.faults.delay(1, path=f"/{account[0]}/", times=10)
    with ThreadPoolExecutor(1) as pool:
        passes = pool.submit(fleet.sync_due)
        wait_for(lambda: fleet.status().in_flight > 0)
        fleet.forget(account[0])
        report = passes.result()
    sandbox.faults.clear()
    assert (report.passes, report.contended, report.failed) == (1, 1, 0)
    assert fleet._database.execute("SELECT count(*) FROM {schema}.events WHERE text = 'not to be kept'") == [(0,)]
    assert fleet.add(access_to(account)).synced is None


@pytest.mark.parametrize("hours", [-48, 48])
def test_a_worker_whose_clock_is_off_misses_nothing(
    hours: int, fleet: Fleet, new_account: Callable[[], Account], monkeypatch: pytest.MonkeyPatch
) -> None:
    account = new_account()
    fleet.add(access_to(account), interval=3600)
    clock = time.time
    with Fleet(fleet._database._dsn) as other:
        for number in range(4):
            note(account[2], str(number))
            fleet.wake(account[0])
            with monkeypatch.context() as patched:
                if number % 2:
                    patched.setattr(time, "time", lambda: clock() + hours * 3600)
                assert (other if number % 2 else fleet).sync_due().events >= 1
            assert contents(fleet, account[0]) == [str(each) for each in range(number + 1)]
    found = fleet.account(account[0])
    assert found.synced
    assert abs(found.synced.timestamp() - clock()) < 60
    assert 3000 < found.due.timestamp() - clock() < 3660


def test_keys_are_rotated_while_workers_run(
    fleet: Fleet, key: str, new_account: Callable[[], Account], monkeypatch: pytest.MonkeyPatch
) -> None:
    account, new = new_account(), generate_key()
    name = fleet.add(access_to(account)).name

    def state_after_a_pass(worker: Fleet) -> str:
        worker.wake(name)
        worker.sync_due()
        return worker.account(name).state

    dsn = fleet._database._dsn
    monkeypatch.setenv("PRYV_FLEET_KEY", f"{new},{key}")
    with Fleet(dsn) as both:
        assert [state_after_a_pass(worker) for worker in (fleet, both)] == ["active", "active"]
        assert both.rotate_secrets() == 1
        assert state_after_a_pass(both) == "active"
        assert state_after_a_pass(fleet) == "failing"  # it was not restarted before the rotation
        assert "no key that fits" in str(fleet.account(name).error)
        monkeypatch.setenv("PRYV_FLEET_KEY", new)
        with Fleet(dsn) as only:
            assert [state_after_a_pass(worker) for worker in (only, both)] == ["active", "active"]


def test_accounts_are_added_again_after_a_restart_of_the_database(restartable: EmbeddedPostgres) -> None:
    endpoints = [f"https://token@p{number}.pryv.me/" for number in range(1200)]

    def interrupted() -> Iterator[str]:
        for number, endpoint in enumerate(endpoints):
            if number == 700:
                restartable.stop()
                restartable.start()
            yield endpoint

    with Fleet(restartable.dsn) as fleet:
        fleet.create_tables()
        with suppress(DatabaseError):  # raised only if the restart was faster than the next check of the connections
            fleet.add_many(interrupted())
        assert fleet.status().accounts in (500, 1000, 1200)
        assert len(fleet.add_many(endpoints)) == fleet.status().accounts == 1200


def test_older_tables_are_upgraded_once_by_several_processes(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch, new_account: Callable[[], Account]
) -> None:
    from pryv_fleet import _schema

    dsn, later = fleet._database._dsn, "ALTER TABLE {schema}.accounts ADD COLUMN later text;\nSELECT 1"
    fleet.add(access_to(new_account()))
    fleet.sync_due()
    monkeypatch.setattr(_schema, "_MIGRATIONS", (*_schema._MIGRATIONS, later, "SELECT nothing"))
    with pytest.raises(DatabaseError, match="nothing"):
        fleet.create_tables()
    monkeypatch.setattr(_schema, "_MIGRATIONS", _schema._MIGRATIONS[:-1])
    fleets = [Fleet(dsn) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda each: each.create_tables(), fleets))
    for each in fleets:
        each.close()
    with psycopg.connect(dsn) as connection:
        assert connection.execute("SELECT later FROM pryv.accounts").fetchall() == [(None,)]
        assert connection.execute("SELECT version FROM pryv.pryv_fleet").fetchall() == [(2,)]
    assert fleet.status().accounts == 1


def test_a_platform_that_moves_an_account_for_good_keeps_its_anchor(
    fleet: Fleet, new_account: Callable[[], Account], sandbox: Sandbox
) -> None:
    account = new_account()
    name = fleet.add(access_to(account)).name
    fleet.sync_due()
    note(account[2], "after the move")
    there = str(fleet.account(name).endpoint).replace("127.0.0.1", "localhost")
    sandbox.faults.relocated(there.removesuffix(f"{name}/"))
    fleet.wake(name)
    assert fleet.sync_due().changed == 1
    assert fleet.account(name).endpoint == there
    assert fleet.sync(name).events == 0
    assert contents(fleet, name) == ["after the move"]
