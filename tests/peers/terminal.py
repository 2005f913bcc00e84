"""A terminal that a command's output goes to."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence


def shown(command: Sequence[object], environment: Mapping[str, str], columns: int = 80) -> list[str]:
    """Runs a command whose standard output is a terminal, and returns the lines it shows there."""
    reader, terminal = os.openpty()
    size = {"COLUMNS": str(columns)}
    process = subprocess.Popen(list(map(str, command)), env={**environment, **size}, stdout=terminal)
    os.close(terminal)
    written = b""
    try:
        while block := os.read(reader, 1 << 16):
            written += block
    except OSError:  # so the end of a terminal is reported on Linux
        pass
    os.close(reader)
    assert process.wait(timeout=60) == 0
    return written.decode().replace("\r\n", "\n").splitlines()
