"""Encrypts or decrypts one file of the working directory, and prints how many bytes more memory that took."""

import resource
import sys
from pathlib import Path

from pryv_encryption import EventsCipher, Keyring

UNIT = 1 if sys.platform == "darwin" else 1024


def peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * UNIT


cipher = EventsCipher(Keyring({"k": Path("key").read_text()}))
event = {"type": "encrypted/aes-256-gcm", "content": {"payload": "", "keyRef": "k"}}
before = peak()
if sys.argv[1] == "encrypt":
    cipher.encrypt_attachment("plain", "secret", method="aes-256-gcm", key_ref="k")
else:
    cipher.decrypt_attachment(event, "secret", "again")
print(peak() - before)
