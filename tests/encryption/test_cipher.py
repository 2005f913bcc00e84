"""Events that are encrypted and decrypted."""

from __future__ import annotations

import base64
import copy
import json
from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.encryption.vectors import AES, AES_KEY, ECIES, LEGACY, PAIR

from pryv_encryption import (
    METHODS,
    DecryptionError,
    EncryptionError,
    EventsCipher,
    KeyPair,
    Keyring,
    MissingKeyError,
    UnknownMethodError,
    generate_key,
    generate_key_pair,
)

NOTE = {"id": "e1", "streamIds": ["diary"], "time": 5, "type": "note/txt", "content": "Slept badly."}
CLEAR = [
    *("id", "streamId", "streamIds", "time", "duration", "description", "attachments", "clientData", "tags", "trashed"),
    *("deleted", "created", "createdBy", "modified", "modifiedBy", "headId", "integrity", "decryptedFrom"),
]

texts = st.text(st.characters(codec=None, exclude_categories=[]))  # lone surrogates too
contents = st.recursive(
    st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner | st.none()) | st.dictionaries(texts, inner | st.none()),
    max_leaves=8,
)
hows = st.sampled_from([{"method": AES, "key_ref": "k"}, {"method": ECIES, "key_ref": "pair"}])


def combined(value: Any) -> Any:
    """What JSON makes of a value: two halves of a surrogate pair become one character."""
    return json.loads(json.dumps(value))


def encrypted_text(text: bytes) -> dict[str, Any]:
    """An event that some text was encrypted in."""
    payload = base64.b64encode(METHODS[AES].encrypt_bytes(text, AES_KEY)).decode()  # type: ignore[attr-defined]
    return {"id": "e1", "type": f"encrypted/{AES}", "content": {"payload": payload, "keyRef": "k"}}


@given(st.text(min_size=1), contents, hows)
def test_an_event_comes_back_as_it_was(event_type: str, content: Any, how: dict[str, str]) -> None:
    cipher = EventsCipher(Keyring({"k": AES_KEY, "pair": PAIR}))
    event = {**NOTE, "type": event_type, "content": content, "description": "in clear"}
    original = copy.deepcopy(event)
    encrypted = cipher.encrypt_event(event, **how)
    assert event == original
    assert {name: value for name, value in encrypted.items() if name not in ("type", "content")} == {
        name: value for name, value in event.items() if name not in ("type", "content")
    }
    decrypted = cipher.decrypt_event(encrypted)
    assert decrypted == {**event, **combined({"type": event_type, "content": content}), "decryptedFrom": encrypted}
    assert cipher.strip_decrypted(decrypted) is encrypted
    assert cipher.strip_decrypted(event) is event


def test_what_the_sdk_sends_is_encrypted_too(cipher: EventsCipher) -> None:
    at = datetime(2026, 1, 1, tzinfo=timezone.utc)
    content = {"value": np.float64(1.5), "count": np.int32(3), "at": at}
    encrypted = cipher.encrypt_event({**NOTE, "content": content}, method=AES, key_ref="k")
    assert cipher.decrypt_event(encrypted)["content"] == {"value": 1.5, "count": 3, "at": at.timestamp()}


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ({"value": float("nan")}, r"^content.value: nan"),
        ([1, {"at": datetime(2026, 1, 1)}], r"^content\[1\].at: a datetime without a time zone"),
        ({"value": object()}, r"^content.value: a value of type object"),
    ],
)
def test_values_without_a_json_form_are_named(content: Any, named: str, cipher: EventsCipher) -> None:
    with pytest.raises((TypeError, ValueError), match=named):
        cipher.encrypt_event({**NOTE, "content": content}, method=AES, key_ref="k")


def test_an_event_that_could_not_be_decrypted_is_not_encrypted_again(cipher: EventsCipher) -> None:
    for name in ("type", "content"):
        for event in ({**NOTE, name: None}, {key: value for key, value in NOTE.items() if key != name}):
            with pytest.raises(ValueError, match=f"^{name} is missing"):
                cipher.encrypt_event(event, method=AES, key_ref="k")
            with pytest.raises(ValueError, match=f"^{name} is missing"):
                cipher.encrypt_event_content(event, method=AES, key_ref="k")
    for wrong in ({**NOTE, "type": 3}, "an event"):
        with pytest.raises(TypeError, match=r"an event is a dict|type is a string"):
            cipher.encrypt_event(wrong, method=AES, key_ref="k")  # type: ignore[arg-type]


