"""Nothing is lost and nothing is applied twice, while workers are killed and accounts are poisoned."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from celery import Celery
from tests.fleet.celery_workers import CeleryApp
from tests.fleet.chaos import LIMIT, SETTINGS, Chaos, Size, StartWorker, chaos
from tests.fleet.workers import worker

SMALL = Size(accounts=30, writes=100, kills=2, interval=1)
LARGE = Size(accounts=1000, writes=1200, kills=6, interval=60)
CASES = [
    pytest.param("claim loop", SMALL, id="claim loop"),
    pytest.param("rabbitmq", SMALL, id="rabbitmq", marks=pytest.mark.long),
    pytest.param("redis", SMALL, id="redis", marks=pytest.mark.long),
    *(
        pytest.param(engine, LARGE, id=f"{engine}, large", marks=pytest.mark.long)
        for engine in ("claim loop", "rabbitmq", "redis")
    ),
]


@contextmanager
def claim_loop(chaos: Chaos, _: str) -> Iterator[tuple[StartWorker, Callable[[], object]]]:
    """The workers of `Fleet.run`. To disturb them, accounts are woken twice."""

    def disturb() -> None:
        for name in chaos.healthy[:10] * 2:
            chaos.fleet.wake(name)

    settings: dict[str, Any] = {**SETTINGS, "interval": chaos.size.interval, "threads": 8}
    yield lambda: worker(chaos.server.dsn, **settings), disturb


@contextmanager
def celery(chaos: Chaos, broker: str) -> Iterator[tuple[StartWorker, Callable[[], object]]]:
    """Celery's workers and beat. To disturb them, tasks are doubled."""
    settings = {**SETTINGS, "interval": chaos.size.interval, "threads": 8}
    app = CeleryApp(broker, chaos.server.dsn, settings, {"every": 0.5, "limit": 50})
    with Celery(broker=broker) as sender, app.beat():
        yield app.worker, lambda: [sender.send_task("pryv_fleet.sync_due") for _ in range(10)]


@pytest.mark.timeout(1500)
@pytest.mark.parametrize(("engine", "size"), CASES)
def test_killed_workers_lose_nothing_and_apply_nothing_twice(
    request: pytest.FixtureRequest, engine: str, size: Size, key: str
) -> None:
    broker = "" if engine == "claim loop" else request.getfixturevalue(f"{engine}_url")
    start = celery if broker else claim_loop
    with chaos(size) as running:
        running.begin()
        begin = time.monotonic()
        with start(running, broker) as (start_worker, disturb):
            running.hurt(start_worker, disturb)
        seconds = time.monotonic() - begin
        recoveries = ", ".join(f"{recovery:.1f}" for recovery in running.recoveries)
        print(f"{engine}: {size}, {seconds:.0f} s, accounts of killed workers passed after {recoveries} s")
        assert running.differences() == []
        assert running.written_twice() == []
        assert running.states() == {
            "healthy": {"active"},
            "refused": {"refused"},
            "broken": {"active"},
            "malformed": {"active"},
            "stalled": {"active"},
        }
        assert max(running.recoveries) < LIMIT
