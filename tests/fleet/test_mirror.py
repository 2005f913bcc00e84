"""The copy of one account."""

import json
from itertools import count
from typing import Any

import attrs
import pytest
from psycopg_pool import ConnectionPool

from pryv_fleet import PostgresMirror, _transaction
from pryv_monitor import Anchor
from pryv_monitor.mirrors import Item
from pryv_monitor.testing import check_mirror


def test_a_mirror_keeps_the_contract(pool: ConnectionPool) -> None:
    numbers = count()
    check_mirror(lambda: PostgresMirror(pool, f"account-{next(numbers)}"))


@pytest.mark.parametrize("remembered", [100_000, 1])
def test_an_event_that_a_first_reading_has_copied_is_known(
    remembered: int, pool: ConnectionPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_transaction, "_MOST_COPIED", remembered)
    anchor = Anchor("scope", 1.0, reached=-1.0)
    one, two = ({"id": key, "time": 1.0, "modified": 2.0, "streamIds": ["a"], "type": "t/x"} for key in ("one", "two"))
    changed = {**two, "modified": 3.0}
    mirror = PostgresMirror(pool, f"first-{remembered}")
    with mirror.lock():
        transaction = mirror.begin(anchor, 1.0)
        assert transaction.apply("event", items(one, two)) == [one, two]
        transaction.commit(attrs.evolve(anchor, reached=1.0))
        assert transaction.apply("event", items(one, changed)) == [changed]
        assert transaction.apply("eventDelete", items({"id": "one"}, {"id": "other"})) == [{"id": "one"}]
        transaction.commit(attrs.evolve(anchor, reached=None))
    assert list(mirror.events({"state": "all"})) == [changed]


def items(*data: dict[str, Any]) -> list[Item]:
    return [(item, json.dumps(item)) for item in data]
