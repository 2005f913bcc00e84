"""`pryv-monitor`, run as people and cron run it."""

import contextlib
import errno
import json
import os
import re
import shlex
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path

import pytest
from tests.commands import exit_code
from tests.monitor.kept import save
from tests.monitor.subject import EVENTS, STREAMS, Subject, is_untouched, own, wait_for_count
from tests.waiting import wait_for

from pryv.auth import AuthorizationData, FileStore
from pryv_monitor import Anchor, FileAnchorStore, SQLiteMirror, cli
from pryv_sandbox import Sandbox

SCOPE = '{"streams": ["pulse", "notes"]}'

LIMIT_FILES = "unset COVERAGE_PROCESS_CONFIG; ulimit -f"
"""Limits the size of files, in blocks; where lines are covered could not be written either."""


class Shell:
    """Runs the command in a directory, with the credentials in the environment."""

    def __init__(self, endpoint: str, directory: Path) -> None:
        self.directory = directory
        self.environment = {**os.environ, "PRYV_API_ENDPOINT": endpoint, "HOME": str(directory)}
        self.environment.pop("PYTHONUNBUFFERED", None)

    def start(self, *arguments: str, before: str = "", stderr: int = subprocess.PIPE) -> "subprocess.Popen[str]":
        """Starts the command, once the shell has done something else."""
        command = shlex.join([sys.executable, "-m", "pryv_monitor.cli", *arguments])
        return subprocess.Popen(
            ["sh", "-c", f"{before}\nexec {command}"],
            cwd=self.directory,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        )

    def run(self, *arguments: str, before: str = "") -> tuple[int, str, str]:
        with self.start(*arguments, before=before) as process:
            out, err = process.communicate(timeout=60)
        return process.returncode, out, err

    def run_on_terminal(self, *arguments: str, code: int = 0) -> str:
        """Runs the command with standard error on a terminal; returns what is written there."""
        terminal, its_end = os.openpty()
        with self.start(*arguments, stderr=its_end) as process:
            os.close(its_end)
            written = b""
            with contextlib.suppress(OSError):  # the other end is closed
                while piece := os.read(terminal, 1000):
                    written += piece
        os.close(terminal)
        assert process.returncode == code
        return written.decode()


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


@pytest.mark.skipif(os.name == "nt", reason="needs pseudo-terminals")
def test_progress_on_a_terminal(subject: Subject, shell: Shell) -> None:
    subject.add(50)
    shown = shell.run_on_terminal("sync", "--mirror", "copy.db", "--scope", SCOPE)
    progress, summary = shown.split("\r\x1b[K")
    assert re.fullmatch(r"(\r\d+ changes)+", progress)
    assert re.fullmatch(r"50 events, 0 deletions, streams in \d+\.\d s\r\n", summary)
    subject.add(50)
    assert shell.run_on_terminal("sync", "--mirror", "copy.db", "--scope", SCOPE, "--quiet") == ""


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
    assert abs(datetime.fromisoformat(status["lastPass"]).timestamp() - time.time()) < 60
    assert -5 < status["lag"] < 60
    assert str(subject.connection.token) not in (shell.directory / "anchor").read_text()


def run_on_output_terminal(shell: Shell, *arguments: str) -> str:
    """Runs the command with standard output on a terminal; returns what is written there."""
    terminal, its_end = os.openpty()
    command = [sys.executable, "-m", "pryv_monitor.cli", *arguments]
    subprocess.run(command, cwd=shell.directory, env=shell.environment, stdout=its_end, check=True, timeout=60)
    os.close(its_end)
    written = os.read(terminal, 10_000).decode()
    os.close(terminal)
    return written


@pytest.mark.skipif(os.name == "nt", reason="needs pseudo-terminals")
def test_status_is_for_people_on_a_terminal(subject: Subject, shell: Shell) -> None:
    subject.add(3)
    shell.run("sync", "--mirror", "copy.db", "--scope", SCOPE)
    shown = run_on_output_terminal(shell, "status", "copy.db").replace("\r\n", "\n")
    expected = (
        r"copy\.db: mirror\n  last complete pass: \d{4}-\d\d-\d\d \d\d:\d\d:\d\d \S+, \d+ s ago\n"
        r"  up to date as of:   \d+ s ago\n  events: 3\n  deletions: 0\n  streams: \d+\n"
    )
    assert re.fullmatch(expected, shown), shown


