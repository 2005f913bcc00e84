"""The crontab and the units of docs/cron.md work as pasted."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.monitor.conftest import Subject

from pryv_monitor import SQLiteMirror

DOCUMENT = (Path(__file__).parents[2] / "docs" / "cron.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", DOCUMENT, re.DOTALL)


@pytest.fixture
def home(subject: Subject, tmp_path: Path) -> Path:
    """A home directory set up as the document says."""
    place = tmp_path / ".local/share/pryv-monitor"
    (place / "venv/bin").mkdir(parents=True)
    command = place / "venv/bin/pryv-monitor"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m pryv_monitor.cli "$@"\n')
    command.chmod(0o755)
    (place / "credentials").write_text(f"PRYV_API_ENDPOINT={subject.connection.api_endpoint}\n")
    return tmp_path


def test_the_crontab(subject: Subject, home: Path) -> None:
    subject.add(3)
    (crontab,) = blocks("crontab")
    for line in crontab.splitlines():
        assert "%" not in line  # cron takes it for the end of a line
        command = line.split(maxsplit=5)[5]
        environment = {"HOME": str(home), "PATH": "/usr/bin:/bin"}
        done = subprocess.run(["sh", "-c", command], cwd=home, env=environment, capture_output=True, check=False)
        assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    subject.assert_mirrored(SQLiteMirror(home / ".local/share/pryv-monitor/account.db"))


def test_the_service_runs_what_it_says(subject: Subject, home: Path) -> None:
    subject.add(3)
    service = next(block for block in blocks("ini") if "[Service]" in block).replace("%h", str(home))
    settings = dict(re.findall(r"^(\w+)=(.*)$", service, re.MULTILINE))
    variables = dict(line.split("=", 1) for line in Path(settings["EnvironmentFile"]).read_text().splitlines())
    done = subprocess.run(
        settings["ExecStart"].split(), cwd=settings["WorkingDirectory"], env={**os.environ, **variables}, check=False
    )
    assert done.returncode == 0
    subject.assert_mirrored(SQLiteMirror(Path(settings["WorkingDirectory"]) / "account.db"))


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd")
def test_the_units_are_well_formed(home: Path) -> None:
    for block in blocks("ini"):
        kind = "service" if "[Service]" in block else "timer"
        unit = home / f"pryv-monitor.{kind}"
        unit.write_text(block.replace("%h", str(home)))
    subprocess.run(["systemd-analyze", "verify", *map(str, home.glob("pryv-monitor.*"))], check=True)
