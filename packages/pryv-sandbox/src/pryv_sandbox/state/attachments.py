"""Files attached to events."""

from __future__ import annotations

import base64
import hashlib
import hmac
import shutil
import tempfile
from collections.abc import AsyncIterable
from functools import cached_property
from pathlib import Path
from typing import Any

from pryv_sandbox.model.access import Access
from pryv_sandbox.model.ids import new_id
from pryv_sandbox.model.integrity import sri

Attachment = dict[str, Any]


class Files:
    """The attached files of a platform, in one directory, each named by the id of its attachment.

    The directory is next to the data file; it is a temporary one if the data are in memory. The first file creates it.
    """

    def __init__(self, data: str | None) -> None:
        self._data = data

    @cached_property
    def _directory(self) -> Path:
        if self._data is None:
            return Path(tempfile.mkdtemp(prefix="pryv-sandbox-"))
        directory = Path(f"{self._data}-attachments")
        directory.mkdir(parents=True, exist_ok=True)
        return directory

    async def receive(self, chunks: AsyncIterable[bytes], file_name: str, media_type: str) -> Attachment:
        """Store a file as it arrives; returns its attachment."""
        attachment_id, size, digest = new_id(), 0, hashlib.sha256()
        with self.path(attachment_id).open("wb") as file:
            async for chunk in chunks:
                file.write(chunk)
                digest.update(chunk)
                size += len(chunk)
        return {
            "id": attachment_id,
            "fileName": file_name,
            "type": media_type,
            "size": size,
            "integrity": sri(digest.digest()),
        }

    def path(self, attachment_id: str) -> Path:
        """The path of a file."""
        return self._directory / attachment_id

    def remove(self, attachments: list[Attachment]) -> None:
        """Delete the files of these attachments."""
        for attachment in attachments:
            self.path(attachment["id"]).unlink(missing_ok=True)

    def close(self) -> None:
        """Delete the directory if it is a temporary one."""
        if self._data is None and "_directory" in vars(self):
            shutil.rmtree(self._directory, ignore_errors=True)


def read_token(access: Access, attachment_id: str) -> str:
    """The token with which anyone can read this file."""
    digest = hmac.new(access.token.encode(), attachment_id.encode(), "sha1").digest()
    return f"{access.id}-{base64.urlsafe_b64encode(digest).decode().rstrip('=')}"


def with_read_tokens(event: dict[str, Any], access: Access) -> dict[str, Any]:
    """The event, with read tokens in its attachments."""
    if "attachments" not in event:
        return event
    attachments = [{**item, "readToken": read_token(access, item["id"])} for item in event["attachments"]]
    return {**event, "attachments": attachments}
