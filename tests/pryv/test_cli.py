"""The command line, each time as a process of its own."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import secrets
import shlex
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Protocol

import pytest
import requests
from tests.commands import exit_code
from tests.peers.terminal import shown

from pryv import Connection, Service, cli
from pryv.auth import AuthorizationData, FileStore, sign_out
from pryv.auth._stores import OAuthSessionData
from pryv_sandbox import Sandbox

PRYV = Path(sys.executable).with_name("pryv")
Account = tuple[str, str, Connection]


class Run(Protocol):
    def __call__(
        self, *arguments: object, stdin: str | None = None, **environment: str
    ) -> subprocess.CompletedProcess[str]: ...


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """That of a user who never used the command line, and has no keyring."""
    return {"HOME": str(tmp_path), "PATH": os.defpath, "PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring"}


@pytest.fixture
def pryv(environment: dict[str, str], tmp_path: Path) -> Run:
    def run(*arguments: object, stdin: str | None = None, **more: str) -> subprocess.CompletedProcess[str]:
        command = [str(PRYV), *map(str, arguments)]
        return subprocess.run(
            command, input=stdin, env=environment | more, cwd=tmp_path, capture_output=True, text=True, check=False
        )

    return run


@pytest.fixture(scope="module")
def account(module_account: Account) -> Connection:
    """An account with a stream and three events, the latest last."""
    _, _, connection = module_account
    connection.api_one("streams.create", {"id": "diary", "name": "Diary"})
    connection.api_one("streams.create", {"id": "notes", "name": "Notes", "parentId": "diary"})
    for time_, stream, content in [(1000, "diary", "one"), (2000, "notes", "zwölf ½"), (3000, "diary", "🎈 three")]:
        params = {"streamIds": [stream], "type": "note/txt", "time": time_, "content": content}
        connection.api_one("events.create", params)
    return connection


@pytest.fixture
def signed_in(account: Connection, environment: dict[str, str]) -> Connection:
    environment["PRYV_API_ENDPOINT"] = account.api_endpoint
    return account


def test_help_shows_examples(pryv: Run) -> None:
    said = pryv("--help")
    assert said.returncode == 0
    assert "pryv login https://" in said.stdout
    commands = re.findall(r"^    ([a-z]+) ", said.stdout, re.MULTILINE)
    assert set(commands) >= {"info", "login", "whoami", "call", "events", "streams", "upload", "download"}
    assert "example:" in pryv("upload", "--help").stdout


def test_help_needs_none_of_what_is_slow_to_import() -> None:
    program = "import sys, pryv.cli\ntry: pryv.cli.main(['--help'])\nfinally: print('requests' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert said.returncode == 0
    assert said.stdout.splitlines()[-1] == "False"


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["unknown"],
        ["info"],
        ["info", "not a url"],
        ["login", "http://h/", "--app-id", "an-app"],
        ["login", "http://h/", "--permission", "diary:read"],
        ["login", "http://h/", "--app-id", "an-app", "--permission", "diary"],
        ["login", "http://h/", "--app-id", "an-app", "--permission", "diary:own"],
        ["login", "http://h/", "--app-id", "an-app", "--permission", "diary:read", "--timeout", "0"],
        ["whoami"],  # no account
        ["whoami", "--endpoint", "ftp://canary@host/"],
        ["whoami", "--endpoint", "http://127.0.0.1:1/alice/"],  # no token
        ["whoami", "--endpoint", "http://127.0.0.1:1/service/info"],
        ["call"],
        ["call", "events.get", "{"],
        ["call", "events.get", "7"],
        ["call", "events.get", "[" * 100_000],
        ["events", "--since", "yesterday"],
        ["events", "--since", "nan"],
        ["events", "--until", "inf"],
        ["events", "--limit", "0"],
        ["events", "--limit", "many"],
        ["events", "--csv", "--jsonl"],
        ["completion"],
        ["completion", "csh"],
        ["upload", "file"],
        ["upload", "file", "--stream", "diary", "--event", "e"],
        ["download", "e"],
        ["download", "..", "file", "--endpoint", "http://canary@127.0.0.1:1/"],
        ["events", "--decrypt", ""],
        ["keygen", ""],
        ["keygen", "keys.json", ""],
        ["whoami", "https://canary@host/"],
        ["whoami", "--token", "canary"],
        ["whoami", "--token=canary"],
        ["accesses", "--token", "canary"],  # --tokens, and an argument
        ["events", "-pcanary"],
        ["https://canary@host/", "whoami"],
        ["events", "--since", "https://canary@host/"],
        ["events", "--limit", "https://canary@host/"],
        ["login", "https://canary@host/", "--app-id", "an-app", "--permission", "diary:read"],
        ["login", "http://h/", "--app-id", "an-app", "--permission", "https://canary@host/"],
    ],
)
@pytest.mark.usefixtures("system_keyring")
def test_usage_errors(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.delenv("PRYV_API_ENDPOINT", raising=False)
    assert exit_code(cli.main, arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "pryv" in err
    assert "Traceback" not in err
    assert "canary" not in err


@pytest.mark.parametrize(
    "arguments",
    [
        ["upload", "https://canary@host/file", "--stream", "diary"],
        ["whoami", "--profile", "https://canary@host/"],
        ["events", "--decrypt", "https://canary@host/"],
    ],
)
def test_a_token_in_the_wrong_place_is_not_shown(pryv: Run, arguments: list[str], signed_in: Connection) -> None:
    said = pryv(*arguments)
    assert said.returncode in (1, 2)
    assert said.stderr.count("\n") == 1
    assert re.search("https://?[*]{3}@host", said.stderr), said.stderr


def test_info(pryv: Run, platform_url: str) -> None:
    said = pryv("info", platform_url)
    assert said.returncode == 0
    with Service(platform_url) as service:
        assert json.loads(said.stdout) == dict(service.info())
    assert said.stderr == ""


def test_whoami_shows_no_token(pryv: Run, signed_in: Connection) -> None:
    said = pryv("whoami")
    assert said.returncode == 0
    assert json.loads(said.stdout)["user"]["username"] == signed_in.username()
    assert str(signed_in.token) not in said.stdout + said.stderr


def test_where_credentials_come_from(
    pryv: Run, account: Connection, new_account: Callable[[], Account], environment: dict[str, str]
) -> None:
    _, _, other = new_account()
    for arguments in (["whoami", "--endpoint", other.api_endpoint], ["--endpoint", other.api_endpoint, "whoami"]):
        said = pryv(*arguments, PRYV_API_ENDPOINT=account.api_endpoint)
        assert json.loads(said.stdout)["user"]["username"] == other.username()
    of_unset_variable = pryv("whoami", "--endpoint", "", PRYV_API_ENDPOINT=account.api_endpoint)
    assert (of_unset_variable.returncode, of_unset_variable.stdout) == (2, "")
    environment["PRYV_API_ENDPOINT"] = ""
    said = pryv("whoami")
    assert said.returncode == 2
    assert "pryv login" in said.stderr


def test_streams(pryv: Run, signed_in: Connection) -> None:
    (diary,) = (stream for stream in json.loads(pryv("streams").stdout) if stream["id"] == "diary")
    assert [child["id"] for child in diary["children"]] == ["notes"]


def test_events_are_one_array(pryv: Run, signed_in: Connection) -> None:
    said = pryv("events", "--streams", "diary")
    assert said.returncode == 0
    assert [event["time"] for event in json.loads(said.stdout)] == [3000, 2000, 1000]
    assert "zwölf ½" in said.stdout


def test_no_events_are_an_empty_array(pryv: Run, signed_in: Connection) -> None:
    assert json.loads(pryv("events", "--streams", "diary", "--since", "5000").stdout) == []
    assert pryv("events", "--streams", "diary", "--since", "5000", "--jsonl").stdout == ""


def test_events_are_lines(pryv: Run, signed_in: Connection) -> None:
    lines = pryv("events", "--streams", "diary", "--jsonl").stdout.splitlines()
    assert [json.loads(line)["content"] for line in lines] == ["🎈 three", "zwölf ½", "one"]


@pytest.mark.parametrize("given", [["notes"], ["notes", "other"]])
def test_events_of_streams(pryv: Run, signed_in: Connection, given: list[str]) -> None:
    if "other" in given and not any(stream["id"] == "other" for stream in signed_in.get("streams")["streams"]):
        signed_in.api_one("streams.create", {"id": "other", "name": "Other"})
    lines = pryv("events", "--jsonl", "--streams", *given).stdout.splitlines()
    assert [json.loads(line)["time"] for line in lines] == [2000]


@pytest.mark.parametrize(
    ("since", "times"),
    [
        ("2000", [3000, 2000]),
        ("2000.5", [3000]),
        ("-1e9", [3000, 2000, 1000]),
        ("1970-01-01T00:33:20Z", [3000, 2000]),
        ("1970-01-01T01:33:20+01:00", [3000, 2000]),
        ("1970-01-01T00:33:20", [3000, 2000]),  # local time, which is UTC here
        ("1970-01-02", []),
    ],
)
def test_events_since(pryv: Run, signed_in: Connection, since: str, times: list[float]) -> None:
    said = pryv("events", "--jsonl", "--streams", "diary", f"--since={since}", TZ="UTC")
    assert [json.loads(line)["time"] for line in said.stdout.splitlines()] == times


def test_call(pryv: Run, signed_in: Connection) -> None:
    said = pryv("call", "events.get", '{"limit": 1, "streams": ["diary"]}')
    assert [event["time"] for event in json.loads(said.stdout)["events"]] == [3000]


def test_call_reads_standard_input(pryv: Run, signed_in: Connection) -> None:
    said = pryv("call", "events.get", "-", stdin='{"limit": 1, "types": ["no/such"]}')
    assert json.loads(said.stdout)["events"] == []


def test_an_error_of_the_api_is_printed(pryv: Run, signed_in: Connection) -> None:
    said = pryv("call", "streams.create", '{"id": "diary", "name": "Diary"}')
    assert said.returncode == 1
    assert said.stdout == ""
    assert re.fullmatch(r"pryv: streams\.create: .*\[item-already-exists\]\n", said.stderr)


def test_files_there_and_back(pryv: Run, signed_in: Connection, tmp_path: Path) -> None:
    content = secrets.token_bytes(100_000)
    (tmp_path / "photo.png").write_bytes(content)
    said = pryv("upload", "photo.png", "--stream", "diary")
    event = json.loads(said.stdout)
    assert event["type"] == "picture/attached"
    assert pryv("download", event["id"], "copy.png").returncode == 0
    assert (tmp_path / "copy.png").read_bytes() == content

    (tmp_path / "notes.txt").write_bytes(b"text")
    said = pryv("upload", "notes.txt", "--event", event["id"])
    second = json.loads(said.stdout)["attachments"][-1]
    said = pryv("download", event["id"], "copy")
    assert said.returncode == 2
    assert second["id"] in said.stderr
    assert not (tmp_path / "copy").exists()
    for destination in ("-", "/dev/stdout", "/dev/fd/1"):
        assert pryv("download", event["id"], destination, "--attachment", second["id"]).stdout == "text"
    signed_in.delete(f"events/{event['id']}")


def test_files_have_their_type(pryv: Run, signed_in: Connection, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_bytes(b"text")
    for arguments, event_type in (
        ([], "file/attached"),
        (["--type", "file/attached-multiple"], "file/attached-multiple"),
    ):
        event = json.loads(pryv("upload", "notes.txt", "--stream", "diary", *arguments).stdout)
        assert event["type"] == event_type
        signed_in.delete(f"events/{event['id']}")


def test_a_file_from_standard_input_and_another_name(pryv: Run, signed_in: Connection, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_bytes(b"text")
    for arguments, stdin, event_type, name in (
        (["-"], "text", "file/attached", "stdin"),
        (["-", "--name", "photo.png"], "text", "picture/attached", "photo.png"),
        (["notes.txt", "--name", "another.txt"], None, "file/attached", "another.txt"),
    ):
        event = json.loads(pryv("upload", *arguments, "--stream", "diary", stdin=stdin).stdout)
        assert (event["type"], event["attachments"][0]["fileName"]) == (event_type, name)
        assert pryv("upload", *arguments, "--event", event["id"], stdin=stdin).returncode == 0
        files = signed_in.events.get(event["id"])["attachments"]
        assert [(file["fileName"], file["size"]) for file in files] == [(name, 4)] * 2
        signed_in.delete(f"events/{event['id']}")


def test_a_missing_file_is_named(pryv: Run, signed_in: Connection) -> None:
    said = pryv("upload", "no-such-file", "--stream", "diary")
    assert said.returncode == 1
    assert said.stderr == "pryv: no-such-file: No such file or directory\n"


# ---- lists: tables on a terminal, JSON in a pipe


def test_events_on_a_terminal_are_a_table(signed_in: Connection, environment: dict[str, str]) -> None:
    lines = shown([PRYV, "events", "--streams", "diary"], environment | {"TZ": "UTC"}, columns=100)
    assert [line.split()[0] for line in lines[:1]] == ["id"]
    assert [re.split(" {2,}", line)[1:] for line in lines] == [
        ["time", "type", "streams", "content"],
        ["1970-01-01 00:50:00", "note/txt", "diary", "🎈 three"],
        ["1970-01-01 00:33:20", "note/txt", "notes", "zwölf ½"],
        ["1970-01-01 00:16:40", "note/txt", "diary", "one"],
    ]


def test_streams_on_a_terminal_are_a_table(signed_in: Connection, environment: dict[str, str]) -> None:
    lines = shown([PRYV, "streams"], environment)
    position = lines[0].index("id")
    assert [line for line in lines if line[position:] in ("diary", "notes")] == [
        f"{'Diary':{position}}diary",
        f"{'  Notes':{position}}notes",
    ]


@pytest.mark.parametrize(
    "variables", [{"TERM": "dumb"}, {"NO_COLOR": "1"}, {"TERM": "xterm-256color"}, {"LC_ALL": "C"}]
)
def test_tables_are_plain_text(signed_in: Connection, environment: dict[str, str], variables: dict[str, str]) -> None:
    for line in shown([PRYV, "events"], environment | variables):
        assert line.isprintable()


def test_accesses_are_shown_without_tokens(pryv: Run, signed_in: Connection, environment: dict[str, str]) -> None:
    shared = signed_in.accesses.create(
        {"type": "shared", "name": "tokens", "permissions": [{"streamId": "diary", "level": "read"}]}
    )
    secret = [str(shared["token"]), str(signed_in.token)]
    said = pryv("accesses", "-v")
    listed = {access["id"]: access for access in json.loads(said.stdout)}
    assert listed[shared["id"]]["name"] == "tokens"
    lines = shown([PRYV, "accesses"], environment)
    (line,) = (line for line in lines if line.startswith(shared["id"]))
    assert "diary:read" in shown([PRYV, "accesses"], environment, columns=200)[lines.index(line)]
    for token in secret:
        assert token not in said.stdout + said.stderr + "".join(lines)

    (asked_for,) = (one for one in json.loads(pryv("accesses", "--tokens").stdout) if one["id"] == shared["id"])
    assert asked_for["token"] == shared["token"]
    with_tokens = shown([PRYV, "accesses", "--tokens"], environment, 80)
    assert [line.split() for line in with_tokens if shared["id"] in line] == [
        [shared["id"], "shared", "tokens", shared["token"]]
    ]
    signed_in.accesses.delete(shared["id"])


# ---- which events


@pytest.mark.parametrize(
    ("options", "times"),
    [
        (["--until", "2000"], [2000, 1000]),
        (["--until", "1970-01-01T00:33:20Z", "--since", "1500"], [2000]),
        (["--limit", "2"], [3000, 2000]),
        (["--limit", "1", "--until", "2999"], [2000]),
        (["--limit", "1", "--until", "1e6"], [3000]),
        (["--type", "note/txt", "--limit", "1"], [3000]),
        (["--type", "note/*", "mass/kg"], [3000, 2000, 1000]),
        (["--type", "mass/kg"], []),
    ],
)
def test_options_select_events(pryv: Run, signed_in: Connection, options: list[str], times: list[float]) -> None:
    said = pryv("events", "--streams", "diary", "--jsonl", *options)
    assert said.returncode == 0
    assert [json.loads(line)["time"] for line in said.stdout.splitlines()] == times


CONTENTS: list[tuple[str, Any, str, str]] = [
    ("mass/kg", 61.25, "61.25", ""),
    ("count/generic", 2**50, str(2**50), ""),
    ("note/txt", 'two "lines",\r\nand \r more\n', "", 'two "lines",\r\nand \r more\n'),
    ("note/txt", "=1+1 🎈", "", "=1+1 🎈"),
    ("note/txt", "a\rb", "", "a\rb"),
    ("note/txt", "\x1b[2J", "", "\x1b[2J"),
    ("position/wgs84", {"latitude": 1.5, "longitude": 2}, "", '{"latitude":1.5,"longitude":2}'),
    ("boolean/bool", True, "", "true"),
    ("activity/plain", None, "", ""),
]


def test_events_as_csv(pryv: Run, environment: dict[str, str], new_account: Callable[[], Account]) -> None:
    _, _, connection = new_account()
    connection.streams.create({"id": "csv", "name": "CSV"})
    for number, (kind, content, _, _) in enumerate(CONTENTS):
        connection.api_one(
            "events.create", {"streamIds": ["csv"], "type": kind, "content": content, "time": number + 0.25}
        )
    connection.api_one(
        "events.create", {"streamIds": ["csv"], "type": "activity/plain", "time": 1e12, "duration": 60, "trashed": True}
    )
    environment["PRYV_API_ENDPOINT"] = connection.api_endpoint
    done = subprocess.run(
        [PRYV, "events", "--streams", "csv", "--csv"],
        env=environment | {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        capture_output=True,
        check=True,
    )
    rows = list(csv.DictReader(io.StringIO(done.stdout.decode(), newline="")))
    assert done.stdout.startswith(b"id,time,duration,type,stream_ids,content,content_text,modified,trashed\n")
    assert [(row["type"], row["content"], row["content_text"]) for row in reversed(rows)] == [
        (kind, number, text) for kind, _, number, text in CONTENTS
    ]
    assert datetime.fromisoformat(rows[-1]["time"]) == datetime.fromtimestamp(0.25, timezone.utc)
    assert json.loads(rows[0]["stream_ids"]) == ["csv"]
    assert {row["trashed"] for row in rows} == {"false"}
    assert not any("\x1b" in line for line in shown([PRYV, "events", "--csv"], environment))


def test_a_full_disk_leaves_whole_records(signed_in: Connection, environment: dict[str, str], tmp_path: Path) -> None:
    program = """
