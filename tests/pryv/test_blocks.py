"""Items parsed in blocks are those that `json` finds, with either decoder, wherever the network cuts the body."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Iterator
from typing import Any

import ijson
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from tests.pryv.bodies import body_of, cut, odd_texts, values

from pryv._transport.blocks import SIZE, Decoder, MsgspecDecoder, StandardDecoder, fastest_decoder
from pryv._transport.members import MalformedError, Members, TooLargeError

KEYS = ("events", "eventDeletions")
DECODERS: list[Decoder] = [StandardDecoder(), MsgspecDecoder()]

events = st.builds(lambda fields: {"id": "c", **fields}, st.dictionaries(st.sampled_from("abcde"), values, max_size=4))
texts = events.map(lambda event: json.dumps(event, ensure_ascii=False, separators=(",", ":")))
nested = st.just('{"id":"a","b":[{"id":1},{"id":2},{"id":3}]}')


def read(body: bytes, decoder: Decoder, chunks: Iterator[bytes]) -> tuple[list[Any], type[Exception] | None]:
    """Return what the members of a body are, and the error that ended them."""
    found: list[Any] = []
    try:
        found.extend(Members(chunks, KEYS, 1 << 20, decoder))
    except (MalformedError, UnicodeDecodeError) as error:
        return found, type(error)
    return found, None


def expected(body: bytes) -> list[tuple[str, Any]] | None:
    """Return the members by `json`; `None` where the body is not JSON, or repeats a member."""

    def refuse(constant: str) -> None:
        raise ValueError(constant)

    try:
        pairs = json.loads(body.decode(), parse_constant=refuse)
    except ValueError:
        return None
    found = []
    for key, value in pairs.items():
        found += [(key, item) for item in value] if key in KEYS else [(key, value)]
    return found


FEW = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
MANY = settings(FEW, max_examples=10_000)
bodies = given(
    items=st.lists(texts | odd_texts | nested, max_size=12),
    deletions=st.lists(texts, max_size=4),
    times=st.integers(1, 12),
    separator=st.sampled_from([",", ", ", " ,\n"]),
    seed=st.integers(0, 1 << 32),
    largest=st.sampled_from([3, 100, SIZE, 1 << 17]),
)


def check_against_json(
    items: list[str], deletions: list[str], times: int, separator: str, seed: int, largest: int
) -> None:
    body = body_of(items * times, deletions, separator)
    wanted = expected(body)
    for decoder in DECODERS:
        found, error = read(body, decoder, cut(body, random.Random(seed), largest))
        if wanted is None:
            assert error is MalformedError
        else:
            assert (json.dumps(found), error) == (json.dumps(wanted), None)


def check_damaged(items: list[str], at: float, by: bytes, seed: int) -> None:
    body = body_of(items * 4, [])
    place = int(at * len(body))
    body = body[:place] + by + body[place + 1 :]
    by_one = read(body, OneByOne(), cut(body, random.Random(seed), SIZE))
    for decoder in DECODERS:
        assert repr(read(body, decoder, cut(body, random.Random(seed), SIZE))) == repr(by_one)


damages = given(
    items=st.lists(texts | odd_texts, min_size=1, max_size=8),
    at=st.floats(0, 1),
    by=st.sampled_from([b"", b"}", b"{", b'"', b",", b"]", b'},{"id":', b"\xff", b"\xed\xa0\x80", b"\x00", b"0"]),
    seed=st.integers(0, 1 << 32),
)


@example(items=['{"id":"a"}'], deletions=[], times=1, separator=",", seed=0, largest=3)
@example(
    items=['{"id":"a","b":"},{\\"id\\":"}', '{"id":{"id":[{"id":1},{"id":2}]}}'],
    deletions=['{"deleted":1}'],
    times=12,
    separator=",",
    seed=1,
    largest=100,
)
@FEW
@bodies
def test_items_are_those_that_json_finds(**parts: Any) -> None:
    check_against_json(**parts)


@example(
    items=[
        '{"id":"c"}',
        '{"id":"c"}',
        '{"id":"odd","content":1e400}',
        '{"id":"c","a":null,"b":null,"c":{"":null},"d":{"":null,"\\u001f\\u001f":null}}',
    ],
    at=1.0,
    by=b"\xff",
    seed=111903,
)
@FEW
@damages
def test_a_damaged_body_yields_the_same_items_with_and_without_blocks(**parts: Any) -> None:
    check_damaged(**parts)


@pytest.mark.long
@MANY
@bodies
def test_many_bodies(**parts: Any) -> None:
    check_against_json(**parts)


@pytest.mark.long
@MANY
@damages
def test_many_damaged_bodies(**parts: Any) -> None:
    check_damaged(**parts)


SMALL = '{"events":[{"id":"é😀"},{"id":"b","c":{"d":"é"}},{"id":"😀"}],"eventDeletions":[],"meta":{"é":1}}'.encode()


@pytest.mark.parametrize("decoder", DECODERS, ids=lambda decoder: type(decoder).__name__)
def test_a_body_may_be_cut_at_any_two_bytes(decoder: Decoder) -> None:
    wanted = expected(SMALL)
    for first, second in itertools.combinations(range(len(SMALL)), 2):
        chunks = iter([SMALL[:first], SMALL[first:second], SMALL[second:]])
        assert read(SMALL, decoder, chunks) == (wanted, None)


@pytest.mark.parametrize("decoder", DECODERS, ids=lambda decoder: type(decoder).__name__)
def test_a_changed_byte_yields_the_same_items_with_and_without_blocks(decoder: Decoder) -> None:
    for place, byte in itertools.product(range(len(SMALL)), b'x ,:{}[]"\\0\xff'):
        body = SMALL[:place] + bytes((byte,)) + SMALL[place + 1 :]
        assert repr(read(body, decoder, iter([body]))) == repr(read(body, OneByOne(), iter([body])))


class OneByOne(StandardDecoder):
    """Reads no block."""

    def items(self, source: bytes) -> list[Any] | None:
        return None


lookalikes = st.sampled_from(
    [
        '{"id":"a","b":[{"x":1},{"id":2},{"id":3}]}',
        '{"\\u0069d":"a"}',
        '{ "id":"a"}',
        '{"id":"a" }',
        '{"no":"a"}',
        '{"id":"a","b":"},{\\"id\\":"}',
        "{}",
    ]
)


@pytest.mark.parametrize("decoder", DECODERS, ids=lambda decoder: type(decoder).__name__)
@given(items=st.lists(texts | lookalikes, min_size=1, max_size=10), every=st.integers(1, 5), seed=st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_the_text_of_each_item_is_the_platform_s(decoder: Decoder, items: list[str], every: int, seed: int) -> None:
    items = ['{"id":"first"}', *items * 5]
    body = body_of(items, [])
    members = Members(cut(body, random.Random(seed), 1 << 12), KEYS, 1 << 20, decoder)
    for number, (key, _) in enumerate(members):
        if key == "events" and number % every == every - 1:
            assert members.text == items[number]
            assert members.size == len(items[number])


@pytest.mark.parametrize("decoder", DECODERS, ids=lambda decoder: type(decoder).__name__)
@given(
    items=st.lists(texts | lookalikes, min_size=1, max_size=6),
    times=st.integers(1, 8),
    separator=st.sampled_from([",", ", ", " ,\n", ",\t"]),
    seed=st.integers(0, 99),
)
@settings(max_examples=150, deadline=None)
def test_batches_have_the_text_of_each_item(
    decoder: Decoder, items: list[str], times: int, separator: str, seed: int
) -> None:
    items = ['{"id":"first"}', *items * times]
    members = Members(cut(body_of(items, [], separator), random.Random(seed), 1 << 12), KEYS, 1 << 20, decoder)
    found = [pair for key, values in members.batches() if key == "events" for pair in members.with_texts(values)]
    assert [text for _, text in found] == items
    assert [value for value, _ in found] == [json.loads(text) for text in items]


@pytest.mark.parametrize("decoder", DECODERS, ids=lambda decoder: type(decoder).__name__)
def test_with_texts_returns_the_remaining_items_only(decoder: Decoder) -> None:
    items = [f'{{"id":"{number}"}}' for number in range(20)]
    members = Members(iter([body_of(items, [])]), KEYS, 1 << 20, decoder)
    for batch in (batch for key, batch in members.batches() if key == "events" and len(batch) > 1):
        first = batch.pop()
        rest = members.with_texts(batch)
        assert [text for _, text in rest] == items[int(first["id"]) + 1 :][: len(rest)]
        assert rest


@pytest.mark.parametrize("decoder", DECODERS, ids=lambda decoder: type(decoder).__name__)
def test_an_item_is_yielded_before_the_next_arrives(decoder: Decoder) -> None:
    arrived = 0

    def chunks() -> Iterator[bytes]:
        nonlocal arrived
        yield b'{"events":['
        for arrived in range(1, 30):
            yield b'%b{"id":"%d","b":{"c":{}}}' % (b"," if arrived > 1 else b"", arrived)
        yield b'],"meta":{}}'

    for number, (key, item) in enumerate(Members(chunks(), KEYS, None, decoder), start=1):
        if key == "events":
            assert int(item["id"]) == number == arrived


@pytest.mark.parametrize("decoder", DECODERS, ids=lambda decoder: type(decoder).__name__)
def test_an_exception_of_the_network_is_raised_after_the_items_before_it(decoder: Decoder) -> None:
    def chunks() -> Iterator[bytes]:
        yield b'{"events":[{"id":1},{"id":2},{"id":3}'
        raise ConnectionResetError

    found: list[str] = []
    with pytest.raises(ConnectionResetError):
        found.extend(item["id"] for _, item in Members(chunks(), KEYS, None, decoder))
    members = iter(Members(chunks(), KEYS, None, decoder))
    assert [next(members)[1]["id"] for _ in range(3)] == [1, 2, 3]


@pytest.mark.parametrize("decoder", DECODERS, ids=lambda decoder: type(decoder).__name__)
@pytest.mark.parametrize("limit", [100, SIZE, SIZE + 1])
def test_an_item_above_the_limit_is_refused_among_others(decoder: Decoder, limit: int) -> None:
    small, large = '{"id":"a"}', json.dumps({"id": "b", "content": "x" * limit}, separators=(",", ":"))
    members = iter(Members(iter([body_of([small] * 5 + [large], [])]), KEYS, limit, decoder))
    assert [next(members) for _ in range(5)] == [("events", {"id": "a"})] * 5
    with pytest.raises(TooLargeError):
        next(members)


@settings(max_examples=40, deadline=None)
@given(items=st.lists(texts, min_size=1, max_size=20))
def test_ijson_agrees(items: list[str]) -> None:
    body = body_of(items * 3, [])
    if any(abs(number) >= 1 << 63 for number in numbers_in(json.loads(body))):
        return
    wanted = list(ijson.items(body, "events.item", use_float=True))
    for decoder in DECODERS:
        found = [value for key, value in Members(iter([body]), KEYS, None, decoder) if key == "events"]
        assert found == wanted


def numbers_in(value: Any) -> Iterator[float]:
    if isinstance(value, (dict, list)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from numbers_in(item)
    elif isinstance(value, (int, float)):
        yield value


@pytest.mark.parametrize("decoder", DECODERS, ids=lambda decoder: type(decoder).__name__)
def test_numbers_are_those_of_json(decoder: Decoder) -> None:
    chance = random.Random(5)
    numbers = [
        repr(chance.choice((chance.random, lambda: chance.uniform(-8e307, 8e307), lambda: chance.gauss(0, 1e-300)))())
        for _ in range(20_000)
    ]
    numbers += [str(chance.getrandbits(bits) * chance.choice((1, -1))) for bits in range(1, 400) for _ in range(5)]
    numbers += [f"{chance.getrandbits(70)}e{chance.randrange(-340, 280)}" for _ in range(5_000)]
    for part in itertools.zip_longest(*[iter(numbers)] * 100, fillvalue="0"):
        source = ",".join(f'{{"id":{number}}}' for number in part).encode()
        items = decoder.items(source)
        assert items is not None
        assert repr(items) == repr(json.loads(f"[{source.decode()}]"))


def test_msgspec_is_used_where_it_is_installed() -> None:
    assert isinstance(fastest_decoder(), MsgspecDecoder)
