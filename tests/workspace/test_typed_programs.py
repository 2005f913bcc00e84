"""Type checkers report the errors in a program that uses typed dicts, and nothing else."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = Path(__file__).parent / "programs" / "typed.py"


def wrong_lines() -> list[int]:
    lines = enumerate(PROGRAM.read_text().splitlines(), 1)
    return [number for number, line in lines if line.endswith("# wrong")]


def run(*command: str) -> str:
    return subprocess.run(
        [sys.executable, "-m", *command], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False
    ).stdout


def test_mypy_reports_what_is_wrong() -> None:
    options = ["--strict", "--no-pretty", "--hide-error-context", "--show-absolute-path", "--output=json"]
    reported = [json.loads(line) for line in run("mypy", *options, str(PROGRAM)).splitlines() if line.startswith("{")]
    lines = {entry["line"] for entry in reported if entry["severity"] == "error" and entry["file"] == str(PROGRAM)}
    assert sorted(lines) == wrong_lines(), reported


def test_pyright_reports_what_is_wrong() -> None:
    found = json.loads(run("pyright", "--outputjson", str(PROGRAM)))["generalDiagnostics"]
    lines = {entry["range"]["start"]["line"] + 1 for entry in found if entry["severity"] == "error"}
    assert sorted(lines) == wrong_lines(), found
