"""Send files with a new event or to an existing one; a file is read while it is sent."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, BinaryIO

from pryv import _resend
from pryv._text import from_system
from pryv._transport import json
from pryv._transport.account import Account
from pryv._transport.http import Response
from pryv._transport.multipart import Bytes, Multipart, Source, SourceError, opened
from pryv._transport.timeouts import CallTimeout
from pryv._transport.urls import path_segment

Path = str | os.PathLike[str]
Data = Bytes | BinaryIO


def create_event_with_path(account: Account, event: Any, path: Path, timeout: CallTimeout) -> dict[str, Any]:
    """Create an event with the file at a path; see `Connection.create_event_with_file`."""
    text = os.fsdecode(path)
    return _create_event(account, event, text, _base_name(text), timeout)


def create_event_with_data(
    account: Account, event: Any, data: Data, filename: str, timeout: CallTimeout
) -> dict[str, Any]:
    """Create an event with bytes or an open file; see `Connection.create_event_with_file_from_buffer`."""
    if isinstance(data, (str, os.PathLike)):
        raise TypeError("data is bytes or a binary file object; create_event_with_file takes a path")
    return _create_event(account, event, data, filename, timeout)


def add_attachment(
    account: Account, event_id: str, source: Path | Data, filename: str | None, timeout: CallTimeout
) -> dict[str, Any]:
    """Attach a file to an event; see `Connection.add_attachment`."""
    path = f"events/{path_segment(event_id)}"
    if isinstance(source, os.PathLike):
        source = os.fsdecode(source)
    name = _name_of(source) if filename is None else filename
    with opened(source) as file:
        response = _upload(account, path, None, {}, name, file, timeout)
    return account.result(response)


def _create_event(
    account: Account, event: Any, source: str | Data, filename: str, timeout: CallTimeout
) -> dict[str, Any]:
    if not isinstance(event, Mapping):
        raise TypeError(f"an event is a dict, not {type(event).__name__}")
    fields = {"event": json.encode(event)}
    idempotent = _resend.creates_with_id(_resend.CREATE, event)
    with opened(source) as file:
        response = _upload(account, "events", _resend.CREATE, fields, filename, file, timeout, idempotent=idempotent)
    return _resend.created(account, response, event, timeout, file.size)


def _name_of(source: str | Data) -> str:
    path = source if isinstance(source, str) else getattr(source, "name", None)
    if not isinstance(path, str):
        raise ValueError("filename is needed: the source has no name")
    return _base_name(path)


def _base_name(path: str) -> str:
    return from_system(os.path.basename(path))


def _upload(
    account: Account,
    path: str,
    label: str | None,
    fields: Mapping[str, bytes],
    filename: str,
    file: Source,
    timeout: CallTimeout,
    *,
    idempotent: bool = False,
) -> Response:
    if not isinstance(filename, str):
        raise TypeError(f"a file name is a string, not {type(filename).__name__}")
    if filename in ("", ".", ".."):
        raise ValueError(f"not a file name: {filename!r}")
    form = Multipart(fields, filename, file)
    headers = {"Content-Type": form.content_type}
    try:
        return account.send(
            "POST", path, label=label, headers=headers, body=form, idempotent=idempotent, timeout=timeout
        )
    except SourceError as failure:
        error = failure.error
    raise error
