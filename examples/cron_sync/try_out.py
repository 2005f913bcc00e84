"""Runs sync.py on a sandbox as a timer would, while the account changes."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from pryv import Call, Connection
from pryv_sandbox import Sandbox

SYNC = Path(__file__).with_name("sync.py")


def main(owner: Connection, directory: Path) -> None:
    permission = {"streamId": "weight", "defaultName": "Weight", "level": "read"}
    asked = {"type": "shared", "name": "Copy", "permissions": [permission]}
    access = owner.api_one("accesses.create", asked, expected_key="access")
    environment = {**os.environ, "PRYV_API_ENDPOINT": access["apiEndpoint"], "STATE_DIRECTORY": str(directory)}

    def sync() -> None:
        subprocess.run([sys.executable, str(SYNC)], env=environment, check=True)  # noqa: S603

    weights = [{"streamIds": ["weight"], "type": "mass/kg", "content": kg, "time": 1767600000} for kg in (61.2, 61.0)]
    results = owner.api([Call("events.create", weight) for weight in weights])
    sync()
    owner.put(f"events/{results[1]['event']['id']}", {"content": 60.6})
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
