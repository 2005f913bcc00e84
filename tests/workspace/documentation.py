"""The documentation, built strictly."""

import subprocess
import sys
from pathlib import Path

from .documents import ROOT

DOCS = ROOT / "docs"
STRICTLY = ("--quiet", "--fail-on-warning", "--keep-going", "--nitpicky")


def build(source: Path, target: Path) -> subprocess.CompletedProcess[str]:
    """Build as `just docs` does."""
    command = [sys.executable, "-m", "sphinx", *STRICTLY, str(source), str(target)]
    return subprocess.run(command, capture_output=True, text=True, check=False)
