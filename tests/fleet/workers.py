"""Workers in processes of their own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PROGRAM = Path(__file__).with_name("worker.py")


@contextmanager
def worker(dsn: str, **settings: Any) -> Iterator[subprocess.Popen[str]]:
    """Run a worker, terminate it in the end, and check that it ended well if nobody has killed it."""
    command = [sys.executable, str(PROGRAM), dsn, json.dumps(settings)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.terminate()
            _, errors = process.communicate(timeout=30)
    assert process.returncode in (0, -9), errors
    assert "Traceback" not in errors, errors
