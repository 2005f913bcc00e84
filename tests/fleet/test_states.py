"""What a failed pass leaves, and what an operator can do about it."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import cast

import pytest
from tests.accounts import Account
from tests.fleet.persons import access_to, contents, note
from tests.fleet.serving import serving
from tests.waiting import wait_for

from pryv import PryvError
from pryv_fleet import BusyError, Fleet, FleetError, Pacing, RefusedError
from pryv_fleet._leases import Finish
from pryv_sandbox import Sandbox


@pytest.fixture(name="sandbox")
def sandbox_without_faults(sandbox: Sandbox) -> Iterator[Sandbox]:
    yield sandbox
    sandbox.faults.clear()


@pytest.fixture
def owner(fleet: Fleet, new_account: Callable[[], Account]) -> Account:
    """An account of the fleet that was passed once."""
    account = new_account()
    fleet.add(access_to(account))
    fleet.sync_due()
    return account


def seconds_until(moment: datetime) -> float:
    return (moment - datetime.now(timezone.utc)).total_seconds()


def due_now(fleet: Fleet, *names: str) -> None:
    """Have back-offs and pauses pass at once."""
    fleet._database.execute(
        "UPDATE {schema}.accounts SET due = now(), not_before = NULL WHERE name = ANY(%s)", (list(names),)
    )


def test_a_refused_account_gets_no_request_before_it_has_a_new_token(
    fleet: Fleet, owner: Account, new_account: Callable[[], Account]
) -> None:
    name, _, connection = owner
    for access in connection.accesses.list():
        if access["type"] != "personal":
            connection.accesses.delete(access["id"])
    fleet.wake(name)
    assert fleet.sync_due().refused == 1
    account = fleet.account(name)
    assert account.state == "refused"
    assert "invalid-access-token" in str(account.error)
    assert fleet.sync_due().refused == 0
    assert [account.name for account in fleet.accounts("refused")] == [name]
    with pytest.raises(FleetError, match="resume it with a new one"):
        fleet.sync(name)

    kept = note(connection, "kept")
    fleet.resume(name, access_to(owner))
    assert fleet.sync_due().passes == 1
    assert contents(fleet, name) == [kept["content"]]
    assert fleet.account(name).state == "active"

    fleet.resume(name, access_to(new_account()))
    assert fleet.sync_due().refused == 1
    assert "another account" in str(fleet.account(name).error)
    assert contents(fleet, name) == [kept["content"]]


def test_accounts_are_done_and_refused_at_the_same_time(fleet: Fleet, new_account: Callable[[], Account]) -> None:
    for _ in range(2):
        fleet.add(access_to(new_account()))
    done, refused = fleet._leases.claim(2, None, None)
    fleet._leases.finish([Finish(done, "active", 1.5), Finish(refused, "refused", 0)])
    assert fleet.status().states == {"active": 1, "failing": 0, "paused": 0, "refused": 1}


def test_a_failing_account_is_retried_with_backoff(fleet: Fleet, owner: Account, sandbox: Sandbox) -> None:
    name = owner[0]
    for failures, longest in ((1, 5), (2, 10), (3, 20)):
        sandbox.faults.status(503)
        due_now(fleet, name)
        assert fleet.sync_due().failed == 1
        account = fleet.account(name)
        assert (account.state, account.failures) == ("failing", failures)
        assert longest / 2 - 1 < seconds_until(account.due) <= longest
    fleet._database.execute("UPDATE {schema}.accounts SET failures = 60")
    sandbox.faults.status(503)
    due_now(fleet, name)
    fleet.sync_due()
    assert 1799 < seconds_until(fleet.account(name).due) <= 3600

    due_now(fleet, name)
    assert fleet.sync_due().passes == 1
    account = fleet.account(name)
    assert (account.state, account.failures, account.error) == ("active", 0, None)


@pytest.mark.parametrize(("status", "retry_after"), [(429, 30), (503, 40)])
def test_all_workers_respect_retry_after(
    status: int, retry_after: int, fleet: Fleet, owner: Account, new_account: Callable[[], Account], sandbox: Sandbox
) -> None:
    other, endpoint = new_account(), access_to(new_account())
    due_now(fleet, owner[0])
    sandbox.faults.status(status, retry_after=retry_after)
    assert fleet.sync_due().failed == 1
    fleet.add(endpoint, name=other[0])
    (platform,) = fleet.status().platforms
    assert platform.not_before is not None
    assert retry_after - 2 < seconds_until(platform.not_before) <= retry_after
    with Fleet(fleet._database._dsn) as second:
        for worker in (fleet, second):
            worker.wake(other[0])
            assert worker.sync_due().passes == 0
            with pytest.raises(BusyError, match="asked not to be called"):
                worker.sync(other[0])
        second._database.execute("UPDATE {schema}.platforms SET not_before = NULL")
        due_now(second, owner[0], other[0])
        assert second.sync_due().passes == 2


def test_a_slow_account_delays_no_other(
    new_database: Callable[[], str], new_account: Callable[[], Account], sandbox: Sandbox
) -> None:
    with Fleet(new_database(), threads=2, timeout=(2, 2)) as fleet:
        fleet.create_tables()
        slow, other = new_account(), new_account()
        fleet.add_many([access_to(slow), access_to(other)])
        fleet.sync_due()
        sandbox.faults.stall(path=f"/{slow[0]}/", times=10)
        note(other[2], "in time")
        fleet.wake(slow[0])
        fleet.wake(other[0])
        report = fleet.sync_due()
    assert (report.passes, report.failed) == (1, 1)
    assert report.seconds < 15


def test_a_paused_account_is_left_alone(fleet: Fleet, owner: Account) -> None:
    name = owner[0]
    fleet.pause(name)
    fleet.wake(name)
    assert fleet.sync_due().passes == 0
    with pytest.raises(FleetError, match="resume it first"):
        fleet.sync(name)
    fleet.resume(name)
    assert fleet.sync_due().passes == 1


def test_a_refused_account_stays_refused_without_a_new_token(
    fleet: Fleet, new_account: Callable[[], Account], sandbox: Sandbox
) -> None:
    account = new_account()
    name, endpoint = account[0], access_to(account)
    fleet.add(endpoint)
    claim = fleet._leases.claim_one(name)
    assert claim
    sandbox.faults.status(403)
    finish = fleet._passes.make(claim).finish
    assert finish
    fleet.pause(name)  # while its pass runs
    fleet._leases.finish([finish])
    fleet.pause(name)
    with pytest.raises(RefusedError, match="with a new one"):
        fleet.resume(name)
    assert fleet.account(name).state == "refused"
    fleet.resume(name, endpoint)
    assert fleet.sync_due().passes == 1


def test_a_platform_is_named_with_or_without_its_last_slash(fleet: Fleet, owner: Account) -> None:
    platform = str(fleet.account(owner[0]).platform).rstrip("/")
    for named in (platform, platform + "/"):
        due_now(fleet, owner[0])
        assert fleet.sync_due(platform=named).passes == 1


def test_an_account_is_woken_once_by_any_number_of_calls(fleet: Fleet, owner: Account) -> None:
    name = owner[0]
    fleet._database.execute("UPDATE {schema}.accounts SET due = now() + interval '1 hour', seconds = 3600")
    for _ in range(3):
        fleet.wake(name)
    assert fleet.sync_due().passes == 1
    assert fleet.sync_due().passes == 0


def test_an_account_that_is_woken_during_its_pass_is_passed_again(
    fleet: Fleet, owner: Account, sandbox: Sandbox
) -> None:
    name, _, connection = owner
    fleet._database.execute("UPDATE {schema}.accounts SET due = now(), seconds = 3600")
    claim = fleet._leases.claim_one(name)
    assert claim
    outcome = fleet._passes.make(claim)
    note(connection, "later")
    fleet.wake(name)
    assert outcome.finish
    fleet._leases.finish([outcome.finish])
    assert fleet.sync_due().changed == 1
    assert fleet.sync_due().passes == 0


def test_a_pass_with_the_old_token_does_not_refuse_the_new_one(fleet: Fleet, owner: Account) -> None:
    name, _, connection = owner
    old = fleet._leases.claim_one(name)
    assert old
    for access in connection.accesses.list():
        if access["type"] == "shared":
            connection.accesses.delete(access["id"])
    fleet.resume(name, access_to(owner))
    new = fleet._leases.claim_one(name)
    assert new
    for claim, result, state in ((old, "refused", "active"), (new, "done", "active")):
        outcome = fleet._passes.make(claim)
        assert outcome.result == result
        assert outcome.finish
        fleet._leases.finish([outcome.finish])
        assert fleet.account(name).state == state
        fleet._leases.release([old])
        assert (fleet._leases.claim_one(name) is None) is (claim is old), "the later lease is left alone"


def test_an_account_that_moves_keeps_its_anchor(fleet: Fleet, owner: Account, sandbox: Sandbox) -> None:
    name, _, connection = owner
    note(connection, "after the move")
    moved = str(fleet.account(name).endpoint).replace("127.0.0.1", "localhost")
    sandbox.faults.wrong_core(moved)
    due_now(fleet, name)
    assert fleet.sync_due().passes == 1
    account = fleet.account(name)
    assert account.endpoint == moved
    assert str(account.platform).startswith("http://localhost:")
    due_now(fleet, name)
    report = fleet.sync_due()
    assert (report.passes, report.events) == (1, 0)
    assert contents(fleet, name) == ["after the move"]


def test_a_pass_that_fails_raises_its_error(fleet: Fleet, owner: Account, sandbox: Sandbox) -> None:
    sandbox.faults.status(503)
    with pytest.raises(PryvError, match="HTTP 503"):
        fleet.sync(owner[0])
    assert fleet.account(owner[0]).state == "failing"


def test_an_interrupted_worker_leaves_no_lease(fleet: Fleet) -> None:
    def interrupt(_: object) -> None:
        raise KeyboardInterrupt

    with serving(Limiting(1000)) as server, Fleet(fleet._database._dsn, threads=1) as worker:
        fleet.add_many([(f"p{number}", f"http://token@127.0.0.1:{server.server_port}/p/") for number in range(9)])
        worker.on_outcome(interrupt)
        with pytest.raises(KeyboardInterrupt):
            worker.sync_due()
    status = fleet.status()
    assert status.in_flight == 0
    assert 1 <= status.states["failing"] <= 3  # the passes that had begun, but none of those that waited


def test_an_interrupted_pass_leaves_no_lease(fleet: Fleet) -> None:
    class Interrupted:
        def load(self, name: str) -> str:
            raise KeyboardInterrupt

        def save(self, name: str, token: str) -> None:
            pass

        def delete(self, name: str) -> None:
            pass

    with Fleet(fleet._database._dsn, secrets=Interrupted()) as worker:
        worker.add("https://token@alice.pryv.me/")
        with pytest.raises(KeyboardInterrupt):
            worker.sync("alice")
    assert fleet.status().in_flight == 0


def test_a_worker_waits_until_the_next_account_can_be_claimed(fleet: Fleet) -> None:
    leases, now = fleet._leases, fleet._leases.now()
    fleet.add("https://token@alice.pryv.me/")
    assert leases.seconds_until_next(1) == pytest.approx(0, abs=1)
    for column in ("due", "leased_until", "not_before"):
        fleet._database.execute(f"UPDATE {{schema}}.accounts SET {column} = now() + interval '0.9 s'")
        assert leases.seconds_until_next(1) == pytest.approx(0.9, abs=0.3)
    assert leases.seconds_until_next(1, now) is None
    fleet._database.execute("UPDATE {schema}.platforms SET not_before = now() + interval '1 hour'")
    assert leases.seconds_until_next(1) is None
    fleet._database.execute("UPDATE {schema}.platforms SET not_before = NULL")
    fleet._database.execute("UPDATE {schema}.accounts SET due = now() + interval '1 hour'")
    assert leases.seconds_until_next(1) is None


def test_a_leased_account_is_busy(fleet: Fleet, owner: Account) -> None:
    fleet._leases.claim_one(owner[0])
    with pytest.raises(BusyError, match="another worker"):
        fleet.sync(owner[0])
    fleet._database.execute("UPDATE {schema}.accounts SET leased_until = now()")
    assert fleet.sync(owner[0]).events == 0


def test_status_counts(fleet: Fleet, owner: Account, new_account: Callable[[], Account]) -> None:
    other = new_account()
    fleet.add(access_to(other))
    fleet.pause(owner[0])
    status = fleet.status()
    assert (status.accounts, status.due, status.in_flight) == (2, 1, 0)
    assert dict(status.states) == {"active": 1, "refused": 0, "paused": 1, "failing": 0}
    assert 0 < status.lag < 60
    fleet.sync_due()
    assert fleet.status().lag < 60


def test_times_are_those_of_the_database(fleet: Fleet, owner: Account) -> None:
    synced = fleet.account(owner[0]).synced
    assert synced is not None
    assert abs(datetime.now(timezone.utc) - synced) < timedelta(minutes=1)


def test_all_workers_share_the_limits_of_a_platform(fleet: Fleet) -> None:
    fleet.add_many([(f"person-{number}", f"https://token@p{number}.pryv.me/") for number in range(12)])
    dsn = fleet._database._dsn
    with Fleet(dsn, pacing=Pacing(connections=3)) as one, Fleet(dsn, pacing=Pacing(connections=3)) as two:
        assert [len(worker._leases.claim(10)) for worker in (one, two)] == [3, 0]
    fleet._database.execute("UPDATE {schema}.accounts SET leased_until = NULL")
    with Fleet(dsn, pacing=Pacing(rate=2)) as one, Fleet(dsn, pacing=Pacing(rate=2)) as two:
        claims = [len(worker._leases.claim(10)) for worker in (one, two)]
        assert claims == [2, 0]
        wait_for(lambda: two._leases.claim(10))


def test_passes_wait_for_the_rate_of_their_platform(
    new_database: Callable[[], str], new_account: Callable[[], Account]
) -> None:
    account = new_account()
    endpoint = access_to(account)
    with Fleet(new_database(), pacing=Pacing(rate=10)) as fleet:
        fleet.create_tables()
        fleet.add_many([(f"copy-{number}", endpoint) for number in range(14)])
        report = fleet.sync_due()
    assert report.passes == 14
    assert report.seconds > 0.3


class Limiting(ThreadingHTTPServer):
    """A platform that fails each request slowly, and asks for a pause from a number of requests on.

    Attributes:
        late: Requests that began after it has asked for the pause.
    """

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, requests: int) -> None:
        super().__init__(("127.0.0.1", 0), LimitingHandler)
        self.lock = threading.Lock()
        self.left = requests
        self.late = 0


class LimitingHandler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        server = cast(Limiting, self.server)
        with server.lock:
            server.left -= 1
            limits = server.left == 0
            server.late += server.left < 0
        if not limits:
            time.sleep(0.3)
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(429 if limits else 500)
        if limits:
            self.send_header("Retry-After", "30")
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_POST = do_GET  # noqa: N815

    def log_message(self, *_: object) -> None:
        pass


def test_no_worker_calls_a_platform_in_its_pause(fleet: Fleet) -> None:
    threads, workers = 4, 4
    dsn = fleet._database._dsn
    with ExitStack() as stack, serving(Limiting(threads * workers + 4)) as server:
        url = f"//token@127.0.0.1:{server.server_port}/"
        fleet.add_many([(f"p{number}", f"http:{url}p{number}/") for number in range(200)])
        fleets = [
            stack.enter_context(Fleet(dsn, threads=threads, pacing=Pacing(connections=64))) for _ in range(workers)
        ]
        with ThreadPoolExecutor(workers) as pool:
            list(pool.map(lambda worker: worker.sync_due(), fleets))
        assert server.late < threads * workers  # those that were in flight: one for each of the other threads
        assert fleet.status().in_flight == 0


def test_an_account_that_is_claimed_waits_for_the_pause_that_another_worker_was_asked_for(
    fleet: Fleet, owner: Account, new_account: Callable[[], Account], sandbox: Sandbox
) -> None:
    other = new_account()
    fleet.add(access_to(other))
    with Fleet(fleet._database._dsn) as second:
        first_claim, second_claim = fleet._leases.claim_one(owner[0]), second._leases.claim_one(other[0])
        assert first_claim
        assert second_claim
        sandbox.faults.status(429, retry_after=30)
        assert fleet._passes.make(first_claim).result == "failed"
        assert second._passes.make(second_claim).result == "deferred"


def test_a_shorter_pause_does_not_end_a_longer_one(fleet: Fleet, owner: Account, sandbox: Sandbox) -> None:
    claim = fleet._leases.claim_one(owner[0])
    assert claim
    for seconds in (40, 1):
        with Fleet(fleet._database._dsn) as worker:
            worker._passes._holds.add(claim.platform, seconds)
    (platform,) = fleet.status().platforms
    assert platform.not_before is not None
    assert seconds_until(platform.not_before) > 30