def test_an_unknown_method_a_method_that_only_decrypts_and_a_missing_key_are_named() -> None:
    cipher = EventsCipher(Keyring({"k": AES_KEY}))
    with pytest.raises(UnknownMethodError, match="rot13"):
        cipher.encrypt_event(NOTE, method="rot13", key_ref="k")
    with pytest.raises(EncryptionError, match=f"{LEGACY} does not encrypt events"):
        cipher.encrypt_event(NOTE, method=LEGACY, key_ref="k")
    with pytest.raises(EncryptionError, match=f"{LEGACY} does not encrypt files"):
        cipher.encrypt_attachment_data(b"", method=LEGACY, key_ref="k")
    with pytest.raises(MissingKeyError, match="'nope'") as raised:
        cipher.encrypt_event(NOTE, method=AES, key_ref="nope", hint={"user": "alice"})
    assert (raised.value.key_ref, raised.value.hint) == ("nope", {"user": "alice"})
    with pytest.raises(MissingKeyError, match=f"^no key is known for {AES}$"):
        cipher.encrypt_event(NOTE, method=AES)
    with pytest.raises(TypeError, match="key_ref"):
        cipher.encrypt_event(NOTE, method=AES, key_ref=b"k")  # type: ignore[arg-type]


def test_events_that_are_not_encrypted_and_those_of_unknown_methods_are_left_alone(cipher: EventsCipher) -> None:
    cipher.on_decrypt_error = lambda *_: pytest.fail("nothing failed")
    for event in (NOTE, {"id": "e1", "deleted": 3}, {**NOTE, "type": "encrypted/"}, {**NOTE, "type": 3}, {}):
        assert cipher.decrypt_event(event) is event
        assert cipher.decrypt_event(event, strict=True) is event
    other: dict[str, Any] = {**NOTE, "type": "encrypted/rot13", "content": {"payload": "Fyrcg onqyl."}}
    assert cipher.decrypt_event(other) is other
    with pytest.raises(UnknownMethodError, match="rot13"):
        cipher.decrypt_event(other, strict=True)


def test_a_missing_key_is_a_failed_decryption(cipher: EventsCipher) -> None:
    failed: list[EncryptionError] = []
    encrypted = cipher.encrypt_event(NOTE, method=AES, key_ref="k", hint=7)
    reader = EventsCipher(Keyring(), lambda _, error: failed.append(error))
    assert reader.decrypt_event(encrypted) is encrypted
    (error,) = failed
    assert isinstance(error, MissingKeyError)
    assert (error.key_ref, error.hint) == ("k", 7)
    with pytest.raises(MissingKeyError):
        reader.decrypt_event(encrypted, strict=True)


@pytest.mark.parametrize(
    "content",
    [
        None,
        "text",
        [],
        {},
        {"payload": 3},
        {"payload": "AAAA", "keyRef": ["k"]},
        {"payload": "é"},
        {"payload": "\ud800"},
    ],
)
def test_odd_contents_are_failed_decryptions(content: Any, cipher: EventsCipher) -> None:
    failed: list[EncryptionError] = []
    cipher.on_decrypt_error = lambda _, error: failed.append(error)
    for method in (AES, ECIES, LEGACY):
        event = {"id": "e1", "type": f"encrypted/{method}", "content": content}
        assert cipher.decrypt_event(event) is event
    assert [type(error) for error in failed] == 3 * [DecryptionError]


def test_a_key_ref_that_is_no_string_is_named(cipher: EventsCipher) -> None:
    for key_ref in (3, ["k"]):
        event = {"id": "e1", "type": f"encrypted/{AES}", "content": {"payload": "", "keyRef": key_ref}}
        with pytest.raises(DecryptionError, match="its keyRef is not a string"):
            cipher.decrypt_event(event, strict=True)


@pytest.mark.parametrize(
    "text",
    [
        b"[" * 100_000,
        b'{"type":"a/b","content":' + b"9" * 5000 + b"}",
        b'{"type":"a/b","content":"\x01"}',
        b"\xef\xbb\xbf" * 2,
    ],
)
def test_odd_texts_are_failed_decryptions(text: bytes, cipher: EventsCipher) -> None:
    event = encrypted_text(text)
    assert cipher.decrypt_event(event) is event
    with pytest.raises(DecryptionError):
        cipher.decrypt_event(event, strict=True)


