"""Encryption add-on of the Pryv.io SDK for Python: events and files that the platform cannot read."""

from pryv import __version__
from pryv_encryption._key_files import save_key
from pryv_encryption.cipher import EventsCipher
from pryv_encryption.errors import DecryptionError, EncryptionError, MissingKeyError, UnknownMethodError
from pryv_encryption.keyring import Keyring
from pryv_encryption.keys import KeyPair, generate_key, generate_key_pair
from pryv_encryption.methods import METHODS, EncryptionMethod

__all__ = [
    "METHODS",
    "DecryptionError",
    "EncryptionError",
    "EncryptionMethod",
    "EventsCipher",
    "KeyPair",
    "Keyring",
    "MissingKeyError",
    "UnknownMethodError",
    "__version__",
    "generate_key",
    "generate_key_pair",
    "save_key",
]
