"""Encrypt and decrypt files piece by piece. Plaintext is written only after the whole file is verified."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from typing import Any, BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from pryv.addons import without_frames, write_all
from pryv_encryption._gcm import IV_SIZE, TAG_SIZE, AesGcmMethod
from pryv_encryption.errors import DecryptionError

Source = str | os.PathLike[str] | BinaryIO

_PIECE = 1 << 20
"""Bytes of one piece."""


@contextlib.contextmanager
def opened(source: Source) -> Iterator[BinaryIO]:
    """Open a path, or use a binary file from its current position.

    Raises:
        TypeError: it is neither.
        OSError: it cannot be read.
    """
    if isinstance(source, (str, os.PathLike)):
        with open(source, "rb") as file:
            yield file
    elif hasattr(source, "read") and isinstance(source.read(0), bytes):
        yield source
    else:
        raise TypeError(f"a source is a path or an object opened in binary mode, not {type(source).__name__}")


@contextlib.contextmanager
def opened_twice(source: Source) -> Iterator[BinaryIO]:
    """Open a source that is read twice: one that cannot seek is copied to a temporary file first.

    Raises:
        TypeError: it is neither a path nor a binary file.
        OSError: it cannot be read.
    """
    with opened(source) as file:
        if hasattr(file, "seekable") and file.seekable():
            yield file
        else:
            with tempfile.TemporaryFile() as copy:
                shutil.copyfileobj(file, copy, _PIECE)
                copy.seek(0)
                yield copy


@without_frames
def encrypt(method: AesGcmMethod, source: BinaryIO, destination: BinaryIO, key: Any) -> None:
    """Encrypt a source into a destination.

    Raises:
        TypeError: the key cannot be used.
        ValueError: the same.
        OSError: the source cannot be read, or the destination cannot be written to.
    """
    header, content_key = method.seal(key)
    encryptor = Cipher(algorithms.AES(content_key), modes.GCM(header[-IV_SIZE:])).encryptor()
    write_all(destination, header)
    while piece := read(source, _PIECE):
        write_all(destination, encryptor.update(piece))
    write_all(destination, encryptor.finalize() + encryptor.tag)


class Verified:
    """An encrypted file with a correct tag.

    Args:
        method: The method of encryption.
        source: The file, which can seek.
        key: The key.

    Raises:
        DecryptionError: it was altered, or encrypted with another key or method.
        OSError: it cannot be read.
    """

    def __init__(self, method: AesGcmMethod, source: BinaryIO, key: Any) -> None:
        begin = source.tell()
        self._source, self._start = source, begin + method.header_size
        self._size = source.seek(0, os.SEEK_END) - TAG_SIZE - self._start
        if self._size < 0:
            raise DecryptionError("the file is too short")
        tag = self._read(self._start + self._size, TAG_SIZE)
        header = self._read(begin, method.header_size)
        self._cipher = Cipher(algorithms.AES(method.open(header, key)), modes.GCM(header[-IV_SIZE:], tag))
        self._digests = list(self._verify())

    def _verify(self) -> Iterator[bytes]:
        """Check the tag, and yield a digest of each piece, so that a changed piece is not decrypted later."""
        decryptor = self._cipher.decryptor()
        for piece in self._pieces():
            decryptor.update(piece)
            yield hashlib.sha256(piece).digest()
        try:
            decryptor.finalize()
        except InvalidTag:
            raise DecryptionError("the file was altered, or encrypted with another key") from None

    @without_frames
    def write_to(self, destination: BinaryIO) -> None:
        """Decrypt the file into a destination.

        Raises:
            DecryptionError: it was altered since it was verified.
            OSError: it cannot be read, or the destination cannot be written to.
        """
        decryptor = self._cipher.decryptor()
        for piece, digest in zip(self._pieces(), self._digests, strict=True):
            if hashlib.sha256(piece).digest() != digest:
                raise DecryptionError("the file was altered while it was decrypted")
            write_all(destination, decryptor.update(piece))

    def _pieces(self) -> Iterator[bytes]:
        for offset in range(0, self._size, _PIECE):
            yield self._read(self._start + offset, min(_PIECE, self._size - offset))

    def _read(self, position: int, size: int) -> bytes:
        """Return bytes of the file, fewer if it has become shorter."""
        self._source.seek(position)
        data = bytearray()
        while len(data) < size and (piece := read(self._source, size - len(data))):
            data += piece
        return bytes(data)


def read(file: BinaryIO, size: int = -1) -> bytes:
    """Return bytes of a file, none at its end.

    Raises:
        OSError: it cannot be read, or not without waiting.
    """
    data: bytes | None = file.read(size)
    if data is None:
        raise BlockingIOError("the source is non-blocking, and has nothing to read yet")
    return data
