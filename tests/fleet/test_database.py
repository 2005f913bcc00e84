"""How a fleet reaches PostgreSQL, and what it says if it cannot."""

from urllib.parse import quote

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from psycopg_pool import ConnectionPool
from tests.fleet.postgres import in_database
from tests.waiting import wait_for

from pryv_fleet import DatabaseError, Fleet


@pytest.fixture(autouse=True)
def short_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pryv_fleet._database._WAIT", 0.3)


def message(dsn: str) -> str:
    with Fleet(dsn) as fleet, pytest.raises(DatabaseError) as raised:
        fleet.status()
    assert raised.value.retryable
    assert raised.value.__cause__ is None
    return str(raised.value)


def test_an_error_says_why_postgresql_cannot_be_reached(server_dsn: str) -> None:
    assert "Connection refused" in message("postgresql://user:secret@127.0.0.1:1/fleet")
    assert 'database "nobody" does not exist' in message(in_database(server_dsn, "nobody"))
    assert "nobody" in message(make_conninfo(server_dsn, user="nobody", password="secret"))


def test_a_given_pool_has_to_be_open(server_dsn: str) -> None:
    pool = ConnectionPool(server_dsn, min_size=0, max_size=1, open=False)
    with pytest.raises(DatabaseError, match="not open") as raised:
        Fleet(pool).status()
    assert not raised.value.retryable


@pytest.mark.parametrize("password", ["hunter2", "hunt@er2", "hunter/2", "12/34", "hunter:2@x"])
def test_an_error_shows_no_part_of_a_password(password: str) -> None:
    for written in (password, quote(password, safe="")):
        shown = message(f"postgresql://user:{written}@127.0.0.1:1/fleet")
        assert not any(part in shown for part in ("hunt", "er2", "34@"))


def test_a_standby_after_a_failover_is_a_transient_error(fleet: Fleet) -> None:
    dsn = fleet._database._dsn
    name = psycopg.conninfo.conninfo_to_dict(dsn)["dbname"]

    def set_read_only(state: str) -> None:
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute("SET default_transaction_read_only = off")
            connection.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = {state}")

    set_read_only("on")
    fleet.close()
    with pytest.raises(DatabaseError, match="read-only") as raised:
        fleet.add("https://token@alice.pryv.me/")
    assert raised.value.retryable
    set_read_only("off")  # for new connections only

    def is_added() -> bool:
        try:
            return bool(fleet.add("https://token@alice.pryv.me/"))
        except DatabaseError:
            return False

    wait_for(is_added)
