"""Keys and plaintext do not appear in reprs, messages, logs and tracebacks."""

from __future__ import annotations

import base64
import copy
import io
import json
import logging
import pickle
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.encryption.vectors import AES, ECIES, LEGACY

from pryv_encryption import (
    METHODS,
    EncryptionError,
    EventsCipher,
    KeyPair,
    Keyring,
    generate_key,
    generate_key_pair,
)

TEXT = "nobody may read this"
PASSPHRASE = "open sesame, and close again"
AES_KEY = generate_key()
PAIR = generate_key_pair()
SECRETS = [
    TEXT,
    PASSPHRASE,
    PAIR.private_key["d"],
    base64.b64encode(AES_KEY).decode(),
    base64.b64encode(AES_KEY).decode().rstrip("="),
    repr(AES_KEY)[2:-1],
]
KEYS = {"aes": AES_KEY, "short": AES_KEY[:31], "pair": PAIR, "wrong": generate_key(), "legacy": PASSPHRASE}
NOTE = {"id": "e1", "type": "note/txt", "content": TEXT}


def keyring() -> Keyring:
    return Keyring(KEYS).set("aes text", base64.b64encode(AES_KEY).decode())


def shown(error: BaseException) -> str:
    """All that a program shows of an exception that logs the values of local variables; not the frames of this file."""
    report = traceback.TracebackException.from_exception(error, capture_locals=True)
    chain: list[traceback.TracebackException] = [report]
    for exception in chain:
        chain += [one for one in (exception.__cause__, exception.__context__) if one]
        for frame in list(exception.stack):
            if frame.filename == __file__:
                exception.stack.remove(frame)
    return f"{error!r} {error} {error.__dict__} " + "".join("".join(one.format()) for one in chain)


def payload_of(data: bytes) -> dict[str, Any]:
    payload = METHODS[AES].encrypt_bytes(data, AES_KEY)  # type: ignore[attr-defined]
    return {"payload": base64.b64encode(payload).decode(), "keyRef": "aes"}


def event(method: str, key_ref: str, content: dict[str, Any] | None = None) -> dict[str, Any]:
    made = content or EventsCipher(keyring()).encrypt_event_content(NOTE, method=method, key_ref=key_ref)["content"]
    return {"id": "e1", "type": f"encrypted/{method}", "content": {**made, "keyRef": key_ref}}


class Leaking:
    """A method whose exceptions show all there is."""

    def decrypt(self, content: Any, key: Any) -> Any:
        raise ValueError(f"{content} {key} {TEXT}")

    encrypt_bytes = decrypt_bytes = decrypt


class Full(io.RawIOBase):
    """A file that takes nothing."""

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        if len(data):
            raise OSError("no space left on device")
        return 0


def leak(cipher: EventsCipher) -> EventsCipher:
    return cipher.register_method("leaking", Leaking())


FAILING: dict[str, Callable[[EventsCipher, Path], object]] = {
    "a key of another length encrypts": lambda cipher, _: cipher.encrypt_event(NOTE, method=AES, key_ref="short"),
    "a key of another kind encrypts": lambda cipher, _: cipher.encrypt_event(NOTE, method=ECIES, key_ref="aes"),
    "a private key encrypts": lambda cipher, _: EventsCipher(Keyring({"k": PAIR.private_key})).encrypt_event(
        NOTE, method=ECIES, key_ref="k"
    ),
    "a key of another length decrypts": lambda cipher, _: cipher.decrypt_event(
        event(AES, "short", payload_of(b"x")), strict=True
    ),
    "another key": lambda cipher, _: cipher.decrypt_event(event(AES, "wrong", payload_of(b"x")), strict=True),
    "a public key decrypts": lambda cipher, _: EventsCipher(Keyring({"pair": PAIR.public_key})).decrypt_event(
        event(ECIES, "pair"), strict=True
    ),
    "no json": lambda cipher, _: cipher.decrypt_event(event(AES, "aes", payload_of(TEXT.encode())), strict=True),
    "no utf-8": lambda cipher, _: cipher.decrypt_event(
        event(AES, "aes", payload_of(TEXT.encode() + b"\xff")), strict=True
    ),
    "no type": lambda cipher, _: cipher.decrypt_event(
        event(AES, "aes", payload_of(f'{{"content":"{TEXT}"}}'.encode())), strict=True
    ),
    "no content": lambda cipher, _: cipher.decrypt_event(
        event(AES, "aes", payload_of(f'{{"type":"{TEXT}"}}'.encode())), strict=True
    ),
    "a legacy payload": lambda cipher, _: cipher.decrypt_event(
        event(LEGACY, "legacy", {"payload": base64.b64encode(b"Salted__12345678" + bytes(32)).decode()}), strict=True
    ),
    "a method that leaks": lambda cipher, _: leak(cipher).decrypt_event(
        event("leaking", "aes", {"payload": ""}), strict=True
    ),
    "a method that leaks, for files": lambda cipher, _: leak(cipher).decrypt_attachment_data(
        event("leaking", "aes", {"payload": ""}), b""
    ),
    "an altered file": lambda cipher, _: cipher.decrypt_attachment(
        event(AES, "aes"), io.BytesIO(bytes(99)), io.BytesIO()
    ),
    "a full disk": lambda cipher, _: cipher.decrypt_attachment(
        event(AES, "aes"),
        io.BytesIO(cipher.encrypt_attachment_data(TEXT.encode(), method=AES, key_ref="aes")),
        Full(),  # type: ignore[type-var]
    ),
    "a full disk, encrypting": lambda cipher, _: cipher.encrypt_attachment(
        io.BytesIO(TEXT.encode()),
        Full(),  # type: ignore[type-var]
        method=AES,
        key_ref="aes",
    ),
    "keys that are none": lambda *_: Keyring({**KEYS, "none": None}),
    "names that are none": lambda *_: Keyring({3: AES_KEY}),  # type: ignore[dict-item]
    "a name that is none": lambda *_: Keyring().set(3, AES_KEY),  # type: ignore[arg-type]
    "a cipher of a dict": lambda *_: EventsCipher(KEYS),  # type: ignore[arg-type]
    "a method with a short key": lambda *_: METHODS[AES].encrypt(NOTE, AES_KEY[:31]),  # type: ignore[attr-defined]
    "a method with another key": lambda *_: METHODS[AES].decrypt(payload_of(b"x"), AES_KEY[:31]),
    "a method's bytes": lambda *_: METHODS[AES].decrypt_bytes(bytes(99), AES_KEY),  # type: ignore[attr-defined]
    "a passphrase with a half of a pair": lambda *_: METHODS[LEGACY].decrypt(
        {"payload": base64.b64encode(b"Salted__12345678" + bytes(32)).decode()}, f"{PASSPHRASE}\ud800"
    ),
}


