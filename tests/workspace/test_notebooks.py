"""The notebooks of the examples: their cells run in order, and what they display is stored in them."""

from __future__ import annotations

import base64
import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from matplotlib.image import imread

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "examples").glob("*.ipynb"))


def cells(notebook: Path) -> list[dict[str, Any]]:
    """The cells of code."""
    return [cell for cell in json.loads(notebook.read_text())["cells"] if cell["cell_type"] == "code"]


def kinds(cell: dict[str, Any]) -> list[tuple[str, ...]]:
    """The kinds of what a cell displays."""
    return [(output["output_type"], *sorted(output.get("data", {}))) for output in cell["outputs"]]


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_and_has_its_outputs(notebook: Path, tmp_path: Path) -> None:
    assert all(not cell["outputs"] or cell["execution_count"] for cell in cells(notebook))
    copy = tmp_path / notebook.name
    shutil.copy(notebook, copy)
    for module in notebook.parent.glob("*.py"):
        shutil.copy(module, tmp_path)
    command = [sys.executable, str(ROOT / "tools" / "notebook.py"), copy.name]
    environment = os.environ | {"MPLBACKEND": "Agg"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert [kinds(cell) for cell in cells(copy)] == [kinds(cell) for cell in cells(notebook)]
    pictures = [
        output["data"]["image/png"]
        for cell in cells(notebook)
        for output in cell["outputs"]
        if "image/png" in output.get("data", {})
    ]
    for picture in pictures:
        assert imread(io.BytesIO(base64.b64decode(picture))).std() > 0.01, "nothing is drawn"
    assert "/tmp" not in notebook.read_text()
