"""A second backup into a folder: each change once, and nothing lost."""

from __future__ import annotations

import json
import shutil
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.accounts import Account
from tests.backup.content import assert_equal, files_of, platform_events

from pryv import Connection
from pryv_backup import BackupError, backup, read, verify
from pryv_backup._mirror import MaskedMirror
from pryv_monitor import AnchorLockedError, SQLiteMirror
from pryv_monitor.testing import check_mirror
from pryv_sandbox import Sandbox

NOTE: dict[str, Any] = {"streamIds": ["diary"], "type": "note/txt", "content": "A note."}


def test_more_than_one_page_of_changes_is_read(account: Connection, folder: Path) -> None:
    backup(account, folder)
    account.events.create_many([{**NOTE, "time": number} for number in range(150)])
    report = backup(account, folder)
    assert (report.events, report.incremental, report.complete) == (150, True, True)
    assert_equal(account, folder)
    assert backup(account, folder).events == 0


def test_changes_of_every_kind_are_copied(account: Connection, folder: Path) -> None:
    made = account.events.create_many([{**NOTE, "time": number * 4e6} for number in range(6)])
    with_file = account.create_event_with_files(NOTE, [("a", b"A"), ("b", b"B")])["event"]
    series = account.events.create({"streamIds": ["diary"], "type": "series:mass/kg"})
    backup(account, folder)
    account.events.update(made[0]["id"], {"time": 1e9})
    account.events.update(made[1]["id"], {"content": "Another."})
    account.events.delete(made[2]["id"])
    account.events.delete(made[3]["id"], permanently=True)
    account.streams.create({"id": "new", "name": "New"})
    account.add_attachment(with_file["id"], b"C", "a")
    account.delete_attachment(with_file["id"], with_file["attachments"][1]["id"])
    account.add_points_to_hf_event(series["id"], ["deltaTime", "value"], [[1, 2]])
    report = backup(account, folder)
    assert report.events in (4, 5)  # the size of all attachments is that of an event, which may have changed, too
    assert (report.deletions, report.attachments, report.series) == (1, 1, 1)
    assert_equal(account, folder)
    assert not (folder / "events-1970-05.json").exists()
    assert {path.name.rpartition("_")[2] for path in (folder / "attachments").iterdir()} == {"a"}
    assert len(list((folder / "attachments").iterdir())) == 2  # both have one name: the old name is not unique
    assert read(folder).points(series["id"]).points


def test_counts_of_a_run_without_changes_are_zero(account: Connection, folder: Path) -> None:
    def counts() -> dict[str, int]:
        found: dict[str, int] = json.loads((folder / "manifest.json").read_text())["counts"]
        return found

    app = account.accesses.create(
        {"name": "app", "type": "app", "permissions": [{"streamId": "diary", "level": "manage"}]}
    )
    with Connection(app["apiEndpoint"]) as connection:
        event = connection.events.create(NOTE)
        backup(connection, folder)
        assert counts()["events"] > counts()["deletions"] == 0
        assert counts()["audit"] >= 0
        connection.events.delete(event["id"], permanently=True)
        backup(connection, folder)
        assert (counts()["events"], counts()["deletions"]) == (0, 1)
        backup(connection, folder, secrets=True)
        backup(connection, folder, deletions=False)
        assert counts()["events"] == 0
        assert "deletions" not in counts()


def test_files_that_did_not_change_stay_as_they_are(account: Connection, folder: Path) -> None:
    account.create_event_with_files({**NOTE, "time": 0}, [("a", b"A")])
    backup(account, folder)
    before = {path: path.stat() for path in folder.rglob("*") if path.is_file()}
    account.events.create(NOTE)
    assert backup(account, folder).attachments == 0
    kept = [path for path in before if path.exists() and path.stat().st_ino == before[path].st_ino]
    assert {"events-1970-01.json", "streams.json"} <= {path.name for path in kept}
    assert len([path for path in kept if path.parent.name == "attachments"]) == 2


def test_without_changes_no_file_with_events_is_written(account: Connection, folder: Path) -> None:
    account.events.create({**NOTE, "time": 0})
    account.events.delete(account.events.create({**NOTE, "time": 1})["id"])
    backup(account, folder)
    progress: dict[str, int] = {}
    backup(account, folder, progress=lambda what, count: progress.update({what: count}))
    assert "audit" in progress
    assert "events" not in progress
    assert verify(folder).ok
    (folder / "events-1970-01.json").unlink()
    backup(account, folder)
    assert_equal(account, folder)
    backup(account, folder, trashed=False)
    assert len(list(read(folder).events())) == len(platform_events(account)) + 1
    account.events.create({**NOTE, "time": 2})
    backup(account, folder, progress=lambda what, count: progress.update({what: count}))
    assert progress["events"] == len(list(read(folder).events()))
    assert_equal(account, folder)


def test_damage_stays_visible(account: Connection, folder: Path) -> None:
    """A run that does not write a file must not take its damage for its content."""
    account.create_event_with_files(NOTE, [("a", b"AAA")])
    backup(account, folder)
    file = next(path for path in (folder / "attachments").iterdir() if path.name.count("_") == 2)
    file.write_bytes(b"ABA")
    backup(account, folder)
    assert file.relative_to(folder).as_posix() in verify(folder).mismatches
    file.unlink()
    assert backup(account, folder).attachments == 1
    assert verify(folder).ok