@pytest.mark.parametrize("fail", FAILING.values(), ids=FAILING)
def test_no_exception_shows_a_secret(fail: Callable[[EventsCipher, Path], object], tmp_path: Path) -> None:
    with pytest.raises(Exception) as raised:  # noqa: PT011  (each has its own)
        fail(EventsCipher(keyring()), tmp_path)
    text = shown(raised.value)
    assert "Traceback" in text
    assert [secret for secret in SECRETS if secret in text] == []
    if isinstance(raised.value, EncryptionError):
        assert pickle.loads(pickle.dumps(raised.value)).args == raised.value.args


def test_errors_given_to_the_callback_hold_no_secret() -> None:
    failed: list[EncryptionError] = []
    cipher = leak(EventsCipher(keyring(), lambda _, error: failed.append(error)))
    for one in (
        event("leaking", "aes", {"payload": ""}),
        event(AES, "aes", payload_of(TEXT.encode())),
        event(AES, "nope", payload_of(b"x")),
    ):
        assert cipher.decrypt_event(one) is one
    assert len(failed) == 3
    for error in failed:
        assert [secret for secret in SECRETS if secret in shown(error)] == []


def test_interrupted_calls_show_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    class Interrupting:
        def decrypt(self, content: Any, key: Any) -> Any:
            raise KeyboardInterrupt

    cipher = EventsCipher(keyring()).register_method("slow", Interrupting())
    with pytest.raises(KeyboardInterrupt) as raised:
        cipher.decrypt_event(event("slow", "aes", {"payload": ""}))
    assert [secret for secret in SECRETS if secret in shown(raised.value)] == []


def test_no_repr_shows_a_key() -> None:
    cipher = EventsCipher(keyring().use(lambda *_: None))
    given = KeyPair(PAIR.public_key, json.loads(json.dumps(PAIR.private_key)))
    holders = [given, cipher, cipher.keyring, PAIR, PAIR.private_key, METHODS, cipher._methods]
    text = " ".join(f"{holder!r} {holder}" for holder in holders)
    assert [secret for secret in SECRETS if secret in text] == []
    assert repr(cipher) == "EventsCipher(Keyring(6 keys, 1 resolvers))"


@pytest.mark.parametrize("holder", [Keyring({"k": AES_KEY}), EventsCipher(Keyring({"k": PASSPHRASE})), PAIR, [PAIR]])
def test_keys_are_not_pickled(holder: Any) -> None:
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        with pytest.raises(TypeError, match="cannot be pickled"):
            pickle.dumps(holder, protocol)
    with pytest.raises(TypeError, match="cannot be pickled"):
        copy.deepcopy(holder)


def test_a_key_pair_stays_as_it_is() -> None:
    with pytest.raises(AttributeError):
        PAIR.private_key = {}  # type: ignore[misc]
    assert KeyPair(PAIR.public_key, PAIR.private_key) == PAIR


def test_nothing_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    cipher = EventsCipher(keyring())
    cipher.decrypt_event(event(AES, "aes"))
    cipher.decrypt_event(event(AES, "wrong", payload_of(b"x")))
    assert caplog.records == []
