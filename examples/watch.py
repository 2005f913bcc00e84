"""Prints the notifications of an account until it is interrupted; with streams as arguments, only for their events."""

import sys
import time

from account import argument_parser, open_account
from pryv import Connection


def main(connection: Connection, streams: list[str]) -> None:
    with connection.socket as socket:
        if streams:
            socket.subscribe({"watched": {"kind": "events", "query": {"streams": streams}}})
        print(f"Watching {connection.username()}; Ctrl-C ends it.", file=sys.stderr)
        for notification in socket.notifications():
            detail = "" if notification.payload is None else f" {notification.payload}"
            print(f"{time.strftime('%H:%M:%S')} {notification.name}{detail}", flush=True)


if __name__ == "__main__":
    parser = argument_parser(__doc__)
    parser.add_argument("streams", metavar="STREAM", nargs="*")
    options = parser.parse_args()
    try:
        with open_account(options.endpoint, for_others=True) as account:
            main(account, options.streams)
    except KeyboardInterrupt:
        print("Done.", file=sys.stderr)
