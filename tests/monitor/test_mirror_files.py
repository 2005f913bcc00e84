"""The file of a mirror: its replacement and removal, the files next to it, and its permissions."""

import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from tests.interruptions import interruptions
from tests.monitor.kept import as_somebody_else, event, filled, killed_at, killed_while, needs_fork, save, take_in
from tests.monitor.subject import Subject

from pryv import _files as _core_files
from pryv_monitor import (
    Anchor,
    AnchorCorruptError,
    AnchorError,
    AnchorLockedError,
    FileAnchorStore,
    Monitor,
    SQLiteMirror,
    _files,
    _opening,
    _schema,
)

STORES = [FileAnchorStore, SQLiteMirror]
SCOPE: dict[str, Any] = {"streams": ["pulse", "notes"]}
ROOT = hasattr(os, "getuid") and os.getuid() == 0
needs_root = pytest.mark.skipif(not ROOT, reason="needs to become somebody else, or to mount")


def files(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


@needs_fork
@pytest.mark.parametrize("then", ["nothing", "an empty file"])
def test_leftovers_of_a_killed_pass_are_not_adopted_by_a_new_mirror(
    then: str, subject: Subject, mirror: SQLiteMirror
) -> None:
    subject.add(300)
    Monitor(subject.connection, SCOPE, mirror=mirror).sync()
    killed_while(mirror, lambda: take_in(mirror, (event(number) for number in range(20))))
    assert files(mirror.path.parent) == ["mirror.db", "mirror.db-shm", "mirror.db-wal", "mirror.db.lock"]
    mirror.path.unlink()
    if then == "an empty file":
        mirror.path.touch()
    assert list(mirror.events()) == []
    assert mirror.load() is None
    assert Monitor(subject.connection, SCOPE, mirror=mirror).sync().events == 300
    subject.assert_mirrored(mirror, SCOPE)


def test_a_journal_beside_a_removed_file_is_not_adopted(subject: Subject, mirror: SQLiteMirror) -> None:
    subject.add(30)
    with closing(sqlite3.connect(mirror.path)) as db:
        db.execute("CREATE TABLE another (one)")
        db.execute("BEGIN IMMEDIATE")
        db.execute("PRAGMA cache_size = 0")
        db.executemany("INSERT INTO another VALUES (?)", (("x" * 1000,) for _ in range(100)))
        journal = Path(f"{mirror.path}-journal").read_bytes()
        assert journal.strip(b"\0")
    mirror.path.unlink()
    Path(f"{mirror.path}-journal").write_bytes(journal)
    Monitor(subject.connection, SCOPE, mirror=mirror).sync()
    subject.assert_mirrored(mirror, SCOPE)


@pytest.mark.skipif(os.name == "nt", reason="an open file cannot be removed there")
@pytest.mark.parametrize("then", ["nothing", "another"])
def test_a_file_that_is_removed_under_its_writer_is_an_error(then: str, mirror: SQLiteMirror, tmp_path: Path) -> None:
    other = filled(SQLiteMirror(tmp_path / "other.db"), 1)
    with mirror.lock():
        take_in(mirror, [event(1)])
        if then == "another":
            other.path.replace(mirror.path)
        else:
            mirror.path.unlink()
        with pytest.raises(AnchorError, match="removed, or replaced"):
            take_in(mirror, [event(2)])
    filled(mirror)
    assert mirror.counts()["events"] == 3


@needs_fork
def test_reset_removes_what_is_beside_it(mirror: SQLiteMirror) -> None:
    killed_while(mirror, lambda: take_in(mirror, [event(1)]))
    mirror.path.unlink()
    mirror.reset()
    assert files(mirror.path.parent) == ["mirror.db.lock"]
    assert list(mirror.events()) == []


@needs_fork
@pytest.mark.parametrize("point", ["made", "taken in"])
def test_a_killed_process_leaves_a_mirror_that_goes_on(point: str, mirror: SQLiteMirror) -> None:
    killed_while(mirror, lambda: take_in(mirror, [event(1)]) if point == "taken in" else None)
    assert mirror.counts()["events"] == (point == "taken in")
    with mirror.lock():
        take_in(mirror, [event(2)])
    assert mirror.counts()["events"] == 1 + (point == "taken in")


def another_program(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE bookmarks (url TEXT)")
        db.execute("INSERT INTO bookmarks VALUES ('https://pryv.com')")
        db.execute("PRAGMA user_version = 7")
        db.commit()


def another_program_with_an_id(path: Path) -> None:
    another_program(path)
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA application_id = 1196444487")


def another_program_in_wal_mode(path: Path) -> None:
    another_program(path)
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA journal_mode = WAL")


@pytest.mark.parametrize("make", [another_program, another_program_with_an_id, another_program_in_wal_mode])
def test_a_database_of_another_program_is_left_alone(make: Any, subject: Subject, mirror: SQLiteMirror) -> None:
    make(mirror.path)
    before = mirror.path.read_bytes()
    for use in (
        Monitor(subject.connection, mirror=mirror).sync,
        lambda: list(mirror.events()),
        mirror.streams,
        mirror.counts,
        mirror.load,
        mirror.reset,
    ):
        with pytest.raises(AnchorError, match=r"mirror\.db: a database of another program") as caught:
            use()
        assert not isinstance(caught.value, AnchorCorruptError)  # for which one resets
    assert mirror.path.read_bytes() == before
    assert not {"mirror.db-wal", "mirror.db-shm", "mirror.db-journal"} & set(files(mirror.path.parent))


def test_an_empty_database_becomes_a_mirror(subject: Subject, mirror: SQLiteMirror) -> None:
    with closing(sqlite3.connect(mirror.path)) as db:
        db.execute("VACUUM")
    assert mirror.path.stat().st_size
    assert list(mirror.events()) == []
    subject.add(3)
    Monitor(subject.connection, SCOPE, mirror=mirror).sync()
    subject.assert_mirrored(mirror, SCOPE)


BEFORE_THE_FIRST_RELEASE = """
    CREATE TABLE event_texts (
        number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, time REAL NOT NULL, json TEXT NOT NULL,
        round INTEGER NOT NULL
    );
    CREATE TABLE deletions (id TEXT PRIMARY KEY, deleted REAL NOT NULL, json TEXT NOT NULL);
    CREATE TABLE stream_texts (position INTEGER PRIMARY KEY, json TEXT NOT NULL);
    CREATE TABLE anchor (one INTEGER PRIMARY KEY CHECK (one = 1), text TEXT NOT NULL);
    PRAGMA user_version = 2;
"""


def test_a_mirror_of_before_the_first_release_is_refused_by_name(mirror: SQLiteMirror) -> None:
    with closing(sqlite3.connect(mirror.path)) as db:
        db.executescript(BEFORE_THE_FIRST_RELEASE)
    before = mirror.path.read_bytes()
    with pytest.raises(AnchorError, match="made before the first release"), mirror.lock():
        pass
    assert mirror.path.read_bytes() == before
    mirror.reset()
    assert filled(mirror).counts()["events"] == 3


def test_a_mirror_of_a_later_version_is_left_alone(mirror: SQLiteMirror) -> None:
    filled(mirror)
    with closing(sqlite3.connect(mirror.path)) as db:
        db.execute("PRAGMA user_version = 99")
    with pytest.raises(AnchorError, match="schema 99"):
        mirror.streams()
    with pytest.raises(AnchorError, match="schema 99"), mirror.lock():
        pass


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        *((SQLiteMirror, name) for name in ("", "\0", ":memory:", "file::memory:", "file:copy.db?mode=memory")),
        *((FileAnchorStore, name) for name in ("", "a\0b")),
    ],
)
def test_invalid_file_names_are_refused(kind: Any, name: str) -> None:
    with pytest.raises(ValueError, match=r"not the name of a file|needs the path"):
        kind(name)
    with pytest.raises(TypeError):
        kind(5)


