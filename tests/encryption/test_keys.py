"""The shapes of keys: those of the JavaScript client, and those of `cryptography`."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from hypothesis import given
from hypothesis import strategies as st
from tests.encryption.vectors import AES, AES_KEY, ECIES, JAVASCRIPT, KEYS, PAIR

from pryv_encryption import METHODS, DecryptionError, KeyPair, generate_key_pair
from pryv_encryption._base64 import decode, encode
from pryv_encryption.keys import private_key, public_key

MATERIAL = {"type": "note/txt", "content": "secret message"}
PUBLIC, PRIVATE = PAIR["publicKey"], PAIR["privateKey"]
AES_BYTES = base64.b64decode(AES_KEY)
AES_PAYLOAD: str = JAVASCRIPT["aes"][0]["payload"]
OTHER = generate_key_pair()

public, private = public_key(PUBLIC), private_key(PRIVATE)
PKCS8 = private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
PUBLIC_PEM = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
PRIVATE_PEM = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
POINT = public.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)

TO_ENCRYPT = {
    "jwk": PUBLIC,
    "point": POINT,
    "point in base64": KEYS["publicRaw"],
    "pair": PAIR,
    "pair without private key": {"publicKey": PUBLIC},
    "key pair": KeyPair(PUBLIC, PRIVATE),
    "pem": PUBLIC_PEM,
    "pem text": f"\n{PUBLIC_PEM.decode()}",
    "pem after a byte order mark": b"\xef\xbb\xbf" + PUBLIC_PEM,
    "object": public,
}
TO_DECRYPT = {
    "jwk": PRIVATE,
    "pkcs8": bytearray(PKCS8),
    "pkcs8 in base64": KEYS["privatePkcs8"],
    "pair": PAIR,
    "pair without public key": {"privateKey": PRIVATE},
    "key pair": KeyPair(PUBLIC, PRIVATE),
    "pem": PRIVATE_PEM,
    "pem text": PRIVATE_PEM.decode(),
    "pem of openssl pkcs12": b"Bag Attributes\n    friendlyName: clinic\n" + PRIVATE_PEM,
    "pem text of openssl pkcs12": f"Bag Attributes\n    friendlyName: Präxis\n{PRIVATE_PEM.decode()}",
    "object": private,
}
ELSEWHERE = ec.generate_private_key(ec.SECP384R1())
RSA = rsa.generate_private_key(65537, 2048)
NO_KEYS: dict[str, Any] = {
    "nothing": None,
    "a number": 3,
    "an empty text": "",
    "bytes of another length": AES_BYTES,
    "an empty dict": {},
    "a jwk of another kind": {"kty": "oct", "k": AES_KEY},
    "a jwk of another curve": {**PRIVATE, "crv": "P-384"},
    "a jwk without y": {name: value for name, value in PRIVATE.items() if name != "y"},
    "a jwk with a short x": {**PRIVATE, "x": "AAAA"},
    "a jwk of no point": {**PRIVATE, "x": PRIVATE["y"]},
    "a jwk of no text": {**PRIVATE, "x": 3},
    "an object of another curve": ELSEWHERE,
    "a pem of another curve": ELSEWHERE.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
    "an object of another kind": RSA,
    "a pem of another kind": RSA.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
    "an encrypted pem": private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x")),
    "a text that is no pem": "-----BEGIN PRIVATE KEY-----",
    "the private number": PRIVATE["d"],
}


def round_trip(to: Any, by: Any, method: str = ECIES) -> Any:
    return METHODS[method].decrypt(encrypted(method, to), by)


def decrypted(payload: str, key: Any = AES_KEY) -> Any:
    return METHODS[AES].decrypt({"payload": payload}, key)


SHAPES: dict[str, Callable[[], Any]] = {
    "ecies encrypt to raw base64, decrypt with pkcs8 base64": lambda: round_trip(
        KEYS["publicRaw"], KEYS["privatePkcs8"]
    ),
    "ecies encrypt with private JWK (has d)": lambda: encrypted(ECIES, PRIVATE),
    "ecies encrypt with spki": lambda: encrypted(ECIES, KEYS["publicSpki"]),
    "ecies encrypt with pair": lambda: round_trip(PAIR, PRIVATE),
    "ecies decrypt with public JWK": lambda: round_trip(PUBLIC, PUBLIC),
    "ecies decrypt with pair without privateKey": lambda: round_trip(PUBLIC, {"publicKey": PUBLIC}),
    "ecies decrypt with raw private scalar base64": lambda: round_trip(PUBLIC, PRIVATE["d"]),
    "aes key base64": lambda: decrypted(AES_PAYLOAD),
    "aes key base64 without padding": lambda: decrypted(AES_PAYLOAD, AES_KEY.rstrip("=")),
    "aes key base64url": lambda: decrypted(AES_PAYLOAD, base64.urlsafe_b64encode(AES_BYTES).decode()),
    "aes key 16 bytes": lambda: decrypted(AES_PAYLOAD, AES_BYTES[:16]),
    "aes payload with whitespace and without padding": lambda: decrypted(
        f" {AES_PAYLOAD[:9]}\n{AES_PAYLOAD[9:].rstrip('=')}"
    ),
    "aes payload base64url": lambda: decrypted(AES_PAYLOAD.replace("+", "-").replace("/", "_")),
}


@pytest.mark.parametrize("vector", JAVASCRIPT["shapes"], ids=lambda vector: vector["name"])
def test_shapes_are_taken_as_by_the_javascript_client(vector: dict[str, Any]) -> None:
    if vector["ok"]:
        assert SHAPES[vector["name"]]() == vector["value"]
    else:
        with pytest.raises((DecryptionError, ValueError)):
            SHAPES[vector["name"]]()


def encrypted(method: str, key: Any) -> dict[str, Any]:
    content: dict[str, Any] = METHODS[method].encrypt(MATERIAL, key)  # type: ignore[attr-defined]
    return content


@pytest.mark.parametrize("key", TO_ENCRYPT.values(), ids=TO_ENCRYPT)
def test_public_keys_of_all_shapes_encrypt(key: Any) -> None:
    assert METHODS[ECIES].decrypt(encrypted(ECIES, key), PRIVATE) == MATERIAL


@pytest.mark.parametrize("key", TO_DECRYPT.values(), ids=TO_DECRYPT)
def test_private_keys_of_all_shapes_decrypt(key: Any) -> None:
    assert METHODS[ECIES].decrypt(encrypted(ECIES, PUBLIC), key) == MATERIAL


@pytest.mark.parametrize(
    "key",
    [
        *NO_KEYS.values(),
        PRIVATE,
        private,
        PRIVATE_PEM,
        PKCS8,
        KEYS["publicSpki"],
        {"privateKey": PRIVATE},
        ELSEWHERE.public_key(),
    ],
)
def test_invalid_public_keys_are_refused(key: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        encrypted(ECIES, key)


@pytest.mark.parametrize(
    "key",
    [
        *NO_KEYS.values(),
        PUBLIC,
        public,
        PUBLIC_PEM,
        POINT,
        {"publicKey": PUBLIC},
        {**PRIVATE, "d": OTHER.private_key["d"]},
    ],
)
def test_invalid_private_keys_are_refused(key: Any) -> None:
    content = encrypted(ECIES, PUBLIC)
    with pytest.raises(DecryptionError):
        METHODS[ECIES].decrypt(content, key)


@pytest.mark.parametrize(
    "key", [AES_BYTES, bytearray(AES_BYTES), memoryview(AES_BYTES), AES_KEY, AES_KEY.rstrip("="), f" {AES_KEY}\n"]
)
def test_aes_keys_of_all_shapes(key: Any) -> None:
    assert METHODS[AES].decrypt({"payload": AES_PAYLOAD}, key) == MATERIAL
    assert METHODS[AES].decrypt(encrypted(AES, key), AES_BYTES) == MATERIAL


@pytest.mark.parametrize(
    "key", [None, 3, "", AES_BYTES[:16], AES_BYTES[:31], AES_BYTES * 2, AES_KEY[:22] + "==", PRIVATE, "ünïcode"]
)
def test_invalid_aes_keys_are_refused(key: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        encrypted(AES, key)
    with pytest.raises(DecryptionError):
        METHODS[AES].decrypt({"payload": AES_PAYLOAD}, key)


def test_keys_of_another_curve_are_named() -> None:
    with pytest.raises(ValueError, match="not a private key on P-256"):
        private_key(ELSEWHERE)
    with pytest.raises(ValueError, match="not a public key on P-256"):
        public_key(ELSEWHERE.public_key())


def test_a_key_of_16_bytes_is_named_by_its_length() -> None:
    with pytest.raises(ValueError, match=r"^the key has 16 bytes, it needs 32$"):
        encrypted(AES, AES_BYTES[:16])


@pytest.mark.parametrize("key", [b"a passphrase", None, AES_BYTES, "\ud800"])
def test_invalid_passphrases_are_refused(key: Any) -> None:
    content = {"payload": JAVASCRIPT["legacy"][0]["payload"]}
    with pytest.raises(DecryptionError):
        METHODS["aes-text-base64"].decrypt(content, key)


def test_payloads_may_have_blanks_and_no_padding() -> None:
    payload = " " + "\n".join(AES_PAYLOAD[at : at + 7] for at in range(0, len(AES_PAYLOAD), 7)).rstrip("=") + "\t\r\f"
    assert METHODS[AES].decrypt({"payload": payload}, AES_KEY) == MATERIAL


@pytest.mark.parametrize("replace", [("+", "-"), ("/", "_")])
def test_payloads_are_not_url_safe(replace: tuple[str, str]) -> None:
    payload = AES_PAYLOAD.replace(*replace)
    assert payload != AES_PAYLOAD
    with pytest.raises(DecryptionError, match="not standard Base64"):
        METHODS[AES].decrypt({"payload": payload}, AES_KEY)


@given(st.binary())
def test_base64_can_be_encoded_and_decoded_again(data: bytes) -> None:
    assert encode(data) == base64.b64encode(data).decode()
    assert decode(encode(data)) == decode(encode(data).rstrip("=")) == data


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ("", b""),
        ("=", None),
        ("====", None),
        ("A", None),
        ("AA", b"\0"),
        ("AB", b"\0"),
        ("AA=", None),
        ("AA==", b"\0"),
        ("AA= =", b"\0"),
        ("AA===", None),
        ("AAA=", b"\0\0"),
        ("AAA==", None),
        ("AAAA=", None),
        ("AAAA==", None),
        ("A=AA", None),
        ("AAAAA", None),
        ("AA\vAA", None),
        ("AA\u00a0AA", None),
        ("AAA\u0660", None),
    ],
)
def test_base64_is_read_as_atob_reads_it(text: str, data: bytes | None) -> None:
    if data is None:
        with pytest.raises(ValueError, match="Base64"):
            decode(text)
    else:
        assert decode(text) == data
