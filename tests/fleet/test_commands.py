"""The command `pryv-fleet`."""

import io
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
from tests.accounts import Account
from tests.fleet.persons import access_to, contents, note
from tests.waiting import wait_for

from pryv_fleet import Fleet, generate_key
from pryv_fleet.cli import main
from pryv_fleet.secrets import TokenCipher
from pryv_sandbox import Sandbox

Run = Callable[..., int]


@pytest.fixture
def command(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command on the fleet, in this process."""
    monkeypatch.setenv("PRYV_FLEET_DSN", fleet._database._dsn)
    return lambda *arguments: main(arguments)


def started(*arguments: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "pryv_fleet", *arguments]
    return subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_accounts_are_added_passed_and_shown(
    fleet: Fleet,
    command: Run,
    new_account: Callable[[], Account],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one, two = new_account(), new_account()
    file = tmp_path / "endpoints"
    file.write_text(f"# two persons\n{access_to(one)}\n\nperson 2 {access_to(two)}\n")
    assert command("init") == 0
    assert command("add", str(file)) == 0
    assert [account.name for account in fleet.accounts()] == [one[0], "person 2"]
    note(one[2], "noted")
    assert command("sync", "--due") == 0
    assert "2 accounts passed, 2 changed" in capsys.readouterr().err
    assert contents(fleet, one[0]) == ["noted"]
    assert command("sync") == 0
    assert command("sync", one[0], "--full") == 0
    assert "0 events, 0 deletions" in capsys.readouterr().err
    assert command("status") == 0
    status = json.loads(capsys.readouterr().out)
    assert (status["accounts"], status["states"]["active"], status["platforms"][0]["accounts"]) == (2, 2, 2)
    assert command("status", "--state", "active") == 0
    assert [account["name"] for account in json.loads(capsys.readouterr().out)] == [one[0], "person 2"]
    assert command("status", "--max-lag", "600") == 0
    fleet._database.execute("UPDATE {schema}.accounts SET synced = now() - interval '1 hour'")
    assert command("status", "--max-lag", "600") == 1
    assert "oldest pass began 3600 s ago" in capsys.readouterr().err


def test_a_status_is_read_by_people_on_a_terminal(
    fleet: Fleet, command: Run, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    fleet.add("https://token@alice.pryv.me/")
    fleet._database.execute("UPDATE {schema}.platforms SET not_before = now() + interval '1 hour'")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    assert command("status") == 0
    printed = capsys.readouterr().out
    assert "accounts   1 (1 active)" in printed
    assert "platform   https://pryv.me/: 1 accounts, not before 2" in printed
    assert command("status", "--state", "active") == 0
    assert "alice  active" in capsys.readouterr().out


def test_a_file_of_accounts_may_be_written_by_any_editor(
    fleet: Fleet, command: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "endpoints"
    file.write_text(
        "\ufeffhttps://token@alice.pryv.me/\r\n  # a comment\r\n\r\nperson 2\thttps://token@p2.pryv.me/\r\n",
        encoding="utf-8",
    )
    assert command("add", str(file), "--scope", '{"streams": ["diary"]}', "--interval", "60") == 0
    found = [(account.name, account.scope, account.interval) for account in fleet.accounts()]
    assert found == [(name, {"streams": ["diary"]}, 60) for name in ("alice", "person 2")]
    assert command("resume", "alice", "--scope", "{}", "--interval", "30") == 0
    assert (fleet.account("alice").scope, fleet.account("alice").interval) == ({}, 30)
    with file.open("a") as lines:
        lines.write("person 3 https://secret@ host/\n")
    capsys.readouterr()
    assert command("add", str(file)) == 2
    printed = capsys.readouterr().err
    assert "line 5: " in printed
    assert "secret" not in printed
    with pytest.raises(SystemExit):
        command("resume", "alice", "--scope", "[]")


def test_accounts_of_standard_input_are_read_like_those_of_a_file(
    fleet: Fleet, command: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = io.BytesIO("\ufeffZoë https://token@zoe.pryv.me/\n".encode())
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(lines, encoding="ascii"))
    assert command("add") == 0
    assert [account.name for account in fleet.accounts()] == ["Zoë"]
    monkeypatch.setattr("sys.stdin", None)  # as Python does if it is closed
    assert command("add") == 1
    assert "standard input" in capsys.readouterr().err
    assert command("forget", "Zoë") == 0


def test_metrics_need_prometheus_client(
    command: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    assert command("run", "--metrics", "0") == 1
    assert 'pip install "pryv-fleet[prometheus]"' in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("run", "--interval", "soon"), "'soon' is not a number of seconds"),
        (("run", "--interval", "nan"), "'nan' is not a number of seconds"),
        (("run", "--threads", "1e3"), "'1e3' is not a number above 0"),
        (("run", "--metrics", "99999"), "'99999' is not a port"),
        (("webhooks", "https://host/", "--listen", "host"), "'host' is not a port"),
    ],
)
def test_numbers_are_checked(
    arguments: tuple[str, ...], message: str, command: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        command(*arguments)
    assert message in capsys.readouterr().err


def test_a_view_is_made(fleet: Fleet, command: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert command("view", "mass/kg") == 0
    assert capsys.readouterr().out == "mass_kg\n"
    assert command("view", "mass") == 2


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_operators_commands(
    fleet: Fleet, command: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    fleet.add("https://token@alice.pryv.me/")
    for name, state in (("pause", "paused"), ("resume", "active"), ("wake", "active")):
        assert command(name, "alice") == 0
        assert fleet.account("alice").state == state
    file = tmp_path / "endpoint"
    file.write_text("https://new@alice.pryv.me/\n")
    assert command("resume", "alice", "--endpoint-file", str(file)) == 0
    claim = fleet._leases.claim_one("alice")
    assert claim
    assert fleet._passes._token(claim) == "new"
    assert command("rotate") == 0
    assert "1 tokens" in capsys.readouterr().err
    for typed, arguments in (("alice", []), ("", ["--yes"])):
        monkeypatch.setattr("sys.stdin", Terminal("bob\n"))
        assert command("forget", "alice") == 1
        monkeypatch.setattr("sys.stdin", Terminal(typed))
        assert command("forget", "alice", *arguments) == 0
        assert list(fleet.accounts()) == []
        fleet.add("https://token@alice.pryv.me/")
    monkeypatch.setattr("sys.stdin", io.StringIO())
    assert command("forget", "alice") == 0
    assert list(fleet.accounts()) == []
    capsys.readouterr()
    assert command("key") == 0
    TokenCipher([capsys.readouterr().out.strip()]).encrypt("token")


def test_exit_codes(
    fleet: Fleet,
    command: Run,
    new_account: Callable[[], Account],
    sandbox: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    account = new_account()
    endpoint = access_to(account)
    fleet.add(endpoint)
    assert command("sync", "nobody") == 1
    sandbox.faults.status(500)
    assert command("sync", account[0]) == 75
    sandbox.faults.status(403)
    for _ in range(2):
        assert command("sync", account[0]) == 77
    assert command("resume", account[0]) == 77
    fleet.resume(account[0], endpoint)
    with sandbox.faults.refuse():
        assert command("sync", account[0]) == 69
    fleet._leases.claim_one(account[0])
    assert command("sync", account[0]) == 75
    assert command("sync", "--due", "--full") == 2
    assert command("sync", "--full") == 2
    with pytest.raises(SystemExit) as usage:
        command("sync", account[0], "--due")
    assert usage.value.code == 2
    monkeypatch.setenv("PRYV_FLEET_DSN", "postgresql://user:secret@/nobody?host=/nowhere")
    monkeypatch.setattr("pryv_fleet._database._WAIT", 0.5)
    assert command("status") == 75
    monkeypatch.delenv("PRYV_FLEET_DSN")
    assert command("status") == 2
    printed = capsys.readouterr().err
    assert "set PRYV_FLEET_DSN" in printed
    assert "secret" not in printed


def test_the_connection_string_may_be_in_a_file(fleet: Fleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "dsn"
    file.write_text(f"{fleet._database._dsn}\n")
    monkeypatch.setenv("PRYV_FLEET_DSN_FILE", str(file))
    assert main(["status"]) == 0
    file.write_text("\n")
    assert main(["status"]) == 2
    monkeypatch.setenv("PRYV_FLEET_DSN_FILE", "")
    assert main(["status"]) == 2
    monkeypatch.setenv("PRYV_FLEET_DSN_FILE", str(file))
    file.unlink()
    assert main(["status"]) == 1


def test_run_ends_when_terminated_and_serves_metrics(
    fleet: Fleet, command: Run, new_account: Callable[[], Account]
) -> None:
    account = new_account()
    fleet.add(access_to(account))
    port = free_port()
    with started("run", "--interval", "1", "--metrics", str(port)) as running:
        wait_for(lambda: fleet.account(account[0]).synced)
        text = requests.get(f"http://127.0.0.1:{port}/metrics", timeout=10).text
        assert "pryv_fleet_accounts" in text
        running.send_signal(signal.SIGTERM)
        assert running.wait(20) == 0


def test_run_says_that_it_waits_for_postgresql(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRYV_FLEET_DSN", "postgresql://user:secret@127.0.0.1:1/fleet?connect_timeout=1")
    monkeypatch.setenv("PRYV_FLEET_KEY", generate_key())
    program = "from pryv_fleet import _database, cli; _database._WAIT = 0.1; raise SystemExit(cli.main(['run']))"
    with subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.PIPE, text=True) as running:
        assert running.stderr
        line = running.stderr.readline()
        running.terminate()
        rest = running.stderr.read()
    assert re.match("pryv-fleet: PostgreSQL: .*Connection refused.*; trying again", line)
    assert "secret" not in line + rest
    assert running.returncode == 0


def free_port() -> int:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def test_webhooks_are_received(
    fleet: Fleet, command: Run, new_account: Callable[[], Account], capsys: pytest.CaptureFixture[str]
) -> None:
    account = new_account()
    fleet.add(access_to(account), interval=3600)
    fleet.sync_due()
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with started("webhooks", url, "--listen", f"127.0.0.1:{port}") as running:
        assert running.stderr
        assert "listening" in running.stderr.readline()
        assert "1 webhooks registered, 0 failed" in running.stderr.readline()
        note(account[2], "news")
        wait_for(lambda: fleet.status().due == 1)
        running.send_signal(signal.SIGTERM)
        assert running.wait(20) == 0
    fleet.add("https://token@nowhere.invalid/", name="broken")
    assert command("webhooks", url) == 1
    assert "broken: " in capsys.readouterr().err


def test_exports_continue(
    fleet: Fleet, command: Run, new_account: Callable[[], Account], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    account = new_account()
    fleet.add(access_to(account))
    fleet.sync_due()
    counts: list[Any] = []
    for index in range(3):
        assert command("export", str(tmp_path), *(["--incremental"] if index else [])) == 0
        counts.append(capsys.readouterr().err.split()[1])
        note(account[2], "more")
        fleet.sync(account[0])
    assert counts[1:] == ["1", "1"]
    assert os.stat(next(tmp_path.glob("events-*.parquet"))).st_mode & 0o777 == 0o600


def test_a_psycopg_without_libpq_says_how_to_get_it() -> None:
    environment = os.environ | {"PRYV_FLEET_DSN": "dbname=x", "PRYV_FLEET_KEY": generate_key(), "PSYCOPG_IMPL": "c"}
    command = [sys.executable, "-m", "pryv_fleet", "status"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert 'pip install "psycopg[binary]"' in done.stderr
