"""Key files, which only their owner can access."""

from __future__ import annotations

import base64
import errno
import fcntl
import json
import os
import stat
import subprocess
import sys
import traceback
from pathlib import Path
from typing import Any

import pytest
from tests.encryption.vectors import AES, AES_KEY, ECIES, JAVASCRIPT, LEGACY, PAIR

from pryv_encryption import EventsCipher, Keyring, generate_key, generate_key_pair, save_key

NOTE = {"type": "note/txt", "content": "Slept badly."}
LEGACY_VECTOR = JAVASCRIPT["legacy"][0]
KEYS = {"journal": AES_KEY, "pair": PAIR, "private": PAIR["privateKey"], "old": LEGACY_VECTOR["passphrase"]}


def write(path: Path, text: str | bytes, mode: int = 0o600) -> Path:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    path.chmod(mode)
    return path


def test_all_kinds_of_keys_are_read(tmp_path: Path) -> None:
    cipher = EventsCipher(Keyring.from_file(write(tmp_path / "keys.json", json.dumps(KEYS))))
    for how in ({"method": AES, "key_ref": "journal"}, {"method": ECIES, "key_ref": "pair"}):
        assert cipher.decrypt_event(cipher.encrypt_event(NOTE, **how), strict=True)["content"] == NOTE["content"]
    for_private = cipher.encrypt_event(NOTE, method=ECIES, key_ref="pair")
    for_private["content"]["keyRef"] = "private"
    assert cipher.decrypt_event(for_private, strict=True)["content"] == NOTE["content"]
    old = {"type": f"encrypted/{LEGACY}", "content": {"payload": LEGACY_VECTOR["payload"], "keyRef": "old"}}
    assert cipher.decrypt_event(old, strict=True)["type"] == "note/txt"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o602, 0o610, 0o644, 0o777])
def test_a_file_that_others_have_access_to_is_refused(mode: int, tmp_path: Path) -> None:
    file = write(tmp_path / "keys.json", json.dumps(KEYS), mode)
    with pytest.raises(PermissionError, match="chmod 600") as raised:
        Keyring.from_file(file)
    assert raised.value.filename == str(file)
    file.chmod(0o400)
    assert Keyring.from_file(str(file)).get_key_for(AES, "journal") == AES_KEY


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "null",
        '{"k": 3}',
        '{"k": null}',
        f'{{"k": "{AES_KEY}"',
        f'"{AES_KEY}"',
        "[" * 100_000,
        b"\xff\xfe",
        f'{{"{AES_KEY}": [1]}}',
    ],
)
def test_an_invalid_key_file_is_named_by_its_path_only(text: str | bytes, tmp_path: Path) -> None:
    file = write(tmp_path / "keys.json", text)
    with pytest.raises(ValueError, match="is not a key file") as raised:
        Keyring.from_file(file)
    assert str(file) in str(raised.value)
    frames = traceback.TracebackException.from_exception(raised.value, capture_locals=True)
    assert AES_KEY not in "".join(line for frame in list(frames.stack)[1:] for line in (frame.locals or {}).values())


def test_paths_that_are_not_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Keyring.from_file(tmp_path / "nothing")
    os.mkfifo(tmp_path / "pipe", 0o600)
    for special in (tmp_path, tmp_path / "pipe"):
        with pytest.raises(OSError, match=r"regular file|directory"):
            Keyring.from_file(special)


def test_a_link_to_a_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    file = write(tmp_path / "keys.json", json.dumps(KEYS), 0o644)
    (tmp_path / "link").symlink_to(file)
    with pytest.raises(PermissionError):
        Keyring.from_file(tmp_path / "link")


def test_reprs_and_errors_show_no_key_of_a_file(tmp_path: Path) -> None:
    keyring: Any = Keyring.from_file(write(tmp_path / "keys.json", json.dumps(KEYS)))
    assert repr(keyring) == "Keyring(4 keys, 0 resolvers)"