def test_plain_members_are_never_replaced(cipher: EventsCipher) -> None:
    hidden = dict.fromkeys(CLEAR, "hidden") | {"type": "a/b", "content": 1, "more": 2, "own": "hidden"}
    event = encrypted_text(json.dumps(hidden).encode()) | {"own": "clear"}
    assert cipher.decrypt_event(event) == {
        "id": "e1",
        "type": "a/b",
        "content": 1,
        "more": 2,
        "own": "clear",
        "decryptedFrom": event,
    }


def test_events_are_decrypted_one_by_one(cipher: EventsCipher) -> None:
    asked = []

    def events() -> Iterator[dict[str, Any]]:
        for number in range(3):
            asked.append(number)
            yield cipher.encrypt_event({**NOTE, "content": number}, method=AES, key_ref="k")

    decrypted = cipher.decrypt_events(events())
    assert asked == []
    assert next(decrypted)["content"] == 0
    assert asked == [0]
    assert [event["content"] for event in decrypted] == [1, 2]
    with pytest.raises(DecryptionError):
        list(cipher.decrypt_events([encrypted_text(b"")], strict=True))


def test_a_callback_gets_decrypted_events(cipher: EventsCipher) -> None:
    encrypted = cipher.encrypt_event(NOTE, method=AES, key_ref="k")
    assert cipher.wrap_for_each_event(lambda event: event["content"])(encrypted) == NOTE["content"]


def test_a_decrypted_event_is_encrypted_again(cipher: EventsCipher) -> None:
    decrypted = cipher.decrypt_event(cipher.encrypt_event(NOTE, method=AES, key_ref="k"))
    again = cipher.encrypt_event({**decrypted, "content": "Slept well."}, method=ECIES, key_ref="pair")
    assert "decryptedFrom" not in again
    assert cipher.decrypt_event(again)["content"] == "Slept well."


def test_keys_are_asked_for_in_order() -> None:
    asked: list[Any] = []

    def resolver(key: Any) -> Any:
        def find(*arguments: Any) -> Any:
            asked.append((key, *arguments))
            return key

        return find

    keyring = Keyring({"k": AES_KEY}).use(resolver(None)).use(resolver("first")).use(resolver("second"))
    assert keyring.get_key_for(AES, "k") == AES_KEY
    assert asked == []
    assert keyring.get_key_for(AES, "other", {"user": "alice"}) == "first"
    assert asked == [(None, AES, "other", {"user": "alice"}), ("first", AES, "other", {"user": "alice"})]
    assert keyring.get_key_for(AES) == "first"
    assert Keyring().get_key_for(AES, "k") is None


def test_the_first_key_found_is_used_even_if_it_is_wrong(cipher: EventsCipher) -> None:
    encrypted = cipher.encrypt_event(NOTE, method=AES, key_ref="k")
    reader = EventsCipher(Keyring().use(lambda *_: generate_key()).use(lambda *_: AES_KEY))
    assert reader.decrypt_event(encrypted) is encrypted


def test_a_resolver_that_fails_is_a_failed_decryption_and_a_failed_encryption(cipher: EventsCipher) -> None:
    failed: list[EncryptionError] = []

    def resolver(*_: object) -> None:
        raise ConnectionError("the vault is closed, it has AAECAwQFBgc")

    encrypted = cipher.encrypt_event(NOTE, method=AES, key_ref="k")
    reader = EventsCipher(Keyring().use(resolver), lambda _, error: failed.append(error))
    assert reader.decrypt_event(encrypted) is encrypted
    assert str(failed[0]) == "the event e1 cannot be decrypted: the search for its key failed: ConnectionError"
    with pytest.raises(DecryptionError, match=r"ConnectionError$"):
        reader.decrypt_attachment_data(encrypted, b"")
    with pytest.raises(ConnectionError, match="the vault is closed"):
        reader.encrypt_event(NOTE, method=AES, key_ref="k")


def test_an_exception_of_the_callback_passes_through() -> None:
    def on_error(*_: object) -> None:
        raise LookupError("mine")

    event = encrypted_text(b"")
    with pytest.raises(LookupError, match="mine"):
        EventsCipher(Keyring({"k": AES_KEY}), on_error).decrypt_event(event)


class Reversed:
    """A method of one's own, for texts."""

    def encrypt(self, material: Mapping[str, Any], key: str) -> dict[str, Any]:
        return {"text": json.dumps(material)[::-1], "by": key}

    def decrypt(self, content: Mapping[str, Any], key: str) -> Any:
        assert content["by"] == key
        return json.loads(content["text"][::-1])

    def encrypt_bytes(self, data: bytes, key: str) -> bytes:
        return data[::-1]

    decrypt_bytes = encrypt_bytes


