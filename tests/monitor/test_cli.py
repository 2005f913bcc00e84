"""`pryv-monitor`, run as people and cron run it."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.monitor.conftest import Subject, own, wait_for, wait_for_count

from pryv_monitor import SQLiteMirror
from pryv_sandbox import Sandbox

SCOPE = '{"streams": ["pulse", "notes"]}'


class Shell:
    """Runs the command in a directory, with the credentials in the environment."""

    def __init__(self, endpoint: str, directory: Path) -> None:
        self.directory = directory
        self.environment = {**os.environ, "PRYV_API_ENDPOINT": endpoint, "HOME": str(directory)}
        self.environment.pop("PYTHONUNBUFFERED", None)

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-m", "pryv_monitor.cli", *arguments],
            cwd=self.directory,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str) -> tuple[int, str, str]:
        with self.start(*arguments) as process:
            out, err = process.communicate(timeout=60)
        return process.returncode, out, err


@pytest.fixture
def shell(subject: Subject, tmp_path: Path) -> Shell:
    return Shell(subject.connection.api_endpoint, tmp_path)


def test_sync_to_a_mirror(subject: Subject, shell: Shell) -> None:
    subject.add(3)
    code, out, err = shell.run("sync", "--mirror", "copy.db", "--scope", SCOPE)
    assert (code, out) == (0, "")
    assert "3 events" in err
    subject.add(2)
    assert shell.run("sync", "--mirror", "copy.db", "--scope", SCOPE, "--quiet") == (0, "", "")
    subject.assert_mirrored(SQLiteMirror(shell.directory / "copy.db"), json.loads(SCOPE))
    code, out, _ = shell.run("status", "copy.db")
    status = json.loads(out)
    assert code == 0
    assert status["kind"] == "mirror"
    assert status["counts"]["events"] == 5
    assert status["lag"] < 60
    assert not status["readingWholeScope"]


def test_sync_in_full(subject: Subject, shell: Shell) -> None:
    (leaver,) = subject.add(1, streamIds=["notes"])
    arguments = ("sync", "--mirror", "copy.db", "--scope", '{"streams": ["notes"]}', "--quiet")
    shell.run(*arguments)
    subject.update(leaver, streamIds=["pulse"])
    shell.run(*arguments)
    mirror = SQLiteMirror(shell.directory / "copy.db")
    assert list(mirror.events())
    assert shell.run(*arguments, "--full") == (0, "", "")
    assert list(mirror.events()) == []


def test_sync_to_lines(subject: Subject, shell: Shell) -> None:
    events = subject.add(2)
    arguments = ("sync", "--anchor", "anchor", "--jsonl", "--scope", SCOPE, "--quiet")
    code, out, err = shell.run(*arguments)
    changes = [json.loads(line) for line in out.splitlines()]
    assert (code, err) == (0, "")
    assert [change["kind"] for change in changes] == ["streams", "event", "event"]
    assert [change["data"] for change in changes[1:]] == events
    assert shell.run(*arguments) == (0, "", "")
    subject.delete(events[0])
    assert json.loads(shell.run(*arguments)[1])["kind"] == "eventDelete"
    status = json.loads(shell.run("status", "anchor")[1])
    assert status["kind"] == "anchor"
    assert str(subject.connection.token) not in (shell.directory / "anchor").read_text()


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("sync",),
        ("sync", "--anchor", "a"),
        ("sync", "--anchor", "a", "--jsonl", "--mirror", "m"),
        ("sync", "--mirror", "m", "--scope", "[]"),
        ("sync", "--mirror", "m", "--scope", '{"limit": 1}'),
        ("sync", "--mirror", "m", "--overlap", "-1"),
        ("watch", "--mirror", "m", "--every", "x"),
        ("status",),
    ],
)
def test_bad_usage(arguments: tuple[str, ...], shell: Shell) -> None:
    assert shell.run(*arguments)[0] == 2


def test_exit_codes(sandbox: Sandbox, subject: Subject, shell: Shell) -> None:
    sync = ("sync", "--mirror", "copy.db", "--error-tolerance", "0")
    with sandbox.faults.refuse():
        assert shell.run(*sync)[0] == 69
    with SQLiteMirror(shell.directory / "copy.db").lock():
        code, _, err = shell.run(*sync)
    assert code == 75
    assert "another" in err
    assert shell.run("status", "missing")[0] == 1
    token = str(subject.connection.token)
    shell.environment["PRYV_API_ENDPOINT"] = subject.connection.api_endpoint.replace(token, token[::-1])
    code, out, err = shell.run(*sync)
    assert code == 77
    assert token[::-1] not in out + err
    assert len(err.splitlines()) == 1


def test_a_reader_that_goes_away_commits_nothing(subject: Subject, shell: Shell) -> None:
    subject.add(1)
    arguments = ("sync", "--anchor", "anchor", "--jsonl", "--scope", SCOPE)
    with shell.start(*arguments) as process:
        assert process.stdout is not None
        process.stdout.close()
        process.wait(30)
    assert len(shell.run(*arguments)[1].splitlines()) == 2


def test_termination_leaves_the_pass_uncommitted(sandbox: Sandbox, subject: Subject, shell: Shell) -> None:
    subject.add(5)
    shell.run("sync", "--mirror", "copy.db")
    mirror = SQLiteMirror(shell.directory / "copy.db")
    before = mirror.load()
    subject.add(5)
    sandbox.faults.stall(path="/events")
    with shell.start("sync", "--mirror", "copy.db") as process:
        wait_for(lambda: not sandbox.faults._armed)
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=10)
    assert process.returncode == 75
    assert "Traceback" not in err
    assert mirror.load() == before
    assert shell.run("sync", "--mirror", "copy.db", "--quiet")[0] == 0
    subject.assert_mirrored(mirror)


@pytest.mark.parametrize("how", [("--every", "0.1"), ()])
def test_watch_follows_until_terminated(how: tuple[str, ...], subject: Subject, shell: Shell) -> None:
    mirror = SQLiteMirror(shell.directory / "copy.db")
    subject.add(1)
    with shell.start("watch", "--mirror", "copy.db", *how) as process:
        wait_for(lambda: len(own(mirror.events())) == 1)
        for count in (2, 3, 4):
            subject.add(1)
            wait_for_count(lambda: own(mirror.events()), count)
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=10)
    assert process.returncode == 0
    assert "Traceback" not in err
