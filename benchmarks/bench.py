"""Compares the SDK with its references, row by row, and prints a table.

    ./dev bench [--tiny] [--fleet] [--json FILE] [ROW…]

Each contender runs in its own process, in turn with the others of its row, in several rounds; a ratio is the median of
the rounds' ratios. A static server in another process sends saved bodies, so that only the client is measured.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

import attrs

from figures import tables
from row import Row, Script
from rows import MODULES
from runner import Result, measure, run_script

HERE = Path(__file__).parent
FLEET = ["fleet_cost"]
VERSIONS = ["requests", "urllib3", "ijson", "msgspec", "orjson", "numpy", "pandas", "pyarrow", "cryptography"]


def main() -> None:
    """Measure the requested rows."""
    rows = {row.name: (module, row) for module in MODULES for row in import_module(module).ROWS}
    arguments = parse(list(rows))
    chosen = FLEET if arguments.fleet else arguments.rows or list(rows)
    results: list[Result] = []
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "NODE_PATH": str(install_javascript_client(Path(folder)))}
        for name in chosen:
            module, row = rows[name]
            print(f"{name} …", file=sys.stderr, flush=True)
            results += measured(module, row, arguments.tiny, environment)
    machine = about_this_machine()
    report = {"machine": machine, "rows": [attrs.asdict(result) for result in results]}
    print(tables(report))
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(report, indent=2))


def parse(names: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="./dev bench", description="Measures the SDK against its references.")
    parser.add_argument(
        "--tiny", action="store_true", help="few items and one round: checks that it works, not how fast"
    )
    parser.add_argument("--fleet", action="store_true", help="only the cost of many accounts, in PostgreSQL")
    parser.add_argument("--json", metavar="FILE", help="write all figures to a file")
    parser.add_argument("rows", nargs="*", metavar="ROW", choices=[*names, []], help=", ".join(names))
    return parser.parse_args()


def install_javascript_client(folder: Path) -> Path:
    """Install the published JavaScript client; return the folder of its modules."""
    npm = shutil.which("npm")
    if npm is None:
        sys.exit("npm is needed to install the JavaScript client")
    shutil.copy(HERE / "listeners" / "package.json", folder)
    command = [npm, "install", "--silent", "--no-audit", "--no-fund", "--no-package-lock"]
    subprocess.run(command, cwd=folder, check=True)  # noqa: S603
    return folder / "node_modules"


def measured(module: str, row: Row | Script, tiny: bool, environment: Mapping[str, str]) -> list[Result]:
    """Return the results of a row, one for each reference."""
    size = row.size[tiny]
    if isinstance(row, Script):
        return run_script(module, row, size, environment)
    return measure(module, row, size, 1 if tiny else row.rounds, environment)


def about_this_machine() -> dict[str, Any]:
    """Return what the figures depend on."""
    node = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout.strip()  # noqa: S607
    return {
        "cores": os.cpu_count(),
        "load average": round(os.getloadavg()[2], 1),
        "system": f"{platform.system()} {platform.machine()}",
        "Python": platform.python_version(),
        "Node.js": node,
        **{name: version(name) for name in VERSIONS},
    }


if __name__ == "__main__":
    main()
