"""Platforms that respond slowly, or ask for a pause while passes run."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import cast

import pytest
from tests.accounts import Account
from tests.fleet.persons import access_to
from tests.fleet.serving import serving
from tests.waiting import wait_for

from pryv_fleet import Fleet, Pacing
from pryv_sandbox import Sandbox

STREAMS = b'{"streams": [], "meta": {"serverTime": 1.5, "apiVersion": "1.9.0", "serial": "2019"}}'


class Platform(ThreadingHTTPServer):
    """A platform with accounts named by what happens to their requests.

    - `drips-X`: the response to a request whose path ends with X takes 15 s;
    - `waits`: its streams are not sent before `release` is set;
    - `limited`: each response is a 429.

    Attributes:
        paths: The paths of the requests that arrived.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.paths: list[str] = []
        self.release = threading.Event()

    def endpoint(self, name: str) -> str:
        return f"http://token@127.0.0.1:{self.server_port}/{name}/"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        platform = cast(Platform, self.server)
        _, name, path = self.path.partition("?")[0].split("/", 2)
        platform.paths.append(f"{name}/{path}")
        if name == "limited":
            self._respond(429, b"", {"Retry-After": "30"})
        elif name == f"drips-{path}":
            self._respond(200, b"{", {})
            self._drip(platform, 100 if path == "streams" else 5)
        elif path == "streams":
            if name == "waits":
                platform.release.wait(30)
            self._respond(200, STREAMS, {"Content-Length": str(len(STREAMS))})
        else:
            self._respond(404, b"", {})

    def _respond(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for header, value in headers.items():
            self.send_header(header, value)
        self.end_headers()
        self.wfile.write(body)

    def _drip(self, platform: Platform, size: int) -> None:
        for _ in range(1500):  # it ends when the test has failed
            self.wfile.write(b" " * size)
            if platform.release.wait(0.01):
                return

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except ConnectionError:
            self.close_connection = True

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def platform() -> Iterator[Platform]:
    with serving(Platform()) as platform:
        yield platform
        platform.release.set()


@pytest.mark.parametrize("path", ["streams", "events"])
def test_a_response_that_drips_delays_no_other_account(
    path: str, new_database: Callable[[], str], new_account: Callable[[], Account], platform: Platform
) -> None:
    with Fleet(new_database(), threads=1, timeout=(1, 1)) as fleet:
        fleet.create_tables()
        fleet.add(platform.endpoint(f"drips-{path}"))
        fleet.add(access_to(new_account()))
        report = fleet.sync_due()
    assert (report.passes, report.failed) == (1, 1)
    assert report.seconds < 10


@pytest.mark.timeout(40)
def test_a_batch_that_comes_below_the_least_rate_fails_the_pass(
    new_database: Callable[[], str], new_account: Callable[[], Account], sandbox: Sandbox
) -> None:
    account = new_account()
    with Fleet(new_database(), timeout=(1, 1), interval=0.05) as fleet:
        fleet.create_tables()
        fleet.add(access_to(account))
        assert fleet.sync_due().passes == 1
        account[2].events.create({"streamIds": ["diary"], "type": "note/txt", "content": "x" * 50_000})
        sandbox.faults.drip(chunk=5, interval=0.01, path=f"/{account[0]}/", times=2)
        fleet.wake(account[0])
        try:
            assert fleet.sync_due().failed == 1
        finally:
            sandbox.faults.clear()


@pytest.mark.parametrize("where", ["in the same process", "in another one"])
def test_a_pass_that_runs_sends_no_request_in_the_pause_of_its_platform(
    where: str, fleet: Fleet, platform: Platform
) -> None:
    fleet.add_many(platform.endpoint(name) for name in ("waits", "limited"))
    with Fleet(fleet._database._dsn, pacing=Pacing()) as second, ThreadPoolExecutor(1) as pool:
        other = fleet if where == "in the same process" else second
        waiting, limited = fleet._leases.claim_one("waits"), other._leases.claim_one("limited")
        assert waiting
        assert limited
        outcome = pool.submit(fleet._passes.make, waiting)
        wait_for(lambda: platform.paths == ["waits/streams"])
        asked = time.monotonic()
        assert other._passes.make(limited).result == "failed"
        wait_for(lambda: time.monotonic() > asked + 0.1)
        platform.release.set()
        assert outcome.result().result == "deferred"
    assert platform.paths == ["waits/streams", "limited/streams"]
