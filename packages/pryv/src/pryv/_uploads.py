"""Send files with a new event or to an existing one; a file is read while it is sent."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Mapping
from typing import Any, BinaryIO

from pryv import _resend
from pryv._arguments import as_dict
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
    return _create_event(account, event, [_named(os.fsdecode(path))], timeout)


def create_event_with_data(
    account: Account, event: Any, data: Data, filename: str, timeout: CallTimeout
) -> dict[str, Any]:
    """Create an event with bytes or an open file; see `Connection.create_event_with_file_from_buffer`."""
    if isinstance(data, (str, os.PathLike)):
        raise TypeError("data is bytes or a binary file object; create_event_with_file takes a path")
    return _create_event(account, event, [(_checked(filename), data)], timeout)


def create_event_with_files(
    account: Account, event: Any, files: Iterable[Path | tuple[str, Data]], timeout: CallTimeout
) -> dict[str, Any]:
    """Create an event with several files; see `Connection.create_event_with_files`."""
    if isinstance(files, (str, bytes, os.PathLike, Mapping)) or not isinstance(files, Iterable):
        raise TypeError(f"files is a list of paths, or of pairs of name and data, not {type(files).__name__}")
    named = [_named(os.fsdecode(file)) if isinstance(file, (str, os.PathLike)) else _pair(file) for file in files]
    if not named:
        raise ValueError("files is empty")
    return _create_event(account, event, named, timeout)


def add_attachment(
    account: Account, event_id: str, source: Path | Data, filename: str | None, timeout: CallTimeout
) -> dict[str, Any]:
    """Attach a file to an event; see `Connection.add_attachment`."""
    path = f"events/{path_segment(event_id)}"
    if isinstance(source, os.PathLike):
        source = os.fsdecode(source)
    name = _name_of(source) if filename is None else filename
    with opened(source) as file:
        response = _upload(account, path, None, {}, [(_checked(name), file)], timeout)
    return account.result(response)


def _create_event(
    account: Account, event: Any, files: Iterable[tuple[str, str | Data]], timeout: CallTimeout
) -> dict[str, Any]:
    fields = {"event": json.encode(as_dict(event, "event"))}
    idempotent = _resend.creates_with_id(_resend.CREATE, event)
    with contextlib.ExitStack() as stack:
        sources = [(name, stack.enter_context(opened(source))) for name, source in files]
        response = _upload(account, "events", _resend.CREATE, fields, sources, timeout, idempotent=idempotent)
    return _resend.created(account, response, event, timeout, [source.size for _, source in sources])


def _pair(file: Any) -> tuple[str, Data]:
    """Return the name and the data that a pair is.

    Raises:
        TypeError: it is not a pair of a name and data.
        ValueError: the name is not a file name.
    """
    if not isinstance(file, tuple) or len(file) != 2 or isinstance(file[1], (str, os.PathLike)):
        raise TypeError("a file is a path, or a pair of its name and its data: bytes or a binary file object")
    name, data = file
    return _checked(name), data


def _named(path: str) -> tuple[str, str]:
    return _checked(_base_name(path)), path


def _name_of(source: str | Data) -> str:
    path = source if isinstance(source, str) else getattr(source, "name", None)
    if not isinstance(path, str):
        raise ValueError("filename is needed: the source has no name")
    return _base_name(path)


def _base_name(path: str) -> str:
    return from_system(os.path.basename(path))


def _checked(filename: Any) -> str:
    """Return the name of a file.

    Raises:
        TypeError: it is not a string.
        ValueError: it is not a file name.
    """
    if not isinstance(filename, str):
        raise TypeError(f"a file name is a string, not {type(filename).__name__}")
    if filename in ("", ".", ".."):
        raise ValueError(f"not a file name: {filename!r}")
    return filename


def _upload(
    account: Account,
    path: str,
    label: str | None,
    fields: Mapping[str, bytes],
    files: Iterable[tuple[str, Source]],
    timeout: CallTimeout,
    *,
    idempotent: bool = False,
) -> Response:
    form = Multipart(fields, files)
    headers = {"Content-Type": form.content_type}
    try:
        return account.send(
            "POST", path, label=label, headers=headers, body=form, idempotent=idempotent, timeout=timeout
        )
    except SourceError as failure:
        error = failure.error
    raise error
