"""Runs sync.py on a sandbox, like a timer, while the account changes."""

import os
import subprocess
import sys
import tempfile
from datetime import datetime, timezone
from pathlib import Path

from pryv import Connection
from pryv_sandbox import Sandbox

SYNC = Path(__file__).with_name("sync.py")


def main(owner: Connection, directory: Path) -> None:
    owner.streams.ensure({"id": "weight", "name": "Weight"})
    access = owner.accesses.create({"name": "Copy", "permissions": [{"streamId": "weight", "level": "read"}]})
    environment = {**os.environ, "PRYV_API_ENDPOINT": access["apiEndpoint"], "STATE_DIRECTORY": str(directory)}

    def sync() -> None:
        subprocess.run([sys.executable, str(SYNC)], env=environment, check=True)  # noqa: S603

    time = datetime(2026, 1, 5, 8, tzinfo=timezone.utc)
    weights = owner.events.create_many(
        {"streamIds": ["weight"], "type": "mass/kg", "content": weight, "time": time} for weight in (61.2, 61.0)
    )
    sync()
    owner.events.update(weights[1]["id"], {"content": 60.6})
    sync()
    sync()
    print((directory / "days.csv").read_text(), end="")


if __name__ == "__main__":
    with (
        Sandbox() as sandbox,
        Connection(sandbox.create_account().api_endpoint) as account,
        tempfile.TemporaryDirectory() as temporary,
    ):
        main(account, Path(temporary))
