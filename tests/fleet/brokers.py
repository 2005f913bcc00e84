"""Brokers in processes of their own: each has its own port and directory, and stops with the context."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest
from tests.waiting import wait_for

RABBITMQ = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
"""Debian's. The one in the path runs as another user, who cannot reach the directory."""


@contextmanager
def rabbitmq() -> Iterator[str]:
    """Run RabbitMQ, with its own Erlang node name, cookie and port mapper, and yield its URL."""
    if not RABBITMQ.exists() or not shutil.which("epmd"):
        pytest.skip(f"needs Debian's rabbitmq-server ({RABBITMQ})")
    port, node_port, mapper_port = free_ports(3)
    with directory() as place:
        cookie = place / ".erlang.cookie"
        cookie.write_text(secrets.token_hex(10))
        cookie.chmod(0o400)
        (place / "rabbitmq.conf").write_text(
            f"listeners.tcp.1 = 127.0.0.1:{port}\ndisk_free_limit.absolute = 1MB\n"
            "log.console = true\nlog.file = false\n"
        )
        (place / "plugins").write_text("[].\n")
        (place / "environment").touch()
        environment = {
            **os.environ,
            "HOME": str(place),
            "ERL_EPMD_PORT": str(mapper_port),
            "RABBITMQ_CONFIG_FILE": str(place / "rabbitmq.conf"),
            "RABBITMQ_CONF_ENV_FILE": str(place / "environment"),
            "RABBITMQ_DIST_PORT": str(node_port),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(place / "plugins"),
            "RABBITMQ_LOG_BASE": str(place),
            "RABBITMQ_MNESIA_BASE": str(place / "data"),
            "RABBITMQ_NODENAME": f"test{secrets.token_hex(4)}@localhost",
            "RABBITMQ_PID_FILE": str(place / "pid"),
        }
        mapper = ["epmd", "-port", str(mapper_port), "-address", "127.0.0.1"]
        with running(mapper, mapper_port, place, environment), running([RABBITMQ], port, place, environment):
            yield f"amqp://guest:guest@127.0.0.1:{port}//"


@contextmanager
def redis() -> Iterator[str]:
    """Run Redis, in memory only, and yield its URL."""
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("needs redis-server")
    (port,) = free_ports(1)
    command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    with directory() as place, running(command, port, place, os.environ):
        yield f"redis://127.0.0.1:{port}/0"


BROKERS = ("rabbitmq", "redis")


def free_ports(count: int) -> list[int]:
    """Return ports that nothing listens on."""
    with ExitStack() as sockets:
        found = [sockets.enter_context(socket.socket()) for _ in range(count)]
        for one in found:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in found]


@contextmanager
def directory() -> Iterator[Path]:
    """A temporary directory; a server that has just ended may still remove files in it."""
    place = Path(tempfile.mkdtemp(prefix="pryv-broker-"))
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


@contextmanager
def running(command: Sequence[object], port: int, place: Path, environment: Mapping[str, str]) -> Iterator[None]:
    """Run a server, from when its port accepts connections."""
    log = place / f"{Path(str(command[0])).name}.log"
    with log.open("wb") as output:
        server = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=place,
            env=dict(environment),
            start_new_session=True,
        )
    try:
        wait_for(lambda: server.poll() is not None or accepts(port), seconds=120)
        assert server.poll() is None, log.read_text(errors="replace")[-2000:]
        yield
    finally:
        server.terminate()
        server.wait(60)


def accepts(port: int) -> bool:
    """Whether something listens on a port."""
    with suppress(OSError):
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
        return True
    return False
