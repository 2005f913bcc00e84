"""What the JavaScript client encrypts is decrypted here, and the other way round, byte by byte."""

from __future__ import annotations

import base64
import copy
import hashlib
import json
from typing import Any

import pytest
from tests.encryption.vectors import AES, ECIES, JAVASCRIPT, KEY_OF, LEGACY, PYTHON, material, plain_bytes

from pryv_encryption import METHODS, DecryptionError, EncryptionError, EventsCipher, Keyring

AS_WRITTEN_HERE = [vector for vector in JAVASCRIPT["aes"] if "0.000001234" not in vector["plaintext"]]
"""JavaScript spells that number in another way."""


def aes_and_ecies(vectors: dict[str, Any]) -> list[Any]:
    return [pytest.param(AES, vector) for vector in vectors["aes"]] + [
        pytest.param(ECIES, vector) for vector in vectors["ecies"]
    ]


@pytest.mark.parametrize(("method", "vector"), aes_and_ecies(JAVASCRIPT) + aes_and_ecies(PYTHON))
def test_payloads_are_decrypted(method: str, vector: dict[str, Any]) -> None:
    assert METHODS[method].decrypt({"payload": vector["payload"]}, KEY_OF[method]) == material(vector)


@pytest.mark.usefixtures("fixed_randomness")
@pytest.mark.parametrize(("method", "vector"), aes_and_ecies({"aes": AS_WRITTEN_HERE, "ecies": JAVASCRIPT["ecies"]}))
def test_payloads_are_those_of_the_javascript_client(method: str, vector: dict[str, Any], cipher: EventsCipher) -> None:
    key_ref = {AES: "k", ECIES: "pair"}[method]
    encrypted = cipher.encrypt_event_content(material(vector), method=method, key_ref=key_ref)
    assert encrypted == {"type": f"encrypted/{method}", "content": {"payload": vector["payload"], "keyRef": key_ref}}


@pytest.mark.usefixtures("fixed_randomness")
@pytest.mark.parametrize("method", [AES, ECIES])
@pytest.mark.parametrize("vector", JAVASCRIPT["attachments"], ids=lambda vector: vector["plain"]["length"])
def test_files_are_those_of_the_javascript_client(
    method: str, vector: dict[str, Any], cipher: EventsCipher, tmp_path: Any
) -> None:
    plain = plain_bytes(vector["plain"]["length"])
    assert hashlib.sha256(plain).hexdigest() == vector["plain"]["sha256"]
    key_ref = {AES: "k", ECIES: "pair"}[method]
    event = {"id": "e", "type": f"encrypted/{method}", "content": {"payload": "", "keyRef": key_ref}}

    data = cipher.encrypt_attachment_data(plain, method=method, key_ref=key_ref)
    (tmp_path / "plain").write_bytes(plain)
    cipher.encrypt_attachment(tmp_path / "plain", tmp_path / "encrypted", method=method, key_ref=key_ref)
    cipher.decrypt_attachment(event, tmp_path / "encrypted", tmp_path / "decrypted")

    assert (tmp_path / "encrypted").read_bytes() == data
    assert (len(data), hashlib.sha256(data).hexdigest()) == (vector[method]["length"], vector[method]["sha256"])
    assert "base64" not in vector[method] or base64.b64encode(data).decode() == vector[method]["base64"]
    assert (tmp_path / "decrypted").read_bytes() == cipher.decrypt_attachment_data(event, data) == plain


@pytest.mark.parametrize("method", ["aes", "ecies"])
@pytest.mark.parametrize("vector", PYTHON["attachments"], ids=lambda vector: vector["length"])
def test_files_of_cryptography_are_decrypted(method: str, vector: dict[str, Any], cipher: EventsCipher) -> None:
    name, key_ref = {"aes": (AES, "k"), "ecies": (ECIES, "pair")}[method]
    event = {"type": f"encrypted/{name}", "content": {"payload": "", "keyRef": key_ref}}
    assert len(cipher.decrypt_attachment_data(event, base64.b64decode(vector[method]))) == vector["length"]


@pytest.mark.parametrize("vector", JAVASCRIPT["legacy"], ids=lambda vector: vector["passphrase"])
def test_events_encrypted_by_crypto_js_are_decrypted(vector: dict[str, Any]) -> None:
    content = {"payload": vector["payload"]}
    assert METHODS[LEGACY].decrypt(content, vector["passphrase"]) == json.loads(vector["plaintextJson"])


@pytest.mark.parametrize("vector", JAVASCRIPT["negative"], ids=lambda vector: f"{vector['method']} {vector['name']}")
def test_events_that_cannot_be_decrypted_are_left_unchanged(vector: dict[str, Any]) -> None:
    failed: list[tuple[Any, EncryptionError]] = []
    key = vector.get("passphrase") or KEY_OF[vector["method"]]
    cipher = EventsCipher(Keyring({"k": key}), lambda event, error: failed.append((event, error)))
    content = {"payload": vector["payload"], "keyRef": "k"}
    event = {"id": "e1", "type": f"encrypted/{vector['method']}", "content": content}
    original = copy.deepcopy(event)

    assert cipher.decrypt_event(event) is event
    assert event == original
    ((reported, error),) = failed
    assert reported is event
    assert isinstance(error, DecryptionError)
    assert error.event_id == "e1"
    with pytest.raises(DecryptionError, match=r"^the event e1 cannot be decrypted: ") as raised:
        cipher.decrypt_event(event, strict=True)
    assert raised.value.event_id == "e1"
    assert len(failed) == 1


REFUSED_HERE = ("invalid UTF-8 in a string", "type a number")


@pytest.mark.parametrize("vector", JAVASCRIPT["cipher"], ids=lambda vector: vector["name"])
def test_unusual_plaintexts_are_read_as_by_the_javascript_client(vector: dict[str, Any], cipher: EventsCipher) -> None:
    failed: list[EncryptionError] = []
    cipher.on_decrypt_error = lambda _, error: failed.append(error)
    event = vector["event"]
    decrypted = cipher.decrypt_event(event)
    if vector["errors"] or vector["name"] in REFUSED_HERE:
        assert decrypted is event
        assert len(failed) == 1
    else:
        clear = {name: event[name] for name in ("id", "streamIds", "time")}
        assert decrypted == {**vector["result"], **clear, "decryptedFrom": event}
        assert decrypted["decryptedFrom"] is event


@pytest.mark.usefixtures("fixed_randomness")
@pytest.mark.parametrize("vector", JAVASCRIPT["envelopes"], ids=lambda vector: json.dumps(vector["params"]))
def test_envelopes_are_those_of_the_javascript_client(vector: dict[str, Any], cipher: EventsCipher) -> None:
    params = {"method": vector["params"]["method"], "key_ref": vector["params"].get("keyRef")}
    event = copy.deepcopy(vector["event"])
    encrypted = cipher.encrypt_event(event, **params, hint=vector["params"].get("hint"))
    assert json.dumps(encrypted) == json.dumps(vector["encrypted"])  # in the same order
    assert event == vector["event"]

    update = cipher.encrypt_event_content(event, **params)
    assert list(update) == ["type", "content"]
    assert cipher.decrypt_event(encrypted) == {**vector["event"], "decryptedFrom": encrypted}
