"""The bytes of a body as they arrive, read as they are or as text."""

from __future__ import annotations

import codecs
from collections.abc import Iterator


class Source:
    """Reads a body in UTF-8, which may begin with a byte order mark.

    Attributes:
        data: Bytes that have arrived.
        at: Where in `data` those begin that were not read yet.
    """

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._is_begun = False
        self._failure: Exception | None = None
        self.data = b""
        self.at = 0

    def receive(self) -> bool:
        """Wait for the next chunk; return whether there was one.

        If the chunks raise an exception, it is raised by `read_text`, once the bytes before it are read.
        """
        if self._failure is not None:
            return False
        try:
            chunk = next(self._chunks, None)
        except Exception as failure:  # noqa: BLE001  (raised later)
            self._failure = failure
            return False
        self.data, self.at = self.data[self.at :] + (chunk or b""), 0
        return chunk is not None

    def read_text(self) -> str:
        """Return the text that follows, as much as has arrived; an empty string at the end.

        Raises:
            UnicodeDecodeError: it is not UTF-8. The text before is returned first, however the chunks are cut.
        """
        text = ""
        is_end = False
        while not text and not is_end:
            is_end = self.at == len(self.data) and not self.receive()
            if is_end and self._failure is not None:
                raise self._failure
            data, self.data, self.at = self.data[self.at :], b"", 0
            text = self._decoded(data, is_end)
            if text and not self._is_begun:
                self._is_begun = True
                text = text.removeprefix("\ufeff")
        return text

    def _decoded(self, data: bytes, is_end: bool) -> str:
        try:
            return self._decoder.decode(data, final=is_end)
        except UnicodeDecodeError as error:
            self._decoder.reset()
            self.data = error.object[error.start :]
            if not error.start:
                raise
            return error.object[: error.start].decode()

    def unread(self, text: str) -> None:
        """Give back the end of what `read_text` returned last."""
        self.data = text.encode() + self._decoder.getstate()[0] + self.data[self.at :]
        self.at = 0
        self._decoder.reset()
