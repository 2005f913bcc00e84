"""What surrounds the commands may be poor or broken: each does its work, or says in one line what is missing."""

import fcntl
import http.server
import json
import os
import re
import shlex
import subprocess
import sys
import termios
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.accounts import Account
from tests.waiting import wait_for

from pryv import Connection
from pryv.types import EventCreate

STRICT_C = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
TEXT = "Zürich 😀 é"
LARGE = b"0123456789abcdef" * 50_000
NO_ACCOUNT = [["pryv", "whoami"], ["pryv-monitor", "sync", "--mirror", "copy.db"]]

Done = subprocess.CompletedProcess[bytes]
Run = Callable[..., Done]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Runs a shell command with next to nothing in its environment; what it says is never a traceback."""
    directory = Path(sys.executable).parent
    home = tmp_path / "home"
    home.mkdir()

    def run(*command: str, shell: str = '"$@"', stdin: bytes = b"", **environment: str) -> Done:
        environment = {
            "HOME": str(home),
            "PATH": f"{directory}:{os.defpath}",
            "PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring",
            **environment,
        }
        done = subprocess.run(
            ["sh", "-c", shell, "sh", *command],
            input=stdin,
            env=environment,
            cwd=tmp_path,
            capture_output=True,
            check=False,
            timeout=60,
        )
        assert b"Traceback" not in done.stderr
        assert b"Error" not in done.stderr
        return done

    return run


@pytest.fixture(scope="module")
def account(module_account: Account) -> Connection:
    connection = module_account[2]
    connection.api_one("streams.create", {"id": "diary", "name": TEXT})
    return connection


@pytest.fixture
def signed_in(run: Run, account: Connection) -> Run:
    """Runs a command with the account in its environment."""
    return lambda *command, **options: run(*command, **{"PRYV_API_ENDPOINT": account.api_endpoint, **options})


# ---- the user


WITHOUT_HOME = """
import os, pwd, sys
os.environ.pop("HOME")
def getpwuid(uid): raise KeyError(uid)  # as it does for a user of a container who is in no list
pwd.getpwuid = getpwuid
from importlib.metadata import entry_points
(command,) = entry_points(group="console_scripts", name=sys.argv[1])
sys.exit(command.load()(sys.argv[2:]))
"""


@pytest.mark.parametrize("command", NO_ACCOUNT)
def test_without_a_home_directory_there_are_no_credentials(run: Run, command: list[str]) -> None:
    done = run(sys.executable, "-c", WITHOUT_HOME, *command)
    assert done.returncode == 2
    assert b"PRYV_API_ENDPOINT" in done.stderr


def login(platform_url: str) -> list[str]:
    return ["pryv", "login", platform_url, "--app-id", "an-app", "--permission", "diary:read", "--timeout", "2"]


def test_without_a_home_directory_the_user_is_not_asked(run: Run, platform_url: str) -> None:
    done = run(sys.executable, "-c", WITHOUT_HOME, *login(platform_url), "--no-browser")
    assert done.returncode == 1
    assert done.stderr == b"pryv: credentials: no home directory; set HOME or XDG_CONFIG_HOME\n"


def test_the_user_is_not_asked_if_credentials_cannot_be_stored(run: Run, platform_url: str) -> None:
    done = run(*login(platform_url), "--no-browser", XDG_CONFIG_HOME="/dev/null/not-writable")
    assert done.returncode == 1
    assert done.stderr.count(b"\n") == 1
    assert b"/dev/null/not-writable" in done.stderr


@pytest.mark.parametrize("home", ["/dev/null", "/nowhere", ""])
@pytest.mark.parametrize("command", NO_ACCOUNT)
def test_with_an_invalid_home_directory_there_are_no_credentials(run: Run, home: str, command: list[str]) -> None:
    assert run(*command, HOME=home).returncode == 2


# ---- where the account is told


@pytest.mark.parametrize("around", ["{}\n", "{}\r\n", "{}\r", "{} ", " {}", "\t{}\n\n"])
@pytest.mark.parametrize("by", ["variable", "option"])
def test_space_around_an_endpoint_is_ignored(run: Run, account: Connection, around: str, by: str) -> None:
    endpoint = around.format(account.api_endpoint)
    arguments = ["--endpoint", endpoint] if by == "option" else []
    variables = {"PRYV_API_ENDPOINT": endpoint} if by == "variable" else {}
    assert run("pryv", "whoami", *arguments, **variables).returncode == 0


def test_space_around_the_url_of_a_platform_is_ignored(run: Run, platform_url: str) -> None:
    assert run("pryv", "info", f"{platform_url}\r\n").returncode == 0


# ---- standard input, output and error


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
@pytest.mark.parametrize(
    "environment", [{}, {"PYTHONIOENCODING": "cp1252:replace"}, {"PYTHONIOENCODING": "ascii"}, STRICT_C]
)
def test_standard_input_is_read_whatever_the_locale(signed_in: Run, encoding: str, environment: dict[str, str]) -> None:
    event = json.dumps({"streamIds": ["diary"], "type": "note/txt", "content": TEXT}, ensure_ascii=False)
    done = signed_in("pryv", "call", "events.create", "-", stdin=event.encode(encoding), **environment)
    assert done.returncode == 0
    assert json.loads(done.stdout)["event"]["content"] == TEXT


def test_standard_input_that_is_not_text_is_a_usage_error(signed_in: Run) -> None:
    done = signed_in("pryv", "call", "events.create", "-", stdin=b'{"content": "\xe9"}')
    assert done.returncode == 2
    assert b"not JSON" in done.stderr


@pytest.mark.parametrize(
    ("command", "closed"),
    [
        ("pryv call events.get -", "<&-"),
        ("pryv events", ">&-"),
        ("pryv whoami", ">&-"),
        ("pryv download EVENT -", ">&-"),
        ("pryv-monitor sync --anchor ANCHOR --jsonl", ">&-"),
    ],
)
def test_a_closed_stream_is_named(
    signed_in: Run, account: Connection, tmp_path: Path, command: str, closed: str
) -> None:
    event = account.create_event_with_file_from_buffer({"streamIds": ["diary"], "type": "file/attached"}, b"a", "a")
    command = command.replace("EVENT", event["event"]["id"]).replace("ANCHOR", str(tmp_path / "anchor"))
    done = signed_in(shell=f"exec {command} {closed}")
    assert done.returncode == 1
    assert b"standard " + (b"input" if closed == "<&-" else b"output") in done.stderr
    assert done.stderr.count(b"\n") == 1


@pytest.mark.parametrize("closed", ["<&-", "2>&-", "<&- 2>&-", "2>/dev/full"])
@pytest.mark.parametrize("command", ["pryv whoami", "pryv streams", "pryv-monitor sync --mirror copy.db"])
def test_a_stream_that_is_not_needed_may_be_closed(signed_in: Run, command: str, closed: str) -> None:
    assert signed_in(shell=f"{command} {closed}").returncode == 0


@pytest.mark.parametrize("lost", ["2>&-", "2>/dev/full"])
@pytest.mark.parametrize("command", NO_ACCOUNT)
def test_the_exit_code_is_right_if_standard_error_is_closed(run: Run, command: list[str], lost: str) -> None:
    assert run(shell=f"exec {shlex.join(command)} {lost}").returncode == 2


@pytest.mark.parametrize("lost", ["2>&-", "2>/dev/full"])
def test_the_browser_is_opened_if_standard_error_is_closed(
    run: Run, platform_url: str, tmp_path: Path, lost: str
) -> None:
    command = shlex.join(login(platform_url))
    done = run(shell=f"exec {command} {lost}", BROWSER=f"touch {tmp_path}/opened %s")
    assert (done.returncode, done.stdout) == (75, b"")
    assert (tmp_path / "opened").exists()


@pytest.mark.parametrize("command", ["pryv whoami", "pryv streams", "pryv events --jsonl"])
def test_a_full_disk_is_named(signed_in: Run, command: str) -> None:
    done = signed_in(shell=f"{command} >/dev/full")
    assert (done.returncode, done.stderr) == (1, b"pryv: No space left on device\n")


@pytest.fixture
def started(account: Connection, tmp_path: Path) -> Callable[..., subprocess.Popen[bytes]]:
    """Starts a command with the account in its environment."""
    environment = {"PATH": os.defpath, "HOME": str(tmp_path), "PRYV_API_ENDPOINT": account.api_endpoint}

    def start(command: list[str], unbuffered: str = "", **streams: Any) -> subprocess.Popen[bytes]:
        program = Path(sys.executable).with_name(command[0])
        around = {**environment, "PYTHONUNBUFFERED": unbuffered}
        return subprocess.Popen([program, *command[1:]], env=around, cwd=tmp_path, **streams)

    return start


@pytest.mark.parametrize(
    ("command", "unbuffered"),
    [
        (["pryv", "call", "events.getOne", '{"id": "EVENT"}'], "1"),
        (["pryv", "events"], ""),
        (["pryv", "events", "--jsonl"], ""),
        (["pryv", "events", "--jsonl"], "1"),
        (["pryv", "events", "--csv"], "1"),
        (["pryv", "download", "EVENT", "-"], "1"),
        (["pryv-monitor", "sync", "--anchor", "anchor", "--jsonl"], "1"),
    ],
)
def test_a_non_blocking_pipe_gets_everything(
    started: Callable[..., subprocess.Popen[bytes]],
    large_event: str,
    command: list[str],
    unbuffered: str,
) -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    process = started([part.replace("EVENT", large_event) for part in command], unbuffered, stdout=writer)
    os.close(writer)
    with open(reader, "rb") as output:
        received = output.read()
    assert process.wait() == 0
    assert LARGE in received


def test_standard_input_may_arrive_in_parts(started: Callable[..., subprocess.Popen[bytes]], large_event: str) -> None:
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    params = json.dumps({"id": large_event}).encode()
    process = started(["pryv", "call", "events.getOne", "-"], stdin=reader, stdout=subprocess.DEVNULL)
    with open(writer, "wb", buffering=0) as parts:
        parts.write(params[:9])
        wait_for(lambda: _unread(reader) == 0)
        parts.write(params[9:])
    os.close(reader)
    assert process.wait() == 0


def _unread(pipe: int) -> int:
    """The bytes in a pipe that nobody has read."""
    return int.from_bytes(fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)), sys.byteorder)


@pytest.fixture(scope="module")
def large_event(account: Connection) -> str:
    """An event whose content, and whose file, are larger than a pipe."""
    event: EventCreate = {"streamIds": ["diary"], "type": "note/txt", "content": LARGE.decode()}
    return str(account.create_event_with_file_from_buffer(event, LARGE, "large")["event"]["id"])


@pytest.mark.parametrize(
    "command",
    [
        ["pryv", "events", "--limit", "many"],
        ["pryv-monitor", "sync", "--mirror", "copy.db", "--wait", "long"],
        ["pryv-backup", "run", "folder", "--error-tolerance", "long"],
    ],
    ids=lambda command: command[0],
)
def test_an_option_that_is_not_a_number_is_named(run: Run, command: list[str]) -> None:
    done = run(*command)
    assert done.returncode == 2
    assert f"argument {command[-2]}: {command[-1]!r} is not a number" in done.stderr.decode()


# ---- the locale


@pytest.mark.parametrize("environment", [{"LC_ALL": "C"}, STRICT_C])
def test_arguments_are_utf8_whatever_the_locale(
    signed_in: Run, account: Connection, tmp_path: Path, environment: dict[str, str]
) -> None:
    event = json.dumps({"streamIds": ["diary"], "type": "note/txt", "content": TEXT}, ensure_ascii=False)
    done = signed_in("pryv", "call", "events.create", event, **environment)
    assert json.loads(done.stdout)["event"]["content"] == TEXT
    assert signed_in("pryv", "events", "--streams", TEXT, **environment).returncode == 1  # an unknown stream
    stream = signed_in(
        "pryv-monitor", "sync", "--anchor", "a", "--jsonl", "--scope", f'{{"streams": ["{TEXT}"]}}', **environment
    )
    assert stream.returncode == 1
    (tmp_path / TEXT).write_bytes(b"content")
    done = signed_in("pryv", "upload", TEXT, "--stream", "diary", **environment)
    event = json.loads(done.stdout)
    assert event["attachments"][0]["fileName"] == TEXT
    assert signed_in("pryv", "download", event["id"], f"{TEXT}.copy", **environment).returncode == 0
    assert (tmp_path / f"{TEXT}.copy").read_bytes() == b"content"


HELP = """
import contextlib, importlib, sys
main = importlib.import_module(sys.argv[1]).main
for command in sys.argv[2:]:
    with contextlib.suppress(SystemExit):
        main([command, "--help"])
    print("end of", command)
