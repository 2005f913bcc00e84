"""Commands for the files attached to events."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, BinaryIO

from pryv._text import from_system
from pryv._transport.media_types import media_type
from pryv.cli._credentials import connect
from pryv.cli._output import standard_input, standard_output, write_json
from pryv.errors import PryvProtocolError
from pryv.types import EventCreate


def add_upload_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `upload`."""
    parser.add_argument("file", metavar="FILE", help="the file to read; - reads standard input")
    target = parser.add_mutually_exclusive_group(required=True)
    target.add_argument("--stream", type=from_system, metavar="STREAM", help="the stream of a new event")
    target.add_argument("--event", type=from_system, metavar="EVENT", help="the id of an existing event")
    parser.add_argument(
        "--type",
        type=from_system,
        metavar="TYPE",
        help="the type of a new event (picture/attached or file/attached, by the file's name)",
    )
    parser.add_argument(
        "--name",
        type=from_system,
        metavar="NAME",
        help="the name that the file gets (its own; stdin for standard input)",
    )


def upload(arguments: argparse.Namespace) -> None:
    """Upload a file, and print its event."""
    with _opened(arguments.file) as file, connect(arguments) as connection:
        name = arguments.name or _name_of(arguments.file)
        if arguments.event is not None:
            body = connection.add_attachment(arguments.event, file, name)
        else:
            event: EventCreate = {"streamIds": [arguments.stream], "type": arguments.type or _type_for(name)}
            body = connection.create_event_with_file_from_buffer(event, file, name)
        if not isinstance(body.get("event"), dict):
            raise PryvProtocolError("the response to the upload has no event")
        write_json(body["event"])


def _opened(file: str) -> AbstractContextManager[BinaryIO]:
    return nullcontext(standard_input()) if file == "-" else open(file, "rb")


def _name_of(file: str) -> str:
    return "stdin" if file == "-" else from_system(os.path.basename(file))


def add_download_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `download`."""
    parser.add_argument("event", type=from_system, metavar="EVENT", help="the event's id")
    parser.add_argument("destination", metavar="FILE", help="the file to write; - writes to standard output")
    parser.add_argument("--attachment", type=from_system, metavar="ID", help="the attachment, if the event has several")


def download(arguments: argparse.Namespace) -> None:
    """Download a file."""
    destination = standard_output() if arguments.destination == "-" else arguments.destination
    with connect(arguments) as connection:
        event = connection.events.get(arguments.event)
        attachment = _chosen(_attachments(event), arguments.attachment)
        connection.download_attachment(arguments.event, attachment, destination)


def _attachments(event: Any) -> list[dict[str, Any]]:
    attachments = event.get("attachments") or [] if isinstance(event, dict) else None
    if not isinstance(attachments, list) or not all(
        isinstance(attachment, dict) and isinstance(attachment.get("id"), str) for attachment in attachments
    ):
        raise PryvProtocolError("events.getOne: the result is not an event whose attachments have ids")
    return attachments


def _chosen(attachments: Sequence[dict[str, Any]], chosen_id: str | None) -> dict[str, Any]:
    if not attachments:
        raise ValueError("the event has no attachments")
    found = [attachment for attachment in attachments if chosen_id in (None, attachment["id"])]
    if len(found) != 1:
        names = ", ".join(f"{attachment['id']} ({attachment.get('fileName')})" for attachment in attachments)
        raise ValueError(f"choose one with --attachment: {names}")
    return found[0]


def _type_for(file: str) -> str:
    return "picture/attached" if media_type(file).startswith("image/") else "file/attached"
