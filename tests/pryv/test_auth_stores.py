"""Stores of credentials: one set of tests for all, and tests of each store."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.mounts import run_where_mounted
from tests.open_files import needs_list, open_files
from tests.pryv.keyrings import FileKeyring

from pryv import MissingAddonError, PryvError
from pryv.auth import AuthorizationData, CredentialStore, FileStore, KeyringStore, MemoryStore, default_store

NAME = "an-app https://reg.pryv.me/"
ALICE = AuthorizationData(apiEndpoint="https://token-a@alice.pryv.me/", username="alice")
BOB = AuthorizationData(apiEndpoint="https://token-b@bob.pryv.me/", username="bob")
ODD_NAMES = ["..", ".", "a/b", "../../outside", "é 日本", "a\nb", "a:b?c", "CON"]


@pytest.fixture(params=["memory", "file", "keyring"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> CredentialStore:
    if request.param == "memory":
        return MemoryStore()
    if request.param == "file":
        return FileStore(tmp_path / "made" / "when needed")
    request.getfixturevalue("system_keyring")
    return KeyringStore()


# ---- all of them


def test_saved_credentials_are_returned(store: CredentialStore) -> None:
    assert store.get(NAME) is None
    store.save(NAME, ALICE)
    assert store.get(NAME) == ALICE


def test_saving_replaces_earlier_credentials(store: CredentialStore) -> None:
    store.save(NAME, ALICE)
    store.save(NAME, BOB)
    assert store.get(NAME) == BOB


def test_each_name_has_its_own_credentials(store: CredentialStore) -> None:
    for name in ODD_NAMES:
        store.save(name, AuthorizationData(apiEndpoint="https://token@host/", username=name))
    for name in ODD_NAMES:
        assert store.get(name) == {"apiEndpoint": "https://token@host/", "username": name}


def test_deleted_credentials_are_gone(store: CredentialStore) -> None:
    store.save(NAME, ALICE)
    store.save("other", BOB)
    store.delete(NAME)
    assert store.get(NAME) is None
    assert store.get("other") == BOB
    store.delete(NAME)  # and again: nothing to do


def test_a_username_is_not_needed(store: CredentialStore) -> None:
    data = AuthorizationData(apiEndpoint="https://token@host/")
    store.save(NAME, data)
    assert store.get(NAME) == data


def test_reprs_of_stores_show_no_credentials(store: CredentialStore) -> None:
    store.save(NAME, ALICE)
    assert "token-a" not in repr(store) + str(store)


def test_the_write_check_leaves_nothing_in_the_store(
    store: MemoryStore | FileStore | KeyringStore, tmp_path: Path
) -> None:
    before = list(tmp_path.iterdir())
    store.check_writable()
    assert list(tmp_path.iterdir()) == before
    store.save(NAME, ALICE)
    store.check_writable()
    assert store.get(NAME) == ALICE


# ---- files


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "pryv"


@pytest.fixture
def open_umask() -> Iterator[None]:
    """A umask that takes nothing away."""
    before = os.umask(0)
    yield
    os.umask(before)


def only_file(directory: Path) -> Path:
    (file,) = directory.iterdir()
    return file


@pytest.mark.usefixtures("open_umask")
def test_only_the_owner_can_read_the_files(directory: Path) -> None:
    store = FileStore(directory)
    store.save(NAME, ALICE)
    assert mode(directory) == 0o700
    assert mode(only_file(directory)) == 0o600


@pytest.mark.usefixtures("open_umask")
def test_files_are_private_before_they_are_written(directory: Path) -> None:
    """Traces a save: no file in the directory is ever open to others."""
    program = (
        "import os, stat, sys\n"
        "from pryv.auth import FileStore\n"
        "def look(event, arguments):\n"
        "    if event in ('open', 'os.rename') and os.path.isdir(sys.argv[1]):\n"
        "        for entry in os.scandir(sys.argv[1]):\n"
        "            print(oct(stat.S_IMODE(entry.stat().st_mode)))\n"
        "sys.addaudithook(look)\n"
        "FileStore(sys.argv[1]).save('name', {'apiEndpoint': 'https://token@host/'})\n"
    )
    seen = subprocess.run([sys.executable, "-c", program, directory], capture_output=True, text=True, check=True).stdout
    assert set(seen.split()) == {"0o600"}


@pytest.mark.parametrize("others", [0o040, 0o004, 0o020, 0o644])
def test_a_file_that_others_have_access_to_is_refused(directory: Path, others: int) -> None:
    store = FileStore(directory)
    store.save(NAME, ALICE)
    only_file(directory).chmod(0o600 | others)
    with pytest.raises(PermissionError, match="chmod 600"):
        store.get(NAME)
    store.save(NAME, BOB)
    assert store.get(NAME) == BOB


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"{}",
        b'{"apiEndpoint": 7}',
        b'{"apiEndpoint": "https://to ken@h/"}',
        b'{"apiEndpoint": "https://token@h/\xe9"}',
        b"\xff\xfe\x00\xd8",
        b"[" * 100_000,
        b"\0" * 4096,
    ],
)
def test_a_damaged_file_is_an_error_that_names_it(directory: Path, content: bytes) -> None:
    store = FileStore(directory)
    store.save(NAME, ALICE)
    only_file(directory).write_bytes(content)
    with pytest.raises(PryvError, match="sign in again") as failed:
        store.get(NAME)
    assert "to ken" not in str(failed.value)


@pytest.mark.parametrize(
    "make", [os.mkfifo, Path.mkdir, lambda path: path.symlink_to("/dev/zero")], ids=["FIFO", "directory", "device"]
)
def test_a_path_that_is_not_a_file_is_an_error_that_names_it(directory: Path, make: Callable[[Path], None]) -> None:
    store = FileStore(directory)
    store.save(NAME, ALICE)
    path = only_file(directory)
    path.unlink()
    make(path)
    with pytest.raises(PryvError, match="not a file"):
        store.get(NAME)


@needs_list
def test_a_refused_file_is_closed(directory: Path) -> None:
    store = FileStore(directory)
    store.save(NAME, ALICE)
    store.path_of(NAME).chmod(0o644)
    with pytest.raises(PermissionError):
        store.get(NAME)
    assert str(store.path_of(NAME)) not in open_files()


def test_without_a_home_directory_nothing_can_be_saved(monkeypatch: pytest.MonkeyPatch) -> None:
    def getpwuid(uid: int) -> None:
        raise KeyError(uid)

    monkeypatch.setattr("pwd.getpwuid", getpwuid)
    for variable in ("HOME", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(variable, raising=False)
    store = FileStore()
    assert store.get(NAME) is None
    store.delete(NAME)
    ways: list[Callable[[], None]] = [lambda: store.save(NAME, ALICE), store.check_writable]
    for fails in ways:
        with pytest.raises(FileNotFoundError, match="set HOME or XDG_CONFIG_HOME"):
            fails()
    assert "no directory" in str(store)


def test_a_path_that_is_no_directory_has_no_credentials(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    store = FileStore(tmp_path / "file" / "pryv")
    assert store.get(NAME) is None
    store.delete(NAME)
    ways: list[Callable[[], None]] = [lambda: store.save(NAME, ALICE), store.check_writable]
    for fails in ways:
        with pytest.raises(NotADirectoryError, match="file/pryv"):
            fails()


def test_a_daemon_that_changes_its_directory_finds_its_credentials(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    store = FileStore("credentials")
    store.save(NAME, ALICE)
    monkeypatch.chdir("/")
    assert store.get(NAME) == ALICE


def test_a_failed_save_keeps_the_old_credentials(directory: Path) -> None:
    store = FileStore(directory)
    store.save(NAME, ALICE)
    with pytest.raises(TypeError):
        store.save(NAME, {"apiEndpoint": "https://token@host/", "username": object()})  # type: ignore[typeddict-item]
    assert store.get(NAME) == ALICE
    only_file(directory)


def test_the_temporary_file_of_a_killed_save_is_removed_by_the_next(directory: Path) -> None:
    program = (
        "import os, sys\n"
        "from pryv.auth import FileStore\n"
        "sys.addaudithook(lambda event, _: os.kill(os.getpid(), 9) if event == 'os.rename' else None)\n"
        "FileStore(sys.argv[1]).save('name', {'apiEndpoint': 'https://token@host/'})\n"
    )
    assert subprocess.run([sys.executable, "-c", program, directory], check=False).returncode == -9
    left = only_file(directory)
    assert (left.suffix, mode(left)) == (".part", 0o600)
    FileStore(directory).save("name", BOB)
    assert only_file(directory).name == "name.json"


def test_a_symlink_is_replaced_and_its_target_is_not(directory: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text("mine")
    store = FileStore(directory)
    store.save(NAME, ALICE)
    path = only_file(directory)
    path.unlink()
    path.symlink_to(other)
    store.save(NAME, BOB)
    assert (store.get(NAME), other.read_text()) == (BOB, "mine")


SAVE = """
import sys
from pathlib import Path
from pryv.auth import FileStore
path = Path(sys.argv[1])
for endpoint in ("https://another-token@host/alice/", "https://token@host/alice/"):
    FileStore(path.parent).save(path.stem, {"apiEndpoint": endpoint})