def test_files_of_a_killed_run_are_checked_and_kept(account: Connection, folder: Path) -> None:
    """It has written attachments, but no manifest."""
    event = account.create_event_with_files(NOTE, [("good", b"good"), ("bad", b"bad")])["event"]
    backup(account, folder)
    (folder / "manifest.json").unlink()
    read(folder).attachment(event["id"], event["attachments"][1]["id"]).write_bytes(b"BAD")
    for name in (".gone.3.part", "attachments/.gone.3.part"):
        (folder / name).write_bytes(b"unfinished")
    assert backup(account, folder).attachments == 1
    assert_equal(account, folder)


def test_a_backup_without_its_state_reads_everything_again(account: Connection, folder: Path, sandbox: Sandbox) -> None:
    account.events.create_many([NOTE] * 3)
    sandbox.faults.skew = 3600  # more than the overlap
    backup(account, folder)
    shutil.rmtree(folder / ".state")
    report = backup(account, folder)
    assert (report.events, report.incremental) == (len(platform_events(account)) + 2, True)
    assert_equal(account, folder)


def test_a_killed_run_does_not_hide_a_change_back(account: Connection, folder: Path) -> None:
    """A run that was killed has written points that the manifest does not have; then they are as they were."""
    series = account.events.create({"streamIds": ["diary"], "type": "series:mass/kg"})
    account.add_points_to_hf_event(series["id"], ["deltaTime", "value"], [[1, 2]])
    backup(account, folder)
    file = folder / "hf-data" / f"{series['id']}.json"
    file.write_text(file.read_text().replace("2]", "3]"))
    backup(account, folder)
    assert list(read(folder).points(series["id"]).rows()) == [[1, 2]]
    assert verify(folder).ok


def test_files_with_names_like_those_of_others(account: Connection, folder: Path) -> None:
    event = account.create_event_with_files(NOTE, [("x", b"first")])["event"]
    first = event["attachments"][0]["id"]
    event = account.add_attachment(event["id"], b"second", f"{first}_x")["event"]
    backup(account, folder)
    found = [read(folder).attachment(event["id"], item["id"]).read_bytes() for item in event["attachments"]]
    assert found == [b"first", b"second"]


def test_a_damaged_state_is_named_and_can_be_removed(account: Connection, folder: Path) -> None:
    account.events.create(NOTE)
    backup(account, folder)
    for data in (b"no database", (folder / ".state" / "mirror.db").read_bytes()[:5000]):
        (folder / ".state" / "mirror.db").write_bytes(data)
        with pytest.raises(BackupError, match=r"\.state is damaged: remove it"):
            backup(account, folder)
        assert verify(folder).ok
    shutil.rmtree(folder / ".state")
    backup(account, folder)
    assert_equal(account, folder)


def test_one_backup_at_a_time(account: Connection, folder: Path) -> None:
    backup(account, folder)
    before = files_of(folder)
    with SQLiteMirror(folder / ".state" / "mirror.db").lock(), pytest.raises(AnchorLockedError):
        backup(account, folder)
    assert files_of(folder) == before


class LockableMirror(MaskedMirror):
    """The mirror of a backup, but that the caller locks it."""

    def lock(self) -> AbstractContextManager[None]:
        return self.mirror.lock()


def test_the_mirror_keeps_the_contract(tmp_path: Path) -> None:
    numbers = iter(range(1000))

    def make() -> Any:
        return LockableMirror(SQLiteMirror(tmp_path / f"{next(numbers)}.db"), lambda data, text: (data, text))

    check_mirror(make)


actions = st.lists(
    st.tuples(
        st.sampled_from(["create", "move", "change", "trash", "delete", "attach", "detach", "backup"]),
        st.integers(0, 5),
        st.sampled_from([0.0, 2_678_399.5, 2_678_400.0, 1e11, 1e300, -1e300, -62_135_596_800.5]),
    ),
    max_size=25,
)


@settings(max_examples=15)
@given(actions=actions)
def test_any_history_ends_in_the_state_of_the_platform(
    module_account: Account, tmp_path_factory: pytest.TempPathFactory, actions: Any
) -> None:
    run_history(module_account, tmp_path_factory, actions)


@pytest.mark.long
@settings(max_examples=150)
@given(actions=actions)
def test_any_of_many_histories_ends_in_the_state_of_the_platform(
    module_account: Account, tmp_path_factory: pytest.TempPathFactory, actions: Any
) -> None:
    run_history(module_account, tmp_path_factory, actions)


def run_history(module_account: Account, tmp_path_factory: pytest.TempPathFactory, actions: Any) -> None:
    connection, folder = module_account[2], tmp_path_factory.mktemp("history") / "backup"
    connection.streams.ensure({"id": "diary", "name": "Diary"})
    ids: list[str] = []
    for action, number, time in actions:
        if action == "backup":
            backup(connection, folder, audit=False)
        else:
            _act(connection, ids, action, number, time)
    backup(connection, folder, audit=False)
    assert_equal(connection, folder)
    for event_id in ids:
        connection.events.delete(event_id, permanently=True)


def _act(connection: Connection, ids: list[str], action: str, number: int, time: float) -> None:
    if action == "create" or number >= len(ids):
        ids.append(connection.events.create({**NOTE, "time": time})["id"])
    elif action == "move":
        connection.events.update(ids[number], {"time": time})
    elif action == "change":
        connection.events.update(ids[number], {"content": f"At {time}."})
    elif action == "trash":
        connection.events.delete(ids[number])
    elif action == "delete":
        connection.events.delete(ids.pop(number), permanently=True)
    elif action == "attach":
        connection.add_attachment(ids[number], b"data", "name")
    else:
        for attachment in connection.events.get(ids[number]).get("attachments", ()):
            connection.delete_attachment(ids[number], attachment["id"])