def test_methods_can_be_registered(tmp_path: Any) -> None:
    cipher = EventsCipher(Keyring({"k": "me"}))
    assert cipher.register_method("reversed", Reversed()) is cipher
    encrypted = cipher.encrypt_event(NOTE, method="reversed", key_ref="k")
    assert encrypted["content"]["text"].startswith("}")
    assert cipher.decrypt_event(encrypted)["content"] == NOTE["content"]
    assert cipher.decrypt_attachment_data(encrypted, b"cba") == b"abc"
    (tmp_path / "file").write_bytes(b"abc")
    cipher.encrypt_attachment(tmp_path / "file", tmp_path / "encrypted", method="reversed", key_ref="k")
    assert (tmp_path / "encrypted").read_bytes() == b"cba"
    cipher.decrypt_attachment(encrypted, tmp_path / "encrypted", tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == b"abc"

    assert "reversed" not in METHODS
    assert EventsCipher(cipher.keyring).decrypt_event(encrypted) is encrypted
    encrypted["content"]["by"] = "another"
    with pytest.raises(DecryptionError, match="the method failed: AssertionError"):
        cipher.decrypt_event(encrypted, strict=True)


@pytest.mark.parametrize("method", [None, object(), "rot13"])
def test_invalid_methods_are_refused(method: Any, cipher: EventsCipher) -> None:
    with pytest.raises(TypeError):
        cipher.register_method("mine", method)


@pytest.mark.parametrize("method", [None, 5, ["aes-256-gcm"], METHODS["aes-256-gcm"]])
def test_a_method_is_given_by_its_name(method: Any, cipher: EventsCipher) -> None:
    message = "method is the name of an encryption method, not"
    with pytest.raises(TypeError, match=message):
        cipher.encrypt_event({"type": "a/b", "content": 1}, method=method)
    with pytest.raises(TypeError, match=message):
        cipher.encrypt_attachment_data(b"", method=method)


def test_invalid_keyrings_and_callbacks_are_refused() -> None:
    for wrong in (None, {"k": AES_KEY}):
        with pytest.raises(TypeError, match="Keyring"):
            EventsCipher(wrong)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="on_decrypt_error"):
        EventsCipher(Keyring(), "print")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="resolver"):
        Keyring().use("vault")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="keys is a dict"):
        Keyring([AES_KEY])  # type: ignore[arg-type]
    cipher = EventsCipher(Keyring())
    with pytest.raises(TypeError, match="one"):
        cipher.decrypt_events(NOTE)  # type: ignore[type-var]
    with pytest.raises(DecryptionError, match="not encrypted"):
        cipher.decrypt_attachment_data(None, b"")  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        Keyring({"k": None})
    with pytest.raises(TypeError):
        Keyring({3: AES_KEY})  # type: ignore[dict-item]


def test_coroutine_functions_are_refused(cipher: EventsCipher) -> None:
    async def awaited(*_: object) -> None: ...

    for refuse in (Keyring().use, cipher.wrap_for_each_event, lambda function: EventsCipher(Keyring(), function)):
        with pytest.raises(TypeError, match="is a coroutine function"):
            refuse(awaited)


def test_no_iv_is_used_twice() -> None:
    cipher = EventsCipher(Keyring({"k": generate_key()}))
    payloads = (cipher.encrypt_event(NOTE, method=AES, key_ref="k")["content"]["payload"] for _ in range(100_000))
    assert len({payload[:16] for payload in payloads}) == 100_000  # 16 characters are the 12 bytes of the IV


def test_no_key_pair_of_a_payload_is_used_twice() -> None:
    cipher = EventsCipher(Keyring({"pair": generate_key_pair()}))
    payloads = (cipher.encrypt_event(NOTE, method=ECIES, key_ref="pair")["content"]["payload"] for _ in range(500))
    assert len({payload[:87] for payload in payloads}) == 500


def test_generated_keys_differ() -> None:
    assert {len(generate_key()) for _ in range(9)} == {32}
    assert len({generate_key() for _ in range(9)}) == 9
    pairs = [generate_key_pair() for _ in range(9)]
    assert len({pair.private_key["d"] for pair in pairs}) == 9
    for pair in pairs:
        assert pair == KeyPair(pair.public_key, pair.private_key)
        assert {**pair.public_key, "d": pair.private_key["d"]} == pair.private_key
        assert {**pair.public_key, "x": "", "y": ""} == {"kty": "EC", "crv": "P-256", "x": "", "y": ""}
