"""The benchmarks work; how fast anything is, is not looked at."""

from __future__ import annotations

import json
import math
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).resolve().parents[2] / "benchmarks" / "bench.py"
ONE_OF_A_KIND = ("events", "batch", "download", "series", "arrow", "decryption", "help", "tls", "idle-pass", "by_size")

pytestmark = [
    pytest.mark.timeout(600),
    pytest.mark.skipif(not shutil.which("npm"), reason="needs node and npm"),
]


def measure(report: Path, *rows: str) -> None:
    """Measure some rows or all of them, and check that they yield numbers."""
    command = [sys.executable, str(BENCH), "--tiny", "--json", str(report), *rows]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    results = json.loads(report.read_text())["rows"]
    assert {f"{result['row']} …" for result in results} == set(done.stderr.splitlines())
    for result in results:
        assert result["what"] in done.stdout
        figures = [result[key] for key in ("subject", "reference", "ratio") if result[key] is not None]
        assert figures
        assert all(math.isfinite(figure) for figure in figures)


def test_rows_yield_numbers(tmp_path: Path) -> None:
    measure(tmp_path / "report.json", *ONE_OF_A_KIND)


@pytest.mark.long
def test_every_row_yields_numbers_and_charts_are_drawn(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    measure(report)
    draw = "import sys, json, pathlib, figures; figures.draw(json.load(open(sys.argv[1])), pathlib.Path(sys.argv[2]))"
    subprocess.run([sys.executable, "-c", draw, report, tmp_path / "charts"], cwd=BENCH.parent, check=True)
    assert {path.name for path in (tmp_path / "charts").iterdir()} == {"peers.svg", "ratios.svg", "sizes.svg"}
