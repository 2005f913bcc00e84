"""An event with another time of change is known to have changed, without parsing the text that is kept."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pryv_monitor._json import is_another_version

TIMES = st.sampled_from([0, 1, 1.0, -0.0, 1.5, 2**53, 2**53 + 1, 1e21, 1e300, -1.25, 1_700_000_000.123, None, "1.5"])
inner = st.recursive(
    TIMES, lambda of: st.dictionaries(st.sampled_from(["modified", "a"]), of, max_size=2), max_leaves=4
)
events = st.fixed_dictionaries({"id": st.just("a")}, optional={"modified": TIMES, "content": inner, "time": TIMES})


@given(kept=events, new=events, indent=st.sampled_from([None, 1]))
def test_equal_events_are_not_other_versions(kept: Any, new: Any, indent: int | None) -> None:
    if is_another_version(json.dumps(kept, indent=indent), new):
        assert kept.get("modified") != new["modified"]
    assert not is_another_version(json.dumps(kept, indent=indent), json.loads(json.dumps(kept)))


@pytest.mark.parametrize(
    ("text", "is_another"),
    [
        ('{"id":"a","modified":1.5}', True),
        ('{"id":"a","modified":2.50}', False),
        ('{"id":"a","modified":25e-1}', False),
        ('{"id":"a","content":{"modified":2.5},"modified":1.5}', False),
        ('{"id":"a","content":{"modified":1.5},"m\\u006fdified":2.5}', False),
        ('{"id":"a"}', False),
        ('{"id":"a","modified":null}', False),
    ],
)
def test_only_certain_differences_are_other_versions(text: str, is_another: bool) -> None:
    assert is_another_version(text, {"id": "a", "modified": 2.5}) == is_another
    assert not is_another_version(text, {"id": ":_system:email", "modified": 2.5}), "it is new at each read"
