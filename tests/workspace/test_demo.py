import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from matplotlib.image import imread
from tests.workspace.clones import ROOT, Clone

import following
from following import copy, mark_gap, wait_until_equal
from pryv import Connection
from pryv_monitor import SQLiteMirror
from pryv_sandbox import Sandbox
from recording import create_streams, difference, read, read_recording, write

EXAMPLES = ROOT / "examples"
RECORDING = EXAMPLES / "data" / "pulse.csv"

pytestmark = pytest.mark.timeout(300)  # 15,000 samples there and back, and a copy of them


def run_demo(plot: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    return Clone(ROOT).just("demo", "--plot", str(plot), *options)


def test_every_sample_comes_back_and_is_followed(tmp_path: Path) -> None:
    plot = tmp_path / "pulse.png"
    done = run_demo(plot)
    assert done.returncode == 0, done.stderr
    assert "15,000 samples" in done.stdout
    assert str(plot) in done.stdout
    assert "15,000 events, copied" in done.stdout
    assert "the mirror followed, and equals the account" in done.stdout
    height, width, _ = imread(plot).shape
    assert width > height > 500


def test_fails_when_samples_are_missing(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.faults.status(200, method="GET", path="/events", body={"events": [], "meta": {}})
    done = run_demo(tmp_path / "pulse.png", "--platform", sandbox.service_info_url)
    assert done.returncode == 1
    assert "The demo failed: 15,000 samples were written, 0 were read back" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_fails_without_a_traceback_without_a_platform(sandbox: Sandbox, tmp_path: Path) -> None:
    with sandbox.faults.refuse():
        done = run_demo(tmp_path / "pulse.png", "--platform", sandbox.service_info_url)
    assert done.returncode == 1
    assert "The demo failed: " in done.stderr
    assert "Traceback" not in done.stderr


def test_an_invalid_url_of_a_platform_is_named() -> None:
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / "demo"), "--platform", "nowhere"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.startswith("The demo failed: service_info_url is not an http(s) URL")


def test_a_changed_sample_is_found(new_account: Callable[[], tuple[str, str, Connection]]) -> None:
    _, _, connection = new_account()
    written = read_recording(RECORDING, start=0)[:1500]
    create_streams(connection)
    assert write(connection, written, lambda done: None) == []
    came_back = list(read(connection))
    assert difference(written, came_back) is None

    connection.put(f"events/{came_back[1233]['id']}", {"content": 12})
    found = difference(written, list(read(connection)))
    assert found == f"sample 1,234 was written with content {written[1233]['content']}, and read back with 12"


def test_a_refused_sample_is_reported(new_account: Callable[[], tuple[str, str, Connection]]) -> None:
    _, _, connection = new_account()
    [refusal] = write(connection, read_recording(RECORDING, start=0)[:1], lambda done: None)
    assert "pulse" in refusal


def test_a_mirror_that_lags_is_noticed(
    new_account: Callable[[], tuple[str, str, Connection]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "PATIENCE", 0.2)
    _, _, connection = new_account()
    create_streams(connection)
    write(connection, read_recording(RECORDING, start=0)[2000:2500], lambda done: None)
    mirror = SQLiteMirror(tmp_path / "heart.db")
    copy(connection, mirror)
    wait_until_equal(mirror, connection)
    assert mark_gap(connection, list(read(connection)))
    with pytest.raises(TimeoutError, match="did not follow"):
        wait_until_equal(mirror, connection)
    copy(connection, mirror)
    wait_until_equal(mirror, connection)


def test_a_fleet_survives_a_killed_worker(tmp_path: Path) -> None:
    plot = tmp_path / "fleet.png"
    options = ["--accounts", "12", "--seconds", "4", "--plot", str(plot)]
    command = [sys.executable, str(EXAMPLES / "demo" / "fleet_demo.py"), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "12 of 12 copies are equal to their accounts" in done.stdout
    height, width, _ = imread(plot).shape
    assert width > height > 500
