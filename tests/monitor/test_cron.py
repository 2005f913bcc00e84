"""The crontab and the units of docs/cron.md work as pasted."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.monitor.subject import Subject, own, wait_for_count

from pryv_monitor import SQLiteMirror

DOCUMENT = (Path(__file__).parents[2] / "docs" / "cron.md").read_text(encoding="utf-8")
PLACE = ".local/share/pryv-monitor"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", DOCUMENT, re.DOTALL)


def units() -> dict[str, str]:
    """The units by the names that the document gives them."""
    names = re.findall(r"`~/\.config/systemd/user/([\w.-]+)`", DOCUMENT)
    return dict(zip(names, blocks("ini"), strict=True))


@pytest.fixture
def home(subject: Subject, tmp_path: Path) -> Path:
    """A home directory set up as the document says."""
    place = tmp_path / PLACE
    (place / "venv/bin").mkdir(parents=True)
    command = place / "venv/bin/pryv-monitor"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m pryv_monitor.cli "$@"\n')
    command.chmod(0o755)
    (place / "credentials").write_text(f"PRYV_API_ENDPOINT={subject.connection.api_endpoint}\n")
    return tmp_path


def test_the_crontab(subject: Subject, home: Path) -> None:
    subject.add(3)
    (crontab,) = blocks("text")
    for line in crontab.splitlines():
        assert "%" not in line  # cron takes it for the end of a line
        command = line.split(maxsplit=5)[5]
        environment = {"HOME": str(home), "PATH": "/usr/bin:/bin"}
        done = subprocess.run(["sh", "-c", command], cwd=home, env=environment, capture_output=True, check=False)
        assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    subject.assert_mirrored(SQLiteMirror(home / PLACE / "account.db"))


def test_the_command_of_the_service_runs(subject: Subject, home: Path) -> None:
    subject.add(3)
    command, environment = started_by(units()["pryv-monitor.service"], home)
    done = subprocess.run(command, cwd=home / PLACE, env=environment, check=False)
    assert done.returncode == 0
    subject.assert_mirrored(SQLiteMirror(home / PLACE / "account.db"))


def test_the_service_that_watches_follows_until_it_is_stopped(subject: Subject, home: Path) -> None:
    mirror = SQLiteMirror(home / PLACE / "account.db")
    command, environment = started_by(units()["pryv-watch.service"], home)
    with subprocess.Popen(command, cwd=home / PLACE, env=environment) as service:
        for count in (1, 2):
            subject.add(1)
            wait_for_count(lambda: own(mirror.events()), count)
        service.terminate()
    assert service.returncode == 0


def started_by(service: str, home: Path) -> tuple[list[str], dict[str, str]]:
    """The command that a unit starts, and its environment."""
    settings = dict(re.findall(r"^(\w+)=(.*)$", service.replace("%h", str(home)), re.MULTILINE))
    assert settings["WorkingDirectory"] == str(home / PLACE)
    variables = dict(line.split("=", 1) for line in Path(settings["EnvironmentFile"]).read_text().splitlines())
    return settings["ExecStart"].split(), {**os.environ, **variables}


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd")
def test_the_units_are_well_formed(home: Path) -> None:
    for name, unit in units().items():
        (home / name).write_text(unit.replace("%h", str(home)))
    files = [str(home / name) for name in units()]
    environment = {**os.environ, "XDG_RUNTIME_DIR": str(home)}
    command = ["systemd-analyze", "--user", "verify", *files]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "pryv-" not in done.stderr
