"""Temporary virtual environments for checks."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parents[1]
UV = [sys.executable, str(ROOT / "dev"), "uv"]


class Environment:
    """A virtual environment.

    Attributes:
        directory: Its directory.
        python: Its interpreter.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.python = directory / "bin" / "python"

    def uv_pip(self, command: str, *arguments: object) -> str:
        """Run a command of `uv pip` on this environment; return its output."""
        return run(*UV, "pip", command, "--python", self.python, *arguments)

    def run(self, command: str, *arguments: object, directory: Path | None = None) -> str:
        """Run one of the environment's commands; return its output."""
        return run(self.directory / "bin" / command, *arguments, directory=directory)

    def test(self, *arguments: object, directory: Path = ROOT) -> None:
        """Run tests in this environment, with their output, and end the program if one fails."""
        command = [self.python, "-m", "pytest", "--quiet", *arguments]
        done = subprocess.run([str(part) for part in command], cwd=directory, env=apart(), check=False)
        if done.returncode:
            sys.exit("The tests failed.")


@contextmanager
def fresh_environment(python: str = sys.executable) -> Iterator[Environment]:
    """Make an empty environment."""
    with TemporaryDirectory() as directory:
        environment = Path(directory) / "environment"
        run(*UV, "venv", "--quiet", "--no-python-downloads", "--python", python, environment)
        yield Environment(environment)


def run(*command: object, directory: Path | None = None) -> str:
    """Run a command; return its output, or end the program with it if it fails."""
    parts = [str(part) for part in command]
    done = subprocess.run(parts, cwd=directory, env=apart(), capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(parts)}\n{done.stdout}{done.stderr}")
    return done.stdout


def apart() -> dict[str, str]:
    """Return the variables of this process, without those that name its virtual environment."""
    return {name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "PYTHONPATH")}