def test_a_copy_that_is_late_is_an_error(sandbox: Sandbox, subject: Subject, shell: Shell) -> None:
    def status(file: str, max_lag: float) -> tuple[int, bool, str]:
        code, out, err = shell.run("status", file, "--max-lag", str(max_lag))
        return code, bool(out), err

    for target in (("--mirror", "copy.db"), ("--anchor", "anchor", "--jsonl")):
        file = target[1]
        assert shell.run("status", file, "--max-lag", "5")[0] == 1, "there is none"
        sandbox.faults.cut(after_bytes=5, path=EVENTS)
        assert shell.run("sync", *target, "--error-tolerance", "0")[0] != 0
        sandbox.faults.clear()
        code, has_output, err = status(file, 1e9)
        assert (code, has_output) == (1, True)
        assert "no pass was complete yet" in err
        assert shell.run("sync", *target, "--quiet")[0] == 0
        assert status(file, 3600) == (0, True, "")
        code, has_output, err = status(file, 0)
        assert (code, has_output) == (1, True)
        assert "more than 0 s" in err


def test_a_copy_of_the_future_is_an_error(shell: Shell) -> None:
    """The clock was ahead during the last pass: how old the copy is, is unknown until it has passed that time."""
    for ahead, expected in ((30, 0), (30 * 86_400, 1)):
        begun = time.time() + ahead
        store = FileAnchorStore(shell.directory / "anchor")
        with store.lock():
            save(store, Anchor("scope", begun, begun=begun, synced=begun))
        code, out, err = shell.run("status", "anchor", "--max-lag", "3600")
        assert (code, bool(out)) == (expected, True)
        assert ("the clock was set back" in err) == bool(expected)


def test_a_mirror_that_was_never_written_is_late(shell: Shell) -> None:
    with SQLiteMirror(shell.directory / "copy.db").lock():
        pass
    code, out, err = shell.run("status", "copy.db", "--max-lag", "1e9")
    assert (code, out) == (1, "")
    assert "no pass was complete yet" in err
    assert shell.run("status", "copy.db")[0] == 2


def test_reset_starts_over(subject: Subject, shell: Shell) -> None:
    subject.add(2)
    for target in (("--mirror", "copy.db"), ("--anchor", "anchor", "--jsonl")):
        path = shell.directory / target[1]
        assert shell.run("sync", *target, "--scope", SCOPE, "--quiet")[0] == 0
        store = SQLiteMirror(path) if target[0] == "--mirror" else FileAnchorStore(path)
        with store.lock():
            code, _, err = shell.run("reset", target[1])
            assert (code, len(err.splitlines())) == (75, 1)
        assert path.exists()
        assert shell.run("reset", target[1]) == (0, "", "")
        assert not path.exists()
        assert shell.run("reset", target[1])[0] == 1
        assert "2 events" in shell.run("sync", *target, "--scope", SCOPE)[2]


