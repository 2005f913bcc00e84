"""Encryption add-on of the Pryv.io SDK for Python: events and files that the platform cannot read."""

from pryv import __version__

from .cipher import EventsCipher
from .errors import DecryptionError, EncryptionError, MissingKeyError, UnknownMethodError
from .keyring import Keyring
from .keys import KeyPair, generate_key, generate_key_pair
from .methods import METHODS, EncryptionMethod

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
]
