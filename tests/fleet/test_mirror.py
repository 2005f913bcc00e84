"""The copy of one account."""

from collections.abc import Iterator
from itertools import count

import pytest
from psycopg_pool import ConnectionPool

from pryv_fleet import PostgresMirror
from pryv_monitor.testing import check_mirror


@pytest.fixture(scope="module")
def pool(dsn: str) -> Iterator[ConnectionPool]:
    with ConnectionPool(dsn, min_size=1, max_size=2) as pool:
        yield pool


def test_a_mirror_keeps_the_contract(pool: ConnectionPool) -> None:
    numbers = count()
    check_mirror(lambda: PostgresMirror(pool, f"account-{next(numbers)}"))
