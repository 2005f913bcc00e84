"""ECIES on the curve P-256: encrypt with the public key, decrypt with the private key."""

from __future__ import annotations

import os
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from pryv_encryption._gcm import IV_SIZE, AesGcmMethod
from pryv_encryption.keys import CURVE, POINT_SIZE, SYMMETRIC_SIZE, point, private_key, public_key

_INFO = b"encrypted/ecies-aes-256-gcm"


class EciesAes256Gcm(AesGcmMethod):
    """`ecies-aes-256-gcm`. The header is the point of a key pair made for this payload only, and the IV."""

    header_size = POINT_SIZE + IV_SIZE

    def seal(self, key: Any) -> tuple[bytes, bytes]:
        """Return a new point and IV, and the AES key for them."""
        recipient = public_key(key)
        ephemeral = ec.generate_private_key(CURVE)
        header = ephemeral.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        return header + os.urandom(IV_SIZE), _derived(ephemeral, recipient)

    def _content_key(self, header: bytes, key: Any) -> bytes:
        return _derived(private_key(key), point(header[:POINT_SIZE]))


def _derived(private: ec.EllipticCurvePrivateKey, public: ec.EllipticCurvePublicKey) -> bytes:
    shared = private.exchange(ec.ECDH(), public)
    return HKDF(hashes.SHA256(), length=SYMMETRIC_SIZE, salt=None, info=_INFO).derive(shared)
