"""Files that are encrypted and decrypted piece by piece."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, BinaryIO, cast

import pytest
from tests.encryption.vectors import AES, AES_KEY, ECIES

from pryv_encryption import DecryptionError, EventsCipher, Keyring, MissingKeyError, UnknownMethodError

MIB = 1 << 20
HOWS = [{"method": AES, "key_ref": "k"}, {"method": ECIES, "key_ref": "pair"}]
SIZES = [0, 1, MIB - 1, MIB, MIB + 1, 3 * MIB + 5]


def event_of(how: dict[str, str]) -> dict[str, Any]:
    content = {"payload": "", "keyRef": how["key_ref"]}
    return {"id": "e1", "type": f"encrypted/{how['method']}", "content": content}


EVENT = event_of(HOWS[0])


class Pipe(io.RawIOBase):
    """A source that cannot seek, and gives what it has in small pieces."""

    def __init__(self, data: bytes) -> None:
        self._data = io.BytesIO(data)

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        return self._data.read(size if size in (0, -1) else min(size, 65_537))


class Dripping(io.BytesIO):
    """A source that can seek, and gives what it has in small pieces."""

    def read(self, size: int | None = -1) -> bytes:
        return super().read(min(size, 65_537) if size and size > 0 else size)


def encrypted(cipher: EventsCipher, data: bytes, how: dict[str, str] = HOWS[0]) -> bytes:
    return cipher.encrypt_attachment_data(data, **how)


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("size", SIZES)
def test_files_come_back_as_they_were(size: int, how: dict[str, str], cipher: EventsCipher, tmp_path: Path) -> None:
    plain, secret, again = tmp_path / "plain", tmp_path / "secret", tmp_path / "again"
    plain.write_bytes(os.urandom(size))
    event = event_of(how)

    assert cipher.encrypt_attachment(plain, secret, **how) == secret
    assert cipher.decrypt_attachment(event, str(secret), again) == again
    assert again.read_bytes() == plain.read_bytes()
    assert cipher.decrypt_attachment_data(event, secret.read_bytes()) == plain.read_bytes()

    with plain.open("rb") as file, secret.open("wb") as destination:
        cipher.encrypt_attachment(file, destination, **how)
    for source_of in (io.BytesIO, Pipe, Dripping):
        output = io.BytesIO()
        source = cast(BinaryIO, source_of(secret.read_bytes()))
        assert cipher.decrypt_attachment(event, source, output) is output
        assert output.getvalue() == plain.read_bytes()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["again", "plain", "secret"]


def test_a_file_is_read_from_where_it_stands(cipher: EventsCipher) -> None:
    source, output = io.BytesIO(b"before" + encrypted(cipher, b"data")), io.BytesIO()
    source.seek(6)
    cipher.decrypt_attachment(EVENT, source, output)
    assert output.getvalue() == b"data"


def test_a_file_can_be_replaced_by_itself(cipher: EventsCipher, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"data" * MIB)
    cipher.encrypt_attachment(file, file, **HOWS[0])
    assert file.stat().st_size == 4 * MIB + 28
    cipher.decrypt_attachment(EVENT, file, file)
    assert file.read_bytes() == b"data" * MIB


def test_a_file_is_decrypted_with_its_decrypted_event_too(cipher: EventsCipher) -> None:
    event = cipher.encrypt_event({"type": "a/b", "content": 1}, **HOWS[0])
    decrypted = cipher.decrypt_event(event)
    assert decrypted["type"] == "a/b"
    assert cipher.decrypt_attachment_data(decrypted, encrypted(cipher, b"data")) == b"data"
    output = io.BytesIO()
    cipher.decrypt_attachment(decrypted, io.BytesIO(encrypted(cipher, b"data")), output)
    assert output.getvalue() == b"data"


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("place", [0, 40, 80, -17, -1])
@pytest.mark.parametrize("before", [None, b"as it was"])
def test_an_altered_file_is_not_written(
    place: int, before: bytes | None, how: dict[str, str], cipher: EventsCipher, tmp_path: Path
) -> None:
    data = bytearray(encrypted(cipher, bytes(2 * MIB), how))
    data[place] ^= 1
    destination = tmp_path / "destination"
    if before is not None:
        destination.write_bytes(before)
    there = list(tmp_path.iterdir())
    for source in (io.BytesIO(data), Pipe(bytes(data))):
        with pytest.raises(DecryptionError, match=r"^the event e1 cannot be decrypted: ") as raised:
            cipher.decrypt_attachment(event_of(how), cast(BinaryIO, source), destination)
        assert raised.value.event_id == "e1"
    with pytest.raises(DecryptionError):
        cipher.decrypt_attachment_data(event_of(how), bytes(data))
    assert list(tmp_path.iterdir()) == there
    assert before is None or destination.read_bytes() == before
    output = io.BytesIO()
    with pytest.raises(DecryptionError):
        cipher.decrypt_attachment(event_of(how), io.BytesIO(data), output)
    assert output.getvalue() == b""


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("size", [0, 1, 12, 27, 28, 77, 92])
def test_a_file_that_is_too_short(size: int, how: dict[str, str], cipher: EventsCipher) -> None:
    data = encrypted(cipher, bytes(100), how)[:size]
    with pytest.raises(DecryptionError):
        cipher.decrypt_attachment(event_of(how), io.BytesIO(data), io.BytesIO())
    with pytest.raises(DecryptionError):
        cipher.decrypt_attachment_data(event_of(how), data)


class Changing(io.BytesIO):
    """A file that another program changes once it was read."""

    altered = b""

    def seek(self, offset: int, whence: int = 0) -> int:
        if self.altered and offset == 12 and self.reads > 2:
            super().seek(0)
            self.write(self.altered)
            self.truncate()
        return super().seek(offset, whence)

    reads = 0

    def read(self, size: int | None = -1) -> bytes:
        self.reads += bool(size)
        return super().read(size)


@pytest.mark.parametrize("change", ["altered", "cut", "longer"])
def test_the_verified_bytes_are_those_that_are_decrypted(change: str, cipher: EventsCipher, tmp_path: Path) -> None:
    plain = os.urandom(2 * MIB)
    data = encrypted(cipher, plain)
    source, destination = Changing(data), tmp_path / "destination"
    source.altered = {"altered": data[:50] + b"x" + data[51:], "cut": data[:MIB], "longer": data + b"more"}[change]
    if change == "longer":
        cipher.decrypt_attachment(EVENT, source, destination)
        assert destination.read_bytes() == plain
    else:
        with pytest.raises(DecryptionError, match="altered while"):
            cipher.decrypt_attachment(EVENT, source, destination)
        assert list(tmp_path.iterdir()) == []
    assert source.getvalue() == source.altered


def test_no_plaintext_is_on_the_disk_before_the_file_is_verified(
    cipher: EventsCipher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the last piece of the source is read for the first time, there is no file at the destination at all."""
    seen: list[list[Path]] = []

    class Watching(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            seen.append(list(tmp_path.iterdir()))
            return super().read(size)

    data = bytearray(encrypted(cipher, bytes(3 * MIB)))
    data[-1] ^= 1
    with pytest.raises(DecryptionError):
        cipher.decrypt_attachment(EVENT, Watching(data), tmp_path / "destination")
    assert len(seen) > 3
    assert not any(seen)


def test_a_pipe_that_is_named(cipher: EventsCipher, tmp_path: Path) -> None:
    source, pipe, destination = tmp_path / "source", tmp_path / "pipe", tmp_path / "destination"
    source.write_bytes(os.urandom(3 * MIB))
    os.mkfifo(pipe)
    writer = threading.Thread(target=cipher.encrypt_attachment, args=(source, pipe), kwargs=HOWS[0])
    writer.start()
    cipher.decrypt_attachment(EVENT, pipe, destination)
    writer.join()
    assert destination.read_bytes() == source.read_bytes()


def test_a_failed_write_leaves_no_file(cipher: EventsCipher, tmp_path: Path) -> None:
    data = encrypted(cipher, bytes(100))
    with pytest.raises(FileNotFoundError):
        cipher.decrypt_attachment(EVENT, io.BytesIO(data), tmp_path / "nowhere" / "file")
    with pytest.raises(FileNotFoundError):
        cipher.encrypt_attachment(tmp_path / "nothing", tmp_path / "file", **HOWS[0])
    with pytest.raises(IsADirectoryError):
        cipher.decrypt_attachment(EVENT, io.BytesIO(data), tmp_path)
    with pytest.raises(ValueError, match="16 bytes"):
        EventsCipher(Keyring({"k": bytes(16)})).encrypt_attachment(io.BytesIO(b"x"), tmp_path / "file", **HOWS[0])
    assert list(tmp_path.iterdir()) == []


class Narrow(io.RawIOBase):
    """A destination that takes some bytes at a time, such as the file of a socket."""

    def __init__(self, width: int) -> None:
        self.width = width
        self.data = b""

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.data += bytes(data[: self.width])
        return min(self.width, len(data))


def test_a_destination_may_take_some_bytes_at_a_time(cipher: EventsCipher) -> None:
    narrow = Narrow(3)
    cipher.encrypt_attachment(io.BytesIO(b"data"), cast(BinaryIO, narrow), **HOWS[0])
    plain = Narrow(3)
    cipher.decrypt_attachment(EVENT, io.BytesIO(narrow.data), cast(BinaryIO, plain))
    assert plain.data == b"data"


def test_a_destination_that_takes_nothing_is_an_error(cipher: EventsCipher) -> None:
    with pytest.raises(OSError, match="did not accept all"):
        cipher.encrypt_attachment(io.BytesIO(b"data"), cast(BinaryIO, Narrow(0)), **HOWS[0])
    with pytest.raises(OSError, match="did not accept all"):
        cipher.decrypt_attachment(EVENT, io.BytesIO(encrypted(cipher, b"data")), cast(BinaryIO, Narrow(0)))


def test_sources_that_are_not_files_are_refused(cipher: EventsCipher, tmp_path: Path) -> None:
    for source in (b"bytes", 3, io.StringIO("text"), None):
        with pytest.raises(TypeError):
            cipher.encrypt_attachment(source, tmp_path / "file", **HOWS[0])  # type: ignore[arg-type]
        with pytest.raises(TypeError):
            cipher.decrypt_attachment(EVENT, source, tmp_path / "file")  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        cipher.encrypt_attachment(io.BytesIO(), b"destination", **HOWS[0])  # type: ignore[type-var]
    for data in ("text", None, 3):
        with pytest.raises(TypeError, match="bytes"):
            cipher.encrypt_attachment_data(data, **HOWS[0])  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="bytes"):
            cipher.decrypt_attachment_data(EVENT, data)  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_a_source_that_is_not_ready_is_not_taken_for_its_end(cipher: EventsCipher, tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    os.write(writing, b"half")
    with open(reading, "rb", buffering=0) as source, pytest.raises(BlockingIOError):
        cipher.encrypt_attachment(cast(BinaryIO, source), tmp_path / "file", **HOWS[0])
    os.close(writing)
    assert list(tmp_path.iterdir()) == []


def test_files_of_events_that_are_not_encrypted_or_cannot_be_decrypted(cipher: EventsCipher) -> None:
    data = encrypted(cipher, b"data")
    for event, error in (
        ({"id": "e1", "type": "note/txt", "content": "x"}, DecryptionError),
        ({**EVENT, "type": "encrypted/rot13"}, UnknownMethodError),
        ({**EVENT, "content": None}, DecryptionError),
    ):
        with pytest.raises(error):
            cipher.decrypt_attachment_data(event, data)
        with pytest.raises(error):
            cipher.decrypt_attachment(event, io.BytesIO(data), io.BytesIO())
    with pytest.raises(MissingKeyError):
        EventsCipher(Keyring()).decrypt_attachment_data(EVENT, data)
    with pytest.raises(MissingKeyError):
        EventsCipher(Keyring()).decrypt_attachment(EVENT, io.BytesIO(data), io.BytesIO())


@pytest.mark.parametrize(
    "size", [pytest.param(64 * MIB, id="64 MiB"), pytest.param(1024 * MIB, id="1 GiB", marks=pytest.mark.long)]
)
def test_memory_does_not_grow_with_the_file(size: int, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(AES_KEY)
    with (tmp_path / "plain").open("wb") as plain:
        plain.truncate(size)
    for action in ("encrypt", "decrypt"):
        program = Path(__file__).with_name("one_file.py")
        command = [sys.executable, str(program), action]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
        assert int(done.stdout) < 16 * MIB
    assert digest(tmp_path / "again") == digest(tmp_path / "plain")


def digest(file: Path) -> bytes:
    made = hashlib.sha256()
    with file.open("rb") as data:
        while piece := data.read(MIB):
            made.update(piece)
    return made.digest()
