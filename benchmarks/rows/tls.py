"""New connections with TLS."""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from row import Function, Row

_SERVER = Path(__file__).parents[1] / "tls_server.py"


def served() -> str:
    """Start a server, trust its authority, and return its URL."""
    server = subprocess.Popen([sys.executable, _SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)  # noqa: S603
    atexit.register(server.communicate)
    if server.stdout is None:
        raise RuntimeError("the server has no output")
    url, os.environ["REQUESTS_CA_BUNDLE"] = json.loads(server.stdout.readline())
    return str(url)


def connections(_: str, size: int) -> Callable[[], int]:
    """Make each call over a new connection."""
    from pryv import Connection

    url = served()

    def run() -> int:
        for _ in range(size):
            with Connection(url) as connection:
                connection.get("")
        return size

    return run


def sessions(_: str, size: int) -> Callable[[], int]:
    """Make each call with a new session of requests."""
    import requests

    url = served()

    def run() -> int:
        for _ in range(size):
            with requests.Session() as session:
                session.get(url, timeout=60).json()
        return size

    return run


ROWS = [
    Row(
        "tls",
        "100 TLS connections",
        "cpu",
        Function("connections"),
        {"requests": Function("sessions")},
        {"requests": 0.25},
        size=(100, 5),
    )
]