def test_odd_file_names_are_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("./:memory:", "a?b#c%20d.db", "é \udce9", os.path.join(".", "file:x")):
        filled(SQLiteMirror(name))
        assert Path(name).exists()
        assert SQLiteMirror(name).counts()["events"] == 3


def test_a_relative_path_is_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A daemon may change its directory."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(tmp_path)
    mirror, store = SQLiteMirror("copy.db"), FileAnchorStore("anchor")
    monkeypatch.chdir(elsewhere)
    filled(mirror)
    with store.lock():
        save(store, Anchor("fingerprint", 1.0))
    assert files(tmp_path) == ["anchor", "anchor.lock", "copy.db", "copy.db.lock", "elsewhere"]


@pytest.fixture(params=["directory", "pipe", "socket", "device"])
def special(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A name of something that is no file."""
    path = tmp_path / "kept"
    if request.param == "directory":
        path.mkdir()
    elif request.param == "pipe":
        os.mkfifo(path)
    elif request.param == "device":
        path.symlink_to("/dev/null")
    else:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(path))
    return path


@pytest.mark.skipif(os.name == "nt", reason="needs special files")
@pytest.mark.parametrize("kind", STORES)
def test_paths_that_are_not_files_are_refused(kind: Any, special: Path, subject: Subject) -> None:
    store = kind(special)
    given = {"mirror": store} if kind is SQLiteMirror else {"anchor_store": store}
    for use in (store.load, store.reset, Monitor(subject.connection, **given).sync):
        with pytest.raises(AnchorError, match=r"kept: a (directory|pipe|socket|device), where a file is needed"):
            use()
    assert files(special.parent) == ["kept"]
    assert not Path(f"{os.path.realpath(special)}.lock").exists()


@pytest.mark.skipif(os.name == "nt", reason="needs links")
@pytest.mark.parametrize("kind", STORES)
@pytest.mark.parametrize("name", [".kept.0.part", "kept-wal", "kept-shm", "kept-journal"])
def test_links_planted_beside_it_lead_nowhere(kind: Any, name: str, tmp_path: Path) -> None:
    victim, directory = tmp_path / "victim", tmp_path / "open"
    victim.write_text("precious")
    directory.mkdir()
    (directory / name).symlink_to(victim)
    store = kind(directory / "kept")
    with store.lock():
        save(store, Anchor("fingerprint", 1.0))
    assert store.load() == Anchor("fingerprint", 1.0)
    assert victim.read_text() == "precious"
    assert not (directory / "kept").is_symlink()


@pytest.mark.skipif(os.name == "nt", reason="needs links")
@pytest.mark.parametrize("kind", STORES)
def test_a_lock_that_is_a_link_is_not_followed(kind: Any, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / "kept.lock").symlink_to(victim)
    with pytest.raises(OSError, match=r"kept\.lock"), kind(tmp_path / "kept").lock():
        pass
    assert victim.read_text() == "precious"


@pytest.mark.skipif(os.name == "nt", reason="needs links")
@pytest.mark.parametrize("kind", STORES)
def test_a_symlink_is_kept(kind: Any, tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    link, target = tmp_path / "kept", tmp_path / "disk" / "real"
    link.symlink_to(target)
    store = kind(link)
    for since in (1.0, 2.0):
        with store.lock():
            save(store, Anchor("fingerprint", since))
            with pytest.raises(AnchorLockedError), kind(target).lock():
                pass
    assert link.is_symlink()
    assert kind(target).load() == store.load() == Anchor("fingerprint", 2.0)
    assert files(tmp_path) == ["disk", "kept"]
    store.reset()
    assert kind(target).load() is None


@pytest.mark.parametrize("error", ["ENOLCK", "ENOSYS", "EOPNOTSUPP"])
@pytest.mark.parametrize("kind", STORES)
@pytest.mark.skipif(os.name == "nt", reason="has no flock")
def test_a_file_system_without_locks_is_an_error(kind: type, error: str, tmp_path: Path) -> None:
    program = f"""
import errno, fcntl
def refuse(descriptor, operation): raise OSError(errno.{error}, "no such thing")
fcntl.flock = refuse
from pryv_monitor import {kind.__name__}
try:
    with {kind.__name__}({str(tmp_path / "kept")!r}).lock():
        print("locked")
except OSError as failure:
    print(failure.errno == errno.{error}, failure.filename, failure.strerror)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == f"True {tmp_path}/kept.lock cannot be locked on this file system: no such thing\n"
    assert done.stderr == ""


def seen(mirror: SQLiteMirror) -> tuple[int, int, float]:
    anchor = mirror.load()
    assert anchor is not None
    return len(list(mirror.events())), mirror.counts()["streams"], anchor.since


@pytest.fixture
def shared() -> Iterator[SQLiteMirror]:
    """A mirror that all may read, in a directory where its owner alone may write.

    It is not below `tmp_path`: each start of pytest, also by a document's program, makes the directory of all temporary
    directories private.
    """
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o755)
        mirror = SQLiteMirror(Path(directory) / "mirror.db")
        filled(mirror)
        mirror.path.chmod(0o644)
        yield mirror


