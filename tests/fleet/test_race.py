"""Several workers on one account, without a lock."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from tests.accounts import Account
from tests.fleet.persons import access_to

from pryv import Call
from pryv_fleet import PostgresMirror
from pryv_monitor import ContendedError, Monitor, SyncReport

ROUNDS, CHANGES, WORKERS = 20, 10, 3


def test_three_workers_apply_each_change_once(dsn: str, new_account: Callable[[], Account]) -> None:
    account = new_account()
    endpoint = access_to(account)
    mirrors = [PostgresMirror(dsn, "raced") for _ in range(WORKERS)]
    monitors = [Monitor(endpoint, mirror=mirror) for mirror in mirrors]
    monitors[0].sync()
    together = threading.Barrier(WORKERS)

    def sync(monitor: Monitor) -> SyncReport | None:
        together.wait()
        try:
            return monitor.sync()
        except ContendedError:
            return None

    reports: list[SyncReport | None] = []
    with ThreadPoolExecutor(WORKERS) as pool:
        for number in range(ROUNDS):
            event = {"streamIds": ["diary"], "type": "note/txt"}
            calls = [Call("events.create", {**event, "content": f"{number}-{index}"}) for index in range(CHANGES)]
            account[2].api(calls, raise_on_error=True)
            reports += pool.map(sync, monitors)
    monitors[0].sync()

    committed = [report for report in reports if report is not None]
    assert sum(report.events for report in committed) == ROUNDS * CHANGES
    assert len(committed) < len(reports), "no pass was contended: the race has not happened"
    assert len(mirrors[0].streams()) > 0
    for monitor, mirror in zip(monitors, mirrors, strict=True):
        monitor.connection.close()
        mirror.close()
