"""What the command `pryv` encrypts and decrypts, as a process of its own."""

from __future__ import annotations

import csv
import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as parquet
import pytest
from tests.memory import traced_memory

from pryv import Connection
from pryv.cli._encryption import decrypted
from pryv_encryption import EventsCipher, Keyring, generate_key, save_key

PRYV = Path(sys.executable).with_name("pryv")
NOTES = ["Schlecht geschlafen — 🩺", "a half \ud800", {"deep": [1, None]}]

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def pryv(diary: Connection, tmp_path: Path) -> Run:
    """Runs the command on the account."""
    settings = {"HOME": str(tmp_path), "PATH": os.defpath, "PRYV_API_ENDPOINT": diary.api_endpoint}

    def run(*arguments: object, **more: str) -> subprocess.CompletedProcess[str]:
        command = [str(PRYV), *map(str, arguments)]
        return subprocess.run(
            command, env=settings | more, cwd=tmp_path, capture_output=True, encoding="utf-8", check=False
        )

    return run


def test_a_key_is_made_and_decrypts_events(pryv: Run, diary: Connection, tmp_path: Path) -> None:
    for arguments in (["journal"], ["pair", "--pair"], []):
        made = pryv("keygen", "keys.json", *arguments)
        assert made.returncode == 0, made.stderr
        assert "Keep a copy" in made.stderr
        assert (
            json.loads(made.stdout).keys() == {"kty", "crv", "x", "y"} if "--pair" in arguments else made.stdout == ""
        )
    file = tmp_path / "keys.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    keys = json.loads(file.read_text())
    assert list(keys) == ["journal", "pair", "default"]

    cipher = EventsCipher(Keyring.from_file(file).set("lost", generate_key()))
    hows = [
        {"method": "aes-256-gcm", "key_ref": "journal"},
        {"method": "ecies-aes-256-gcm", "key_ref": "pair"},
        {"method": "aes-256-gcm", "key_ref": "default"},
        {"method": "aes-256-gcm", "key_ref": "lost"},
    ]
    for time, (how, content) in enumerate(zip(hows, [*NOTES, "lost"], strict=True)):
        note = {"streamIds": ["diary"], "time": time, "type": "my/note", "content": content}
        diary.api_one("events.create", cipher.encrypt_event(note, **how))

    command = ("events", "--streams", "diary", "--decrypt", "keys.json")
    by_line, at_once, table = pryv(*command, "--jsonl"), pryv(*command), pryv(*command, "--csv")
    for done in (by_line, at_once, table):
        assert done.returncode == 0, done.stderr
        assert "Events left encrypted: 1. The first: no key is known" in done.stderr
        assert "'lost'" in done.stderr
        secrets: list[str] = [keys["journal"], keys["default"], keys["pair"]["privateKey"]["d"]]
        assert not [secret for secret in secrets if secret in done.stdout + done.stderr]
    for events in ([json.loads(line) for line in by_line.stdout.splitlines()], json.loads(at_once.stdout)):
        assert [event["content"] for event in reversed(events)][:3] == NOTES
        assert events[0]["type"] == "encrypted/aes-256-gcm"
        assert "decryptedFrom" not in events[0]
        sent_back = pryv("call", "events.create", json.dumps(events[1]))
        assert (sent_back.returncode, sent_back.stdout) == (2, "")
        assert "a decrypted event would be stored in clear" in sent_back.stderr
    assert "Schlecht geschlafen — 🩺" in table.stdout


def test_memory_does_not_grow_with_events_that_stay_encrypted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "keys.json"
    save_key(file, "other", generate_key())
    cipher = EventsCipher(Keyring({"lost": generate_key()}))
    encrypted = cipher.encrypt_event({"type": "my/note", "content": "x"}, method="aes-256-gcm", key_ref="lost")

    def peak(count: int) -> int:
        with traced_memory() as memory:
            for _ in decrypted((dict(encrypted) for _ in range(count)), str(file)):
                pass
            return memory()[1]

    peak(100)
    assert peak(3000) < peak(300) + 20_000
    assert "Events left encrypted: 3000. The first: no key is known for aes-256-gcm (keyRef 'lost')" in (
        capsys.readouterr().err
    )