@needs_root
@pytest.mark.parametrize("mode", [0o755, 0o777])
def test_read_permission_is_enough(mode: int, shared: SQLiteMirror) -> None:
    directory = shared.path.parent
    directory.chmod(mode)
    before = files(directory)
    assert as_somebody_else(lambda: seen(shared)) == "(3, 1, 1.0)"
    assert files(directory) == before
    with shared.lock():
        assert as_somebody_else(lambda: seen(shared)) == "(3, 1, 1.0)"
        take_in(shared, [event(7)])
        assert as_somebody_else(lambda: seen(shared)) == "(4, 1, 1.0)"
        shared.begin(Anchor("scope", 1.0), 1.0).apply("event", [(event(8), json.dumps(event(8)))])
        assert as_somebody_else(lambda: seen(shared)) == "(4, 1, 1.0)"
    killed_while(shared, lambda: take_in(shared, [event(9)]))
    assert as_somebody_else(lambda: seen(shared)) == "(5, 1, 1.0)"
    assert filled(shared).counts()["events"] == 5


@needs_root
def test_missing_read_permission_is_an_error(shared: SQLiteMirror) -> None:
    shared.path.chmod(0o600)
    assert as_somebody_else(lambda: seen(shared)) == f"AnchorError: {shared.path}: Permission denied"


