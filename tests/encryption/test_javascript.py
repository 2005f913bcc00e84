"""What is encrypted here is decrypted by the Web Cryptography API, and the other way round."""

from __future__ import annotations

import base64
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.peers.javascript import Node, Peer

from pryv_encryption import EventsCipher, Keyring, generate_key, generate_key_pair

AES, ECIES = "aes-256-gcm", "ecies-aes-256-gcm"
AES_KEY, PAIR = base64.b64encode(generate_key()).decode(), generate_key_pair()
CIPHER = EventsCipher(Keyring({AES: AES_KEY, ECIES: PAIR}))
PUBLIC = {AES: AES_KEY, ECIES: PAIR.public_key}
PRIVATE = {AES: AES_KEY, ECIES: PAIR.private_key}
CONTENTS = ["héllo — 日本語 🩺 \u2028", 1e-7, 2**53 - 1, {"a": [None, {}], "": "\x00"}, False, ""]


@pytest.fixture(scope="module")
def webcrypto() -> Iterator[Peer]:
    path = shutil.which("node")
    if path is None:
        pytest.skip("needs node")
    with Node(path, Path()).peer(Path(__file__).parent / "js" / "webcrypto.mjs") as peer:
        yield peer


def ask(peer: Peer, **request: Any) -> bytes:
    peer.say(request)
    return base64.b64decode(peer.hear())


@pytest.mark.parametrize("method", [AES, ECIES])
@pytest.mark.parametrize("content", CONTENTS)
def test_events_encrypted_here(method: str, content: Any, webcrypto: Peer) -> None:
    material = {"type": "a/b", "content": content}
    encrypted = CIPHER.encrypt_event_content(material, method=method, key_ref=method)
    text = ask(webcrypto, action="decrypt", method=method, key=PRIVATE[method], data=encrypted["content"]["payload"])
    assert json.loads(text) == material


@pytest.mark.parametrize("method", [AES, ECIES])
@pytest.mark.parametrize("content", CONTENTS)
def test_events_encrypted_there(method: str, content: Any, webcrypto: Peer) -> None:
    material = {"type": "a/b", "content": content}
    data = base64.b64encode(json.dumps(material).encode()).decode()
    payload = base64.b64encode(ask(webcrypto, action="encrypt", method=method, key=PUBLIC[method], data=data)).decode()
    event = {"type": f"encrypted/{method}", "content": {"payload": payload, "keyRef": method}}
    assert CIPHER.decrypt_event(event, strict=True) == {**material, "decryptedFrom": event}


@pytest.mark.parametrize("method", [AES, ECIES])
def test_files(method: str, webcrypto: Peer, tmp_path: Path) -> None:
    plain, secret, again = tmp_path / "plain", tmp_path / "secret", tmp_path / "again"
    plain.write_bytes(os.urandom(100_000))
    CIPHER.encrypt_attachment(plain, secret, method=method, key_ref=method)
    there = base64.b64encode(secret.read_bytes()).decode()
    assert ask(webcrypto, action="decrypt", method=method, key=PRIVATE[method], data=there) == plain.read_bytes()

    data = base64.b64encode(plain.read_bytes()).decode()
    secret.write_bytes(ask(webcrypto, action="encrypt", method=method, key=PUBLIC[method], data=data))
    event = {"type": f"encrypted/{method}", "content": {"payload": "", "keyRef": method}}
    CIPHER.decrypt_attachment(event, secret, again)
    assert again.read_bytes() == plain.read_bytes()