"""


@pytest.mark.parametrize(("command", "module"), [("pryv", "pryv.cli"), ("pryv-monitor", "pryv_monitor.cli")])
def test_help_is_shown_whatever_the_locale(run: Run, command: str, module: str) -> None:
    overview = run(command, "--help", **STRICT_C)
    assert overview.returncode == 0
    commands = re.findall(r"^    ([a-z]+) ", overview.stdout.decode(), re.MULTILINE)
    done = run(sys.executable, "-c", HELP, module, *commands, **STRICT_C)
    assert (done.returncode, done.stderr) == (0, b"")
    assert re.findall(r"^end of ([a-z]+)$", done.stdout.decode(), re.MULTILINE) == commands


@pytest.mark.parametrize("command", ["pryv", "pryv-monitor"])
def test_the_help_can_be_closed_early(run: Run, command: str) -> None:
    assert run(shell=f"{command} --help | true").stderr == b""


# ---- how Python runs


@pytest.mark.parametrize(
    "environment",
    [{"PYTHONOPTIMIZE": "2"}, {"PYTHONWARNINGS": "error"}, {"PYTHONDEVMODE": "1", "PYTHONWARNINGS": "error"}],
)
def test_the_switches_of_python_change_nothing(signed_in: Run, environment: dict[str, str]) -> None:
    for command in (
        ["pryv", "whoami"],
        ["pryv", "events"],
        ["pryv-monitor", "sync", "--mirror", "copy.db", "--quiet"],
        ["pryv-monitor", "status", "copy.db"],
    ):
        done = signed_in(*command, **environment)
        assert (done.returncode, done.stderr) == (0, b"")


IN_A_THREAD = """
import sys, threading
from pryv.cli import main
from pryv_backup.cli import main as backup
from pryv_monitor.cli import main as monitor
codes = []
calls = [
    lambda: main(["whoami"]),
    lambda: monitor(["sync", "--mirror", "copy.db"]),
    lambda: backup(["run", "backup"]),
    lambda: backup(["restore", "backup", "--state", "state"]),
]
for call in calls:
    thread = threading.Thread(target=lambda: codes.append(call()))
    thread.start()
    thread.join()
