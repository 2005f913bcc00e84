"""Says what changes in an account, as it changes, until it is interrupted.

    python examples/watch.py https://TOKEN@host/username/ [STREAM…]

With streams, only changes of their events count.
"""

import sys
import time

from pryv import Connection, PryvError


def main() -> None:
    """Watch the account named on the command line."""
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    api_endpoint, *streams = sys.argv[1:]
    try:
        with Connection(api_endpoint) as connection, connection.socket as socket:
            if streams:
                socket.subscribe({"watched": {"kind": "events", "query": {"streams": streams}}})
            print(f"watching {connection.username()}; Ctrl-C ends it", file=sys.stderr)
            for notification in socket.notifications():
                detail = "" if notification.payload is None else f" {notification.payload}"
                print(f"{time.strftime('%H:%M:%S')} {notification.name}{detail}", flush=True)
    except KeyboardInterrupt:
        print("done", file=sys.stderr)
    except (PryvError, ValueError) as error:
        sys.exit(f"watch: {error}")


if __name__ == "__main__":
    main()
