"""Files that are mount points, as one file of a container may be."""

import functools
import subprocess
import sys
from pathlib import Path

import pytest

_MOUNT = 'mount --bind "$1" "$1" && shift && exec "$@"'


def _in_namespace(*command: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(["unshare", "-Urm", *command], capture_output=True, text=True, check=False, timeout=60)


@functools.cache
def _can_mount() -> bool:
    try:
        return _in_namespace("true").returncode == 0
    except FileNotFoundError:
        return False


def run_where_mounted(file: Path, program: str) -> None:
    """Run a Python program whose argument is the path of a file that is a mount point for it."""
    if not _can_mount():
        pytest.skip("needs user namespaces")
    done = _in_namespace("sh", "-c", _MOUNT, "sh", str(file), sys.executable, "-c", program, str(file))
    assert done.returncode == 0, done.stderr