def test_keys_are_added_to_a_file_for_its_owner_alone(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    key, pair = generate_key(), generate_key_pair()
    old_mask = os.umask(0)
    try:
        save_key(file, "journal", key)
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        save_key(str(file), "pair", pair)
        save_key(file, "public", pair.public_key)
        save_key(file, "old", "a passphrase — ünïcode")
    finally:
        os.umask(old_mask)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert json.loads(file.read_text()) == {
        "journal": base64.b64encode(key).decode(),
        "pair": {"publicKey": pair.public_key, "privateKey": pair.private_key},
        "public": pair.public_key,
        "old": "a passphrase — ünïcode",
    }
    cipher = EventsCipher(Keyring.from_file(file))
    for how in ({"method": AES, "key_ref": "journal"}, {"method": ECIES, "key_ref": "pair"}):
        assert cipher.decrypt_event(cipher.encrypt_event(NOTE, **how), strict=True)["content"] == NOTE["content"]
    assert [one.name for one in tmp_path.iterdir()] == ["keys.json"]


def test_a_key_is_never_replaced_or_lost(tmp_path: Path) -> None:
    file = write(tmp_path / "keys.json", json.dumps(KEYS))
    before = file.read_bytes()
    with pytest.raises(ValueError, match="has a key named 'journal' already"):
        save_key(file, "journal", generate_key())
    with pytest.raises(TypeError, match="cannot be written"):
        save_key(file, "new", 3)
    with pytest.raises(TypeError, match="name of a key"):
        save_key(file, 3, generate_key())  # type: ignore[arg-type]
    file.chmod(0o644)
    with pytest.raises(PermissionError):
        save_key(file, "new", generate_key())
    assert file.read_bytes() == before
    for text in ("", "no json", "[]"):
        broken = write(tmp_path / "broken.json", text)
        with pytest.raises(ValueError, match="is not a key file"):
            save_key(broken, "new", generate_key())
        assert broken.read_text() == text
    with pytest.raises(FileNotFoundError):
        save_key(tmp_path / "nowhere" / "keys.json", "new", generate_key())


def test_a_key_is_saved_where_a_link_leads(tmp_path: Path) -> None:
    """Such as to an encrypted volume."""
    (tmp_path / "volume").mkdir()
    (tmp_path / "keys.json").symlink_to(tmp_path / "volume" / "keys.json")
    for name in ("first", "second"):
        save_key(tmp_path / "keys.json", name, generate_key())
    assert (tmp_path / "keys.json").is_symlink()
    assert list(json.loads((tmp_path / "volume" / "keys.json").read_text())) == ["first", "second"]


def test_a_file_system_without_locks_has_key_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refuse)
    save_key(tmp_path / "keys.json", "journal", generate_key())
    assert list(json.loads((tmp_path / "keys.json").read_text())) == ["journal"]


def test_processes_that_add_keys_at_the_same_time_lose_none(tmp_path: Path) -> None:
    program = (
        "import sys; from pryv_encryption import generate_key, save_key\n"
        "for number in range(10): save_key('keys.json', f'{sys.argv[1]}-{number}', generate_key())"
    )
    running = [subprocess.Popen([sys.executable, "-c", program, name], cwd=tmp_path) for name in "abc"]
    assert [process.wait(60) for process in running] == [0, 0, 0]
    assert len(json.loads((tmp_path / "keys.json").read_text())) == 30


@pytest.mark.parametrize("path", ["keys.json", "nowhere/keys.json"])
def test_no_exception_shows_the_key_that_is_saved(path: str, tmp_path: Path) -> None:
    (tmp_path / "keys.json").mkdir()
    with pytest.raises(OSError, match=r"keys.json|nowhere") as raised:
        save_key(tmp_path / path, "k", AES_KEY)
    frames = traceback.TracebackException.from_exception(raised.value, capture_locals=True)
    assert AES_KEY not in "".join(str(frame.locals) for frame in list(frames.stack)[1:])
