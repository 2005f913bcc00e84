"""A PgBouncer in a process of its own, in front of the PostgreSQL of the tests."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from tests.fleet.brokers import directory, free_ports, running

_USER = "nobody"
"""PgBouncer does not run as root."""


@contextmanager
def pgbouncer(dsn: str, connections: int) -> Iterator[str]:
    """Run PgBouncer in transaction mode, with a number of connections to a database, and yield a connection string."""
    program = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        pytest.skip("needs pgbouncer")
    given = psycopg.conninfo.conninfo_to_dict(dsn)
    (port,) = free_ports(1)
    server = {name: str(given[name]) for name in ("host", "port", "user", "password", "dbname") if given.get(name)}
    with directory() as place:
        place.chmod(0o755)
        settings = place / "pgbouncer.ini"
        settings.write_text(
            f"[databases]\nfleet = {make_conninfo('', **server)}\n"
            f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = any\n"
            f"pool_mode = transaction\ndefault_pool_size = {connections}\n"
        )
        settings.chmod(0o644)
        user = ["--user", _USER] if os.geteuid() == 0 else []
        with running([program, *user, settings], port, place, os.environ):
            yield f"postgresql://anyone@127.0.0.1:{port}/fleet"