sys.exit(codes != [0, 0, 0, 0])
"""


def test_a_command_may_run_in_a_thread(signed_in: Run) -> None:
    assert signed_in(sys.executable, "-c", IN_A_THREAD).returncode == 0


# ---- the network


class Portal(http.server.BaseHTTPRequestHandler):
    """Answers as a hotel's network does to guests who have not signed in: with `answer`, whatever they ask for."""

    answer = 200

    def do_GET(self) -> None:
        page = b"<!DOCTYPE html><html><title>Welcome</title>Please sign in.</html>"
        self.send_response(self.answer)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(page)))
        if self.answer == 302:
            self.send_header("Location", "/sign-in")
        self.end_headers()
        self.wfile.write(page)

    do_POST = do_GET  # noqa: N815

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def portal() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Portal) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("status", [200, 302, 511])
@pytest.mark.parametrize(
    "command",
    [
        "pryv whoami",
        "pryv events",
        "pryv call streams.get",
        "pryv info http://{}/service/info",
        "pryv-monitor sync --mirror copy.db --error-tolerance 0",
    ],
)
def test_a_captive_portal_is_not_a_platform(
    run: Run, portal: str, monkeypatch: pytest.MonkeyPatch, command: str, status: int
) -> None:
    monkeypatch.setattr(Portal, "answer", status)
    done = run(*command.format(portal).split(), PRYV_API_ENDPOINT=f"http://token@{portal}/alice/")
    assert done.returncode == 69
    assert done.stderr.count(b"\n") == 1
    assert b"token" not in done.stderr
