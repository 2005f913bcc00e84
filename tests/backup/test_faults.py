"""Kills, cut responses, full disks, hostile names and links: nothing is lost, and nothing leaves the folder."""

from __future__ import annotations

import errno
import json
import os
import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.backup.content import assert_equal, comparable, fill, platform_events

from pryv import Connection, Limits, PryvError, ServerError
from pryv_backup import BackupError, backup, read, verify
from pryv_backup._layout import attachment_file, attachments_of, old_attachment_file
from pryv_sandbox import Sandbox

CHILD = Path(__file__).with_name("child.py")
NOTE: dict[str, Any] = {"streamIds": ["diary"], "type": "note/txt", "content": "A note."}


def run_child(connection: Connection, folder: Path, number: int) -> tuple[int, str]:
    command = [sys.executable, str(CHILD), connection.api_endpoint, str(folder), str(number)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    return done.returncode, done.stdout


def whole(folder: Path) -> None:
    """Every file under its final name is whole."""
    for file in folder.glob("*.json"):
        assert isinstance(json.loads(file.read_text()), dict)
    for file in (folder / "attachments").glob("*"):
        if not file.name.endswith(".part"):
            assert file.read_bytes() in (b"A" * 50_000, b"B" * 50_000)


def change(connection: Connection, number: int) -> None:
    """Change the account, so that a run has something of each kind to write and to remove."""
    connection.create_event_with_files(NOTE, [("a", b"A" * 50_000), (f"b{number}", b"B" * 50_000)])
    connection.events.create_many([{**NOTE, "time": number * 4e6}] * 3)
    series = connection.events.create({"streamIds": ["diary"], "type": "series:mass/kg"})
    connection.add_points_to_hf_event(series["id"], ["deltaTime", "value"], [[1, number]])
    for event in list(connection.iter_events({"types": ["note/txt"], "limit": 2, "sortAscending": True})):
        connection.events.delete(event["id"], permanently=True)


@pytest.mark.parametrize("kills", [6, pytest.param(60, marks=pytest.mark.long)])
def test_a_run_that_is_killed_is_completed_by_the_next(account: Connection, folder: Path, kills: int) -> None:
    chance = random.Random(18)
    change(account, 0)
    code, count = run_child(account, folder.with_name("first"), 0)
    assert code == 0
    for number in range(1, kills + 1):
        code, _ = run_child(account, folder, chance.randrange(1, int(count)))
        assert code in (-signal.SIGKILL, 0)  # a later run has fewer files to write
        whole(folder)
        if number % 3 == 0:
            backup(account, folder)
            assert_equal(account, folder)
            assert not [path for path in folder.rglob("*") if path.name.endswith(".part")]
            change(account, number)
    backup(account, folder)
    assert_equal(account, folder)


PATHS = (
    *(r"/streams$", r"/events$", r"/accesses$", r"/account$", r"/profile/private$", r"/webhooks$", r"/series$"),
    r"/events/[a-z0-9]+/[a-z0-9]+$",
)


@pytest.mark.parametrize("path", PATHS)
def test_a_backup_with_a_response_cut_short_is_incomplete(
    account: Connection, folder: Path, sandbox: Sandbox, path: str
) -> None:
    account.create_event_with_files(NOTE, [("a", b"A" * 3000), ("empty", b"")])
    series = account.events.create({"streamIds": ["diary"], "type": "series:mass/kg"})
    account.add_points_to_hf_event(series["id"], ["deltaTime", "value"], [[n, n] for n in range(100)])
    connection = Connection(account.api_endpoint, retry=None)
    raised = 0
    for place in (None, 0, 1, 17, 100, 150, 300, 700, 1100):
        sandbox.faults.cut(after_bytes=place, path=path)
        try:
            report = backup(connection, folder)
        except PryvError:
            raised += 1
        else:
            assert report.complete
            assert comparable(read(folder).events()) == platform_events(account)
        sandbox.faults.clear()
    assert raised >= 2
    backup(account, folder)
    assert_equal(account, folder)


def test_responses_cut_short_are_retried(account: Connection, folder: Path, sandbox: Sandbox) -> None:
    account.create_event_with_files(NOTE, [("a", b"A" * 3000)])
    for path in PATHS[:6]:
        sandbox.faults.cut(after_bytes=20, path=path)
    assert backup(account, folder, error_tolerance=20).complete
    assert_equal(account, folder)


@pytest.mark.parametrize(("status", "raises"), [(503, True), (401, True), (404, False), (400, False), (500, False)])
def test_only_a_failure_of_the_platform_ends_the_run(
    account: Connection, folder: Path, sandbox: Sandbox, status: int, raises: bool
) -> None:
    event = account.create_event_with_files(NOTE, [("a", b"A"), ("b", b"B")])["event"]
    sandbox.faults.status(status, path=f"/events/{event['id']}/{event['attachments'][0]['id']}")
    if raises:
        with pytest.raises(PryvError):
            backup(Connection(account.api_endpoint, retry=None), folder)
    else:
        report = backup(Connection(account.api_endpoint, retry=None), folder)
        assert [failure.what for failure in report.failed] == [
            f"attachment {event['id']}/{event['attachments'][0]['id']}"
        ]
        assert (report.complete, report.attachments) == (False, 1)
    report = backup(account, folder)
    assert (report.complete, report.attachments) == (True, 2 if raises else 1)
    assert_equal(account, folder)


def test_items_deleted_during_the_run_are_not_failures(account: Connection, folder: Path) -> None:
    series = account.events.create({"streamIds": ["diary"], "type": "series:mass/kg", "time": 3})
    files = [("a", b"A"), ("b", b"B")]
    event, other = (account.create_event_with_files({**NOTE, "time": n}, files)["event"] for n in range(2))

    deleted = False

    def progress(what: str, _: int) -> None:
        nonlocal deleted
        if what == "attachments" and not deleted:  # the first one is downloaded
            deleted = True
            account.delete_attachment(event["id"], event["attachments"][1]["id"])
            for item in (other, series):
                account.events.delete(item["id"], permanently=True)

    report = backup(account, folder, progress=progress)
    assert (report.failed, report.complete, report.attachments) == ((), True, 1)
    assert backup(account, folder).complete
    assert_equal(account, folder)


def test_a_platform_that_fails_with_everything_ends_the_run(
    account: Connection, folder: Path, sandbox: Sandbox
) -> None:
    event = account.create_event_with_files(NOTE, [("a", b"A")])["event"]
    sandbox.faults.status(500, path=f"/events/{event['id']}/")
    sandbox.faults.status(500, method="POST")  # the batch that asks whether the event is still there
    with pytest.raises(ServerError):
        backup(Connection(account.api_endpoint, retry=None), folder)
    assert backup(account, folder).complete


def test_damaged_files_and_series_do_not_end_the_run(account: Connection, folder: Path, sandbox: Sandbox) -> None:
    """Another file than its size and digest say, a response that is no series, and a series beyond the limits."""
    event = account.create_event_with_files(NOTE, [("a", b"A"), ("b", b"B")])["event"]
    path = f"/events/{event['id']}/{event['attachments'][0]['id']}"
    sandbox.faults.status(200, path=path, body={"not": "the file"}, times=9)
    series = [account.events.create({"streamIds": ["diary"], "type": "series:mass/kg", "time": n}) for n in range(3)]
    for one in series:
        account.add_points_to_hf_event(one["id"], ["deltaTime", "value"], [[1, 2], [2, 3]])
    sandbox.faults.status(200, path=f"/events/{series[0]['id']}/series", body={"points": 1}, times=9)
    account.add_points_to_hf_event(series[1]["id"], ["deltaTime", "value"], [[n, n] for n in range(50_000)])
    with Connection(account.api_endpoint, limits=Limits(response=500_000)) as connection:
        report = backup(connection, folder)
    assert [failure.what for failure in report.failed] == [
        *(f"series {one['id']}" for one in series[:2]),
        f"attachment {event['id']}/{event['attachments'][0]['id']}",
    ]
    assert (report.complete, report.attachments, report.series) == (False, 1, 1)
    assert verify(folder).ok
    sandbox.faults.clear()
    assert backup(account, folder).complete
    assert_equal(account, folder)


def test_the_token_of_who_added_points_is_left_out(account: Connection, folder: Path, sandbox: Sandbox) -> None:
    """The platform puts it into the event, where all who may read the event see it."""
    series = account.events.create({"streamIds": ["diary"], "type": "series:mass/kg"})
    writer, reader = (
        account.accesses.create({"name": level, "permissions": [{"streamId": "diary", "level": level}]})
        for level in ("contribute", "read")
    )
    with Connection(writer["apiEndpoint"]) as connection:
        connection.add_points_to_hf_event(series["id"], ["deltaTime", "value"], [[1, 2]])
    sandbox.faults.skew = 11
    with Connection(reader["apiEndpoint"]) as connection:
        assert connection.events.get(series["id"])["modifiedBy"] == writer["token"]
        backup(connection, folder)
    token = writer["token"].encode()
    assert [path for path in folder.rglob("*") if path.is_file() and token in path.read_bytes()] == []


def test_the_last_copy_of_an_unreadable_document_is_kept(account: Connection, folder: Path, sandbox: Sandbox) -> None:
    series = account.events.create({"streamIds": ["diary"], "type": "series:mass/kg"})
    account.add_points_to_hf_event(series["id"], ["deltaTime", "value"], [[1, 2]])
    backup(account, folder)
    sandbox.faults.status(404, path=r"/series$")
    report = backup(account, folder)
    assert [failure.what for failure in report.failed] == [f"series {series['id']}"]
    assert list(read(folder).points(series["id"]).rows()) == [[1, 2]]
    assert verify(folder).ok


def test_a_full_disk_leaves_the_last_backup_usable(account: Connection, folder: Path) -> None:
    account.create_event_with_files(NOTE, [("small", b"A")])
    backup(account, folder)
    account.create_event_with_files(NOTE, [("large", b"B" * 500_000)])
    script = f"""
import resource, signal, sys
from pryv_backup import cli
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))
sys.exit(cli.main(["run", {str(folder)!r}]))
"""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    environment["PRYV_API_ENDPOINT"] = account.api_endpoint
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
    assert "File too large" in done.stderr
    assert ".part" not in done.stderr
    assert not list((folder / "attachments").glob("*large"))
    backup(account, folder)
    assert_equal(account, folder)


def test_a_file_system_that_refuses_a_name_does_not_end_the_run(
    account: Connection, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As FAT and eCryptfs do it: the name is refused for the link and for the copy."""
    event = account.create_event_with_files(NOTE, [("a:b", b"A"), ("c" * 200, b"C")])["event"]
    opened, replace = os.open, os.replace

    def check(path: Any) -> None:
        name = os.path.basename(path)
        if ":" in name:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), path)
        if len(name) > 143:
            raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG), path)

    def link(source: Any, target: Any) -> None:
        check(target)
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM), source)

    def open_file(path: Any, *arguments: Any, **options: Any) -> int:
        check(path)
        return opened(path, *arguments, **options)

    def move(source: Any, target: Any) -> None:
        check(target)
        replace(source, target)

    monkeypatch.setattr(os, "link", link)
    monkeypatch.setattr(os, "open", open_file)
    monkeypatch.setattr(os, "replace", move)
    assert backup(account, folder).complete
    assert len(list((folder / "attachments").iterdir())) == 2
    for item, content in zip(event["attachments"], (b"A", b"C"), strict=True):
        assert read(folder).attachment(event["id"], item["id"]).read_bytes() == content
    assert verify(folder).ok


def test_a_directory_that_is_a_link_is_refused(account: Connection, folder: Path, tmp_path: Path) -> None:
    account.create_event_with_files(NOTE, [("a", b"A")])
    outside = tmp_path / "outside"
    outside.mkdir()
    for name in ("attachments", ".state"):
        backup(account, folder)
        shutil.rmtree(folder / name)
        (folder / name).symlink_to(outside)
        with pytest.raises(BackupError, match="symbolic link"):
            backup(account, folder)
        assert list(outside.iterdir()) == []
        (folder / name).unlink()


def test_links_and_special_files_are_found_and_not_followed(account: Connection, folder: Path, tmp_path: Path) -> None:
    event = account.create_event_with_files(NOTE, [("a", b"A"), ("a", b"AA")])["event"]
    backup(account, folder)
    first, _ = (read(folder).attachment(event["id"], item["id"]) for item in event["attachments"])
    copy = tmp_path / "copy"
    copy.write_bytes(first.read_bytes())
    first.unlink()
    first.symlink_to(copy)  # to the very bytes
    (folder / "account.json").unlink()
    os.mkfifo(folder / "account.json")
    (folder / "link").symlink_to("streams.json")
    found = verify(folder)
    assert found.mismatches == ("account.json", first.relative_to(folder).as_posix())
    assert found.extra == ("link",)
    with pytest.raises(BackupError, match="not a regular file"):
        read(folder).attachment(event["id"], event["attachments"][0]["id"])
    (folder / "attachments").rename(tmp_path / "attachments")
    (folder / "attachments").symlink_to(tmp_path / "attachments")
    with pytest.raises(BackupError, match="symbolic link"):
        read(folder).attachment(event["id"], event["attachments"][1]["id"])


hostile = st.text(st.characters(codec=None, exclude_categories=[]), max_size=300) | st.sampled_from(
    ["", ".", "..", "../x", "/etc/passwd", "a\0b", "x" * 300, "é" * 200 + ".jpeg", "C:\\x", "\ud83d", "con", ".part"]
)


@given(event_id=hostile, file_id=hostile, name=hostile, other_id=hostile)
def test_any_name_becomes_a_file_in_the_directory(event_id: str, file_id: str, name: str, other_id: str) -> None:
    attachment = {"id": file_id, "fileName": name}
    for path in (attachment_file(event_id, attachment), old_attachment_file(event_id, attachment)):
        if path is not None:
            directory, _, file = path.partition("/")
            assert directory == "attachments"
            assert not set(file) & set("/\0")
            assert 0 < len(file.encode()) <= 255
            assert not file.startswith(".")
            assert not file.endswith((".", " "))  # which FAT drops
    assert not set(attachment_file(event_id, attachment)) & set("\0\\:")
    assert len(attachment_file(event_id, attachment).encode()) <= len("attachments/") + 143  # those of eCryptfs
    if other_id != file_id:
        assert attachment_file(event_id, {**attachment, "id": other_id}) != attachment_file(event_id, attachment)


def test_names_differ_on_case_insensitive_file_systems_too() -> None:
    names = ("a.txt", "A.TXT", "\u00e9", "e\u0301", "b")
    event = {"id": "e", "attachments": [{"id": str(number), "fileName": name} for number, name in enumerate(names)]}
    assert [named.old_path for named in attachments_of(event)] == [*[None] * 4, "attachments/e_b"]


def test_a_hostile_platform_writes_only_inside_the_folder(folder: Path, sandbox: Sandbox, account: Connection) -> None:
    """Ids and names of events and files are those of a platform that wants to write elsewhere."""
    event = account.create_event_with_files(NOTE, [("a", b"A")])["event"]
    [attachment] = event["attachments"]
    others = [{**attachment, "id": "../../x", "fileName": "../../../y"}, {**attachment, "fileName": "/tmp/z"}, {}, 7]
    body = {
        "events": [{**event, "id": "../../../evil", "attachments": others}, {**event, "attachments": [attachment]}],
        "eventDeletions": [],
        "meta": {"serverTime": 1, "apiVersion": "2", "serial": "3"},
    }
    for _ in range(2):
        sandbox.faults.status(200, path=r"/events$", method="GET", body=body)
    before = {path for path in folder.parent.parent.rglob("*") if folder not in path.parents}
    report = backup(account, folder)
    sandbox.faults.clear()
    assert report.attachments == 1
    after = {path for path in folder.parent.parent.rglob("*") if folder not in path.parents}
    assert after - before == {folder}
    assert verify(folder).ok


def test_the_account_of_many_kinds_survives_a_kill_in_its_first_run(account: Connection, folder: Path) -> None:
    account.streams.delete("diary")
    account.streams.delete("diary", permanently=True)
    fill(account)
    assert run_child(account, folder, 20)[0] == -signal.SIGKILL
    assert backup(account, folder).complete
    assert_equal(account, folder)
