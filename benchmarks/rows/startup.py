"""Start-up."""

from __future__ import annotations

import sys
from pathlib import Path

from row import Command, Row

_REQUESTS = {"`import requests`": Command([sys.executable, "-c", "import requests"])}
_PRYV = str(Path(sys.executable).with_name("pryv"))

ROWS = [
    Row(
        "import",
        "`import pryv`",
        "cpu",
        Command([sys.executable, "-c", "import pryv"]),
        _REQUESTS,
        {"`import requests`": 1.3},
        rounds=15,
    ),
    Row(
        "import-connection",
        "`from pryv import Connection`",
        "cpu",
        Command([sys.executable, "-c", "from pryv import Connection"]),
        _REQUESTS,
        rounds=15,
    ),
    Row(
        "help",
        "`pryv --help`",
        "wall",
        Command([_PRYV, "--help"]),
        _REQUESTS,
        {"`import requests`": 1.5},
        rounds=15,
    ),
]
