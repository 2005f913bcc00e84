"""What an account has of its own: its scope and its interval. They are in the tables, so that all workers have them."""

from collections.abc import Callable, Iterator

import pytest
from tests.accounts import Account
from tests.fleet.persons import access_to, contents, note

from pryv.types import EventsParams
from pryv_fleet import Fleet, FleetError
from pryv_sandbox import Sandbox

DIARY: EventsParams = {"streams": ["diary"]}
WORK: EventsParams = {"streams": ["work"]}


@pytest.fixture
def worker(fleet: Fleet) -> Iterator[Fleet]:
    """Another process of the fleet, which has no settings."""
    with Fleet(fleet._database._dsn) as worker:
        yield worker


@pytest.fixture
def account(new_account: Callable[[], Account]) -> Account:
    """An account with a note in each of two streams."""
    account = new_account()
    account[2].streams.ensure([{"id": "diary", "name": "Diary"}, {"id": "work", "name": "Work"}])
    for stream in ("diary", "work"):
        account[2].events.create({"streamIds": [stream], "type": "note/txt", "content": stream})
    return account


def test_all_workers_have_the_scope_with_which_an_account_was_added(fleet: Fleet, account: Account) -> None:
    dsn, endpoint = fleet._database._dsn, access_to(account)
    with Fleet(dsn, scope=DIARY) as adding:
        adding.add(endpoint)
        adding.add(endpoint, name="all", scope={})
        adding.add(endpoint, name="work", scope=WORK)
    assert fleet.sync_due().passes == 3
    assert [(each.name, each.scope) for each in fleet.accounts()] == [(account[0], DIARY), ("all", {}), ("work", WORK)]
    assert contents(fleet, account[0]) == ["diary"]
    assert contents(fleet, "all") == ["diary", "work"]
    assert contents(fleet, "work") == ["work"]


def test_another_scope_is_read_from_the_start_and_the_rest_is_dropped(
    fleet: Fleet, worker: Fleet, account: Account
) -> None:
    name = account[0]
    fleet.add(access_to(account), scope=DIARY)
    fleet.sync_due()
    gone = note(account[2], "gone")
    fleet.sync(name)
    account[2].events.delete(str(gone["id"]), permanently=True)
    claim = worker._leases.claim_one(name)
    assert claim
    note(account[2], "in a pass that has begun")
    fleet.resume(name, scope=WORK, interval=7)
    assert worker._passes.make(claim).result == "contended"
    assert (fleet.account(name).scope, fleet.account(name).interval) == (WORK, 7)
    report = worker.sync_due()
    assert (report.events, report.event_deletions) == (1, 2)
    assert contents(fleet, name) == ["work"]
    fleet.resume(name, scope=WORK)
    assert worker.sync(name).events == 0
    fleet.resume(name, scope={})
    worker.sync_due()
    assert contents(fleet, name) == ["diary", "in a pass that has begun", "work"]


def test_an_account_is_not_added_again_with_other_settings(fleet: Fleet) -> None:
    endpoint = "https://token@alice.pryv.me/"
    added = fleet.add(endpoint, scope={"streams": ["diary"], "types": ["note/txt"]}, interval=60)
    assert (
        fleet.add(endpoint)
        == fleet.add(endpoint, scope={"types": ["note/txt"], "streams": ["diary"]}, interval=60.0)
        == added
    )
    with pytest.raises(ValueError, match="with another scope: resume it"):
        fleet.add(endpoint, scope=WORK)
    with pytest.raises(ValueError, match="with another interval: resume it"):
        fleet.add(endpoint, interval=30)
    assert fleet.account("alice") == added


def test_a_change_that_is_not_possible_changes_nothing(fleet: Fleet) -> None:
    fleet.add("https://token@alice.pryv.me/")
    with pytest.raises(ValueError, match="the scope after the next pass"):
        fleet.resume("alice", "https://new@alice.pryv.me/", scope=DIARY)
    with pytest.raises(TypeError, match="scope"):
        fleet.resume("alice", scope=[])  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="interval"):
        fleet.resume("alice", interval=0)
    fleet._database.execute("UPDATE {schema}.accounts SET state = 'refused'")
    with pytest.raises(FleetError, match="with a new one"):
        fleet.resume("alice", scope=DIARY)
    assert fleet.account("alice").scope is None


def test_a_worker_with_another_scope_has_no_account_refused(fleet: Fleet, worker: Fleet, account: Account) -> None:
    worker.add(access_to(account))
    worker.sync_due()
    with Fleet(fleet._database._dsn, scope=WORK) as wrong:
        wrong.wake(account[0])
        assert wrong.sync_due().failed == 1
    found = fleet.account(account[0])
    assert (found.state, "scope of this worker" in str(found.error)) == ("failing", True)
    worker.wake(account[0])
    assert worker.sync_due().passes == 1


def test_a_process_without_a_key_fails_no_account(
    fleet: Fleet, account: Account, monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox
) -> None:
    fleet.add(access_to(account))
    monkeypatch.delenv("PRYV_FLEET_KEY")
    with Fleet(fleet._database._dsn) as keyless:
        for use in (keyless.sync_due, keyless.run, lambda: keyless.sync(account[0])):
            with pytest.raises(FleetError, match="pryv-fleet key"):
                use()
        with pytest.raises(FleetError, match="pryv-fleet key"):
            keyless.register_webhooks("https://hooks.example.org/")
        assert keyless.status().states["active"] == 1
    assert fleet.account(account[0]).failures == 0
