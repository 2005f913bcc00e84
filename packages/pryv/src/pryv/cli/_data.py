"""Commands for the data of an account: streams, events, any method of the API."""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from pryv._text import from_system
from pryv.cli._credentials import connect
from pryv.cli._csv import write_csv
from pryv.cli._encryption import add_decrypt_option, decrypted
from pryv.cli._options import count
from pryv.cli._output import on_terminal, standard_input, write_json, write_json_array, write_json_lines
from pryv.cli._tables import Column, write_table
from pryv.cli._times import local_time
from pryv.errors import PryvProtocolError

_EVENTS = [
    Column("id", lambda event: event.get("id"), whole=True),
    Column("time", lambda event: local_time(event.get("time")), whole=True),
    Column("type", lambda event: event.get("type")),
    Column("streams", lambda event: _names(event.get("streamIds"))),
    Column("content", lambda event: _content(event)),
]
_STREAMS = [
    Column("name", lambda row: "  " * row[0] + str(row[1].get("name"))),
    Column("id", lambda row: row[1].get("id"), whole=True),
]


def streams(arguments: argparse.Namespace) -> None:
    """Print the tree of streams."""
    with connect(arguments) as connection:
        tree = connection.streams.list()
    if on_terminal():
        write_table(_STREAMS, _flat(tree))
    else:
        write_json(tree)


def add_events_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `events`."""
    parser.add_argument(
        "--streams", type=from_system, nargs="+", action="extend", metavar="STREAM", help="only of these streams"
    )
    parser.add_argument(
        "--type", type=from_system, nargs="+", action="extend", metavar="TYPE", help="only of these types (mass/*)"
    )
    parser.add_argument(
        "--since", type=_timestamp, metavar="TIME", help="only from this time: seconds since 1970, or an ISO date"
    )
    parser.add_argument("--until", type=_timestamp, metavar="TIME", help="only up to this time")
    parser.add_argument("--limit", type=count, metavar="N", help="at most this many, the latest")
    add_decrypt_option(parser, "; --type filters the types as stored (encrypted/*)")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--jsonl", action="store_true", help="one event per line, as JSON")
    form.add_argument("--csv", action="store_true", help="comma-separated values, in UTF-8")


def events(arguments: argparse.Namespace) -> None:
    """Print events."""
    from pryv._events import open_ended

    params = open_ended({"fromTime": arguments.since, "toTime": arguments.until})
    params |= {"streams": arguments.streams, "types": arguments.type, "limit": arguments.limit}
    with connect(arguments) as connection, connection.iter_events(params) as stream:
        found = decrypted(stream, arguments.decrypt)
        if arguments.csv:
            write_csv(found)
        elif arguments.jsonl:
            write_json_lines(found)
        elif on_terminal():
            write_table(_EVENTS, found)
        else:
            write_json_array(found)


def add_call_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `call`."""
    parser.add_argument("method", type=from_system, metavar="METHOD", help="the method's id, such as events.get")
    parser.add_argument(
        "params",
        type=from_system,
        metavar="JSON",
        nargs="?",
        default="{}",
        help="its parameters; - reads standard input",
    )


def call(arguments: argparse.Namespace) -> None:
    """Call a method, and print its result."""
    text = standard_input().read() if arguments.params == "-" else arguments.params
    try:
        params = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"the parameters are not JSON: {error}") from None
    if not isinstance(params, (dict, list)):
        raise ValueError("the parameters are not a JSON object")
    with connect(arguments) as connection:
        write_json(connection.api_one(arguments.method, params))


def _flat(tree: Any) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Yield the streams of a tree in its order, each with its depth.

    Raises:
        PryvProtocolError: it is no tree of streams.
    """
    remaining = [(0, stream) for stream in reversed(tree)]
    while remaining:
        depth, stream = remaining.pop()
        children = stream.get("children") or [] if isinstance(stream, dict) else None
        if not isinstance(children, list):
            raise PryvProtocolError("streams.get: the response has no tree of streams")
        yield depth, stream
        remaining += [(depth + 1, child) for child in reversed(children)]


def _names(ids: Any) -> Any:
    return " ".join(map(str, ids)) if isinstance(ids, list) else ids


def _content(event: Mapping[str, Any]) -> Any:
    """Return an event's content; without any, the names of its files."""
    content, files = event.get("content"), event.get("attachments")
    if content is None and isinstance(files, list):
        return " ".join(str(file.get("fileName")) for file in files if isinstance(file, dict))
    return content


def _timestamp(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        pass
    else:
        if math.isfinite(seconds):
            return seconds
    try:
        return datetime.fromisoformat(text.removesuffix("Z") + "+00:00" * text.endswith("Z")).timestamp()
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is neither seconds since 1970 nor an ISO date, such as 2024-05-01 or 2024-05-01T08:00:00Z"
        ) from None
