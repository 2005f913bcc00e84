"""The examples: each on a sandbox of its own, and on an account of the platform under test."""

from __future__ import annotations

import ast
import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO
from urllib.parse import parse_qs, urlsplit

import attrs
import pytest
import requests
from matplotlib.image import imread

from pryv import Call, Connection, Service
from pryv_monitor import FileAnchorStore
from pryv_sandbox import Sandbox

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
RECORDING = EXAMPLES / "data" / "pulse.csv"
FOLLOWING = ("watch", "webhook_receiver")
ENDING = sorted(
    file.stem for file in EXAMPLES.glob("*.py") if file.stem not in ("account", "terminal_login", *FOLLOWING)
)

Account = Callable[[], tuple[str, str, Connection]]

pytestmark = pytest.mark.timeout(300)  # they import pandas, and thousands of events


@attrs.frozen
class Runner:
    """Runs examples in a directory, on one account if it has one."""

    directory: Path
    endpoint: str | None = None

    @property
    def environment(self) -> dict[str, str]:
        settings = {
            "BROWSER": "true",
            "XDG_CONFIG_HOME": str(self.directory),
            "PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring",
        }
        kept = {name: value for name, value in os.environ.items() if name != "PRYV_API_ENDPOINT"}
        return kept | settings | ({"PRYV_API_ENDPOINT": self.endpoint} if self.endpoint else {})

    def run(self, example: str, *arguments: object) -> subprocess.CompletedProcess[str]:
        """Run an example to its end."""
        return subprocess.run(
            [sys.executable, str(EXAMPLES / example), *map(str, arguments)],
            cwd=self.directory,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def output(self, example: str, *arguments: object) -> str:
        """What an example writes to standard output; it ends well."""
        done = self.run(example, *arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    @contextmanager
    def following(self, example: str, *arguments: object) -> Iterator[subprocess.Popen[str]]:
        """An example that goes on until it is interrupted; it then ends well."""
        command = [sys.executable, "-u", str(EXAMPLES / example), *map(str, arguments)]
        with subprocess.Popen(
            command,
            cwd=self.directory,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                yield process
                process.send_signal(signal.SIGINT)
                assert process.wait(20) == 0
            finally:
                process.kill()


@pytest.fixture
def alone(tmp_path: Path) -> Runner:
    """Runs examples that are told of no account."""
    return Runner(tmp_path)


@pytest.fixture
def owner(new_account: Account) -> Connection:
    return new_account()[2]


@pytest.fixture
def runner(owner: Connection, tmp_path: Path) -> Runner:
    """Runs examples on an account of the platform under test, with the access of an app."""
    asked = {"type": "app", "name": "examples", "permissions": [{"streamId": "*", "level": "manage"}]}
    return Runner(tmp_path, owner.api_one("accesses.create", asked, "access")["apiEndpoint"])


def line_with(text: str, stream: IO[str] | None) -> str:
    """The next line that holds a text."""
    assert stream
    shown = ""
    for line in stream:
        if text in line:
            return line
        shown += line
    pytest.fail(f"{text} was not shown, but this: {shown}")


def write_extract(directory: Path, rows: slice) -> Path:
    """Some rows of the recording, as a file of their own."""
    header, *lines = RECORDING.read_text().splitlines(keepends=True)
    extract = directory / "extract.csv"
    extract.write_text("".join([header, *lines[rows]]))
    return extract


# ---- all of them


@pytest.mark.parametrize("example", ENDING)
def test_an_example_needs_nothing_but_itself(alone: Runner, example: str) -> None:
    assert alone.output(f"{example}.py")


@pytest.mark.parametrize("example", ["quickstart", *FOLLOWING])
def test_an_example_reports_an_unreachable_platform_in_one_line(alone: Runner, example: str) -> None:
    with Sandbox() as gone:
        endpoint = gone.create_account().api_endpoint
    done = alone.run(f"{example}.py", "--endpoint", endpoint)
    assert done.returncode == 69
    assert done.stderr.startswith(f"{example}: ")
    assert done.stderr.count("\n") == 1
    token, _, _ = urlsplit(endpoint).netloc.partition("@")
    assert token not in done.stderr


@pytest.mark.parametrize("file", sorted(EXAMPLES.rglob("*.py")), ids=lambda file: str(file.relative_to(EXAMPLES)))
def test_an_example_says_what_it_shows(file: Path) -> None:
    assert ast.get_docstring(ast.parse(file.read_text()))


def test_the_table_names_every_example() -> None:
    table = (EXAMPLES / "README.md").read_text()
    commands = set(re.findall(r"`\.venv/bin/python examples/([\w/]+?)(?:\.py)?[ `]", table))
    folders = {"demo", "web_login", "cron_sync/try_out"}
    assert commands == {*ENDING, *FOLLOWING, "terminal_login", *folders}


@pytest.mark.parametrize("document", sorted(EXAMPLES.rglob("*.md")), ids=lambda file: str(file.relative_to(EXAMPLES)))
def test_links_lead_to_files(document: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)", document.read_text()):
        assert (document.parent / target).exists(), target


# ---- each of them


def test_quickstart(runner: Runner, owner: Connection) -> None:
    assert re.search(
        r"Created .*Changed  60.9 kg\nRead     60.9 kg\nDeleted ", runner.output("quickstart.py"), re.DOTALL
    )
    runner.output("quickstart.py")  # streams that are there already are no hindrance
    assert list(owner.iter_events({"streams": ["example-weight"], "state": "all"})) == []


def test_import_twice(runner: Runner, owner: Connection) -> None:
    extract = write_extract(runner.directory, slice(4000, 4300))
    assert runner.output("import_csv.py", extract) == "300 events imported; 0 were there already\n"
    assert runner.output("import_csv.py", extract) == "0 events imported; 300 were there already\n"
    events = list(owner.iter_events({"streams": ["example-pulse"], "sortAscending": True}))
    rows = [line.split(",") for line in extract.read_text().splitlines()[1:]]
    assert [event["content"] for event in events] == [int(value) for _, value in rows]
    first, last = events[0]["time"], events[-1]["time"]
    assert last - first == pytest.approx((float(rows[-1][0]) - float(rows[0][0])) / 1000, abs=1e-3)


def test_an_import_says_why_an_event_was_refused(runner: Runner, owner: Connection) -> None:
    owner.api_one("streams.create", {"id": "example-pulse", "name": "Pulse"})
    owner.delete("streams/example-pulse")  # into the trash
    done = runner.run("import_csv.py", write_extract(runner.directory, slice(5)))
    assert done.returncode == 1
    assert "an event was refused: " in done.stderr
    assert done.stdout == ""


def test_an_import_says_that_it_may_not_write(runner: Runner, owner: Connection) -> None:
    permission = {"streamId": "elsewhere", "defaultName": "Elsewhere", "level": "manage"}
    narrow = owner.api_one("accesses.create", {"type": "app", "name": "narrow", "permissions": [permission]}, "access")
    extract = write_extract(runner.directory, slice(5))
    done = runner.run("import_csv.py", extract, "--endpoint", narrow["apiEndpoint"])
    assert done.returncode == 77
    assert re.search(r"^import_csv: .*\[forbidden, HTTP 403\]", done.stderr)
    assert done.stdout == ""


def test_export(runner: Runner, owner: Connection) -> None:
    calls = [Call("streams.create", {"id": name, "name": name}) for name in ("diary", "other")]
    for stream in ("diary", "other"):
        calls += [
            Call("events.create", {"streamIds": [stream], "type": "note/txt", "content": f"{stream} {number} é"})
            for number in range(30)
        ]
    owner.api(calls)
    exported = [json.loads(line) for line in runner.output("export_jsonl.py", "diary").splitlines()]
    assert [event["content"] for event in exported] == [f"diary {number} é" for number in range(30)]
    assert len(runner.output("export_jsonl.py").splitlines()) == 60


def test_an_export_into_a_closed_pipe(runner: Runner, owner: Connection) -> None:
    note = {"streamIds": ["diary"], "type": "note/txt", "content": "A long note. " * 1000}
    calls = [Call("streams.create", {"id": "diary", "name": "Diary"})] + [Call("events.create", note)] * 20
    owner.api(calls)
    command = [sys.executable, str(EXAMPLES / "export_jsonl.py")]
    with subprocess.Popen(
        command, cwd=runner.directory, env=runner.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout
        assert process.stderr
        assert json.loads(process.stdout.readline())["type"] == "note/txt"
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0


def test_attachments(runner: Runner, owner: Connection) -> None:
    output = runner.output("attachments.py")
    assert f"pulse.csv: {RECORDING.stat().st_size:,} bytes, sha256-" in output
    assert "note.txt: 34 bytes, sha256-" in output
    assert "left: pulse.csv\n" in output
    [event] = owner.iter_events({"streams": ["example-files"]})
    [attachment] = event["attachments"]
    assert owner.download_attachment(event["id"], attachment) == RECORDING.read_bytes()


def test_series(runner: Runner, owner: Connection) -> None:
    output = runner.output("series.py", "--plot", "plot.png")
    assert "15,000 points read, as they were sent" in output
    assert "heart rate: 61 beats a minute" in output
    check_plot(runner.directory / "plot.png")
    [event] = owner.iter_events({"streams": ["example-series"]})
    assert len(owner.get_hf_points(event["id"]).columns()["value"]) == 15_000


def test_analysis(runner: Runner) -> None:
    extract = write_extract(runner.directory, slice(0, None, 8))  # quick to import, and still enough to find beats in
    mirror = runner.directory / "pulse.db"
    output = runner.output("analysis.py", extract, "--plot", "plot.png", "--mirror", mirror)
    assert "1,875 new or changed events" in output
    rate = re.search(r"(\d+) beats a minute", output)
    assert rate
    assert int(rate[1]) in range(60, 67)
    check_plot(runner.directory / "plot.png")


def test_encryption(runner: Runner, owner: Connection) -> None:
    output = runner.output("encryption.py", "--plot", "plot.png")
    assert output.splitlines() == ["1,404 events encrypted", "1,404 events decrypted", "plot.png"]
    check_plot(runner.directory / "plot.png")
    if runner.endpoint:
        assert {event["type"] for event in owner.iter_events({"streams": ["example-encrypted"]})} == {
            "encrypted/ecies-aes-256-gcm"
        }
        assert "1,404 events decrypted" in runner.output("encryption.py")  # those of the first run have another key


def check_plot(plot: Path) -> None:
    height, width, _ = imread(plot).shape
    assert width > height > 500


def test_sharing(runner: Runner, owner: Connection) -> None:
    output = runner.output("sharing.py")
    assert "The doctor reads: Slept well" in output
    assert "Mondays" not in output
    assert re.search(r"may not write: .*\[forbidden, HTTP 403\]", output)
    assert re.search(r"Revoked: .*\[invalid-access-token", output)
    contents = {event["content"] for event in owner.iter_events()}
    assert {"Slept well, 8½ h.", "I do not like Mondays.", "Sleep more!"} <= contents
    assert "For Dr. Jones" not in [access["name"] for access in owner.get("accesses")["accesses"]]
    runner.output("sharing.py")


def test_watch(runner: Runner, owner: Connection) -> None:
    owner.api([Call("streams.create", {"id": name, "name": name}) for name in ("diary", "other")])
    with runner.following("watch.py", "diary") as watching:
        line_with("Watching", watching.stderr)
        for stream in ("other", "diary"):
            owner.api_one("events.create", {"streamIds": [stream], "type": "note/txt", "content": "A note"})
        assert watching.stdout
        assert "notificationsChanged {'keys': ['watched']}" in watching.stdout.readline()


def test_webhook_receiver(runner: Runner, owner: Connection) -> None:
    owner.api_one("streams.create", {"id": "diary", "name": "Diary"})
    with runner.following("webhook_receiver.py") as following:
        line_with("Following", following.stderr)
        [webhook] = owner.get("webhooks")["webhooks"]
        url = urlsplit(webhook["url"])
        for path in ("/", "/guessed", url.path[:-1] + "é"):
            assert requests.post(url._replace(path=path).geturl(), json={}, timeout=10).status_code == 404
        assert requests.post(webhook["url"], json={}, timeout=10).status_code == 204
        note = {"streamIds": ["diary"], "type": "note/txt", "content": "First"}
        event = owner.api_one("events.create", note, "event")
        assert following.stdout
        assert following.stdout.readline() == "note/txt First\n"
        for _ in range(2):
            owner.delete(f"events/{event['id']}")
        assert line_with("gone", following.stdout) == f"{event['id']} is gone\n"
    assert owner.get("webhooks")["webhooks"] == []


def test_a_webhook_receiver_goes_on_where_it_stopped(runner: Runner, owner: Connection) -> None:
    owner.api_one("streams.create", {"id": "diary", "name": "Diary"})
    store = FileAnchorStore(runner.directory / "anchor")
    for content in ("First", "Second"):
        note = {"streamIds": ["diary"], "type": "note/txt", "content": content}
        owner.api_one("events.create", note)
        with runner.following("webhook_receiver.py", "--anchor", "anchor") as following:
            assert following.stdout
            assert following.stdout.readline() == f"note/txt {content}\n"
            while (anchor := store.load()) is None or anchor.synced is None:  # the first pass is not committed yet
                assert following.poll() is None


def test_a_webhook_receiver_ends_with_its_access(runner: Runner, owner: Connection) -> None:
    process: subprocess.Popen[str]
    with subprocess.Popen(
        [sys.executable, "-u", str(EXAMPLES / "webhook_receiver.py")],
        cwd=runner.directory,
        env=runner.environment,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        line_with("Following", process.stderr)
        [webhook] = owner.get("webhooks")["webhooks"]
        [access] = [access for access in owner.get("accesses")["accesses"] if access["name"] == "examples"]
        owner.delete(f"accesses/{access['id']}")
        with contextlib.suppress(requests.ConnectionError):  # it may have been called before, and be at its end
            requests.post(webhook["url"], json={}, timeout=10)
        assert process.stderr
        assert "[invalid-access-token" in process.stderr.read()
    assert process.returncode == 77


@pytest.mark.parametrize(("example", "shown"), [("watch", "eventsChanged"), ("webhook_receiver", "is gone")])
def test_followers_show_how_to_change_something(alone: Runner, example: str, shown: str) -> None:
    with alone.following(f"{example}.py") as following:
        endpoint = line_with("PRYV_API_ENDPOINT=", following.stderr).split()[0].partition("=")[2]
        line_with("Ctrl-C", following.stderr)
        other = Runner(alone.directory, endpoint)
        other.output("quickstart.py")
        assert line_with(shown, following.stdout)


# ---- terminal login


def answer(page: str, owner: Connection, body: dict[str, object]) -> None:
    """Do what the page does when its user has answered."""
    key = parse_qs(urlsplit(page).query)["key"][0]
    requests.post(owner.service.info().access + key, json=body, timeout=10)


def accept(page: str, owner: Connection) -> None:
    asked = {"type": "app", "name": "terminal", "permissions": [{"streamId": "diary", "level": "contribute"}]}
    access = owner.api_one("accesses.create", asked, "access")
    given = {key: access[key] for key in ("token", "apiEndpoint")}
    answer(page, owner, {"status": "ACCEPTED", "username": owner.username(), **given})


@contextmanager
def signing_in(runner: Runner, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The example as it waits for the answer to be given on a page."""
    command = [sys.executable, "-u", str(EXAMPLES / "terminal_login.py"), *arguments]
    with subprocess.Popen(
        command, cwd=runner.directory, env=runner.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process, line_with("key=", process.stderr).strip()
        except BaseException:
            process.kill()
            raise


def test_terminal_login(alone: Runner, owner: Connection, platform_url: str) -> None:
    owner.api_one("streams.create", {"id": "diary", "name": "Diary"})
    with signing_in(alone, "--platform", platform_url) as (process, page):
        accept(page, owner)
        assert process.stdout
        assert process.stdout.read() == f"The diary of {owner.username()} has 1 notes.\n"

    second = alone.run("terminal_login.py", "--platform", platform_url)
    assert second.stdout == f"The diary of {owner.username()} has 2 notes.\n"

    [access] = [access for access in owner.get("accesses")["accesses"] if access["name"] == "terminal"]
    owner.delete(f"accesses/{access['id']}")
    with signing_in(alone, "--platform", platform_url) as (process, page):
        accept(page, owner)
        assert process.stdout
        assert process.stdout.read() == f"The diary of {owner.username()} has 3 notes.\n"


def test_terminal_login_refused(alone: Runner, owner: Connection, platform_url: str) -> None:
    with signing_in(alone, "--platform", platform_url) as (process, page):
        answer(page, owner, {"status": "REFUSED", "reasonId": "x", "message": "No"})
        assert process.stderr
        assert "did not give access" in process.stderr.read()
    assert process.returncode == 1


def test_terminal_login_can_start_its_own_platform(alone: Runner) -> None:
    command = [sys.executable, "-u", str(EXAMPLES / "terminal_login.py")]
    with subprocess.Popen(
        command, cwd=alone.directory, env=alone.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        found = re.search(r"Sign in as (\S+), password (\S+)\.", line_with("Sign in as", process.stderr))
        assert found
        page = line_with("key=", process.stderr).strip()
        poll = parse_qs(urlsplit(page).query)["poll"][0]
        service = Service(f"{poll.partition('/reg/')[0]}/reg/service/info")
        with service, service.login(found[1], found[2], "example-tests") as alice:
            accept(page, alice)
        assert process.stdout
        assert process.stdout.read() == "The diary of alice has 1 notes.\n"


# ---- cron


def test_sync_as_a_timer_does(alone: Runner) -> None:
    lines = alone.output("cron_sync/try_out.py").splitlines()
    assert [line.split(",")[0] for line in lines[:3]] == [f"{n} new or changed events" for n in (2, 1, 0)]
    assert lines[3:] == ["day,stream,events,mean", "2026-01-05,weight,2,60.9"]


def test_sync(runner: Runner, owner: Connection) -> None:
    owner.api_one("streams.create", {"id": "diary", "name": "Diary"})
    note = {"streamIds": ["diary"], "type": "note/txt", "content": "A note", "time": 1767600000}
    owner.api_one("events.create", note)
    assert runner.output("cron_sync/sync.py").startswith("1 new or changed events")
    assert (runner.directory / "days.csv").read_text().splitlines()[1:] == ["2026-01-05,diary,1,"]
    assert not (runner.directory / "days.csv.new").exists()


def test_the_exit_codes_of_sync(runner: Runner, owner: Connection) -> None:
    [access] = [access for access in owner.get("accesses")["accesses"] if access["name"] == "examples"]
    owner.delete(f"accesses/{access['id']}")
    assert runner.run("cron_sync/sync.py").returncode == 77


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd-analyze")
def test_the_units_are_valid(tmp_path: Path) -> None:
    folder = EXAMPLES / "cron_sync"
    units = [tmp_path / "pryv-sync.service", tmp_path / "pryv-sync.timer"]
    for unit in units:
        text = (folder / unit.name).read_text().replace("/opt/pryv-sync/venv/bin/python", sys.executable)
        unit.write_text(text.replace("/opt/pryv-sync", str(folder)))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *map(str, units)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
