"""The command `pryv-backup`."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest
from tests.accounts import Account
from tests.backup.content import comparable, platform_events
from tests.commands import exit_code
from tests.waiting import wait_for

from pryv import Connection
from pryv_backup import backup, cli, read
from pryv_sandbox import Sandbox

NOTE: dict[str, Any] = {"streamIds": ["diary"], "type": "note/txt", "content": "A note."}


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    handler = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(signal, "signal", lambda *_: handler)


main = partial(exit_code, cli.main)


def test_a_run_a_verification_and_a_restore(
    account: Connection, new_account: Callable[[], Account], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    account.create_event_with_files(NOTE, [("a", b"A")])
    assert main(["run", str(folder), "--endpoint", account.api_endpoint]) == 0
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "1 attachments" in printed.err
    assert main(["verify", str(folder)]) == 0
    assert capsys.readouterr() == ("", "")
    other = new_account()[2]
    assert main(["restore", str(folder), "--endpoint", other.api_endpoint]) == 0
    printed = capsys.readouterr()
    assert "2 streams and events created" in printed.err
    assert "not restored: the account, accesses" in printed.err
    assert main(["restore", str(folder), "--endpoint", other.api_endpoint, "--quiet"]) == 0
    assert main(["run", str(folder), "--endpoint", account.api_endpoint, "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")


def test_damage_is_named_and_not_restored(
    account: Connection, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    backup(account, folder)
    (folder / "streams.json").write_text("{}")
    (folder / "account.json").unlink()
    (folder / "other.txt").touch()
    for command in (["verify", str(folder)], ["restore", str(folder), "--endpoint", "http://token@localhost:1/"]):
        assert main(command) == 1
        findings, _, advice = capsys.readouterr().err.partition("pryv-backup: ")
        assert findings == "changed: streams.json\nmissing: account.json\nnot in the manifest: other.txt\n"
        assert ("for the rest, move manifest.json" in advice) == (command[0] == "restore")


def test_a_backup_without_a_manifest_is_restored_with_a_warning(
    account: Connection, new_account: Callable[[], Account], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    account.events.create(NOTE)
    backup(account, folder)
    (folder / "manifest.json").unlink()
    arguments = ["restore", str(folder), "--endpoint", new_account()[2].api_endpoint, "--quiet"]
    assert main(arguments) == 0
    assert capsys.readouterr().err == "pryv-backup: there is no manifest.json: the backup is not verified\n"
    (folder / "manifest.json").write_text("{")
    assert main(arguments) == 1
    assert main(["verify", str(folder)]) == 1


def test_exit_codes(account: Connection, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", str(folder), "--endpoint", "http://token@localhost:1/", "--error-tolerance", "0"]) == 69
    assert main(["run", str(folder), "--endpoint", account.api_endpoint.replace("://", "://x")]) == 77
    assert main(["run", "", "--endpoint", account.api_endpoint]) == 2
    assert main(["run", str(folder), "--error-tolerance", "-1"]) == 2
    assert main(["run", str(Path(__file__).parent), "--endpoint", account.api_endpoint]) == 1
    assert main(["verify", str(tmp_path)]) == 1
    assert main(["export", str(tmp_path), "--csv", "-"]) == 1
    assert "TOKEN" not in capsys.readouterr().err


def test_a_failure_of_one_file_ends_with_1(
    account: Connection, folder: Path, sandbox: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    event = account.create_event_with_files(NOTE, [("a", b"A"), ("b", b"B")])["event"]
    sandbox.faults.status(404, path=f"/events/{event['id']}/{event['attachments'][0]['id']}")
    assert main(["run", str(folder), "--endpoint", account.api_endpoint]) == 1
    assert f"attachment {event['id']}/{event['attachments'][0]['id']}: " in capsys.readouterr().err
    assert main(["run", str(folder), "--endpoint", account.api_endpoint]) == 0


def test_show_in_a_pipe(full_account: Connection, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    backup(full_account, folder)
    assert main(["show", str(folder)]) == 0
    shown = json.loads(capsys.readouterr().out)
    events = list(read(folder).events())
    assert shown["events"] == len(events)
    assert shown["types"]["note/txt"] == len([event for event in events if event["type"] == "note/txt"])
    assert shown["streams"]["body"] == len([event for event in events if "body" in event["streamIds"]])
    assert (shown["first"], shown["last"]) == (-1e300, 1e300)
    assert (shown["deletions"], shown["trashed"], shown["attachments"]) == (1, 1, 6)
    sizes = {path.stat().st_ino: path.stat().st_size for path in folder.rglob("*") if path.is_file()}
    state = sum(path.stat().st_size for path in (folder / ".state").iterdir())
    assert shown["bytes"] == sum(sizes.values()) - state
    assert shown["endpoint"] == full_account.endpoint


def on_terminal(*arguments: str, **environment: str) -> str:
    """Run the command on a terminal, and return what it shows."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "pryv_backup", *arguments]
    with subprocess.Popen(command, stdout=theirs, stderr=theirs, env={**os.environ, **environment}) as process:
        os.close(theirs)
        shown = b""
        while True:
            try:
                data = os.read(ours, 4096)
            except OSError:  # the other end is closed
                break
            shown += data
            if not data:
                break
        os.close(ours)
    assert process.returncode == 0, shown
    return shown.decode()


