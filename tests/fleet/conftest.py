"""A PostgreSQL server for the tests, and databases of their own in it."""

import os
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator

import psycopg
import pytest
from psycopg_pool import ConnectionPool
from tests.fleet.brokers import rabbitmq, redis
from tests.fleet.postgres import DSN_VARIABLE, PROGRAMS_VARIABLE, SETTINGS, in_database

from pryv_fleet import EmbeddedPostgres, Fleet, generate_key


@pytest.fixture(scope="session")
def server() -> Iterator[EmbeddedPostgres]:
    """A server of the tests' own, of the installed version or the one that the environment names."""
    if os.environ.get(DSN_VARIABLE):
        pytest.skip(f"needs a server that it may stop; {DSN_VARIABLE} names another")
    directory = tempfile.mkdtemp(prefix="pryv-fleet-")  # below pytest's directory, the server's user could not reach it
    try:
        with EmbeddedPostgres(directory, programs=os.environ.get(PROGRAMS_VARIABLE), settings=SETTINGS) as server:
            yield server
    finally:
        shutil.rmtree(directory)


@pytest.fixture(scope="session")
def server_dsn(request: pytest.FixtureRequest) -> str:
    """The connection string of a server: the one that the environment names, or that of the tests."""
    named = os.environ.get(DSN_VARIABLE)
    if named:
        return named
    server: EmbeddedPostgres = request.getfixturevalue("server")
    return server.dsn


@pytest.fixture(scope="session")
def new_database(server_dsn: str) -> Iterator[Callable[[], str]]:
    """Makes databases, and returns their connection strings."""
    names: list[str] = []

    def make() -> str:
        names.append(f"fleet_{secrets.token_hex(6)}")
        with psycopg.connect(server_dsn, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {names[-1]} ENCODING 'UTF8' TEMPLATE template0")
        return in_database(server_dsn, names[-1])

    yield make
    if not os.environ.get(DSN_VARIABLE):
        return  # the server is removed with them
    with psycopg.connect(server_dsn, autocommit=True) as connection:
        for name in names:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="module")
def dsn(new_database: Callable[[], str]) -> str:
    """A database of the module's own."""
    return new_database()


@pytest.fixture(scope="module")
def pool(dsn: str) -> Iterator[ConnectionPool]:
    """Connections to that database."""
    with ConnectionPool(dsn, min_size=1, max_size=2) as pool:
        yield pool


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> str:
    """The key that encrypts tokens."""
    key = generate_key()
    monkeypatch.setenv("PRYV_FLEET_KEY", key)
    return key


@pytest.fixture
def fleet(new_database: Callable[[], str], key: str) -> Iterator[Fleet]:
    """An empty fleet in a database of its own."""
    with Fleet(new_database(), interval=0.05, overlap=5) as fleet:
        fleet.create_tables()
        yield fleet


@pytest.fixture
def restartable() -> Iterator[EmbeddedPostgres]:
    """A server that the test may stop and start."""
    with EmbeddedPostgres(settings=SETTINGS) as server:
        yield server


@pytest.fixture(scope="session")
def rabbitmq_url() -> Iterator[str]:
    """The URL of a RabbitMQ of the tests' own."""
    with rabbitmq() as url:
        yield url


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """The URL of a Redis of the tests' own."""
    with redis() as url:
        yield url


@pytest.fixture
def broker(request: pytest.FixtureRequest) -> str:
    """The URL of the broker that the test names."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url
