"""Files of keys, which only their owner has access to."""

from __future__ import annotations

import json
import os
import traceback
from pathlib import Path
from typing import Any

import pytest
from tests.encryption.vectors import AES, AES_KEY, ECIES, JAVASCRIPT, LEGACY, PAIR

from pryv_encryption import EventsCipher, Keyring

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
def test_what_is_no_key_file_is_named_by_its_path_alone(text: str | bytes, tmp_path: Path) -> None:
    file = write(tmp_path / "keys.json", text)
    with pytest.raises(ValueError, match="is not a key file") as raised:
        Keyring.from_file(file)
    assert str(file) in str(raised.value)
    frames = traceback.TracebackException.from_exception(raised.value, capture_locals=True)
    assert AES_KEY not in "".join(line for frame in list(frames.stack)[1:] for line in (frame.locals or {}).values())


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
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


def test_keys_in_a_file_do_not_show(tmp_path: Path) -> None:
    keyring: Any = Keyring.from_file(write(tmp_path / "keys.json", json.dumps(KEYS)))
    assert repr(keyring) == "Keyring(4 keys, 0 resolvers)"
