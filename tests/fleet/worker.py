"""A worker of a fleet: `worker.py DSN [SETTING=NUMBER…]`; it prints a line when it begins, and ends when terminated."""

import json
import signal
import sys

from pryv.addons import SignalSafeEvent
from pryv_fleet import Fleet, Pacing


def main(dsn: str, settings: str) -> None:
    stop = SignalSafeEvent()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    values = json.loads(settings)
    pacing = Pacing(**values.pop("pacing", {}))
    with Fleet(dsn, pacing=pacing, **values) as fleet:
        print("ready", flush=True)
        fleet.run(stop)


if __name__ == "__main__":
    main(*sys.argv[1:])
