"""Reads of many events are streamed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from .caller import Caller

EVENTS = 8_000
PADDING = "x" * 1000  # so that the events do not fit into the buffers between the platform and a reader that waits


@pytest.fixture(scope="module")
def process() -> Iterator[tuple[int, str]]:
    """A platform in a process of its own, so that its memory can be told from the test's: its id and URL."""
    command = [sys.executable, "-m", "pryv_sandbox", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as platform:
        assert platform.stdout
        yield platform.pid, platform.stdout.readline().strip().removesuffix("reg/service/info")
        platform.terminate()


@pytest.fixture(scope="module")
def owner(process: tuple[int, str]) -> Caller:
    _, url = process
    person = {"username": "someone", "password": "some-password", "email": "a@b.c", "appId": "the-app"}
    endpoint = requests.post(f"{url}reg/users", json=person, timeout=5).json()["apiEndpoint"]
    owner = Caller(url, "someone", endpoint.split("//")[1].split("@")[0])
    owner.add_streams("a")
    for start in range(0, EVENTS, 1000):
        event = {"streamIds": ["a"], "type": "count/generic", "description": PADDING}
        calls = (("events.create", {**event, "content": n, "time": n // 7}) for n in range(start, start + 1000))
        owner.batch(*calls)
    return owner


def stream(owner: Caller, **params: Any) -> requests.Response:
    return requests.get(
        f"{owner.url}{owner.username}/events",
        params={"limit": 10 * EVENTS, "streams": "a", **params},
        headers={"Authorization": owner.token},
        stream=True,
        timeout=30,
    )


reads_proc = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads what a process uses from /proc")


def memory(pid: int) -> int:
    """The resident memory of a process in bytes."""
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        return 1024 * int(next(line.split()[1] for line in status if line.startswith("VmRSS")))


def cpu_time(pid: int) -> float:
    """The seconds that a process has had of a processor."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
        user, system = stat.read().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


@pytest.mark.parametrize("ascending", ["true", "false"])
def test_gives_every_event_once_in_order(owner: Caller, ascending: str) -> None:
    answer = stream(owner, sortAscending=ascending)
    assert answer.headers["Transfer-Encoding"] == "chunked"
    body = answer.json()
    assert list(body) == ["events", "meta"]
    contents = [event["content"] for event in body["events"]]
    assert contents == sorted(range(EVENTS), reverse=ascending == "false")


def test_takes_the_time_at_the_end(owner: Caller) -> None:
    with stream(owner) as answer:
        chunks = answer.iter_content(64 * 1024)
        text = next(chunks)
        late = owner.get("access-info")["meta"]["serverTime"]
        text += b"".join(chunks)
    assert json.loads(text)["meta"]["serverTime"] >= late


@reads_proc
def test_uses_no_more_memory_for_more_events(process: tuple[int, str], owner: Caller) -> None:
    pid, _ = process
    with stream(owner) as answer:
        size = len(answer.content)
    before = peak = memory(pid)
    for _ in range(3):
        with stream(owner) as answer:
            for _ in answer.iter_content(256 * 1024):
                peak = max(peak, memory(pid))
    assert peak - before < size / 2


def test_answers_others_meanwhile(owner: Caller) -> None:
    with stream(owner) as slow:
        chunks = slow.iter_content(1024)
        next(chunks)
        assert owner.get("events", limit=1)["events"]
        owner.delete(f"events/{owner.add_event('a', time=1e9)['id']}")
        assert sum(map(len, chunks)) > EVENTS * len(PADDING)


def test_a_reader_that_goes_away_harms_nobody(owner: Caller) -> None:
    for _ in range(5):
        with stream(owner) as answer:
            next(answer.iter_content(1024))
    assert len(owner.get("events", streams="a", limit=100)["events"]) == 100


@reads_proc
def test_streams_at_speed(process: tuple[int, str], owner: Caller) -> None:
    pid, _ = process
    with stream(owner) as warm:
        assert warm.content
    before = cpu_time(pid)
    with stream(owner) as answer:
        assert answer.content
    assert cpu_time(pid) - before < EVENTS / 5_000  # an order of magnitude more than what is measured at rest
