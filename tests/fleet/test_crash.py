"""Workers are killed, and PostgreSQL is restarted."""

from collections.abc import Callable

import psycopg
import pytest
from tests.accounts import Account
from tests.fleet.persons import access_to, contents, note
from tests.fleet.workers import worker
from tests.waiting import wait_for

from pryv_fleet import DatabaseError, EmbeddedPostgres, Fleet
from pryv_sandbox import Sandbox


def test_a_killed_workers_account_is_passed_when_its_lease_ends(
    fleet: Fleet, new_account: Callable[[], Account], sandbox: Sandbox
) -> None:
    account = new_account()
    fleet.add(access_to(account))
    note(account[2], "before the end of the lease")
    sandbox.faults.stall(path=f"/{account[0]}/")
    dsn = fleet._database._dsn
    with worker(dsn, lease=2) as killed:
        wait_for(lambda: fleet.status().in_flight == 1 and not sandbox.faults.armed)
        killed.kill()
        killed.wait()
    assert fleet.sync_due().passes == 0
    with worker(dsn, lease=2):
        wait_for(lambda: contents(fleet, account[0]) == ["before the end of the lease"])


def test_a_worker_follows_and_ends_when_terminated(fleet: Fleet, new_account: Callable[[], Account]) -> None:
    account = new_account()
    with worker(fleet._database._dsn, interval=0.05) as following:
        fleet.add(access_to(account))
        for number in range(3):
            note(account[2], str(number))
            expected = [str(index) for index in range(number + 1)]
            wait_for(lambda expected=expected: contents(fleet, account[0]) == expected)  # type: ignore[misc]
        following.terminate()
        assert following.wait(20) == 0
    assert fleet.status().in_flight == 0


def test_workers_survive_a_restart_of_the_database(
    restartable: EmbeddedPostgres, new_account: Callable[[], Account], key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pryv_fleet._database._WAIT", 0.5)
    account = new_account()
    with Fleet(restartable.dsn, interval=0.05) as fleet:
        fleet.create_tables()
        fleet.add(access_to(account))
        with worker(restartable.dsn, interval=0.05, lease=2):
            wait_for(lambda: fleet.account(account[0]).synced)
            restartable.stop()
            note(account[2], "meanwhile")
            with pytest.raises(DatabaseError) as raised:
                fleet.sync_due()
            assert raised.value.retryable
            restartable.start()
            wait_for(lambda: recovered(fleet, account[0]) == ["meanwhile"], seconds=60)


def test_a_program_that_was_idle_makes_new_connections(
    restartable: EmbeddedPostgres, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Fleet(restartable.dsn) as fleet:
        fleet.create_tables()
        restartable.stop()
        restartable.start()
        monkeypatch.setattr("pryv_fleet._database._UNCHECKED", 0.0)
        assert fleet.status().accounts == 0


def recovered(fleet: Fleet, name: str) -> list[str]:
    """Return the notes of an account, none while the pool's connections are broken."""
    try:
        return contents(fleet, name)
    except DatabaseError:
        return []


REFUSE = """
    CREATE FUNCTION pryv.refuse() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE 'no space left on device' USING ERRCODE = 'disk_full'; END $$;
    CREATE TRIGGER refuse BEFORE INSERT ON pryv.events FOR EACH ROW EXECUTE FUNCTION pryv.refuse()
"""


def test_an_account_whose_data_postgresql_refuses_is_failing(fleet: Fleet, new_account: Callable[[], Account]) -> None:
    refused, other = new_account(), new_account()
    fleet.add_many([access_to(refused), access_to(other)], interval=3600)
    fleet.sync_due()
    with psycopg.connect(fleet._database._dsn) as connection:
        connection.execute(REFUSE)
    note(refused[2], "too much")
    fleet.wake(refused[0])
    fleet.wake(other[0])
    responses: list[int] = []
    fleet.on_response(responses.append)
    report = fleet.sync_due()
    assert (report.passes, report.failed) == (1, 1)
    assert len(responses) < 10
    account = fleet.account(refused[0])
    assert (account.state, account.failures) == ("failing", 1)
    assert str(account.error) == "PostgreSQL: no space left on device [53100]"
    with psycopg.connect(fleet._database._dsn) as connection:
        connection.execute("DROP TRIGGER refuse ON pryv.events")
    fleet.sync(refused[0])
    assert contents(fleet, refused[0]) == ["too much"]
    assert fleet.account(refused[0]).state == "active"


def test_a_database_that_was_restored_from_a_backup_is_brought_up_to_date(
    fleet: Fleet, new_account: Callable[[], Account]
) -> None:
    account = new_account()
    name = account[0]
    fleet.add(access_to(account))
    note(account[2], "old")
    fleet.sync_due()
    tables = ("accounts", "events", "streams")
    for table in tables:
        fleet._database.execute(f"CREATE TABLE {{schema}}.{table}_backup AS TABLE {{schema}}.{table}")
    note(account[2], "new")
    fleet.sync(name)
    assert contents(fleet, name) == ["new", "old"]
    for table in ("events", "streams"):
        fleet._database.execute(f"DELETE FROM {{schema}}.{table}")
        fleet._database.execute(f"INSERT INTO {{schema}}.{table} TABLE {{schema}}.{table}_backup")
    fleet._database.execute(
        "UPDATE {schema}.accounts a SET anchor = b.anchor, version = b.version FROM {schema}.accounts_backup b"
    )
    assert contents(fleet, name) == ["old"]
    fleet.sync(name)
    assert contents(fleet, name) == ["new", "old"]