def test_events_of_an_unknown_method_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "keys.json"
    save_key(file, "k", generate_key())
    events: list[dict[str, Any]] = [
        {"type": "encrypted/other", "content": {"payload": "x"}},
        {"type": "my/note", "content": "clear"},
        {"type": "encrypted/aes-256-gcm", "content": {"payload": "x", "keyRef": "lost"}},
    ]
    assert list(decrypted(events, str(file))) == events
    assert capsys.readouterr().err == ("Events left encrypted: 2. The first: no encryption method is named 'other'\n")


def test_the_help_says_which_types_are_filtered(pryv: Run) -> None:
    assert "encrypted/*" in pryv("events", "--help").stdout


def test_a_mirror_is_exported_decrypted(diary: Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monitor = pytest.importorskip("pryv_monitor")
    cli = pytest.importorskip("pryv_monitor.cli")
    monkeypatch.chdir(tmp_path)
    save_key("keys.json", "exported", generate_key())
    cipher = EventsCipher(Keyring.from_file("keys.json"))
    diary.streams.create({"id": "exported", "name": "Exported"})
    note = {"streamIds": ["exported"], "type": "my/note", "content": "Schlecht geschlafen"}
    diary.events.create(cipher.encrypt_event(note, method="aes-256-gcm", key_ref="exported"))
    monitor.Monitor(diary, {"streams": ["exported"]}, mirror=monitor.SQLiteMirror("copy.db")).sync()

    for arguments in (["--csv", "out.csv"], ["--parquet", "out"]):
        assert cli.main(["export", "copy.db", *arguments, "--decrypt", "keys.json"]) == 0
    with Path("out.csv").open(encoding="utf-8", newline="") as file:
        (row,) = csv.DictReader(file)
    assert (row["type"], row["content_text"]) == ("my/note", "Schlecht geschlafen")
    (found,) = parquet.read_table("out").to_pylist()
    assert (found["type"], found["content_text"]) == ("my/note", "Schlecht geschlafen")

    keys = Path("keys.json").read_bytes()
    assert cli.main(["export", "copy.db", "--csv", "./keys.json", "--decrypt", "keys.json"]) == 2
    assert Path("keys.json").read_bytes() == keys
    assert cli.main(["export", "copy.db", "--csv", "none.csv", "--decrypt", "missing.json"]) != 0
    assert not Path("none.csv").exists()


def test_a_key_is_not_replaced(pryv: Run, tmp_path: Path) -> None:
    assert pryv("keygen", "keys.json").returncode == 0
    before = (tmp_path / "keys.json").read_bytes()
    again = pryv("keygen", "keys.json")
    assert (again.returncode, again.stdout) == (2, "")
    assert "has a key named 'default' already" in again.stderr
    assert (tmp_path / "keys.json").read_bytes() == before


def test_a_key_file_that_cannot_be_used_is_named(pryv: Run, tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    assert "keys.json" in pryv("events", "--decrypt", "keys.json").stderr
    file.write_text("no json")
    file.chmod(0o600)
    refused = pryv("events", "--decrypt", "keys.json")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "keys.json is not a key file" in refused.stderr
    file.write_text('{"k": "AAAA"}')
    file.chmod(0o644)
    for arguments in (["events", "--decrypt", "keys.json"], ["keygen", "keys.json", "new"]):
        refused = pryv(*arguments)
        assert (refused.returncode, refused.stdout) == (1, "")
        assert "chmod 600" in refused.stderr
        assert "AAAA" not in refused.stderr


def test_a_missing_add_on_is_named(pryv: Run, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text('import sys\nsys.modules["pryv_encryption"] = None\n')
    hidden = {"PYTHONPATH": str(tmp_path)}
    for arguments in (["events", "--decrypt", "keys.json"], ["keygen", "keys.json"]):
        refused = pryv(*arguments, **hidden)
        assert (refused.returncode, refused.stdout) == (1, "")
        assert "encryption needs an add-on: pip install pryv-encryption" in refused.stderr
    assert pryv("events", "--jsonl", **hidden).returncode == 0
