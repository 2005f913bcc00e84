"""Bodies of streamed responses, with texts that are easily taken for others, and where the network may cut them."""

from __future__ import annotations

import random
from collections.abc import Iterator

from hypothesis import strategies as st

LOOKALIKES = ['},{"id":', '"},{"id":"x', "]", '],"meta":{}}', "\\", '\\"', "é", "😀", "\u2028", "\x7f", ""]
ODD_NUMBERS = ["1e400", "-0.0", "-0", "12345678901234567890123", "1E5", "0.1", "5e-324", "1.0", "NaN", "01", "-"]
ODD_STRINGS = ['"\\ud800"', '"\\udc00\\ud800"', '"\\ud83d\\ude00"', '"\\u0000"', '"\\x"', '"\t"']

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=12)
    | st.sampled_from(LOOKALIKES),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
odd_texts = st.sampled_from([*ODD_NUMBERS, *ODD_STRINGS]).map('{{"id":"odd","content":{}}}'.format)


def cut(body: bytes, chance: random.Random, largest: int) -> Iterator[bytes]:
    """Yield a body in chunks of random size, some of them empty."""
    at = 0
    while at < len(body):
        size = chance.choice((0, 1, chance.randrange(largest + 1), largest))
        yield body[at : at + size]
        at += size


def body_of(items: list[str], deletions: list[str], separator: str = ",") -> bytes:
    return f'{{"events":[{separator.join(items)}],"eventDeletions":[{",".join(deletions)}],"meta":{{"a":1}}}}'.encode()