assert FileStore(path.parent).get(path.stem) == {"apiEndpoint": "https://token@host/alice/"}
"""


def test_a_bind_mounted_file_is_written_in_place(tmp_path: Path) -> None:
    path = tmp_path / "alice.json"
    path.touch(mode=0o644)
    run_where_mounted(path, SAVE)
    assert json.loads(path.read_bytes()) == {"apiEndpoint": "https://token@host/alice/"}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EIO])
def test_directories_are_flushed_if_the_file_system_can(
    directory: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    fsync = os.fsync

    def fail(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(number, os.strerror(number))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="Input/output") if number == errno.EIO else contextlib.nullcontext():
        FileStore(directory).save(NAME, ALICE)
    assert FileStore(directory).get(NAME) == ALICE


def test_the_check_fails_on_a_full_disk(directory: Path) -> None:
    program = (
        "import resource, sys\n"
        "from pryv.auth import FileStore\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (64, 64))\n"
        "try: FileStore(sys.argv[1]).check_writable()\n"
        "except OSError as error: print(error.filename)\n"
    )
    ran = subprocess.run([sys.executable, "-c", program, directory], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == str(directory)


def test_concurrent_readers_see_whole_files(directory: Path) -> None:
    store = FileStore(directory)
    store.save(NAME, ALICE)

    def write(data: AuthorizationData) -> None:
        for _ in range(50):
            FileStore(directory).save(NAME, data)

    writers = [threading.Thread(target=write, args=[data]) for data in (ALICE, BOB)]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        assert store.get(NAME) in (ALICE, BOB)
    for writer in writers:
        writer.join()
    only_file(directory)


def test_files_are_in_the_configuration_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", "not/absolute")
    FileStore().save(NAME, ALICE)
    assert FileStore(tmp_path / ".config" / "pryv").get(NAME) == ALICE
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "settings"))
    FileStore().save(NAME, BOB)
    assert FileStore(tmp_path / "settings" / "pryv").get(NAME) == BOB


# ---- the keyring


def test_a_locked_keyring_is_a_pryv_error(system_keyring: FileKeyring) -> None:
    store = KeyringStore()
    system_keyring.locked = True
    uses: list[Callable[[], object]] = [
        lambda: store.get(NAME),
        lambda: store.save(NAME, ALICE),
        lambda: store.delete(NAME),
    ]
    for use in uses:
        with pytest.raises(PryvError, match="locked") as failed:
            use()
        assert "token-a" not in str(failed.value)


def test_an_exception_of_a_keyring_without_a_message_is_named(
    system_keyring: FileKeyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise DBusError

    monkeypatch.setattr(system_keyring, "get_password", fail)
    with pytest.raises(PryvError, match="the system's keyring failed: DBusError"):
        KeyringStore().get(NAME)


class DBusError(Exception):
    """An error of the library below a back end."""


class PanicError(BaseException):
    """A panic, as raised by libraries made with PyO3."""


@pytest.mark.parametrize("raised", [DBusError, ImportError, OSError, RecursionError, PanicError])
def test_any_exception_of_a_keyring_becomes_a_pryv_error(
    system_keyring: FileKeyring, monkeypatch: pytest.MonkeyPatch, raised: type[BaseException]
) -> None:
    def fail(*arguments: object) -> None:
        raise raised(f"no answer to {arguments}")

    store = KeyringStore()
    monkeypatch.setattr(system_keyring, "_file", fail)
    uses: list[Callable[[], object]] = [
        lambda: store.get(NAME),
        lambda: store.save(NAME, ALICE),
        lambda: store.delete(NAME),
        store.check_writable,
    ]
    for use in uses:
        with pytest.raises(PryvError, match="no answer") as failed:
            use()
        assert "token-a" not in str(failed.value)
        assert failed.value.__cause__ is failed.value.__context__ is None
    monkeypatch.setattr(FileKeyring, "priority", property(fail))
    assert not store.is_usable
    assert isinstance(default_store(), FileStore)


def test_errors_of_a_keyring_show_no_credentials(system_keyring: FileKeyring, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object) -> None:
        raise DBusError(f"could not run tool {arguments}")

    monkeypatch.setattr(system_keyring, "set_password", fail)
    with pytest.raises(PryvError, match=r"\*\*\*@alice") as failed:
        KeyringStore().save(NAME, ALICE)
    assert "token-a" not in str(failed.value)


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, SystemExit])
def test_a_keyring_can_be_interrupted(
    system_keyring: FileKeyring, monkeypatch: pytest.MonkeyPatch, interrupt: type[BaseException]
) -> None:
    def fail(*_: object) -> None:
        raise interrupt

    monkeypatch.setattr(system_keyring, "get_password", fail)
    with pytest.raises(interrupt):
        KeyringStore().get(NAME)


@pytest.mark.parametrize("raised", ["AttributeError('broken')", "ImportError('broken')", "BaseException('broken')"])
def test_a_keyring_that_cannot_be_imported(tmp_path: Path, raised: str) -> None:
    (tmp_path / "keyring.py").write_text(f"raise {raised}")
    program = (
        "import pryv, pryv.auth\n"
        "try:\n"
        "    pryv.auth.KeyringStore()\n"
        "except pryv.PryvError as error:\n"
        "    print(type(error).__name__, error)\n"
        "print(type(pryv.auth.default_store()).__name__)\n"
    )
    command = [sys.executable, "-c", program]
    environment = {"PYTHONPATH": str(tmp_path), "HOME": str(tmp_path)}
    said = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    assert said.splitlines() == ["PryvError the system's keyring failed: broken", "FileStore"]


def test_the_keyring_is_preferred(system_keyring: FileKeyring) -> None:
    assert isinstance(default_store(), KeyringStore)


def test_without_a_usable_keyring_files_are_used(system_keyring: FileKeyring) -> None:
    system_keyring.priority = 0.5
    assert isinstance(default_store(), FileStore)


def test_a_missing_keyring_package_is_named(tmp_path: Path) -> None:
    """Runs where `keyring` cannot be imported."""
    program = (
        "import sys, json\n"
        "sys.modules['keyring'] = None\n"
        "import pryv, pryv.auth\n"
        "try:\n"
        "    pryv.auth.KeyringStore()\n"
        "except pryv.MissingAddonError as error:\n"
        "    print(json.dumps([str(error), type(pryv.auth.default_store()).__name__]))\n"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    message, fallback = json.loads(said)
    assert 'pip install "pryv[keyring]"' in message
    assert fallback == "FileStore"
    assert issubclass(MissingAddonError, PryvError)