import resource, signal, sys
from pryv.cli._csv import write_csv
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
write_csv({"id": "\\ud800", "content": "a\\nb\\n" * 30} for n in range(10))
"""
    with (tmp_path / "events.csv").open("wb") as file:
        done = subprocess.run([sys.executable, "-c", program], stdout=file, stderr=subprocess.PIPE, check=False)
    assert b"File too large" in done.stderr
    with (tmp_path / "events.csv").open(newline="") as text:
        rows = list(csv.DictReader(text))
    assert rows
    assert {(row["id"], row["content_text"]) for row in rows} == {("\\ud800", "a\nb\n" * 30)}


# ---- the log


def test_the_log_goes_to_standard_error(pryv: Run, signed_in: Connection) -> None:
    for arguments in (["whoami", "-v"], ["whoami", "--verbose"], ["-v", "whoami"]):
        said = pryv(*arguments)
        assert json.loads(said.stdout)["user"]["username"] == signed_in.username()
        assert re.fullmatch(r"[-\d]+ [:,\d]+ pryv DEBUG: GET access-info → 200 in \d+ ms\n", said.stderr)
    assert pryv("whoami").stderr == ""


def test_a_log_that_cannot_be_written_changes_nothing(signed_in: Connection, environment: dict[str, str]) -> None:
    for end in ("2>/dev/full", "2>&-"):
        command = f"{shlex.quote(str(PRYV))} whoami -v {end}"
        done = subprocess.run(["sh", "-c", command], env=environment, capture_output=True, check=False)
        assert done.returncode == 0
        assert json.loads(done.stdout)["user"]["username"] == signed_in.username()


# ---- profiles


def stored(environment: Mapping[str, str], **profiles: Connection) -> None:
    """Stores the credentials of connections, as `pryv login` does."""
    store = FileStore(Path(environment["HOME"]) / ".config" / "pryv")
    for profile, connection in profiles.items():
        store.save(profile, {"apiEndpoint": connection.api_endpoint, "username": connection.username()})


def test_profiles(
    pryv: Run, account: Connection, new_account: Callable[[], Account], environment: dict[str, str]
) -> None:
    _, _, other = new_account()
    stored(environment, default=account, other=other)

    def user(*options: str, **variables: str) -> str:
        said = pryv("whoami", *options, **variables)
        assert said.returncode == 0, said.stderr
        name: str = json.loads(said.stdout)["user"]["username"]
        return name

    assert user() == user("--profile", "default") == account.username()
    assert user("--profile", "other") == other.username()
    assert user("--profile", "other", PRYV_API_ENDPOINT=account.api_endpoint) == other.username()
    assert user("--profile", "other", "--endpoint", account.api_endpoint) == account.username()
    assert user(PRYV_API_ENDPOINT=other.api_endpoint) == other.username()


@pytest.mark.parametrize("name", ["missing", "", "../other", "two words", "x" * 65])
def test_profiles_that_do_not_exist_or_have_no_valid_name(pryv: Run, name: str) -> None:
    for command in ("whoami", "events"):
        said = pryv(command, "--profile", name)
        assert said.returncode == 2
        assert said.stdout == ""
        assert said.stderr.count("\n") == 1
    if name == "missing":
        assert ".config/pryv)" in said.stderr
        assert "pryv login --profile missing" in said.stderr


@pytest.mark.parametrize("revoked", [False, True])
def test_logout(
    pryv: Run, new_account: Callable[[], Account], environment: dict[str, str], tmp_path: Path, revoked: bool
) -> None:
    username, _, personal = new_account()
    personal.streams.create({"id": "diary", "name": "Diary"})
    access = personal.accesses.create(
        {"type": "app", "name": "logout", "permissions": [{"streamId": "diary", "level": "read"}]}
    )
    endpoint = personal.endpoint.replace("//", f"//{access['token']}@")
    with Connection(endpoint) as connection:
        stored(environment, work=connection)
    if revoked:
        personal.accesses.delete(access["id"])

    of_another = pryv("--endpoint", personal.api_endpoint, "logout", "--profile", "work")
    assert (of_another.returncode, of_another.stderr) == (
        2,
        "pryv: logout revokes the stored access, and takes no --endpoint\n",
    )
    said = pryv("logout", "--profile", "work", PRYV_API_ENDPOINT=personal.api_endpoint)

    assert (said.returncode, said.stdout) == (0, "")
    assert said.stderr == f"Signed out of the account of {username}.\n"
    assert access["id"] not in [one["id"] for one in personal.accesses.list()]
    assert pryv("whoami", "--profile", "work").returncode == 2
    assert pryv("whoami", "--endpoint", endpoint).returncode == 77
    again = pryv("logout", "--profile", "work")
    assert again.returncode == 0
    assert "Nobody is signed in" in again.stderr


def test_logout_keeps_credentials_that_it_could_not_revoke(
    pryv: Run, environment: dict[str, str], account: Connection
) -> None:
    store = FileStore(Path(environment["HOME"]) / ".config" / "pryv")
    store.save("default", {"apiEndpoint": "http://token@127.0.0.1:9/"})
    assert pryv("logout").returncode == 69
    assert store.get("default") == {"apiEndpoint": "http://token@127.0.0.1:9/"}


# ---- completion


BASH = """
eval "$(pryv completion bash)"
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
_shtab_pryv
echo "${COMPREPLY[@]}"
"""


@pytest.mark.skipif(not shutil.which("bash"), reason="needs bash")
@pytest.mark.parametrize(
    ("words", "completed"),
    [
        (["ac"], "accesses"),
        (["completion", ""], "bash zsh fish"),
        (["events", "--js"], "--jsonl"),
        (["accesses", "--to"], "--tokens"),
        (["upload", "pho"], "photo.jpg"),
        (["secret", "pu"], "put"),
        (["secret", "put", "--ret"], "--return-url"),
        (["secret", "get", "--passphrase-file", "pho"], "photo.jpg"),
    ],
)
def test_bash_completes(words: list[str], completed: str, environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").touch()
    path = f"{PRYV.parent}{os.pathsep}{os.defpath}"
    command = ["bash", "-c", BASH, "bash", "pryv", *words]
    done = subprocess.run(
        command, env=environment | {"PATH": path}, cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == completed


# ---- exit codes


def test_the_help_names_all_commands(pryv: Run) -> None:
    codes = pryv("--help").stdout.partition("exit codes:")[2]
    assert [int(code) for code in re.findall(r"\d+", codes)] == [0, 2, 69, 75, 77, 130, 1]


def test_the_messages_in_the_data_of_an_error_are_printed(pryv: Run, signed_in: Connection) -> None:
    said = pryv("call", "events.create", '{"streamId": "diary", "type": "note/txt"}')
    assert said.returncode == 1
    assert "must have required property 'streamIds'; must NOT have additional properties (streamId)" in said.stderr
    assert said.stderr.count("\n") == 1


def test_a_revoked_token_is_refused(pryv: Run, account: Connection) -> None:
    token = secrets.token_hex(12)
    said = pryv("whoami", "--endpoint", account.endpoint.replace("//", f"//{token}@"))
    assert said.returncode == 77
    assert said.stdout == ""
    assert token not in said.stderr
    assert "Traceback" not in said.stderr


def test_an_unreachable_platform_has_exit_code_69(pryv: Run) -> None:
    said = pryv("info", "http://127.0.0.1:9/reg/service/info")
    assert said.returncode == 69
    assert said.stderr.startswith("pryv: GET service/info: no connection to 127.0.0.1:9")


@pytest.mark.parametrize(("status", "code"), [(503, 75), (429, 75), (403, 77), (404, 1)])
def test_the_http_status_decides_the_exit_code(
    pryv: Run, signed_in: Connection, sandbox: Sandbox, status: int, code: int
) -> None:
    sandbox.faults.status(status, times=3, path="access-info")
    said = pryv("whoami")
    assert said.returncode == code
    assert said.stdout == ""
    assert said.stderr.count("\n") == 1


def test_a_response_cut_short_is_an_error(pryv: Run, signed_in: Connection, sandbox: Sandbox) -> None:
    sandbox.faults.cut(after_bytes=400, path="events")
    said = pryv("events", "--streams", "diary")
    assert said.returncode == 75
    with pytest.raises(json.JSONDecodeError):
        json.loads(said.stdout)


def test_a_url_that_is_not_a_platform(pryv: Run, signed_in: Connection, sandbox: Sandbox) -> None:
    sandbox.faults.status(200, path="access-info", body=b"<html>")
    said = pryv("whoami")
    assert said.returncode == 69
    assert "Traceback" not in said.stderr
    sandbox.faults.status(200, path="accesses", body=b'{"accesses": [1], "meta": {"serverTime": 1}}')
    said = pryv("accesses")
    assert said.returncode == 69
    assert "Traceback" not in said.stderr


# ---- much data


@pytest.fixture(scope="module")
def much(account: Connection) -> int:
    """A stream with many events; their number."""
    account.api_one("streams.create", {"id": "much", "name": "Much"})
    count = 2_000
    content = "x" * 5_000
    calls = (
        {"method": "events.create", "params": {"streamIds": ["much"], "type": "note/txt", "content": content}}
        for _ in range(count)
    )
    account.api(calls)
    return count


def spawn(environment: Mapping[str, str], *arguments: object, **options: Any) -> subprocess.Popen[bytes]:
    return subprocess.Popen([PRYV, *map(str, arguments)], env=environment, **options)


MEASURE = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr)
"""