@needs_root
def test_a_mirror_that_cannot_be_read_without_its_index_is_an_error(shared: SQLiteMirror) -> None:
    killed_while(shared, lambda: take_in(shared, [event(9)]))
    Path(f"{shared.path}-shm").unlink()
    assert "without mirror.db-shm, which is missing" in as_somebody_else(lambda: seen(shared))
    assert len(list(shared.events())) == 4


@needs_root
@pytest.mark.parametrize("change", ["synchronized", "removed"])
def test_a_change_under_a_reader_without_locks_is_an_error(change: str, shared: SQLiteMirror) -> None:
    with shared.lock():
        take_in(shared, (event(number) for number in range(5000)))
    began, go_on = os.pipe(), os.pipe()

    def read_slowly() -> int:
        events = shared.events()
        next(events)
        os.write(began[1], b".")
        os.read(go_on[0], 1)
        next(events)
        return 2

    pid = os.fork()
    if pid == 0:
        os.read(began[0], 1)
        if change == "synchronized":
            with shared.lock():
                take_in(shared, (event(number, content="another") for number in range(5000)))
        else:
            shared.reset()
        os.write(go_on[1], b".")
        os._exit(0)
    told = as_somebody_else(read_slowly)
    os.waitpid(pid, 0)
    assert told.startswith("AnchorLockedError")
    assert "changed it while it was read" in told


