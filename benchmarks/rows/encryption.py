"""Encryption."""

from __future__ import annotations

import base64
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from row import Command, Function, Row

_MIB = 1 << 20
_HOW = {"method": "aes-256-gcm", "key_ref": "k"}


def _cipher() -> Any:
    from pryv_encryption import EventsCipher, Keyring

    return EventsCipher(Keyring({"k": bytes(32)}))


def _events(size: int) -> list[dict[str, Any]]:
    """Return encrypted events of one number each."""
    cipher = _cipher()
    event = {
        "id": "ckeqznmtw0001jq7i8qvfh2ab",
        "streamIds": ["body"],
        "time": 1767254400.5,
        "type": "mass/kg",
        "created": 1767254400.5,
        "createdBy": "ckeqznmtw0000jq7i0a1b2c3d",
        "modified": 1767254400.5,
        "modifiedBy": "ckeqznmtw0000jq7i0a1b2c3d",
    }
    return [cipher.encrypt_event({**event, "content": 60 + number / 1000}, **_HOW) for number in range(size)]


def decrypted(_: str, size: int) -> Callable[[], int]:
    """Decrypt events."""
    events, cipher = _events(size), _cipher()
    return lambda: sum(1 for _ in cipher.decrypt_events(events, strict=True))


def decrypted_by_hand(_: str, size: int) -> Callable[[], int]:
    """Decrypt events with `cryptography`, without any check or search for the key."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    events = _events(size)

    def run() -> int:
        aes, count = AESGCM(bytes(32)), 0
        for event in events:
            data = base64.b64decode(event["content"]["payload"])
            made = {**event, **json.loads(aes.decrypt(data[:12], data[12:], None)), "decryptedFrom": event}
            count += "content" in made
        return count

    return run


def file_decrypted(_: str, size: int) -> Callable[[], int]:
    """Decrypt a file piece by piece."""
    folder, cipher = tempfile.TemporaryDirectory(), _cipher()
    plain, secret = Path(folder.name, "plain"), Path(folder.name, "secret")
    with plain.open("wb") as file:
        file.truncate(size * _MIB)
    cipher.encrypt_attachment(plain, secret, **_HOW)
    event = {"type": "encrypted/aes-256-gcm", "content": {"payload": "", "keyRef": "k"}}

    def run() -> int:
        cipher.decrypt_attachment(event, secret, plain)
        folder.cleanup()
        return size

    return run


def file_encrypted(_: str, size: int) -> Callable[[], int]:
    """Encrypt a file piece by piece."""
    folder, cipher = tempfile.TemporaryDirectory(), _cipher()
    plain, secret = Path(folder.name, "plain"), Path(folder.name, "secret")
    with plain.open("wb") as file:
        file.truncate(size * _MIB)

    def run() -> int:
        cipher.encrypt_attachment(plain, secret, **_HOW)
        folder.cleanup()
        return size

    return run


_JAVASCRIPT = "JavaScript, Web Cryptography API"
_BY_HAND = "`cryptography`, by hand"

ROWS = [
    Row(
        "decryption",
        "`decrypt_events`, 100,000 events",
        "cpu",
        Function("decrypted"),
        {
            _BY_HAND: Function("decrypted_by_hand"),
            _JAVASCRIPT: Command(["node", "{here}/javascript/decryption.cjs", "{size}"], reports=True),
        },
        {_BY_HAND: 3.0, _JAVASCRIPT: 0.5},
        size=(100_000, 300),
    ),
    Row(
        "encrypted-file",
        "`encrypt_attachment`, 512 MiB",
        "memory",
        Function("file_encrypted"),
        reach={"": 16},
        size=(512, 1),
        rounds=3,
    ),
    Row(
        "decrypted-file",
        "`decrypt_attachment`, 512 MiB",
        "memory",
        Function("file_decrypted"),
        reach={"": 16},
        size=(512, 1),
        rounds=3,
    ),
]
