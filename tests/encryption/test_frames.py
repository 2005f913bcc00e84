"""Frames of decrypted events."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from tests.accounts import Account
from tests.encryption.vectors import AES, ECIES

from pryv import Connection
from pryv.frames import iter_arrow, to_arrow, to_pandas
from pryv_encryption import EventsCipher, Keyring, MissingKeyError

PLAIN: list[dict[str, Any]] = [
    {"type": "mass/kg", "content": 61.5},
    {"type": "blood-pressure/mmhg-bpm", "content": {"systolic": 120, "diastolic": 80, "rate": 61}},
    {"type": "note/txt", "content": "Schlecht geschlafen — 🩺"},
    {"type": "boolean/bool", "content": True},
]


@pytest.fixture(scope="module")
def account(module_account: Account) -> Connection:
    """An account with a stream."""
    module_account[2].streams.create({"id": "diary", "name": "Diary"})
    return module_account[2]


def test_a_frame_of_a_mirror_has_the_plain_contents(account: Connection, cipher: EventsCipher, tmp_path: Path) -> None:
    monitor = pytest.importorskip("pryv_monitor")
    plain = [{"streamIds": ["diary"], "time": 1_767_225_600 + n, **event} for n, event in enumerate(PLAIN * 2)]
    encrypted = [
        cipher.encrypt_event(event, method=(AES, ECIES)[number % 2], key_ref=("k", "pair")[number % 2])
        for number, event in enumerate(plain)
    ]
    account.events.create_many(encrypted)
    mirror = monitor.SQLiteMirror(tmp_path / "mirror.db")
    monitor.Monitor(account, {"streams": ["diary"]}, mirror=mirror).sync()

    def decrypted() -> Any:
        return cipher.decrypt_events(mirror.events({"sortAscending": True}), strict=True)

    frame, wanted = to_pandas(decrypted()), to_pandas(plain)
    shown = ["time", "type", "stream_ids", "content", "content_text"]
    pd.testing.assert_frame_equal(frame[shown], wanted[shown])
    assert frame["id"].notna().all()
    assert to_arrow(decrypted()).select(shown).to_pydict() == to_arrow(plain).select(shown).to_pydict()
    assert sum(batch.num_rows for batch in iter_arrow(decrypted(), rows=3)) == len(plain)
    systolic = to_pandas(decrypted(), {"content.systolic": float})["content.systolic"]
    assert systolic.dropna().tolist() == [120, 120]
    assert "decryptedFrom" not in frame.columns


def test_an_event_without_its_key_stays_encrypted(cipher: EventsCipher) -> None:
    encrypted = cipher.encrypt_event({"streamIds": ["diary"], **PLAIN[0]}, method=AES, key_ref="k")
    stranger = EventsCipher(Keyring(), on_decrypt_error=lambda *_: None)
    frame = to_pandas(stranger.decrypt_events([encrypted, PLAIN[0]]))
    assert frame["type"].tolist() == ["encrypted/aes-256-gcm", "mass/kg"]
    assert frame["content"].isna().tolist() == [True, False]
    with pytest.raises(MissingKeyError):
        to_pandas(stranger.decrypt_events([encrypted], strict=True))
