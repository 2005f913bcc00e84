"""Encrypted events and files in an account, and what reads and writes them."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import pytest
from tests.encryption.vectors import AES, ECIES

from pryv import Call, Connection, InvalidParametersError
from pryv.types import EventsParams
from pryv_encryption import DecryptionError, EventsCipher

TEXT = "Schlecht geschlafen — 🩺"
NOTE = {"streamIds": ["diary"], "type": "note/txt", "content": TEXT}
HOWS: list[dict[str, Any]] = [
    {"method": AES, "key_ref": "k"},
    {"method": ECIES, "key_ref": "pair", "hint": {"for": "the clinic"}},
]


@pytest.mark.parametrize("how", HOWS)
def test_events_come_back_in_every_way(how: dict[str, Any], diary: Connection, cipher: EventsCipher) -> None:
    (created,) = diary.api([Call("events.create", cipher.encrypt_event(NOTE, **how))])
    stored = created["event"]
    assert stored["type"] == f"encrypted/{how['method']}"
    assert TEXT not in str(stored)

    query: EventsParams = {"streams": ["diary"], "types": [stored["type"]], "sortAscending": True}
    seen: list[Any] = []
    diary.get_events_streamed(query, cipher.wrap_for_each_event(seen.append))
    read = [
        cipher.decrypt_event(stored, strict=True),
        cipher.decrypt_event(diary.get(f"events/{stored['id']}")["event"], strict=True),
        *cipher.decrypt_events(diary.iter_events(query), strict=True),
        *cipher.decrypt_events(diary.api_one("events.get", query, "events"), strict=True),
        *seen,
    ]
    assert len(read) == 5
    for event in read:
        assert (event["type"], event["content"]) == (NOTE["type"], TEXT)
        assert event["decryptedFrom"] == stored


@pytest.mark.parametrize("how", HOWS)
def test_an_event_is_changed(how: dict[str, Any], diary: Connection, cipher: EventsCipher) -> None:
    stored = diary.api_one("events.create", cipher.encrypt_event(NOTE, **how), "event")
    decrypted = cipher.decrypt_event(stored, strict=True)
    changed = {**decrypted, "content": "Slept well."}
    with pytest.raises(ValueError, match=r"^call 0: update: a decrypted event would be stored in clear"):
        diary.api_one("events.update", {"id": stored["id"], "update": changed})
    with pytest.raises(ValueError, match=r"^a decrypted event would be stored in clear"):
        diary.put(f"events/{stored['id']}", changed)
    assert diary.get(f"events/{stored['id']}")["event"] == stored

    update = cipher.encrypt_event_content(changed, **how)
    again = diary.api_one("events.update", {"id": stored["id"], "update": update}, "event")
    assert cipher.decrypt_event(again, strict=True)["content"] == "Slept well."


@pytest.mark.parametrize("how", HOWS)
def test_files_come_back(how: dict[str, Any], diary: Connection, cipher: EventsCipher, tmp_path: Path) -> None:
    plain, secret, copy, again = (tmp_path / name for name in ("plain.jpg", "secret.jpg", "copy", "again"))
    plain.write_bytes(os.urandom(300_000))
    cipher.encrypt_attachment(plain, secret, **how)
    stored = diary.create_event_with_file(cipher.encrypt_event(NOTE, **how), secret)["event"]
    (attachment,) = stored["attachments"]

    diary.download_attachment(stored["id"], attachment, copy)
    cipher.decrypt_attachment(stored, copy, again)
    assert again.read_bytes() == plain.read_bytes()

    data = diary.download_attachment(stored["id"], attachment)
    decrypted = cipher.decrypt_event(stored, strict=True)
    assert cipher.decrypt_attachment_data(decrypted, data) == plain.read_bytes()
    output = io.BytesIO()
    cipher.decrypt_attachment(decrypted, io.BytesIO(data), output)
    assert output.getvalue() == plain.read_bytes()
    with pytest.raises(DecryptionError):
        cipher.decrypt_attachment_data(decrypted, data[:-1])


@pytest.mark.usefixtures("sandbox")  # platforms choose the types of events that they validate
def test_the_platform_knows_the_schemas(diary: Connection) -> None:
    for content in ({}, {"payload": 1}, {"payload": "x", "keyRef": 1}, "x"):
        with pytest.raises(InvalidParametersError):
            diary.api_one("events.create", {**NOTE, "type": f"encrypted/{AES}", "content": content})


def test_a_mirror_and_a_monitor_are_read_decrypted(diary: Connection, cipher: EventsCipher, tmp_path: Path) -> None:
    monitor = pytest.importorskip("pryv_monitor")
    stored = diary.api_one("events.create", cipher.encrypt_event(NOTE, **HOWS[0]), "event")
    mirror = monitor.SQLiteMirror(tmp_path / "mirror.db")
    monitor.Monitor(diary, mirror=mirror).sync()
    assert TEXT.encode() not in (tmp_path / "mirror.db").read_bytes()
    seen: list[Any] = []
    monitor.Monitor(diary).on("event", cipher.wrap_for_each_event(seen.append)).sync()
    for events in (cipher.decrypt_events(mirror.events()), seen):
        (event,) = (event for event in events if event["id"] == stored["id"])
        assert event["content"] == TEXT
        assert event["decryptedFrom"] == stored


def test_a_socket_does_not_send_a_decrypted_event(diary: Connection, cipher: EventsCipher) -> None:
    pytest.importorskip("pryv_socket_io")
    decrypted = cipher.decrypt_event(cipher.encrypt_event(NOTE, **HOWS[0]))
    with diary.socket as socket, pytest.raises(ValueError, match="a decrypted event would be stored in clear"):
        socket.api([Call("events.create", decrypted)])
