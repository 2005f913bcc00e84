"""Writes the events of an account to standard output as JSON lines, as they arrive, at constant memory."""

import json
import sys

from account import argument_parser, open_account
from pryv import Connection
from pryv.types import EventsParams


def main(connection: Connection, streams: list[str]) -> None:
    query: EventsParams = {"sortAscending": True, "state": "all"}
    if streams:
        query["streams"] = streams
    with connection.iter_events(query) as events:
        for event in events:
            print(json.dumps(event, ensure_ascii=False))
    print(f"{events.events_count:,} events", file=sys.stderr)


if __name__ == "__main__":
    parser = argument_parser(__doc__)
    parser.add_argument("streams", metavar="STREAM", nargs="*", help="only events in these streams")
    options = parser.parse_args()
    with open_account(options.endpoint) as account:
        main(account, options.streams)
