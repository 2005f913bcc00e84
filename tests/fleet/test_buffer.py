"""Changes that wait for the commit of a pass: in memory, and beyond a size in a temporary file."""

import json
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg_pool import ConnectionPool
from tests.memory import traced_memory

from pryv_fleet import PostgresMirror, _buffer
from pryv_fleet._buffer import Buffer
from pryv_monitor import Anchor, AnchorError
from pryv_monitor.testing import check_mirror

keys = st.sampled_from([f"key{number}" for number in range(12)])
texts = st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=5)


@pytest.fixture(scope="module")
def pool(dsn: str) -> Iterator[ConnectionPool]:
    with ConnectionPool(dsn, min_size=1, max_size=2) as pool:
        yield pool


@pytest.fixture(scope="module")
def everything_in_files() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_buffer, "MOST", 400)
        yield


@given(puts=st.lists(st.dictionaries(keys, texts, min_size=1), max_size=8), asked=st.lists(keys, unique=True))
def test_a_buffer_behaves_like_a_dict(
    everything_in_files: None, puts: list[dict[str, str | None]], asked: list[str]
) -> None:
    buffer, expected = Buffer(), dict[str, str | None]()
    for put in puts:
        texts = [text or "" for text in put.values()]
        buffer.put(put, texts)
        expected.update(zip(put, texts, strict=True))
        without = [key for key, text in put.items() if text is None]
        buffer.put(without)
        expected.update(dict.fromkeys(without))
        assert buffer.get(asked) == {key: expected[key] for key in asked if key in expected}
    assert dict(buffer.items()) == expected
    assert bool(buffer) == bool(expected)
    buffer.clear()
    assert not buffer
    assert dict(buffer.items()) == {}


def test_a_mirror_with_its_changes_in_files_keeps_the_contract(everything_in_files: None, pool: ConnectionPool) -> None:
    names = (f"in-files-{number}" for number in range(1000))
    check_mirror(lambda: PostgresMirror(pool, next(names)))


def test_the_changes_of_a_pass_take_limited_memory(pool: ConnectionPool) -> None:
    mirror = PostgresMirror(pool, "large")
    total = 0
    with mirror.lock():
        transaction = mirror.begin(Anchor("scope", 1.0), 1.0)
        with traced_memory() as memory:
            for batch in range(40):
                events = [{"id": f"{batch}-{number}", "time": 1.0, "content": "x" * 10_000} for number in range(100)]
                total += len(transaction.apply("event", [(event, json.dumps(event)) for event in events]))
            transaction.commit(Anchor("scope", 1.0))
            _, peak = memory()
    with pool.connection() as connection:
        query = "SELECT count(*) FROM pryv.events e JOIN pryv.accounts a ON a.id = e.account WHERE name = 'large'"
        assert connection.execute(query).fetchone() == (total,) == (4000,)
    assert peak < 25 << 20, "of 40 MB of changes"


def test_a_file_that_is_full_is_an_error(everything_in_files: None) -> None:
    buffer = Buffer()
    buffer.put(["key"], ["x" * 1000])
    assert buffer._file
    buffer._file.execute("PRAGMA max_page_count = 4")
    with pytest.raises(AnchorError, match="temporary file until they are committed"):
        buffer.put(["other"], ["x" * 100_000])
