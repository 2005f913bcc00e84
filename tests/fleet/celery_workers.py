"""Celery's workers and beat in processes of their own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import attrs

ROOT = Path(__file__).resolve().parents[2]


@attrs.frozen
class CeleryApp:
    """The app of `celery_app`, with its settings."""

    broker: str
    dsn: str
    fleet: Mapping[str, Any] = {}
    install: Mapping[str, Any] = {}

    @property
    def environment(self) -> dict[str, str]:
        settings = json.dumps({"fleet": dict(self.fleet), "install": dict(self.install)})
        return {"TEST_BROKER": self.broker, "TEST_DSN": self.dsn, "TEST_FLEET": settings, "PYTHONPATH": str(ROOT)}

    @contextmanager
    def worker(self, pool: str = "prefork", concurrency: int = 2) -> Iterator[subprocess.Popen[bytes]]:
        """Run a worker in a process group of its own, and end it warmly."""
        arguments = ["worker", f"--pool={pool}", f"--concurrency={concurrency}", "--without-gossip", "--without-mingle"]
        with self._run(*arguments, f"--hostname=w{os.urandom(4).hex()}@%h") as process:
            yield process

    @contextmanager
    def beat(self) -> Iterator[subprocess.Popen[bytes]]:
        """Run beat."""
        with tempfile.TemporaryDirectory() as place, self._run("beat", f"--schedule={place}/schedule") as process:
            yield process

    @contextmanager
    def _run(self, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
        command = [sys.executable, "-m", "celery", "--app=tests.fleet.celery_app", *arguments, "--loglevel=INFO"]
        with tempfile.TemporaryFile() as log:
            process = subprocess.Popen(
                command,
                cwd=ROOT,
                env=os.environ | self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            try:
                yield process
            finally:
                process.terminate()
                with suppress(subprocess.TimeoutExpired):
                    process.wait(
                        5
                    )  # billiard may wait for 30 s if a result is on its way (`_ensure_messages_consumed`)
                kill(process)
                log.seek(0)
                print(log.read().decode(errors="replace"))  # pytest shows it if the test fails


def kill(process: subprocess.Popen[bytes]) -> None:
    """Kill a worker and the processes that it has forked."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
