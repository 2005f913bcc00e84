"""A backup has all that the platform has, in the layout that others read too."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock

import pytest
from tests.backup.content import (
    CONTENTS,
    NAMES,
    TIMES,
    comparable,
    digest,
    files_of,
    plain_read,
    platform_events,
)

from pryv import Connection
from pryv_backup import BackupError, BackupReport, backup, read, verify


@pytest.fixture(scope="module")
def made(full_account: Connection, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, BackupReport]:
    """A backup of the account, which tests only read."""
    folder = tmp_path_factory.mktemp("made") / "backup"
    return folder, backup(full_account, folder, access_history=True)


def test_every_event_is_there_once(full_account: Connection, made: tuple[Path, BackupReport]) -> None:
    folder, report = made
    expected = platform_events(full_account)
    assert comparable(plain_read(folder)) == expected
    assert comparable(read(folder).events()) == expected
    assert len(expected) > len(TIMES) + len(CONTENTS)
    assert report.complete
    assert not report.incremental
    assert report.unreadable == ()


def test_a_month_excludes_its_end(made: tuple[Path, BackupReport]) -> None:
    for file in made[0].glob("events-*.json"):
        for event in json.loads(file.read_text())["events"]:
            month = "far"
            if -62_135_596_800 <= event["time"] < 253_402_300_800:
                month = datetime.fromtimestamp(event["time"] // 1, timezone.utc).isoformat()[:7]
            assert file.name == f"events-{month}.json"


def test_deletions_are_there(full_account: Connection, made: tuple[Path, BackupReport]) -> None:
    folder, report = made
    deletions = json.loads((folder / "event-deletions.json").read_text())["eventDeletions"]
    assert [set(deletion) >= {"id", "deleted"} for deletion in deletions] == [True]
    assert report.deletions == 1
    assert deletions[0]["id"] not in comparable(read(folder).events())


def test_every_attachment_is_there(full_account: Connection, made: tuple[Path, BackupReport]) -> None:
    folder, report = made
    [event] = full_account.iter_events({"types": ["picture/attached"]})
    names = [item["fileName"] for item in event["attachments"]]
    assert len(names) == report.attachments == len(NAMES)
    for item in event["attachments"]:
        expected = full_account.download_attachment(event["id"], item)
        assert read(folder).attachment(event["id"], item["id"]).read_bytes() == expected
        old_name = folder / "attachments" / f"{event['id']}_{item['fileName']}"
        if names.count(item["fileName"]) == 1:
            assert old_name.read_bytes() == expected
        else:
            assert not old_name.exists()


def test_every_series_is_there(full_account: Connection, made: tuple[Path, BackupReport]) -> None:
    folder, report = made
    series = list(full_account.iter_events({"types": ["series:mass/kg"], "state": "all"}))
    assert report.series == len(series) == 2
    for event in series:
        expected = full_account.get_hf_points(event["id"])
        written = json.loads((folder / "hf-data" / f"{event['id']}.json").read_text())
        assert written == {"format": "flatJSON", "fields": expected.fields, "points": expected.points}
        assert read(folder).points(event["id"]).points is not None
        assert list(read(folder).points(event["id"]).rows()) == expected.points


def test_documents_are_those_of_the_platform(full_account: Connection, made: tuple[Path, BackupReport]) -> None:
    folder = made[0]
    assert read(folder).streams() == full_account.streams.list({"state": "all"})
    assert read(folder).document("account.json")["account"] == full_account.get("account")["account"]
    assert read(folder).document("profile_public.json")["profile"] == {"name": "Alice"}
    assert [item["id"] for item in read(folder).document("accesses.json")["accesses"]] == [
        item["id"] for item in full_account.accesses.list()
    ]
    assert read(folder).document("webhooks.json")["webhooks"] == []
    own = full_account.access_info()["id"]
    assert read(folder).document(f"accesses-history/{own}.json")["access"]["id"] == own
    assert len(read(folder).document("audit_logs.json")["events"]) > 20


def test_the_manifest_has_every_file(made: tuple[Path, BackupReport]) -> None:
    folder = made[0]
    manifest = json.loads((folder / "manifest.json").read_text())
    files = {path: data for path, data in files_of(folder).items() if path != "manifest.json"}
    assert manifest["files"] == {path: digest(data) for path, data in files.items()}
    assert manifest["sizes"] == {path: len(data) for path, data in files.items()}
    assert manifest["file_count"] == len(files)
    assert manifest["algorithm"] == "sha256"
    assert manifest["counts"]["events"] == len(list(plain_read(folder)))
    assert json.loads(manifest["anchor"])["version"] == 1


def test_readers_of_the_other_layout_find_all(full_account: Connection, made: tuple[Path, BackupReport]) -> None:
    """A reader of account-backup's layout: it knows neither file ids in names nor sizes in the manifest."""
    folder = made[0]
    for path, expected in json.loads((folder / "manifest.json").read_text())["files"].items():
        assert digest((folder / path).read_bytes()) == expected
    events: dict[str, Any] = {}
    for file in folder.glob("events*.json"):
        document = json.loads(file.read_text())
        assert set(document) == {"events", "meta"}
        events |= {event["id"]: event for event in document["events"]}
    assert set(platform_events(full_account)) <= set(events)
    for event in events.values():
        names = [item["fileName"] for item in event.get("attachments", ())]
        for item in event.get("attachments", ()):
            if names.count(item["fileName"]) == 1:
                content = (folder / "attachments" / f"{event['id']}_{item['fileName']}").read_bytes()
                assert content == full_account.download_attachment(event["id"], item)
        if event["type"].startswith("series:"):
            assert set(json.loads((folder / "hf-data" / f"{event['id']}.json").read_text())) == {
                *("format", "fields", "points")
            }
    for name in ("account", "streams", "accesses", "accesses-all", "profile_private", "profile_public"):
        assert "meta" in json.loads((folder / f"{name}.json").read_text())
    webhooks = json.loads((folder / "webhooks.json").read_text())
    assert {"generated_at", "accesses_scanned", "webhooks"} <= set(webhooks)