def peak_memory(environment: Mapping[str, str], output: Path, *arguments: str) -> int:
    """Runs a command from a small process, as a child begins with its parent's peak; returns its own, in KiB."""
    command = [sys.executable, "-c", MEASURE, str(PRYV), *arguments]
    with output.open("wb") as file:
        done = subprocess.run(command, env=environment, stdout=file, stderr=subprocess.PIPE, check=True)
    return int(done.stderr)


@pytest.mark.parametrize("form", [["--jsonl"], ["--csv"], []])
def test_memory_does_not_grow_with_the_events(
    signed_in: Connection, much: int, environment: dict[str, str], tmp_path: Path, form: list[str]
) -> None:
    few, many = tmp_path / "few", tmp_path / "many"
    growth = -peak_memory(environment, few, "events", "--streams", "diary", *form)
    growth += peak_memory(environment, many, "events", "--streams", "much", *form)
    written = many.read_text()
    assert written.count("note/txt") == much
    assert growth < 4096 < len(written) / 1024  # KiB: the data would not fit


def test_a_closed_pipe_ends_a_command_quietly(signed_in: Connection, much: int, environment: dict[str, str]) -> None:
    process = spawn(
        environment, "events", "--streams", "much", "--jsonl", stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()
    _, complaints = process.communicate()
    assert complaints == b""
    assert process.returncode == 0


def test_a_pipe_closed_at_once_ends_a_command_quietly(signed_in: Connection, environment: dict[str, str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    process = spawn(environment, "whoami", stdout=writer, stderr=subprocess.PIPE)
    os.close(writer)
    _, complaints = process.communicate()
    assert (complaints, process.returncode) == (b"", 0)


# ---- signing in


def next_line_with(process: subprocess.Popen[bytes], text: str) -> str:
    """Reads what a process says until a line has a text."""
    assert process.stderr is not None
    for line in process.stderr:
        if text in line.decode():
            return line.decode()
    raise AssertionError(f"it ended without saying {text!r}")


def key_in(page: str) -> str:
    match = re.search(r"[?&]key=([^&\s]+)", page)
    assert match
    return match[1]


def answer(platform_url: str, key: str, **given: str) -> None:
    with Service(platform_url) as service:
        requests.post(f"{service.info().access}{key}", json=given, timeout=10)


LOGIN = [
    "--app-id",
    "pryv-cli-tests",
    "--permission",
    "cli-diary:read",
    "--permission",
    "cli-notes:contribute",
    "--no-browser",
]


def test_login_from_start_to_end(
    new_account: Callable[[], Account], platform_url: str, pryv: Run, environment: dict[str, str], tmp_path: Path
) -> None:
    username, _, connection = new_account()
    process = spawn(environment, "login", platform_url, *LOGIN, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    key = key_in(next_line_with(process, "http"))

    with Service(platform_url) as service:
        asked = service.poll_access_request(key)
    assert asked["requestingAppId"] == "pryv-cli-tests"
    assert asked["requestedPermissions"] == [
        {"streamId": "cli-diary", "defaultName": "cli-diary", "level": "read"},
        {"streamId": "cli-notes", "defaultName": "cli-notes", "level": "contribute"},
    ]
    checked = connection.post(
        "accesses/check-app",
        {
            "requestingAppId": asked["requestingAppId"],
            "requestedPermissions": asked["requestedPermissions"],
        },
    )
    for permission in checked["checkedPermissions"]:
        connection.api_one("streams.create", {"id": permission["streamId"], "name": permission["defaultName"]})
    permissions = [{"streamId": p["streamId"], "level": p["level"]} for p in checked["checkedPermissions"]]
    access = connection.api_one(
        "accesses.create", {"type": "app", "name": "pryv-cli-tests", "permissions": permissions}, "access"
    )
    endpoint = connection.endpoint.replace("//", f"//{access['token']}@")
    answer(platform_url, key, status="ACCEPTED", username=username, token=access["token"], apiEndpoint=endpoint)

    out, said = process.communicate(timeout=30)
    assert process.returncode == 0
    assert out == b""
    assert username in said.decode()
    assert access["token"] not in said.decode()

    settings = tmp_path / ".config" / "pryv"
    (kept,) = settings.iterdir()
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert stat.S_IMODE(settings.stat().st_mode) == 0o700
    whoami = pryv("whoami")
    assert json.loads(whoami.stdout)["name"] == "pryv-cli-tests"
    assert access["token"] not in whoami.stdout
    assert pryv("events", "--streams", "cli-diary").returncode == 0

    again = pryv("login", platform_url, *LOGIN)
    assert (again.returncode, again.stdout) == (0, "")
    assert again.stderr.startswith(f"The access to the account of {username} is stored in ")
    assert pryv("whoami", "--profile", "another").returncode == 2

    kept.chmod(0o644)
    said_of_others = pryv("whoami")
    assert said_of_others.returncode == 1
    assert "chmod 600" in said_of_others.stderr


def test_commands_use_what_was_signed_in_last(
    pryv: Run, new_account: Callable[[], Account], environment: dict[str, str], platform_url: str
) -> None:
    """Two apps signed in under the same profile."""
    username, _, personal = new_account()
    personal.streams.create({"id": "diary", "name": "Diary"})
    store = FileStore(Path(environment["HOME"]) / ".config" / "pryv")
    kept: list[AuthorizationData] = []
    for app in ("first-app", "second-app"):
        access = personal.accesses.create(
            {"type": "app", "name": app, "permissions": [{"streamId": "diary", "level": "read"}]}
        )
        endpoint = personal.endpoint.replace("//", f"//{access['token']}@")
        kept.append(
            {"apiEndpoint": endpoint, "username": username, "appId": app, "serviceInfoUrl": platform_url},
        )
    store.save("work", {**kept[0], "others": kept[1:]})
    for app in ("second-app", "first-app"):
        said = pryv("login", platform_url, "--app-id", app, "--permission", "diary:read", "--profile", "work")
        assert said.returncode == 0
        assert json.loads(pryv("whoami", "--profile", "work").stdout)["name"] == app
    assert pryv("logout", "--profile", "work").stderr.count(username) == 2
    assert len(personal.accesses.list()) == 1


def test_login_refused(platform_url: str, environment: dict[str, str], tmp_path: Path) -> None:
    process = spawn(environment, "login", platform_url, *LOGIN, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    answer(platform_url, key_in(next_line_with(process, "http")), status="REFUSED", message="No.")
    _, said = process.communicate(timeout=30)
    assert process.returncode == 77
    assert "refused" in said.decode()
    assert not (tmp_path / ".config").exists()


def test_login_not_answered(platform_url: str, pryv: Run) -> None:
    said = pryv("login", platform_url, *LOGIN, "--timeout", "0.3")
    assert said.returncode == 75
    assert "Traceback" not in said.stderr


def test_login_interrupted(platform_url: str, environment: dict[str, str]) -> None:
    process = spawn(environment, "login", platform_url, *LOGIN, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    next_line_with(process, "http")
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 130
    assert b"Traceback" not in said


# ---- OAuth sessions


def test_an_oauth_session_from_start_to_end(
    sandbox: Sandbox, new_account: Callable[[], Account], pryv: Run, environment: dict[str, str], tmp_path: Path
) -> None:
    username, _, owner = new_account()
    owner.streams.create({"id": "diary", "name": "Diary"})
    offer = [{"streamId": "diary", "level": "manage"}]
    client = f"app-{username}"
    sandbox.register_oauth_client(client, redirect_uris=["http://127.0.0.1/callback"], offers={"all": offer})
    command = ("oauth-login", sandbox.url, client, "--scope", "cmc:all", "--no-browser", "--dpop")
    process = spawn(environment, *command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    page = next_line_with(process, "http").strip()
    assert requests.get(sandbox.accept_oauth(page, username), timeout=10).status_code == 200
    out, said = process.communicate(timeout=30)
    assert (process.returncode, out) == (0, b""), said
    assert username in said.decode()

    settings = tmp_path / ".config" / "pryv"
    kept = [file for file in settings.iterdir() if file.suffix == ".json"]
    assert [stat.S_IMODE(file.stat().st_mode) for file in kept] == [0o600, 0o600]
    assert json.loads(pryv("whoami").stdout)["name"] == f"oauth:{client}"
    try:
        sandbox.faults.skew = 4000
        event = '{"streamIds": ["diary"], "type": "note/txt", "content": "by cron"}'
        assert pryv("call", "events.create", event).returncode == 0
        assert json.loads(pryv("events").stdout)[0]["content"] == "by cron"
    finally:
        sandbox.faults.skew = 0
    ended = pryv("logout")
    assert (ended.returncode, username in ended.stderr) == (0, True)
    assert pryv("whoami").returncode == 2
    assert not [file for file in settings.iterdir() if file.suffix == ".json"]


def test_an_oauth_session_that_has_ended_is_refused(
    sandbox: Sandbox, new_account: Callable[[], Account], pryv: Run, environment: dict[str, str]
) -> None:
    username, _, owner = new_account()
    client = f"app-{username}"
    store = FileStore(Path(environment["HOME"]) / ".config" / "pryv")
    session: OAuthSessionData = {"authorizationServer": sandbox.url, "clientId": client, "scope": "cmc:all"}
    store.save("default", {"apiEndpoint": owner.endpoint, "appId": client, "oauth": session})
    said = pryv("whoami")
    assert (said.returncode, said.stderr.count("\n")) == (77, 1)
    assert "log in again" in said.stderr
    sign_out(sandbox.service_info_url, store=store)
    assert store.get("default") is not None


def test_an_oauth_login_with_a_damaged_profile_asks_nobody(pryv: Run, sandbox: Sandbox, tmp_path: Path) -> None:
    FileStore(tmp_path / ".config" / "pryv").save("default", AuthorizationData(apiEndpoint="https://x/", others=5))  # type: ignore[typeddict-item]
    said = pryv("oauth-login", sandbox.url, "app", "--scope", "cmc:all", "--no-browser", "--timeout", "10")
    assert (said.returncode, said.stderr.count("\n")) == (1, 1), said.stderr
    assert "is damaged" in said.stderr


def test_an_oauth_login_has_a_port_and_a_server(pryv: Run) -> None:
    for arguments in (["http://host.example", "app"], ["https://h", "app", "--port", "70000"], ["https://h", ""]):
        said = pryv("oauth-login", *arguments, "--scope", "cmc:all", "--no-browser")
        assert (said.returncode, said.stderr.count("\n")) == (2, 1), said.stderr


# ---- interrupts


@pytest.mark.parametrize(
    "module",
    [
        "class Interrupted: __del__ = interrupt\nInterrupted()",
        "import atexit\nfrom pryv.cli import run\natexit.register(print, 'exits')\n"
        "main = lambda _: run('test', lambda: exec('interrupt()'))",
        "main = lambda _: interrupt() or 0",
    ],
    ids=["dropped by a finalizer", "in a text that is executed", "not handled"],
)
def test_a_command_can_be_interrupted_at_any_time(tmp_path: Path, module: str) -> None:
    interrupt = "import signal\ndef interrupt(*_): signal.raise_signal(signal.SIGINT)\n"
    (tmp_path / "interrupted.py").write_text(f"{interrupt}{module}\nprint('imported', flush=True)")
    (tmp_path / "entry_point.py").write_text("import sys\nfrom pryv.cli import start\nsys.exit(start('interrupted'))")
    done = subprocess.run(
        [sys.executable, "-m", "entry_point"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (130, "")
    assert done.stdout == ("imported\n" if "main" in module else "") + ("exits\n" if "atexit" in module else "")


def interrupted(program: str, **options: Any) -> subprocess.Popen[str]:
    """Runs a program as a command does; in it, `interrupt` interrupts it."""
    code = f"""
import signal, sys, time
from pryv.cli import run
def interrupt(*_):
    signal.raise_signal(signal.SIGINT)
def command():
    {program.strip()}
sys.exit(run("test", command))
"""
    return subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options
    )


@pytest.mark.parametrize(
    "program",
    [
        "class Interrupted: __del__ = interrupt\n    Interrupted()",
        "class Interrupted: __set_name__ = interrupt\n    type('A', (), {'a': Interrupted()})",
    ],
    ids=["dropped by a finalizer", "turned into another exception"],
)
def test_interrupts_that_python_hides(program: str) -> None:
    with interrupted(program + "\n    print('went on')") as process:
        assert process.communicate(timeout=30) == ("", "")
    assert process.returncode == 130


def test_a_second_interrupt_within_a_second_does_not_stop_the_cleanup() -> None:
    with interrupted("try: interrupt()\n    finally: interrupt(); print('cleaned up')") as process:
        assert process.communicate(timeout=30) == ("cleaned up\n", "")
    assert process.returncode == 130


def test_a_later_interrupt_ends_a_cleanup_that_hangs() -> None:
    program = "try: interrupt()\n    finally: time.sleep(1.1); interrupt(); print('went on')"
    with interrupted(program) as process:
        assert process.communicate(timeout=30) == ("", "")
    assert process.returncode == 130


def test_a_job_with_sigint_ignored_is_not_interrupted(environment: dict[str, str], platform_url: str) -> None:
    command = f"trap '' INT; {shlex.join([str(PRYV), 'info', platform_url])} & sleep 0.05; kill -INT $!; wait $!"
    done = subprocess.run(["sh", "-c", command], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "register" in done.stdout
