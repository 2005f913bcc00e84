"""Clones of this repository, for what is done to a whole one."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


class Clone:
    """A clone of a repository, with a developer at work in it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    @classmethod
    def of_the_repository(cls, directory: Path) -> "Clone":
        """Clones what is committed here."""
        subprocess.run(["git", "clone", "--quiet", "--no-hardlinks", "--no-tags", ROOT, directory], check=True)
        clone = cls(directory)
        clone.git("config", "user.name", "Developer")
        clone.git("config", "user.email", "developer@example.org")
        return clone

    def git(self, *arguments: str) -> str:
        command = ["git", "-C", str(self.directory), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    def commit(self) -> None:
        """Commits all there is."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", "A change")

    def replace(self, file: str, old: str, new: str) -> None:
        """Replaces text in one of its files."""
        path = self.directory / file
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    def just(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Runs a recipe."""
        just = shutil.which("just") or str(ROOT / ".venv" / "tools" / "bin" / "just")
        return self._run(just, "--justfile", str(self.directory / "justfile"), *arguments)

    def tool(
        self, name: str, *arguments: str, answer: str = "", **variables: str
    ) -> "subprocess.CompletedProcess[str]":
        """Runs one of its tools, with an answer to what it asks."""
        program = str(self.directory / "tools" / name)
        return self._run(sys.executable, program, *arguments, answer=answer, **variables)

    def _run(self, *command: str, answer: str = "", **variables: str) -> "subprocess.CompletedProcess[str]":
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        environment = os.environ | {"PATH": path} | variables
        return subprocess.run(command, env=environment, input=answer, capture_output=True, text=True, check=False)
