"""The copy of one account."""

from itertools import count

from psycopg_pool import ConnectionPool

from pryv_fleet import PostgresMirror
from pryv_monitor.testing import check_mirror


def test_a_mirror_keeps_the_contract(pool: ConnectionPool) -> None:
    numbers = count()
    check_mirror(lambda: PostgresMirror(pool, f"account-{next(numbers)}"))