def test_reset_removes_what_is_damaged(subject: Subject, shell: Shell) -> None:
    for target in (("--mirror", "copy.db"), ("--anchor", "anchor", "--jsonl")):
        path = shell.directory / target[1]
        shell.run("sync", *target)
        content = path.read_bytes()
        path.write_bytes(content[: len(content) // 2])
        assert shell.run("sync", *target)[0] == 1
        assert shell.run("reset", target[1]) == (0, "", "")
        assert not path.exists()


def test_reset_refuses_what_is_neither_mirror_nor_anchor(shell: Shell) -> None:
    bookmarks = shell.directory / "bookmarks"
    with contextlib.closing(sqlite3.connect(bookmarks)) as db:
        db.execute("CREATE TABLE bookmarks (url TEXT)")
    (shell.directory / "text").write_text("thesis")
    (shell.directory / "empty").touch()
    (shell.directory / "directory").mkdir()
    before = sorted(shell.directory.iterdir())
    for name in ("bookmarks", "text", "empty", "directory", "nothing"):
        code, _, err = shell.run("reset", name)
        assert (code, len(err.splitlines())) == (1, 1)
        assert name in err
    assert [path for path in sorted(shell.directory.iterdir()) if path.suffix != ".lock"] == before


def test_a_backup_is_one_file_that_is_a_mirror(subject: Subject, shell: Shell) -> None:
    subject.add(20)
    shell.run("sync", "--mirror", "copy.db", "--scope", SCOPE)
    directory = shell.directory / "backups"
    directory.mkdir()
    target = directory / "one.db"
    target.write_text("something else")
    target.chmod(0o644)
    for suffix in ("-wal", "-shm", "-journal"):
        Path(f"{target}{suffix}").write_bytes(b"of something else")
    with SQLiteMirror(shell.directory / "copy.db").lock():  # a monitor is at work
        assert shell.run("backup", "copy.db", "backups/one.db") == (0, "", "")
    assert [path.name for path in directory.iterdir()] == ["one.db"]
    assert target.stat().st_mode & 0o777 == 0o600
    assert target.read_bytes()[18:20] == b"\1\1", (
        "reading it needs no write-ahead log: https://sqlite.org/fileformat.html"
    )
    subject.assert_mirrored(SQLiteMirror(target), json.loads(SCOPE))
    subject.add(1)
    code, _, err = shell.run("sync", "--mirror", "backups/one.db", "--scope", SCOPE)
    assert (code, err.split(",")[0]) == (0, "1 events")


def test_a_backup_is_refused_where_there_is_nothing_to_copy_or_nowhere_to(subject: Subject, shell: Shell) -> None:
    shell.run("sync", "--mirror", "copy.db", "--scope", SCOPE)
    shell.run("sync", "--anchor", "anchor", "--jsonl", "--scope", SCOPE)
    (shell.directory / "link.db").symlink_to("copy.db")
    (shell.directory / "directory").mkdir()
    for file, destination, code in (
        ("nothing.db", "backup.db", 1),
        ("anchor", "backup.db", 1),
        ("copy.db", "copy.db", 2),
        ("copy.db", "link.db", 2),
        ("copy.db", "directory", 1),
        ("copy.db", "elsewhere/backup.db", 1),
    ):
        found, _, err = shell.run("backup", file, destination)
        assert (found, len(err.splitlines())) == (code, 1), err
    assert not (shell.directory / "backup.db").exists()
    subject.assert_mirrored(SQLiteMirror(shell.directory / "copy.db"), json.loads(SCOPE))


@pytest.mark.skipif(os.name == "nt", reason="needs ulimit")
def test_a_backup_to_a_full_disk_leaves_the_last_one(subject: Subject, shell: Shell) -> None:
    subject.add(1500)
    shell.run("sync", "--mirror", "copy.db", "--scope", SCOPE)
    (shell.directory / "backup.db").write_text("the last one")
    before = sorted(shell.directory.iterdir())
    code, _, err = shell.run("backup", "copy.db", "backup.db", before="trap '' XFSZ; ulimit -f 100")
    assert code == 1
    assert "backup.db" in err
    assert (shell.directory / "backup.db").read_text() == "the last one"
    assert sorted(shell.directory.iterdir()) == before


def test_lines_are_on_the_disk_before_the_anchor(
    subject: Subject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    subject.add(2)
    flushed: list[tuple[int, int]] = []
    out, fsync = tmp_path / "changes.jsonl", os.fsync

    def noted(descriptor: int) -> None:
        fsync(descriptor)
        flushed.append((os.fstat(descriptor).st_ino, out.read_text().count("\n")))

    monkeypatch.setattr(os, "fsync", noted)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    command = ["sync", "--endpoint", subject.connection.api_endpoint, "--anchor", str(tmp_path / "anchor")]
    with out.open("w") as file, contextlib.redirect_stdout(file):
        assert cli.main([*command, "--jsonl", "--quiet", "--scope", SCOPE]) == 0
    number = out.stat().st_ino
    written = [(inode == number, lines) for inode, lines in flushed]
    anchor_saved = [index for index, (is_output, lines) in enumerate(written) if lines == 3 and not is_output]
    assert (True, 3) in written[: anchor_saved[0]]


def test_lines_that_do_not_reach_the_disk_are_not_committed(
    subject: Subject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out, fsync = tmp_path / "changes.jsonl", os.fsync

    def fail(descriptor: int) -> None:
        if out.exists() and os.fstat(descriptor).st_ino == out.stat().st_ino:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", fail)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    store = FileAnchorStore(tmp_path / "anchor")
    command = ["sync", "--endpoint", subject.connection.api_endpoint, "--anchor", str(store.path), "--jsonl"]
    with out.open("w") as file, contextlib.redirect_stdout(file):
        assert cli.main(command) == 1
    assert "Input/output error; the pass is not committed" in capsys.readouterr().err
    assert is_untouched(store)


def test_credentials_of_another_access(subject: Subject, shell: Shell) -> None:
    subject.add(2)
    assert shell.run("sync", "--mirror", "copy.db", "--quiet") == (0, "", "")
    access = {"name": "Another", "permissions": [{"streamId": "*", "level": "read"}]}
    token = subject.connection.api_one("accesses.create", access, "access")["token"]
    endpoint = subject.connection.api_endpoint.replace(str(subject.connection.token), token)
    shell.environment["PRYV_API_ENDPOINT"] = endpoint
    code, _, err = shell.run("sync", "--mirror", "copy.db", "--quiet")
    assert (code, len(err.splitlines())) == (1, 1)
    assert "another access to this account" in err
    assert "pryv-monitor sync --adopt" in err
    assert shell.run("sync", "--mirror", "copy.db", "--quiet", "--adopt") == (0, "", "")
    assert shell.run("sync", "--mirror", "copy.db", "--quiet") == (0, "", "")


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("sync",),
        ("sync", "--anchor", "a"),
        ("sync", "--anchor", "a", "--jsonl", "--mirror", "m"),
        ("sync", "--mirror", ""),
        ("status", ""),
        ("sync", "--mirror", "m", "--scope", "[]"),
        ("sync", "--mirror", "m", "--scope", "[" * 100_000),
        ("sync", "--mirror", "m", "--scope", '{"limit": 1}'),
        ("sync", "--mirror", "m", "--scope", '{"fromTime": "2024-01-01"}'),
        ("sync", "--mirror", "m", "--overlap", "-1"),
        ("watch", "--mirror", "m", "--every", "x"),
        ("watch", "--mirror", "m", "--every", "inf"),
        ("watch", "--mirror", "m", "--every", "0"),
        ("status",),
    ],
)
def test_usage_errors(arguments: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PRYV_API_ENDPOINT", "http://token@127.0.0.1:1/alice/")
    assert exit_code(cli.main, arguments) == 2
    assert list(tmp_path.iterdir()) == []


def test_a_platform_out_of_reach(sandbox: Sandbox, shell: Shell) -> None:
    sync = ("sync", "--mirror", "copy.db", "--error-tolerance", "0")
    with sandbox.faults.refuse():
        assert shell.run(*sync)[0] == 69
    sandbox.faults.status(503, times=3, path=STREAMS)
    assert shell.run(*sync)[0] == 75
    assert shell.run(*sync)[0] == 0


def test_a_token_that_is_refused(subject: Subject, shell: Shell) -> None:
    token = str(subject.connection.token)
    shell.environment["PRYV_API_ENDPOINT"] = subject.connection.api_endpoint.replace(token, token[::-1])
    code, out, err = shell.run("sync", "--mirror", "copy.db")
    assert code == 77
    assert token[::-1] not in out + err
    assert len(err.splitlines()) == 1


def test_the_error_that_ends_a_watch_is_printed_once(subject: Subject, shell: Shell) -> None:
    token = str(subject.connection.token)
    shell.environment["PRYV_API_ENDPOINT"] = subject.connection.api_endpoint.replace(token, token[::-1])
    code, _, err = shell.run("watch", "--mirror", "copy.db", "--every", "60")
    assert (code, len(err.splitlines())) == (77, 1)
    with SQLiteMirror(shell.directory / "copy.db").lock():
        code, _, err = shell.run("watch", "--mirror", "copy.db", "--every", "60")
    assert (code, len(err.splitlines())) == (75, 1)


def test_a_file_that_another_process_uses(shell: Shell) -> None:
    with SQLiteMirror(shell.directory / "copy.db").lock():
        code, _, err = shell.run("sync", "--mirror", "copy.db")
    assert code == 75
    assert "another" in err


def test_two_at_once_take_turns(subject: Subject, shell: Shell) -> None:
    subject.add(200)
    arguments = ("sync", "--mirror", "copy.db", "--scope", SCOPE, "--wait", "60")
    with shell.start(*arguments) as one, shell.start(*arguments) as other:
        said = [process.communicate(timeout=60)[1] for process in (one, other)]
    assert (one.returncode, other.returncode) == (0, 0)
    assert sorted(text.split(" events")[0] for text in said) == ["0", "200"]
    subject.assert_mirrored(SQLiteMirror(shell.directory / "copy.db"), json.loads(SCOPE))


@pytest.mark.parametrize(("target", "limit"), [(("--mirror", "copy.db"), 500), (("--anchor", "anchor", "--jsonl"), 0)])
def test_a_full_disk(target: tuple[str, ...], limit: int, subject: Subject, shell: Shell) -> None:
    subject.add(1500)
    arguments = ("sync", *target, "--scope", SCOPE)
    code, _, err = shell.run(*arguments, before=f"{LIMIT_FILES} {limit}")
    assert code == 1
    assert len(err.splitlines()) == 1
    code, _, err = shell.run(*arguments)
    assert code == 0
    assert err.startswith("1,500 events")
    if "--mirror" in target:
        subject.assert_mirrored(SQLiteMirror(shell.directory / "copy.db"), json.loads(SCOPE))


@pytest.mark.skipif(os.name == "nt", reason="needs a limit on the size of files")
def test_lines_that_are_appended_are_whole(subject: Subject, shell: Shell) -> None:
    events = subject.add(300)
    arguments = ("sync", "--anchor", "anchor", "--jsonl", "--scope", SCOPE, "--quiet")
    code, _, err = shell.run(*arguments, before=f"{LIMIT_FILES} 20; exec >> changes.jsonl")
    assert (code, err) == (1, "pryv-monitor: standard output: File too large; the pass is not committed\n")
    file = shell.directory / "changes.jsonl"
    changes = [json.loads(line) for line in file.read_text().splitlines()]
    assert file.read_bytes().endswith(b"\n")
    assert 10 < len(changes) < 300
    with file.open("a") as half:
        half.write('{"kind": "ev')  # a process was killed
    assert shell.run(*arguments, before="exec >> changes.jsonl") == (0, "", "")
    lines = file.read_text().splitlines()
    assert lines[len(changes)] == '{"kind": "ev'
    again = [json.loads(line) for line in lines[len(changes) + 1 :]]
    assert [change["data"] for change in again if change["kind"] == "event"] == events


@pytest.mark.skipif(os.name == "nt", reason="needs pipes with names")
@pytest.mark.parametrize("kind", ["pipe", "directory", "device"])
def test_paths_that_are_not_files_are_refused_at_once(kind: str, shell: Shell) -> None:
    path = shell.directory / "kept"
    if kind == "directory":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to("/dev/null")
    for command in (("status", "kept"), ("sync", "--mirror", "kept"), ("sync", "--anchor", "kept", "--jsonl")):
        code, out, err = shell.run(*command)
        assert (code, out) == (1, "")
        assert err.startswith("pryv-monitor: ")
        assert err.endswith(f"kept: a {kind}, where a file is needed\n")


@pytest.mark.parametrize("name", [":memory:", "file:copy.db"])
def test_names_that_are_not_files_are_usage_errors(name: str, shell: Shell) -> None:
    code, _, err = shell.run("sync", "--mirror", name)
    assert code == 2
    assert "a mirror needs the path of a file" in err


def test_an_empty_file_has_no_status(shell: Shell) -> None:
    (shell.directory / "copy.db").touch()
    code, _, err = shell.run("status", "copy.db")
    assert (code, err) == (2, "pryv-monitor: copy.db: nothing was synchronized yet\n")


def test_files_that_cannot_be_used(shell: Shell) -> None:
    assert shell.run("status", "missing")[0] == 1
    assert shell.run("sync", "--mirror", "copy.db", "--scope", SCOPE)[0] == 0
    code, _, err = shell.run("sync", "--mirror", "copy.db")
    assert code == 1
    assert "copy.db: the anchor belongs to another scope" in err
    assert "pryv-monitor reset copy.db" in err
    assert "--adopt" not in err
    (shell.directory / "anchor").write_text("{}")
    for command in (("status", "anchor"), ("sync", "--anchor", "anchor", "--jsonl")):
        code, _, err = shell.run(*command)
        assert code == 1
        assert "damaged" in err


def test_credentials(subject: Subject, shell: Shell) -> None:
    endpoint = shell.environment.pop("PRYV_API_ENDPOINT")
    sync = ("sync", "--mirror", "copy.db", "--scope", SCOPE)
    assert shell.run(*sync)[0] == 2
    assert shell.run(*sync, "--endpoint", endpoint)[0] == 0
    shell.environment |= {
        "XDG_CONFIG_HOME": str(shell.directory),
        "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
    }
    store = FileStore(shell.directory / "pryv")
    store.save("command-line", AuthorizationData(apiEndpoint=endpoint, username=subject.connection.username()))
    assert shell.run(*sync)[0] == 0


@pytest.mark.parametrize("command", ["sync", "watch"])
def test_a_closed_pipe_ends_the_command_without_a_commit(command: str, subject: Subject, shell: Shell) -> None:
    subject.add(1)
    arguments = ("--anchor", "anchor", "--jsonl", "--scope", SCOPE)
    with shell.start(command, *arguments) as process:
        assert process.stdout is not None
        process.stdout.close()
        process.wait(30)
        assert process.stderr is not None
        said = process.stderr.read()
    assert (process.returncode, said) == (1, "pryv-monitor: standard output: Broken pipe; the pass is not committed\n")
    assert len(shell.run("sync", *arguments)[1].splitlines()) == 2


@pytest.mark.skipif(os.name == "nt", reason="needs a shell")
def test_standard_streams_may_be_closed(subject: Subject, shell: Shell) -> None:
    subject.add(1)
    lines = ("sync", "--anchor", "anchor", "--jsonl", "--scope", SCOPE)
    code, _, err = shell.run(*lines, before="exec >&-")
    assert (code, err) == (1, "pryv-monitor: standard output: Bad file descriptor; the pass is not committed\n")
    code, out, err = shell.run(*lines, before="exec 2>&-")
    assert (code, len(out.splitlines()), err) == (0, 2, "")
    assert shell.run("sync", "--mirror", "copy.db", before="exec >&- 2>&-") == (0, "", "")
    assert shell.run("sync", "--mirror", "copy.db", "--scope", SCOPE, before="exec 2>&-") == (1, "", "")


def test_termination_leaves_the_pass_uncommitted(sandbox: Sandbox, subject: Subject, shell: Shell) -> None:
    subject.add(5)
    shell.run("sync", "--mirror", "copy.db")
    mirror = SQLiteMirror(shell.directory / "copy.db")
    before = mirror.load()
    subject.add(5)
    sandbox.faults.stall(path=EVENTS)
    with shell.start("sync", "--mirror", "copy.db") as process:
        wait_for(lambda: not sandbox.faults.armed)
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=10)
    assert process.returncode == 75
    assert "Traceback" not in err
    assert mirror.load() == before
    assert shell.run("sync", "--mirror", "copy.db", "--quiet")[0] == 0
    subject.assert_mirrored(mirror)


def test_termination_ends_a_watch_in_the_middle_of_a_pass(sandbox: Sandbox, subject: Subject, shell: Shell) -> None:
    subject.add(5)
    sandbox.faults.stall(path=EVENTS)
    with shell.start("watch", "--mirror", "copy.db", "--every", "60") as process:
        wait_for(lambda: not sandbox.faults.armed)
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=10)
    assert (process.returncode, err) == (0, "")
    assert is_untouched(SQLiteMirror(shell.directory / "copy.db"))


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


def test_watch_writes_lines(subject: Subject, shell: Shell) -> None:
    with shell.start("watch", "--anchor", "anchor", "--jsonl", "--scope", SCOPE, "--quiet") as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["kind"] == "streams"
        for _ in range(3):
            (event,) = subject.add(1)
            assert json.loads(process.stdout.readline()) == {"kind": "event", "data": event}
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=10)
    assert (process.returncode, out, err) == (0, "", "")


def test_a_terminal_shows_retries_and_their_end(tmp_path: Path) -> None:
    with socket.socket() as refused:
        refused.bind(("127.0.0.1", 0))  # without `listen`
        shell = Shell(f"http://token@127.0.0.1:{refused.getsockname()[1]}/alice/", tmp_path)
        seen = shell.run_on_terminal("sync", "--mirror", "m.db", "--error-tolerance", "2", code=69)
        quiet = shell.run_on_terminal("sync", "--mirror", "m.db", "--error-tolerance", "0.5", "--quiet", code=69)
    told = [line for line in re.split(r"[\r\n]+|\x1b\[K", seen) if line]
    assert len(told) >= 3
    assert all(re.search(r"no connection to .*; trying again for up to [12] s$", line) for line in told[:-2])
    assert told[-2] == "pryv-monitor: giving up"
    assert re.search(r"no connection to", told[-1])
    assert "trying" not in quiet
    assert "giving up" not in quiet
