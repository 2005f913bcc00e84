"""A restored account is as it was; a second restore, or one that was stopped, doubles nothing."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock

import pytest
import requests
from tests.accounts import Account
from tests.backup.content import comparable

from pryv import Connection, PryvError, PryvProtocolError
from pryv_backup import BackupError, backup, read, restore
from pryv_sandbox import Sandbox

WRITTEN = ("created", "createdBy", "modified", "modifiedBy", "integrity")
NOTE: dict[str, Any] = {"streamIds": ["diary"], "type": "note/txt", "content": "A note."}


@pytest.fixture(autouse=True)
def _state(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.fixture
def empty(new_account: Callable[[], Account]) -> Connection:
    """An account without streams."""
    return new_account()[2]


def plain(item: dict[str, Any]) -> dict[str, Any]:
    """A stream or an event without what the platform sets when it is written."""
    kept = {key: value for key, value in item.items() if key not in WRITTEN}
    for attachment in kept.get("attachments", ()):
        attachment["id"] = ""
    for child in kept.get("children", ()):
        child.update(plain(child))
        for key in WRITTEN:
            child.pop(key, None)
    return kept


def content(folder: Path) -> dict[str, Any]:
    """All of a backup that can be restored, in a form that can be compared."""
    archive = read(folder)
    events = {key: plain(event) for key, event in comparable(archive.events()).items() if not key.startswith(":")}
    files = {
        (event["id"], attachment["fileName"], archive.attachment(event["id"], attachment["id"]).read_bytes())
        for event in archive.events()
        for attachment in event.get("attachments", ())
    }
    points = {key: archive.points(key).points for key, event in events.items() if event["type"].startswith("series:")}
    streams = [plain(stream) for stream in archive.streams() if not stream["id"].startswith(":")]
    return {"events": events, "files": files, "points": {k: list(v) for k, v in points.items()}, "streams": streams}


def test_a_restored_account_is_as_it_was(made: Path, empty: Connection, folder: Path, tmp_path: Path) -> None:
    report = restore(made, empty)
    backup(empty, folder)
    expected = content(made)
    assert content(folder) == expected
    assert report.created == len(expected["events"]) + 3
    assert (report.skipped, report.failed) == (0, ())
    assert {"accesses", "the audit log", "webhooks", "deletions"} <= set(report.not_restored)
    assert list((tmp_path / "state" / "pryv-backup").iterdir()) == []


def test_a_second_restore_creates_nothing(made: Path, empty: Connection, folder: Path) -> None:
    first = restore(made, empty)
    second = restore(made, empty)
    assert (second.created, second.skipped, second.failed) == (0, first.created, ())
    backup(empty, folder)
    assert content(folder) == content(made)


class Cut(requests.adapters.HTTPAdapter):
    """Lets some requests pass; the response of the next one is lost, or it is not sent, and so are all others."""

    def __init__(self, left: int, *, loses_response: bool) -> None:
        super().__init__()
        self.left = left
        self.loses_response = loses_response

    def send(self, *arguments: Any, **options: Any) -> Any:
        self.left -= 1
        response = super().send(*arguments, **options) if self.left >= 0 or self.loses_response else None
        self.loses_response = self.loses_response and self.left >= 0
        if self.left < 0:
            raise requests.ConnectionError("cut")
        return response


@pytest.mark.parametrize("loses_response", [True, False])
def test_a_restore_that_is_stopped_continues(
    made: Path, new_account: Callable[[], Account], tmp_path: Path, loses_response: bool
) -> None:
    expected, passed = content(made), False
    for requests_made in range(2, 30, 2):
        connection, folder = new_account()[2], tmp_path / f"{requests_made}"
        with requests.Session() as session:
            session.mount("http", Cut(requests_made, loses_response=loses_response))
            try:
                restore(made, Connection(connection.api_endpoint, session=session, retry=None))
                passed = True
            except PryvError:
                assert not passed
        report = restore(made, connection)
        assert report.failed == ()
        backup(connection, folder, audit=False)
        assert content(folder) == expected
        if passed:
            break
    assert passed


def test_existing_items_are_not_changed(account: Connection, folder: Path) -> None:
    kept, trashed = account.events.create_many([NOTE, NOTE])
    account.streams.create({"id": "old", "name": "Old"})
    account.events.delete(trashed["id"])
    account.streams.delete("old")
    backup(account, folder)
    account.events.update(kept["id"], {"content": "Later."})
    account.events.update(trashed["id"], {"trashed": False})
    account.streams.update("old", {"trashed": False})
    report = restore(folder, account)
    assert (report.created, report.skipped, report.failed) == (0, 4, ())
    assert account.events.get(kept["id"])["content"] == "Later."
    assert not account.events.get(trashed["id"]).get("trashed")
    assert "old" in [stream["id"] for stream in account.streams.list()], "it is not in the trash again"
    failures = restore(folder, account, on_conflict="fail").failed
    assert len(failures) == 4
    with pytest.raises(ValueError, match="on_conflict"):
        restore(folder, account, on_conflict="overwrite")


def test_a_trashed_stream_whose_name_is_taken_is_one_failure(
    account: Connection, empty: Connection, folder: Path
) -> None:
    account.streams.create({"id": "old", "name": "Old"})
    account.streams.delete("old")
    backup(account, folder)
    empty.streams.create({"id": "other", "name": "Old"})
    assert [failure.what for failure in restore(folder, empty).failed] == ["stream old"]


def test_deleted_events_come_back_with_another_id(account: Connection, folder: Path) -> None:
    event = account.create_event_with_files(NOTE, [("a.txt", b"A")])["event"]
    backup(account, folder)
    for _ in range(2):
        gone = next(account.iter_events({"types": ["note/txt"]}))
        account.events.delete(gone["id"], permanently=True)
        report = restore(folder, account)
        assert (report.created, set(report.ids)) == (1, {event["id"]})
        again = restore(folder, account)
        assert (again.created, again.ids) == (0, report.ids)
        [restored] = account.iter_events({"types": ["note/txt"]})
        assert restored["id"] == report.ids[event["id"]]
        assert account.download_attachment(restored["id"], restored["attachments"][0]) == b"A"


def test_other_ids_are_replaced_by_the_same_ones_each_time(
    account: Connection, empty: Connection, tmp_path: Path
) -> None:
    ids = ["c" + "a-" * 12, "c" + "b" * 24, "e" * 24, "CAPITALS", ":other:store", "é", "half \ud83d", "x" * 300]
    folder = tmp_path / "foreign"
    folder.mkdir()
    (folder / "streams.json").write_text(json.dumps({"streams": account.streams.list()}))
    (folder / "events.json").write_text(json.dumps({"events": [{**NOTE, "id": item, "time": 1} for item in ids]}))
    report = restore(folder, empty)
    assert (report.created, report.failed) == (len(ids) + 1, ())
    assert set(report.ids) == set(ids[3:])
    assert restore(folder, empty).ids == report.ids
    found = {event["id"] for event in empty.iter_events({"types": ["note/txt"]})}
    assert found == {*ids[:3], *report.ids.values()}


def test_an_app_restores_into_streams_that_it_may_use(account: Connection, folder: Path) -> None:
    event = account.events.create(NOTE)
    backup(account, folder)
    account.events.delete(event["id"], permanently=True)
    app = account.accesses.create(
        {"name": "app", "type": "app", "permissions": [{"streamId": "diary", "level": "contribute"}]}
    )
    with Connection(app["apiEndpoint"]) as connection:
        report = restore(folder, connection)
    assert (report.created, report.skipped, report.failed) == (1, 1, ())


def test_times_of_change_are_kept_on_demand(account: Connection, empty: Connection, folder: Path) -> None:
    event = account.events.create({**NOTE, "clientData": {"mine": 1}})
    backup(account, folder)
    report = restore(folder, empty, keep_times=True)
    restored = empty.events.get(event["id"])["clientData"]
    assert restored["mine"] == 1
    assert restored["restored"]["modified"] == event["modified"]
    assert not any("times" in text for text in report.not_restored)


def test_damaged_attachments_are_not_restored(account: Connection, empty: Connection, folder: Path) -> None:
    event = account.create_event_with_files(NOTE, [("good", b"good"), ("bad", b"bad"), ("gone", b"gone")])["event"]
    backup(account, folder)
    good, bad, _ = (read(folder).attachment(event["id"], item["id"]) for item in event["attachments"])
    bad.write_bytes(b"BAD")
    for path in (folder / "attachments").glob("*gone"):
        path.unlink()
    secret = folder.parent / "secret"
    secret.write_bytes(b"good")
    good.unlink()
    good.symlink_to(secret)
    for path in (folder / "attachments").glob("*_good"):
        path.unlink(missing_ok=True)
        path.symlink_to(secret)
    report = restore(folder, empty)
    assert [failure.what for failure in report.failed] == [
        f"attachment {event['id']}/{item['id']}" for item in event["attachments"]
    ]
    assert "attachments" not in empty.events.get(event["id"])


@pytest.mark.parametrize("trashed", [False, True])
def test_attachments_that_were_damaged_are_added_once_they_are_mended(
    account: Connection, empty: Connection, folder: Path, trashed: bool
) -> None:
    files = [("same", b"A"), ("same", b"A"), ("same", b"B"), ("gone", b"gone")]
    event = account.create_event_with_files(NOTE, files)["event"]
    alone = account.create_event_with_files(NOTE, [("alone", b"alone")])["event"]
    other = account.create_event_with_files(NOTE, [("other", b"other")])["event"]
    if trashed:
        account.events.delete(event["id"])
    backup(account, folder)
    empty.streams.ensure({"id": "diary", "name": "Diary"})
    empty.events.create({**NOTE, "id": other["id"]})  # not of the restore
    damaged = [read(folder).attachment(event["id"], event["attachments"][number]["id"]) for number in (1, 3)]
    damaged.append(read(folder).attachment(alone["id"], alone["attachments"][0]["id"]))
    contents = [path.read_bytes() for path in damaged]
    for path in damaged:
        path.write_bytes(b"?")
    assert len(restore(folder, empty).failed) == 3
    for path, content in zip(damaged, contents, strict=True):
        path.write_bytes(content)
    for _ in range(2):
        assert restore(folder, empty).failed == ()
        found = empty.events.get(event["id"])
        assert sorted((item["fileName"], item["size"]) for item in found["attachments"]) == [
            *(("gone", 4), ("same", 1), ("same", 1), ("same", 1)),
        ]
        assert bool(found.get("trashed")) is trashed
        assert [item["fileName"] for item in empty.events.get(alone["id"])["attachments"]] == ["alone"]
        assert "attachments" not in empty.events.get(other["id"])


def test_items_that_the_platform_refuses_are_reported(account: Connection, empty: Connection, folder: Path) -> None:
    account.events.create_many([NOTE, {**NOTE, "content": "second"}])
    backup(account, folder)
    file = next(folder.glob("events-20*.json"))
    document = json.loads(file.read_text())
    notes = [event for event in document["events"] if event["type"] == "note/txt"]
    notes[0]["content"], notes[1]["streamIds"] = "half \ud83d", ["nowhere"]
    file.write_text(json.dumps(document))
    empty.streams.create({"id": "other", "name": "Diary"})
    tree = read(folder).streams()
    tree.append({"id": "half", "name": "\ud83d"})
    (folder / "streams.json").write_text(json.dumps({"streams": tree}))
    report = restore(folder, empty)
    reasons = {failure.what: failure.reason for failure in report.failed}
    assert "surrogate" in reasons[f"event {notes[0]['id']}"]
    assert "nowhere" in reasons[f"event {notes[1]['id']}"]
    assert "already" in reasons["stream diary"]
    assert "surrogate" in reasons["stream half"]


def test_events_of_an_old_platform_have_one_stream(empty: Connection, tmp_path: Path) -> None:
    old: dict[str, Any] = {
        "id": "c" + "0" * 24,
        "streamId": "diary",
        "type": "note/txt",
        "content": "A note.",
        "time": 1,
    }
    (tmp_path / "events.json").write_text(json.dumps({"events": [old]}))
    (tmp_path / "streams.json").write_text(json.dumps({"streams": [{"id": "diary", "name": "Diary"}]}))
    report = restore(tmp_path, empty)
    assert (report.created, report.failed) == (2, ())
    assert empty.events.get(old["id"])["streamIds"] == ["diary"]


def test_a_file_that_is_too_large_for_a_server_in_front_is_one_failure(
    account: Connection, empty: Connection, folder: Path, sandbox: Sandbox
) -> None:
    event = account.create_event_with_files({**NOTE, "time": 1}, [("large", b"A")])["event"]
    series = account.events.create({"streamIds": ["diary"], "type": "series:mass/kg"})
    account.add_points_to_hf_event(series["id"], ["deltaTime", "value"], [[1, 2]])
    other = account.events.create(NOTE)
    backup(account, folder)
    for path in ("/events$", "/series$"):
        sandbox.faults.status(413, path=path, method="POST", body=b"<html>", times=9)
    report = restore(folder, empty)
    assert [failure.what for failure in report.failed] == [f"event {event['id']}", f"series {series['id']}"]
    assert "HTTP 413" in report.failed[0].reason
    assert empty.events.get(other["id"])["content"] == NOTE["content"]
    sandbox.faults.status(413, path="/access-info$", body=b"<html>")  # no other request gets through
    with pytest.raises(PryvProtocolError):
        restore(folder, empty)
    sandbox.faults.clear()
    assert restore(folder, empty).failed == ()
    assert empty.events.get(event["id"])["attachments"][0]["fileName"] == "large"
    assert empty.get_hf_points(series["id"]).points == [[1, 2]]


def test_profiles_are_restored_on_demand(full_account: Connection, empty: Connection, made: Path) -> None:
    restore(made, empty)
    assert empty.get("profile/public")["profile"] == {}
    restore(made, empty, profile=True)
    assert empty.get("profile/public")["profile"] == {"name": "Alice"}
    assert "mfa" not in empty.get("profile/private")["profile"]


@pytest.mark.parametrize("secrets", [False, True])
def test_profiles_keep_keys_that_the_backup_lacks(
    account: Connection, empty: Connection, folder: Path, secrets: bool
) -> None:
    mine: dict[str, Any] = {
        "token": "mine",
        "other": {"Secret": "s", "colour": "blue", "apiEndpoint": "https://t@pryv.me/"},
        "n": 1,
    }
    mine["secret"] = ""  # as it is in the account
    account.put("profile/private", {**mine, "password": "p", "list": [{"token": "t", "a": 1}]})
    backup(account, folder, secrets=secrets)
    theirs = {"token": "theirs", "other": {"Secret": "their", "apiEndpoint": "https://u@pryv.me/"}, "n": 2}
    empty.put("profile/private", theirs)
    assert restore(folder, empty, profile=True).failed == ()
    found = empty.get("profile/private")["profile"]
    if secrets:
        assert found == {**mine, "password": "p", "list": [{"token": "t", "a": 1}]}
    else:
        other = {"Secret": "their", "colour": "blue", "apiEndpoint": "https://u@pryv.me/"}
        assert found == {"token": "theirs", "other": other, "n": 1, "list": [{"a": 1}]}


def test_parts_can_be_left_out(made: Path, empty: Connection) -> None:
    restore(made, empty, events=False)
    assert [event for event in empty.iter_events({"state": "all"}) if not event["id"].startswith(":")] == []
    restore(made, empty, attachments=False, series=False)
    events = list(empty.iter_events({"state": "all"}))
    assert not any("attachments" in event for event in events)
    series = [event["id"] for event in events if event["type"].startswith("series:")]
    assert [empty.get_hf_points(key).points for key in series] == [[], []]


def test_the_directory_of_the_state(
    made: Path, empty: Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path / "file" / "home"))
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError, match=rf"--state\): '{tmp_path}/file/home/.local/state"):
        restore(made, empty)
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)  # of a user of a container who is in no list
    with pytest.raises(FileNotFoundError, match=r"no home directory.*--state"):
        restore(made, empty)
    assert os.listdir(tmp_path) == ["file"]
    assert restore(made, empty, state=tmp_path / "state").created


def test_the_state_of_a_restore_into_another_account_is_refused(
    account: Connection, empty: Connection, made: Path, folder: Path, tmp_path: Path
) -> None:
    """What an app has created there since would be taken for events of this restore, and put into the trash."""
    state = tmp_path / "state.json"
    backup(account, folder)
    (folder / "streams.json").write_text('{"streams": [{"id": "half", "name": "\\ud83d"}]}')
    assert restore(folder, account, state=state).failed
    with pytest.raises(BackupError, match="another account") as raised:
        restore(made, empty, state=state)
    assert account.endpoint in str(raised.value)
    assert "half" not in {stream["id"] for stream in empty.streams.list({"state": "all"})}


def test_wrong_arguments_are_refused(made: Path, empty: Connection, tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=r"pryv\.Connection"):
        restore(made, "https://TOKEN@alice.pryv.me/")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="progress is a coroutine"):
        restore(made, empty, progress=AsyncMock())
    state = tmp_path / "state.json"
    state.write_text("{}")
    with pytest.raises(BackupError, match="not the state"):
        restore(made, empty, state=state)
    with pytest.raises(BackupError, match="no backup"):
        restore(tmp_path, empty)


def test_a_failure_keeps_the_state_for_the_next_restore(
    account: Connection, empty: Connection, folder: Path, tmp_path: Path, sandbox: Sandbox
) -> None:
    series = account.events.create({"streamIds": ["diary"], "type": "series:mass/kg"})
    account.add_points_to_hf_event(series["id"], ["deltaTime", "value"], [[1, 2]])
    backup(account, folder)
    hidden = tmp_path / "points"
    shutil.move(folder / "hf-data" / f"{series['id']}.json", hidden)
    state = tmp_path / "state.json"
    assert [item.what for item in restore(folder, empty, state=state).failed] == [f"series {series['id']}"]
    shutil.move(hidden, folder / "hf-data" / f"{series['id']}.json")
    assert restore(folder, empty, state=state).failed == ()
    assert empty.get_hf_points(series["id"]).points == [[1, 2]]
    assert not state.exists()
