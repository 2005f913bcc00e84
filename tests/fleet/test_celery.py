"""Celery's workers pass what is due, with real brokers."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import pytest
from celery import Celery
from psycopg_pool import ConnectionPool
from tests.accounts import Account
from tests.fleet.brokers import BROKERS
from tests.fleet.celery_workers import CeleryApp, kill
from tests.fleet.persons import access_to, contents, note
from tests.waiting import wait_for

from pryv import MissingAddonError
from pryv.utils import extract_token_and_api_endpoint
from pryv_fleet import DatabaseError, Fleet
from pryv_fleet._leases import CLAIM_BITS
from pryv_fleet.celery import install
from pryv_sandbox import Sandbox

LEASE = 5
TASK = "pryv_fleet.sync_due"


both = pytest.mark.parametrize("broker", BROKERS, indirect=True)


def version(fleet: Fleet, name: str) -> int:
    """Return how often passes of an account were committed."""
    found: int = fleet._database.execute("SELECT version FROM {schema}.accounts WHERE name = %s", (name,))[0][0]
    return found


def queued(app: Celery) -> int:
    """Return how many messages are in the queue; an empty one of Redis does not exist."""
    with app.connection_for_write() as connection, suppress(*connection.channel_errors):
        return int(connection.SimpleQueue("celery").qsize())
    return 0


def token_of(endpoint: str) -> str:
    """Return the token in an API endpoint."""
    return str(extract_token_and_api_endpoint(endpoint).token)


@pytest.mark.parametrize(("broker", "pool"), [("rabbitmq", "prefork"), ("redis", "threads")], indirect=["broker"])
def test_workers_pass_what_is_due(
    broker: str, pool: str, fleet: Fleet, new_account: Callable[[], Account], capfd: pytest.CaptureFixture[str]
) -> None:
    accounts = [new_account() for _ in range(3)]
    endpoints = [access_to(account) for account in accounts]
    app = CeleryApp(broker, fleet._database._dsn, {"interval": 0.2}, {"every": 0.2, "limit": 2})
    with app.beat(), app.worker(pool):
        fleet.add_many(endpoints)
        for number in range(2):
            for account in accounts:
                note(account[2], str(number))
            expected = [str(index) for index in range(number + 1)]
            wait_for(lambda e=expected: all(contents(fleet, account[0]) == e for account in accounts))  # type: ignore[misc]
    log = capfd.readouterr().out
    assert "Traceback" not in log
    assert "'changed': " in log
    for account, endpoint in zip(accounts, endpoints, strict=True):
        assert account[0] not in log
        assert token_of(endpoint) not in log


@both
def test_a_repeated_task_changes_nothing_and_a_full_one_sends_another(
    broker: str, fleet: Fleet, new_account: Callable[[], Account]
) -> None:
    accounts = [new_account() for _ in range(3)]
    for account in accounts:
        fleet.add(access_to(account), interval=3600)
        note(account[2], "first")
    app = CeleryApp(broker, fleet._database._dsn, install={"limit": 2})
    with Celery(broker=broker) as sender, app.worker():
        sender.send_task(TASK)  # for three accounts
        wait_for(lambda: all(fleet.account(account[0]).synced for account in accounts))
        before = {account[0]: version(fleet, account[0]) for account in accounts}
        for account in accounts:
            note(account[2], "second")
            fleet.wake(account[0])
        for _ in range(20):
            sender.send_task(TASK)
        wait_for(lambda: all(contents(fleet, account[0]) == ["first", "second"] for account in accounts))
        wait_for(lambda: queued(sender) == 0 and fleet.status().in_flight == 0)
    assert {name: version(fleet, name) - number for name, number in before.items()} == dict.fromkeys(before, 1)


@pytest.mark.parametrize("broker", ["rabbitmq", pytest.param("redis", marks=pytest.mark.long)], indirect=True)
def test_the_accounts_of_a_killed_worker_are_passed_after_their_lease(
    broker: str, fleet: Fleet, new_account: Callable[[], Account], sandbox: Sandbox
) -> None:
    account = new_account()
    fleet.add(access_to(account))
    note(account[2], "before the end of the lease")
    sandbox.faults.stall(path=f"/{account[0]}/")
    app = CeleryApp(broker, fleet._database._dsn, {"lease": LEASE})
    with app.beat(), app.worker() as killed:
        wait_for(lambda: fleet.status().in_flight == 1 and not sandbox.faults.armed)
        with app.worker():
            kill(killed)
            wait_for(lambda: contents(fleet, account[0]) == ["before the end of the lease"])


@both
def test_messages_have_no_arguments(broker: str, fleet: Fleet, new_account: Callable[[], Account], key: str) -> None:
    account = new_account()
    endpoint = access_to(account)
    fleet.add(endpoint)
    with Celery(broker=broker) as app, app.connection_for_write() as connection:
        app.conf.task_routes = {TASK: {"queue": "a-queue"}}
        task = install(app, fleet)
        task.apply_async()
        message = connection.SimpleQueue("a-queue").get(timeout=10)
        message.ack()
        assert json.loads(message.body)[:2] == [[], {}]
        assert (message.headers["task"], message.headers["argsrepr"], message.headers["kwargsrepr"]) == (
            TASK,
            "()",
            "{}",
        )
        whole = f"{message.body!r} {message.headers} {message.properties}"
        for hidden in (account[0], token_of(endpoint), key, fleet._database._dsn):
            assert hidden not in whole


# ---- without a broker


def test_beat_sends_the_task_if_other_tasks_are_configured_later(fleet: Fleet) -> None:
    app = Celery(set_as_current=False)
    install(app, fleet, every=7)
    install(app, fleet, name="another")
    app.config_from_object(SimpleNamespace(beat_schedule={"theirs": {"task": "theirs", "schedule": 60}}))
    entries = app.conf.beat_schedule
    assert {name: entry["task"] for name, entry in entries.items()} == {
        TASK: TASK,
        "another": "another",
        "theirs": "theirs",
    }
    assert entries[TASK]["schedule"] == 7
    assert app.tasks[TASK].expires == 300
    assert TASK not in Celery(set_as_current=False).tasks  # an app of somebody else in this process


def test_a_task_waits_for_postgresql_without_a_request(caplog: pytest.LogCaptureFixture, tmp_path: Any) -> None:
    with (
        ConnectionPool(
            f"host={tmp_path}", min_size=0, max_size=1, timeout=0.1, open=True
        ) as pool,  # where no server is
        Fleet(pool) as unreachable,
        caplog.at_level(logging.WARNING, "pryv_fleet"),
    ):
        assert not any(install(Celery(set_as_current=False), unreachable)().values())
    assert "the next task tries again" in caplog.text


def test_a_permanent_error_is_raised(dsn: str) -> None:
    with Fleet(dsn, schema="missing") as fleet, pytest.raises(DatabaseError, match="pryv-fleet init"):
        install(Celery(set_as_current=False), fleet)()


@pytest.mark.parametrize("wrong", [{"every": 0}, {"every": float("inf")}, {"limit": 0}])
def test_settings_are_checked(fleet: Fleet, wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        install(Celery(set_as_current=False), fleet, **wrong)


def test_arguments_are_checked(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(TypeError, match=r"app is a celery\.Celery, not Fleet"):
        install(fleet, fleet)
    with pytest.raises(TypeError, match="fleet is a Fleet, not str"):
        install(Celery(set_as_current=False), "postgresql:///")  # type: ignore[arg-type]
    monkeypatch.setitem(__import__("sys").modules, "celery", None)
    with pytest.raises(MissingAddonError, match=r"pip install \"pryv-fleet\[celery\]\""):
        install(None, fleet)


def test_a_forked_process_holds_leases_of_its_own() -> None:
    program = (
        "import os\nfrom pryv_fleet._leases import LeaseNumbers\nnumbers = LeaseNumbers()\n"
        "if os.fork() == 0:\n    print(next(numbers))\nelse:\n    os.wait()\n    print(next(numbers), next(numbers))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    numbers = list(map(int, done.stdout.split()))
    assert len(set(numbers)) == 3
    child, *parent = (number >> CLAIM_BITS for number in numbers)
    assert len(set(parent)) == 1
    assert child not in parent