def test_only_the_owner_can_use_it(made: tuple[Path, BackupReport]) -> None:
    folder = made[0]
    for path in [folder, *folder.rglob("*")]:
        expected = 0o700 if path.is_dir() else 0o600
        assert stat.S_IMODE(path.lstat().st_mode) == expected, path


def test_a_folder_that_others_can_read_becomes_private(account: Connection, folder: Path) -> None:
    folder.mkdir(0o755)
    backup(account, folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_parents_are_made_and_are_private(account: Connection, tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b" / "c"
    mode = stat.S_IMODE(tmp_path.stat().st_mode)
    backup(account, folder)
    assert verify(folder).ok
    assert {stat.S_IMODE(path.stat().st_mode) for path in (folder, *folder.parents[:2])} == {0o700}
    assert stat.S_IMODE(tmp_path.stat().st_mode) == mode


def test_a_link_to_the_folder_is_followed(account: Connection, folder: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(folder)
    for incremental in (False, True):
        assert backup(account, link).incremental is incremental
        assert link.is_symlink()
        assert verify(link).ok
        assert verify(folder).ok


def secrets_of(connection: Connection) -> Iterator[str]:
    accesses = connection.get("accesses", {"includeDeletions": True, "includeExpired": True})
    for access in (*accesses["accesses"], *accesses.get("accessDeletions", ())):
        if "token" in access:
            yield access["token"]
    for event in connection.iter_events({"state": "all"}):
        yield from (item["readToken"] for item in event.get("attachments", ()))
    yield "11111111-2222-3333-4444-555555555555"


def with_secrets(connection: Connection) -> None:
    connection.streams.ensure({"id": "diary", "name": "Diary"})
    app = connection.accesses.create(
        {"name": "app", "type": "app", "permissions": [{"streamId": "diary", "level": "manage"}]}
    )
    Connection(app["apiEndpoint"]).webhooks.create(f"http://localhost:1/?hook={app['token']}")
    event: dict[str, Any] = {
        "streamIds": ["diary"],
        "type": "custom/any",
        "content": {"apiEndpoint": "https://another@pryv.me/bob/"},
    }
    connection.events.create({**event, "clientData": {"text": f"Use {app['token']}, or {app['apiEndpoint']}."}})
    connection.create_event_with_files({"streamIds": ["diary"], "type": "picture/attached"}, [("a", b"A")])
    connection.put("profile/private", {"mfa": {"recoveryCodes": ["11111111-2222-3333-4444-555555555555"]}})


def occurrences(folder: Path, secrets: list[str]) -> set[str]:
    texts = [path.read_bytes() for path in folder.rglob("*") if path.is_file()]
    return {secret for secret in secrets for text in texts if secret.encode() in text}


def test_tokens_are_left_out_unless_asked_for(account: Connection, folder: Path) -> None:
    with_secrets(account)
    secrets = [*secrets_of(account), "another@"]
    assert len(secrets) >= 5
    backup(account, folder, secrets=True)
    assert occurrences(folder, secrets) == set(secrets)
    backup(account, folder)
    assert occurrences(folder, secrets) == set()
    assert verify(folder).ok
    content = [event["content"] for event in read(folder).events() if event["type"] == "custom/any"]
    assert content == [{"apiEndpoint": "https://pryv.me/bob/"}]


def test_ids_stay_if_a_token_is_the_same_text(account: Connection, folder: Path) -> None:
    account.streams.create({"id": "weight-measurements", "name": "Weight"})
    event = account.events.create({"streamIds": ["weight-measurements"], "type": "mass/kg", "content": 61})
    permissions = [{"streamId": "weight-measurements", "level": "read"}]
    access: dict[str, Any] = {"name": "doctor", "token": "weight-measurements", "permissions": permissions}
    account.accesses.create(access)
    backup(account, folder)
    assert "weight-measurements" in {stream["id"] for stream in read(folder).streams()}
    assert [item["streamIds"] for item in read(folder).events() if item["id"] == event["id"]] == [event["streamIds"]]
    [access] = [item for item in read(folder).document("accesses.json")["accesses"] if item["name"] == "doctor"]
    assert (access["token"], access["permissions"]) == ("", permissions)


def test_an_event_with_secrets_may_be_nested_deeply(account: Connection, folder: Path) -> None:
    content: Any = {"apiEndpoint": "https://another@pryv.me/bob/"}
    for _ in range(400):
        content = [{"a": content}]
    files = [("a", b"A")]
    account.create_event_with_files({"streamIds": ["diary"], "type": "custom/any", "content": content}, files)
    assert backup(account, folder).complete
    assert occurrences(folder, ["another@", *secrets_of(account)]) == set()
    [event] = [event for event in read(folder).events() if event["type"] == "custom/any"]
    assert event["content"][0]["a"][0]["a"]


def test_documents_with_tokens_that_are_not_copied_again_are_removed(account: Connection, folder: Path) -> None:
    with_secrets(account)
    account.events.create({"streamIds": ["diary"], "type": "series:mass/kg"})
    secrets = [*secrets_of(account), "another@"]
    backup(account, folder, secrets=True, access_history=True)
    points = sorted((folder / "hf-data").glob("*"))
    assert len(points) == 1
    less: dict[str, Any] = {"webhooks": False, "audit": False, "deletions": False, "series": False}
    backup(account, folder, **less)
    assert occurrences(folder, secrets) == set()
    assert verify(folder).ok
    assert not (folder / "webhooks.json").exists()
    assert sorted((folder / "hf-data").glob("*")) == points


@pytest.mark.parametrize("first", [True, False])
def test_tokens_of_a_killed_run_are_removed(account: Connection, folder: Path, first: bool) -> None:
    """It was killed before it wrote the manifest: the present one does not have its files, or is of a run before."""
    with_secrets(account)
    secrets = [*secrets_of(account), "another@"]
    if not first:
        backup(account, folder)

    def kill(what: str, _: int) -> None:
        if what == "attachments":  # the documents are written
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        backup(account, folder, secrets=True, access_history=True, progress=kill)
    assert occurrences(folder, secrets) == set(secrets)
    backup(account, folder, webhooks=False, audit=False)
    assert occurrences(folder, secrets) == set()
    assert verify(folder).ok


def test_an_app_copies_what_it_may_read(account: Connection, folder: Path) -> None:
    account.streams.ensure({"id": "private", "name": "Private"})
    note: dict[str, Any] = {"type": "note/txt", "content": "A note."}
    account.events.create_many([{**note, "streamIds": [stream]} for stream in ("diary", "private")])
    app = account.accesses.create(
        {"name": "app", "type": "app", "permissions": [{"streamId": "diary", "level": "read"}]}
    )
    with Connection(app["apiEndpoint"]) as connection:
        connection.put("profile/app", {"colour": "blue"})
        report = backup(connection, folder)
        assert comparable(read(folder).events()) == platform_events(connection)
    assert report.complete
    assert {"account", "profile/private"} <= set(report.unreadable)
    profile = read(folder).document(f"app_profiles/profile_app_{app['id']}.json")
    assert profile["profile"] == {"colour": "blue"}
    assert not (folder / "account.json").exists()


OPTIONS = {
    "attachments": "attachments/*",
    "series": "hf-data/*",
    "deletions": "event-deletions.json",
    "audit": "audit_logs.json",
    "webhooks": "webhooks.json",
}


def test_only_the_selected_parts_are_copied(full_account: Connection, folder: Path) -> None:
    options: dict[str, Any] = dict.fromkeys([*OPTIONS, "trashed"], False)
    backup(full_account, folder, **options)
    assert [name for name, files in OPTIONS.items() if list(folder.glob(files))] == []
    assert not any(event.get("trashed") for event in read(folder).events())
    assert verify(folder).ok
    backup(full_account, folder)
    assert [name for name, files in OPTIONS.items() if not list(folder.glob(files))] == []
    backup(full_account, folder, **options)
    assert [name for name, files in OPTIONS.items() if not list(folder.glob(files))] == []
    assert verify(folder).ok


def test_a_folder_with_something_else_is_refused(account: Connection, folder: Path) -> None:
    folder.mkdir()
    (folder / "letters.txt").write_text("Dear")
    with pytest.raises(BackupError, match="choose an empty folder"):
        backup(account, folder)
    assert [path.name for path in folder.iterdir()] == ["letters.txt"]


def test_the_state_of_another_program_is_no_backup(account: Connection, folder: Path) -> None:
    (folder / ".state").mkdir(parents=True)
    (folder / "package.json").write_text("{}")
    with pytest.raises(BackupError, match="choose an empty folder"):
        backup(account, folder)
    assert sorted(path.name for path in folder.rglob("*")) == [".state", "package.json"]


def test_a_run_that_was_killed_at_its_start_is_continued(account: Connection, folder: Path) -> None:
    (folder / ".state").mkdir(parents=True)
    assert backup(account, folder).complete


def test_documents_of_other_programs_stay(account: Connection, folder: Path) -> None:
    """Without secrets, documents of a run with them are removed: only those that a run writes."""
    backup(account, folder, secrets=True)
    (folder / ".state" / "mine").mkdir()
    (folder / "mine").mkdir()
    (folder / "mine" / "own.json").touch()
    backup(account, folder)
    assert verify(folder).extra == ("mine/own.json",)
    assert (folder / ".state" / "mine").stat().st_mode & 0o777 != 0o600


def test_the_backup_of_another_account_is_refused(full_account: Connection, account: Connection, folder: Path) -> None:
    backup(account, folder)
    before = files_of(folder)
    with pytest.raises(BackupError, match="another account"):
        backup(full_account, folder)
    assert files_of(folder) == before
    for path in (folder / ".state").iterdir():  # the manifest says it too
        path.unlink()
    with pytest.raises(BackupError, match="another account"):
        backup(full_account, folder)
    assert files_of(folder) == before


def test_another_access_has_to_adopt_it(account: Connection, folder: Path) -> None:
    account.events.create({"streamIds": ["diary"], "type": "note/txt", "content": "A note."})
    backup(account, folder)
    app = account.accesses.create({"name": "app", "type": "app", "permissions": [{"streamId": "*", "level": "read"}]})
    with Connection(app["apiEndpoint"]) as connection:
        with pytest.raises(BackupError, match="adopt"):
            backup(connection, folder)
        assert backup(connection, folder, adopt=True).incremental
        assert comparable(read(folder).events()) == platform_events(connection)


def test_it_is_made_of_a_connection(folder: Path) -> None:
    with pytest.raises(TypeError, match=r"pryv\.Connection"):
        backup("https://TOKEN@alice.pryv.me/", folder)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="progress"):
        backup(Connection("http://token@127.0.0.1:1/"), folder, progress=True)  # type: ignore[arg-type]
    assert not folder.exists()


def test_progress_is_called(full_account: Connection, folder: Path) -> None:
    with pytest.raises(TypeError, match="progress is a coroutine"):
        backup(full_account, folder, progress=AsyncMock())
    assert not folder.exists()


def test_progress_is_reported(full_account: Connection, folder: Path) -> None:
    counts: dict[str, int] = {}
    report = backup(full_account, folder, progress=lambda what, count: counts.update({what: count}))
    assert counts["events"] == len(list(plain_read(folder)))
    assert counts["attachments"] == report.attachments
    assert counts["series"] == report.series