def test_people_see_progress_and_a_table(account: Connection, folder: Path) -> None:
    account.events.create_many([NOTE] * 50)
    shown = on_terminal("run", str(folder), PRYV_API_ENDPOINT=account.api_endpoint)
    assert "\r\x1b[K" in shown
    assert "events new or changed" not in shown.partition("\r\x1b[K")[0]
    assert "5" in shown
    shown = on_terminal("show", str(folder), COLUMNS="80")
    assert "type note/txt" in shown
    assert "bytes in" in shown
    quiet = on_terminal("run", str(folder), "--quiet", PRYV_API_ENDPOINT=account.api_endpoint)
    assert quiet == ""


def test_export(full_account: Connection, folder: Path, tmp_path: Path, capsysbinary: Any) -> None:
    backup(full_account, folder)
    assert main(["export", str(folder), "--parquet", str(tmp_path / "tables")]) == 0
    table = pyarrow.parquet.read_table(tmp_path / "tables" / "events.parquet")
    assert set(table["id"].to_pylist()) == {event["id"] for event in read(folder).events()}
    assert main(["export", str(folder), "--csv", str(tmp_path / "events.csv")]) == 0
    assert main(["export", str(folder), "--csv", "-"]) == 0
    assert capsysbinary.readouterr().out.count(b"\n") >= table.num_rows
    assert main(["export", str(folder), "--csv", str(folder / "events.csv")]) == 2
    assert not (folder / "events.csv").exists()


def test_an_export_writes_to_a_pipe(account: Connection, folder: Path, tmp_path: Path) -> None:
    """It is not replaced by a file; as root, that would have been the end of /dev/null."""
    backup(account, folder)
    pipe, file = tmp_path / "pipe", tmp_path / "events.csv"
    assert main(["export", str(folder), "--csv", str(file)]) == 0
    os.mkfifo(pipe)
    with open(pipe, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as reader:
        assert main(["export", str(folder), "--csv", str(pipe)]) == 0
        assert reader.read() == file.read_bytes()
    command = [sys.executable, "-m", "pryv_backup", "export", str(folder), "--csv", "/dev/stdout"]
    assert subprocess.run(command, capture_output=True, check=True).stdout == file.read_bytes()


def test_a_terminated_run_can_be_continued(account: Connection, folder: Path, sandbox: Sandbox) -> None:
    account.events.create_many([NOTE] * 50)
    sandbox.faults.stall(path=r"/events$")
    environment = {**os.environ, "PRYV_API_ENDPOINT": account.api_endpoint}
    command = [sys.executable, "-m", "pryv_backup", "run", str(folder)]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE) as process:
        wait_for(lambda: sandbox.faults.armed == 0)
        process.terminate()
        assert process.wait(20) == 75
    backup(account, folder)
    assert comparable(read(folder).events()) == platform_events(account)