@pytest.fixture
def medium(tmp_path: Path) -> Iterator[Path]:
    """A small file system of its own."""
    place = tmp_path / "medium"
    place.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", place], capture_output=True, check=False)
    if done.returncode:
        pytest.skip("nothing can be mounted here")
    yield place
    subprocess.run(["umount", "--lazy", place], check=True)


def make_read_only(medium: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", medium], check=True)


@needs_root
@pytest.mark.parametrize("ended", ["in order", "killed"])
def test_a_copy_on_a_read_only_medium_can_be_read(ended: str, medium: Path) -> None:
    mirror = filled(SQLiteMirror(medium / "copy.db"))
    if ended == "killed":
        killed_while(mirror, lambda: take_in(mirror, [event(7)]))
    make_read_only(medium)
    assert seen(mirror) == (3 + (ended == "killed"), 1, 1.0)
    with pytest.raises(OSError, match="Read-only file system"), mirror.lock():
        pass


@needs_root
@pytest.mark.parametrize("kind", STORES)
def test_a_full_disk_keeps_the_committed_content(kind: Any, medium: Path) -> None:
    store = kind(medium / "kept")
    with store.lock():
        save(store, Anchor("fingerprint", 1.0))
    large = Anchor("fingerprint", 2.0, remembered={str(number): 1.0 for number in range(200_000)})
    with pytest.raises((OSError, AnchorError), match=r"full|No space"), store.lock():
        save(store, large)
    assert store.load() == Anchor("fingerprint", 1.0)
    assert not [name for name in files(medium) if name.endswith(".part")]
    with store.lock():
        save(store, Anchor("fingerprint", 3.0))
    assert store.load() == Anchor("fingerprint", 3.0)


@needs_fork
def test_the_temporary_file_of_a_killed_save_is_removed_by_the_next(tmp_path: Path) -> None:
    store = FileAnchorStore(tmp_path / "kept")
    pid = os.fork()
    if pid == 0:
        os.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
        with store.lock():
            save(store, Anchor("fingerprint", 1.0))
    os.waitpid(pid, 0)
    assert len(files(tmp_path)) == 2
    assert store.load() is None
    with store.lock():
        save(store, Anchor("fingerprint", 2.0))
    assert files(tmp_path) == ["kept", "kept.lock"]
    assert store.load() == Anchor("fingerprint", 2.0)


@pytest.mark.skipif(os.name == "nt", reason="files there have no such modes")
def test_the_mode_of_an_anchor_is_kept(tmp_path: Path) -> None:
    store = FileAnchorStore(tmp_path / "kept")
    for _ in range(2):
        if store.path.exists():
            store.path.chmod(0o640)
        with store.lock():
            save(store, Anchor("fingerprint", 1.0))
    assert store.path.stat().st_mode & 0o777 == 0o640


def test_a_slow_writer_is_waited_for_until_a_timeout(mirror: SQLiteMirror, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_opening, "_BUSY_TIMEOUT", 0.05)
    filled(mirror)
    with closing(sqlite3.connect(mirror.path, isolation_level=None)) as db:
        db.execute("BEGIN IMMEDIATE")
        with mirror.lock(), pytest.raises(AnchorLockedError, match="another program is writing") as caught:
            take_in(mirror, [event(5)])
    assert caught.value.retryable


@pytest.mark.skipif(os.name == "nt", reason="needs signals of threads")
@pytest.mark.parametrize("before", ["nothing", "an empty database"])
def test_a_reader_sees_a_complete_schema(before: str, mirror: SQLiteMirror) -> None:
    def begin_again() -> None:
        mirror.reset()
        if before == "an empty database":
            with closing(sqlite3.connect(mirror.path)) as db:
                db.execute("PRAGMA journal_mode = WAL")

    found: list[int] = []

    def read() -> None:
        found.append(len(list(mirror.events())))

    begin_again()
    for _ in interruptions(read, lambda: filled(mirror), _opening, _schema, _files):
        begin_again()
    assert set(found) == {0, 3}


@needs_fork
@pytest.mark.parametrize("stride", [3, pytest.param(1, marks=pytest.mark.long)])
def test_a_kill_at_any_step_loses_nothing(stride: int, mirror: SQLiteMirror) -> None:
    def make() -> None:
        filled(mirror)

    for act, counts in ((make, {0}), (mirror.reset, {0, 3})):
        seen, step = set(), 1
        while killed_at(step, act, _opening, _schema):
            seen.add(mirror.counts()["events"])
            assert filled(mirror).counts()["events"] == 3
            if act is make:
                mirror.reset()
            step += stride
        assert seen == counts
        assert step > 30


@needs_fork
def test_other_threads_may_read_its_anchor_while_it_is_written(mirror: SQLiteMirror) -> None:
    """In another process, because SQLite crashes if a thread uses a connection that another one closes."""
    child = os.fork()
    if child == 0:
        try:
            with ThreadPoolExecutor(2) as pool:
                reads = [pool.submit(lambda: [mirror.load() for _ in range(400)]) for _ in range(2)]
                while not all(read.done() for read in reads):
                    filled(mirror)
                assert {anchor and anchor.since for read in reads for anchor in read.result()} <= {None, 1.0}
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitpid(child, 0)[1] == 0


@needs_fork
def test_a_kill_at_any_step_leaves_the_anchor_before_or_after(tmp_path: Path) -> None:
    store, before, after = FileAnchorStore(tmp_path / "kept"), Anchor("before", 1.0), Anchor("after", 2.0)

    def save_locked(anchor: Anchor) -> None:
        with store.lock():
            save(store, anchor)

    save_locked(before)
    seen, step = [], 1
    while killed_at(step, lambda: save_locked(after), _files, _core_files):
        seen.append(store.load())
        assert len(files(tmp_path)) <= 3
        save_locked(before)
        assert files(tmp_path) == ["kept", "kept.lock"]
        step += 1
    assert before in seen
    assert after in seen


@needs_fork
def test_a_backup_that_is_killed_leaves_the_last_one(mirror: SQLiteMirror, tmp_path: Path) -> None:
    target = tmp_path / "backup.db"
    filled(mirror, 2)
    mirror.backup(target)
    filled(mirror, 3)
    seen, step = set(), 1
    while killed_at(step, lambda: mirror.backup(target), _opening, _files, _core_files):
        seen.add(SQLiteMirror(target).counts()["events"])
        step += 3
    assert seen == {2, 3}
    mirror.backup(target)
    assert sorted(files(tmp_path)) == ["backup.db", "mirror.db", "mirror.db.lock"]


def test_backups_to_one_file_at_once_are_whole(mirror: SQLiteMirror, tmp_path: Path) -> None:
    target = tmp_path / "backup.db"
    filled(mirror, 200).backup(target)
    together = threading.Barrier(3)

    def backups() -> set[int]:
        together.wait()
        found = set()
        for _ in range(10):
            mirror.backup(target)
            found.add(SQLiteMirror(target).counts()["events"])
        return found

    with ThreadPoolExecutor(3) as pool:
        counts = [pool.submit(backups) for _ in range(3)]
        assert [count.result() for count in counts] == [{200}] * 3
    assert sorted(files(tmp_path)) == ["backup.db", "mirror.db", "mirror.db.lock"]


@needs_root
def test_a_mirror_on_a_read_only_medium_can_be_backed_up(shared: SQLiteMirror) -> None:
    elsewhere = shared.path.parent / "elsewhere"
    elsewhere.mkdir()
    elsewhere.chmod(0o777)
    assert as_somebody_else(lambda: shared.backup(elsewhere / "copy.db")) == "None"
    assert SQLiteMirror(elsewhere / "copy.db").counts()["events"] == 3


def test_a_copy_of_the_file_can_be_read(mirror: SQLiteMirror, tmp_path: Path) -> None:
    shutil.copyfile(filled(mirror).path, tmp_path / "other.db")
    assert seen(SQLiteMirror(tmp_path / "other.db")) == (3, 1, 1.0)
