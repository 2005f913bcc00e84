"""The files that this process has open."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import pytest

LIST = Path("/proc/self/fd")

needs_list = pytest.mark.skipif(not LIST.exists(), reason="the system does not list the open files")


def open_files() -> set[str]:
    """Return the paths of the files that this process has open."""
    paths = set()
    for descriptor in LIST.iterdir():
        with contextlib.suppress(OSError):  # another thread has closed it
            paths.add(os.readlink(descriptor))
    return paths
