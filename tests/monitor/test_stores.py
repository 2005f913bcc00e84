"""Anchor stores: one set of tests for all of them, then the faults of files."""

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import pytest
from tests.monitor import kept
from tests.mounts import run_where_mounted

from pryv_monitor import (
    Anchor,
    AnchorCorruptError,
    AnchorError,
    AnchorLockedError,
    FileAnchorStore,
    MemoryAnchorStore,
    SQLiteMirror,
)

ANCHOR = Anchor("f" * 64, 1_700_000_000.123, remembered={"a": 1.5}, streams="s", synced=1_700_000_001.0)


Store = MemoryAnchorStore | FileAnchorStore | SQLiteMirror


class OnDisk(Protocol):
    """A class of stores that keep a file."""

    def __call__(self, path: Path) -> FileAnchorStore | SQLiteMirror: ...


ON_DISK = [FileAnchorStore, SQLiteMirror]


@pytest.fixture(params=["memory", *ON_DISK])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """Each kind of store."""
    return MemoryAnchorStore() if request.param == "memory" else request.param(tmp_path / "kept")


def save(store: Store, anchor: Anchor) -> None:
    with store.lock():
        kept.save(store, anchor)


def test_a_store_is_empty_at_first(store: Store) -> None:
    assert store.load() is None


def test_a_store_returns_the_last_anchor(store: Store) -> None:
    save(store, Anchor("g", 1.0, reached=-5.0, generation=3))
    save(store, ANCHOR)
    assert store.load() == ANCHOR


def test_reset_deletes_the_anchor(store: Store) -> None:
    save(store, ANCHOR)
    store.reset()
    assert store.load() is None
    save(store, ANCHOR)
    assert store.load() == ANCHOR


def test_a_locked_store_cannot_be_locked_again(store: Store) -> None:
    with store.lock():
        with pytest.raises(AnchorLockedError) as caught, store.lock():
            pass
        with pytest.raises(AnchorLockedError):
            store.reset()
    assert caught.value.retryable
    with store.lock():
        pass


@pytest.mark.parametrize("kind", ON_DISK)
def test_another_process_finds_it(kind: OnDisk, tmp_path: Path) -> None:
    save(kind(tmp_path / "kept"), ANCHOR)
    assert kind(tmp_path / "kept").load() == ANCHOR


@pytest.mark.parametrize("kind", ON_DISK)
def test_a_lock_excludes_other_processes(kind: type, tmp_path: Path) -> None:
    program = (
        f"from pryv_monitor import {kind.__name__}\n"
        f"with {kind.__name__}({str(tmp_path / 'kept')!r}).lock():\n print('locked', flush=True); input()"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"locked\n"
        with pytest.raises(AnchorLockedError), kind(tmp_path / "kept").lock():
            pass
        other.kill()
    with kind(tmp_path / "kept").lock():  # a lock ends with its process
        pass


@pytest.mark.parametrize("kind", ON_DISK)
def test_a_damaged_file_is_an_error_until_reset(kind: OnDisk, tmp_path: Path) -> None:
    path = tmp_path / "kept"
    save(kind(path), ANCHOR)
    content = path.read_bytes()
    place = content.index(b"1700000000.123")
    path.write_bytes(content[:place] + b"1700000009.123" + content[place + 14 :])
    with pytest.raises(AnchorCorruptError, match=r"damaged"):
        kind(path).load()
    path.write_bytes(content[: len(content) // 3])
    with pytest.raises(AnchorCorruptError):
        kind(path).load()
    path.write_bytes(b"\xff\xfe not an anchor" * 100)
    with pytest.raises(AnchorCorruptError):
        kind(path).load()
    kind(path).reset()
    assert kind(path).load() is None


def test_a_file_of_a_later_version_is_left_alone(tmp_path: Path) -> None:
    store = FileAnchorStore(tmp_path / "kept-anchor")
    save(store, ANCHOR)
    later = store.path.read_text().replace('"version":1', '"version":2')
    store.path.write_text(later)
    with pytest.raises(AnchorError, match=r"kept-anchor: .*version 2"):
        store.load()
    assert store.path.read_text() == later


def run_limited(action: Callable[[], None], limit: Callable[[], None]) -> int:
    """Runs an action in a process of its own, under a limit; returns its exit code."""
    pid = os.fork()
    if pid == 0:
        code = 70
        try:
            limit()
            action()
            code = 0
        except (OSError, AnchorError):
            code = 1
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def full_disk() -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64, 64))


def somebody_else() -> None:
    if os.getuid() == 0:
        os.setuid(65534)


@pytest.mark.skipif(os.name == "nt", reason="needs fork")
@pytest.mark.parametrize("kind", ON_DISK)
def test_a_full_disk_keeps_the_old_anchor(kind: OnDisk, tmp_path: Path) -> None:
    path = tmp_path / "kept"
    save(kind(path), ANCHOR)
    assert run_limited(lambda: save(kind(path), Anchor("other", 2.0)), full_disk) == 1
    assert kind(path).load() == ANCHOR
    save(kind(path), Anchor("other", 2.0))


@pytest.mark.skipif(os.name == "nt", reason="needs fork")
@pytest.mark.parametrize("kind", ON_DISK)
def test_a_read_only_directory_is_an_error(kind: OnDisk, tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir()
    closed.chmod(0o555)
    assert run_limited(lambda: save(kind(closed / "kept"), ANCHOR), somebody_else) == 1
    assert list(closed.iterdir()) == []


@pytest.mark.parametrize("kind", ON_DISK)
def test_a_missing_directory_is_an_error(kind: OnDisk, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="elsewhere"), kind(tmp_path / "elsewhere" / "kept").lock():
        pass
    assert list(tmp_path.iterdir()) == []


def test_an_anchor_is_on_the_disk_when_it_is_saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flushed: list[tuple[int, bool]] = []
    path, fsync = tmp_path / "kept", os.fsync

    def noted(descriptor: int) -> None:
        fsync(descriptor)
        flushed.append((os.fstat(descriptor).st_ino, path.exists()))

    monkeypatch.setattr(os, "fsync", noted)
    save(FileAnchorStore(path), ANCHOR)
    assert flushed == [(path.stat().st_ino, False), (tmp_path.stat().st_ino, True)]  # content, then name


SAVE = """
import sys
from pryv_monitor import Anchor, FileAnchorStore
store = FileAnchorStore(sys.argv[1])
before = store.load()
with store.lock():
    store.save(before.__class__("another", before.since))
    assert store.load().scope == "another"
    store.save(before)
"""


def test_a_bind_mounted_anchor_is_written_in_place(tmp_path: Path) -> None:
    store = FileAnchorStore(tmp_path / "kept")
    save(store, ANCHOR)
    run_where_mounted(store.path, SAVE)
    assert store.load() == ANCHOR
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kept", "kept.lock"]
