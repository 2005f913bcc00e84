"""Fixtures for the tests of encryption."""

from __future__ import annotations

import base64
import os

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from tests.accounts import Account

from pryv import Connection
from pryv_encryption import EventsCipher, Keyring
from pryv_encryption.keys import private_key

from .vectors import AES_KEY, JAVASCRIPT, PAIR


@pytest.fixture(scope="module")
def diary(module_account: Account) -> Connection:
    """The module's account, with the stream `diary`."""
    connection = module_account[2]
    connection.api_one("streams.create", {"id": "diary", "name": "Diary"})
    return connection


@pytest.fixture
def cipher() -> EventsCipher:
    """A cipher with the keys of the vectors."""
    return EventsCipher(Keyring({"k": AES_KEY, "k1": AES_KEY, "pair": PAIR}).use(lambda *_: AES_KEY))


@pytest.fixture
def fixed_randomness(monkeypatch: pytest.MonkeyPatch) -> None:
    """The IV and the ephemeral key of the vectors, in place of random ones."""
    iv = base64.b64decode(JAVASCRIPT["aes"][0]["iv"])
    ephemeral = private_key(JAVASCRIPT["ecies"][0]["ephemeral"]["privateKey"])
    monkeypatch.setattr(os, "urandom", lambda _: iv)
    monkeypatch.setattr(ec, "generate_private_key", lambda _: ephemeral)
