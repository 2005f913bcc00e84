"""The test vectors, and the keys that they were made with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).with_name("vectors")

JAVASCRIPT: dict[str, Any] = json.loads((_FOLDER / "javascript.json").read_text())
PYTHON: dict[str, Any] = json.loads((_FOLDER / "python.json").read_text())

KEYS = JAVASCRIPT["keys"]
AES_KEY: str = KEYS["aes"]
PAIR: dict[str, dict[str, str]] = KEYS["jwk"]

AES, ECIES, LEGACY = "aes-256-gcm", "ecies-aes-256-gcm", "aes-text-base64"
KEY_OF = {AES: AES_KEY, ECIES: PAIR}


def material(vector: dict[str, Any]) -> dict[str, Any]:
    """What a vector's payload holds."""
    made: dict[str, Any] = json.loads(vector["plaintext"]) if "materialSource" in vector else vector["material"]
    return made


def plain_bytes(length: int) -> bytes:
    """The plain file of a vector."""
    return bytes((7 * index + 3) % 256 for index in range(256)) * (length // 256) + bytes(
        (7 * index + 3) % 256 for index in range(length % 256)
    )
