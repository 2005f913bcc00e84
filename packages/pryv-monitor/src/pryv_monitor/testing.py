"""A test of the `Mirror` contract, for the authors of mirrors."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Protocol, runtime_checkable

import attrs

from pryv_monitor._json import Item
from pryv_monitor._scope import START
from pryv_monitor.anchor import Anchor
from pryv_monitor.errors import AnchorLockedError, ContendedError
from pryv_monitor.protocols import Mirror, MirrorTransaction

_FIRST: Final = Anchor("scope", 1.0)
_TREE: Final = [{"id": "a", "name": "A", "children": [{"id": "b", "name": "B", "parentId": "a", "children": []}]}]
_ALL: Final = {"state": "all"}


def check_mirror(make: Callable[[], Mirror]) -> None:
    """Check that a mirror keeps the contract of `Mirror`.

    If it has `events(params)` and `streams()`, like `SQLiteMirror`, their results are checked too: they are the
    committed data, exactly as the platform sent them.

    Args:
        make: A function that returns a new, empty mirror; it is called for each check.

    Raises:
        AssertionError: the mirror breaks the contract; the message contains the expected result.
    """
    for check in _CHECKS:
        check(make())


@runtime_checkable
class _Readable(Protocol):
    def events(self, params: Mapping[str, Any] | None = None) -> Iterable[dict[str, Any]]: ...

    def streams(self) -> list[dict[str, Any]]: ...


def _expect(found: object, expected: object, what: str) -> None:
    if found != expected:
        raise AssertionError(f"{what}: expected {expected!r}, found {found!r}")


def _event(number: int, **fields: Any) -> dict[str, Any]:
    base = {"id": f"event-{number}", "time": float(number), "modified": float(number), "streamIds": ["a"]}
    return {**base, "type": "count/generic", "content": number, **fields}


def _items(*data: Any) -> list[Item]:
    return [(item, json.dumps(item)) for item in data]


def _deletion(event: Mapping[str, Any]) -> dict[str, Any]:
    return {"id": event["id"], "deleted": 100.0}


def _filled(mirror: Mirror, *events: dict[str, Any]) -> Anchor:
    """Commit streams and events to a locked mirror, and return the anchor."""
    transaction = mirror.begin(_FIRST, 1.0)
    transaction.apply("streams", _items(_TREE))
    if events:
        transaction.apply("event", _items(*events))
    return transaction.commit(attrs.evolve(_FIRST, synced=1.0))


def _expect_content(mirror: Mirror, what: str, *events: dict[str, Any]) -> None:
    """Expect events in a mirror that can be read, in any order."""
    if isinstance(mirror, _Readable):
        found = sorted(json.dumps(event) for event in mirror.events(_ALL))
        _expect(found, sorted(json.dumps(event) for event in events), what)


def _expect_kept(mirror: Mirror, anchor: Anchor, what: str, *events: dict[str, Any]) -> None:
    """Expect events in a locked mirror: applied again, they make no difference."""
    _expect_content(mirror, what, *events)
    transaction = mirror.begin(anchor, 2.0)
    for event in events:
        _expect(transaction.apply("event", _items(event)), [], what)
    transaction.rollback()


def _begins_empty(mirror: Mirror) -> None:
    _expect(mirror.load(), None, "the anchor of a new mirror")
    _expect_content(mirror, "the events of a new mirror")
    with mirror.lock():
        transaction = mirror.begin(_FIRST, 1.0)
        _expect(transaction.apply("streams", _items([])), [[]], "the first tree of streams, though it is empty")
        transaction.rollback()


def _commits_data_and_anchor_together(mirror: Mirror) -> None:
    one, two = _event(1), _event(2)
    with mirror.lock():
        transaction = mirror.begin(_FIRST, 1.0)
        _expect(transaction.apply("streams", _items(_TREE)), [_TREE], "the first tree of streams")
        _expect(transaction.apply("event", _items(one, two)), [one, two], "new events")
        _expect(mirror.load(), None, "the anchor before the first commit")
        _expect_content(mirror, "the events before the first commit")
        anchor = transaction.commit(attrs.evolve(_FIRST, since=2.0, synced=5.0, remembered={"key": 1.5}))
        _expect(mirror.load(), anchor, "the anchor after a commit")
        _expect(anchor.since, 2.0, "`since` of the anchor after a commit")
        _expect_kept(mirror, anchor, "the events after a commit", one, two)
    _expect(mirror.load(), anchor, "the anchor of a mirror that is not locked")
    if isinstance(mirror, _Readable):
        _expect(mirror.streams(), _TREE, "the streams after a commit")


def _rolls_back(mirror: Mirror) -> None:
    one, two = _event(1), _event(2)
    with mirror.lock():
        anchor = _filled(mirror, one)
        transaction = mirror.begin(anchor, 2.0)
        for _ in range(2):
            _expect(transaction.apply("streams", _items([])), [[]], "other streams, after a rollback too")
            _expect(transaction.apply("event", _items(two)), [two], "a new event, after a rollback too")
            deleted = transaction.apply("eventDelete", _items(_deletion(one)))
            _expect(deleted, [_deletion(one)], "a deletion, after a rollback too")
            transaction.rollback()
        _expect(mirror.load(), anchor, "the anchor after a rollback")
        _expect_kept(mirror, anchor, "the events after a rollback", one)
        _expect(transaction.apply("event", _items(two)), [two], "a new event, after a rollback too")
        _expect_kept(mirror, transaction.commit(anchor), "events committed after a rollback", one, two)


def _returns_what_differs(mirror: Mirror) -> None:
    event, changed, last = _event(1), _event(1, content="changed"), _event(1, content="last")
    with mirror.lock():
        transaction = mirror.begin(_filled(mirror, event), 2.0)
        _expect(transaction.apply("streams", _items(_TREE)), [], "equal streams")
        _expect(transaction.apply("event", _items(event, _event(2))), [_event(2)], "an equal event, and a new one")
        _expect(transaction.apply("event", _items(event, _event(2))), [], "events applied before in the transaction")
        _expect(transaction.apply("event", _items(changed, last)), [last], "the last of two versions of an event")
        _expect_kept(mirror, transaction.commit(_FIRST), "an event that changed", last, _event(2))
        transaction = mirror.begin(_FIRST, 3.0)
        renamed = [{**_TREE[0], "name": "Renamed"}]
        for _ in range(2):
            _expect(transaction.apply("streams", _items(renamed)), [renamed], "streams that changed")
            _expect(transaction.apply("streams", _items(_TREE)), [_TREE], "streams that changed back")
        transaction.commit(_FIRST)
    if isinstance(mirror, _Readable):
        _expect(mirror.streams(), _TREE, "streams that changed and changed back, after a commit")


def _returns_deletions_of_its_events(mirror: Mirror) -> None:
    event, unknown = _event(1), _event(2)
    with mirror.lock():
        transaction = mirror.begin(_filled(mirror, event), 2.0)
        deletions = _items(_deletion(event), _deletion(unknown))
        _expect(transaction.apply("eventDelete", deletions), [_deletion(event)], "deletions of known events")
        anchor = transaction.commit(_FIRST)
        _expect_kept(mirror, anchor, "the events after a deletion")
        transaction = mirror.begin(anchor, 3.0)
        _expect(transaction.apply("eventDelete", deletions), [], "deletions applied before")
        transaction.rollback()


def _returns_all_deletions_after_a_crash(mirror: Mirror) -> None:
    """A pass has delivered events, and was killed before it could commit them or roll them back."""
    event, known = _event(1), _event(2)
    with mirror.lock():
        _filled(mirror, known)
        crashed = mirror.begin(_FIRST, 2.0)
        anchor = crashed.commit(attrs.evolve(_FIRST, delivering=True))
    for _ in range(2):
        with mirror.lock():
            transaction = mirror.begin(mirror.load() or anchor, 3.0)
            deletions = _items(_deletion(event))
            _expect(transaction.apply("eventDelete", deletions), [_deletion(event)], "a deletion after a crash")
            _expect(transaction.apply("eventDelete", deletions), [], "a deletion after a crash, returned before")
            transaction.rollback()


def _returns_deletions_of_what_was_rolled_back(mirror: Mirror) -> None:
    """A pass has delivered events and failed: listeners know them."""
    event = _event(1)
    with mirror.lock():
        _filled(mirror)
        transaction = mirror.begin(_FIRST, 2.0)
        anchor = transaction.commit(attrs.evolve(_FIRST, delivering=True))
        transaction.apply("event", _items(event))
        transaction.rollback()
        anchor = mirror.load() or anchor
        _expect_content(mirror, "the events after a rollback")
        transaction = mirror.begin(anchor, 3.0)
        found = transaction.apply("eventDelete", _items(_deletion(event)))
        _expect(found, [_deletion(event)], "the deletion of an event that was delivered and rolled back")
        transaction.rollback()


def _drops_what_a_full_reading_did_not_find(mirror: Mirror) -> None:
    same, changed, gone = _event(1), _event(2, content="changed"), _event(3)
    with mirror.lock():
        before = _filled(mirror, same, _event(2), gone)
        anchor = attrs.evolve(before, generation=before.generation + 1, reached=START)

        def read(transaction: MirrorTransaction) -> None:
            _expect(transaction.apply("event", _items(same, changed)), [changed], "events of a full reading")
            dropped = [deletion for batch in transaction.dropped() for deletion in batch]
            _expect([item["id"] for item in dropped], [gone["id"]], "the events that a full reading drops")

        transaction = mirror.begin(anchor, 2.0)
        read(transaction)
        transaction.rollback()
        _expect_kept(mirror, before, "the events after a full reading that was rolled back", same, _event(2), gone)
        transaction = mirror.begin(anchor, 2.0)
        read(transaction)
        anchor = transaction.commit(attrs.evolve(anchor, reached=None))
        _expect_kept(mirror, anchor, "the events after a full reading", same, changed)


def _carries_on_a_full_reading(mirror: Mirror) -> None:
    """A full reading is committed in windows, and carried on by another transaction."""
    one, two, three, gone = (_event(number) for number in range(1, 5))
    with mirror.lock():
        before = _filled(mirror, one, two, gone)
        anchor = attrs.evolve(before, generation=before.generation + 1, reached=START)
        transaction = mirror.begin(anchor, 2.0)
        transaction.apply("event", _items(one))
        anchor = transaction.commit(attrs.evolve(anchor, reached=2.0))
        _expect(mirror.load(), anchor, "the anchor after a window")
        transaction.apply("event", _items(three))
        transaction.rollback()
        _expect_kept(mirror, anchor, "the events after a window", one, two, gone)
        transaction = mirror.begin(anchor, 3.0)
        transaction.apply("event", _items(two, three))
        dropped = [deletion["id"] for batch in transaction.dropped() for deletion in batch]
        _expect(dropped, [gone["id"]], "the events that a full reading in windows drops")
        anchor = transaction.commit(attrs.evolve(anchor, reached=None))
        _expect_kept(mirror, anchor, "the events after a full reading in windows", one, two, three)


def _asks_for_a_full_read(mirror: Mirror) -> None:
    child, moved = _event(1, streamIds=["b"]), _event(1, streamIds=["a"])
    without = [{**_TREE[0], "children": []}]
    with mirror.lock():
        anchor = _filled(mirror, child)
        transaction = mirror.begin(anchor, 2.0)
        transaction.apply("streams", _items(_TREE))
        _expect(transaction.needs_full_read(), False, "whether the same streams need a full read")
        transaction.apply("streams", _items(without))
        _expect(transaction.needs_full_read(), True, "whether an event in a stream that is gone needs a full read")
        transaction.apply("streams", _items([{**without[0], "name": "Renamed"}]))
        _expect(transaction.needs_full_read(), True, "whether it does after other streams were applied")
        transaction.apply("event", _items(moved))
        _expect(transaction.needs_full_read(), False, "whether an event that was moved needs a full read")
        transaction.rollback()


def _asks_for_a_full_read_of_other_streams(mirror: Mirror) -> None:
    a, b = _TREE[0], {"id": "b", "name": "B", "children": []}
    trees = [[{**a, "children": []}, {**b, "created": created}] for created in (2.0, 3.0, 4.0)]
    with mirror.lock():
        transaction = mirror.begin(_FIRST, 1.0)
        transaction.apply("streams", _items([a]))
        anchor = transaction.commit(attrs.evolve(_FIRST, since=3.0, synced=3.0))
        for tree, needed in zip(trees, (True, False, False), strict=True):
            transaction = mirror.begin(anchor, 5.0)
            transaction.apply("streams", _items(tree))
            _expect(transaction.needs_full_read(), needed, "whether a stream that came and may be older needs one")
            transaction.rollback()
        transaction = mirror.begin(anchor, 5.0)
        transaction.apply("streams", _items(trees[1]))
        transaction.apply("event", _items(_event(1, streamIds=["b"])))
        transaction = mirror.begin(transaction.commit(anchor), 6.0)
        transaction.apply("streams", _items(trees[2]))
        _expect(transaction.needs_full_read(), True, "whether a stream that was made again needs a full read")
        transaction.rollback()
        moved = [{**a, "children": [{**b, "created": 3.0, "parentId": "a"}]}]
        for by_stream in (True, False):
            transaction = mirror.begin(attrs.evolve(anchor, since=7.0, by_stream=by_stream), 8.0)
            transaction.apply("streams", _items(moved))
            what = "whether a stream that was moved needs one in a scope of some streams, or of all"
            _expect(transaction.needs_full_read(), by_stream, what)
            transaction.rollback()


def _keeps_out_another(mirror: Mirror) -> None:
    with mirror.lock():
        try:
            with mirror.lock():
                _refuses_the_second_commit(mirror)
        except AnchorLockedError:
            pass
    with mirror.lock():  # which was given back
        pass


def _refuses_the_second_commit(mirror: Mirror) -> None:
    first, second = mirror.begin(_FIRST, 1.0), mirror.begin(_FIRST, 1.0)
    first.apply("event", _items(_event(1)))
    second.apply("event", _items(_event(2)))
    anchor = first.commit(_FIRST)
    try:
        second.commit(_FIRST)
    except ContendedError:
        second.rollback()
        _expect_kept(mirror, anchor, "the events after a commit that was refused", _event(1))
    else:
        raise AssertionError("a mirror that several may lock at once: expected ContendedError from the second commit")


def _keeps_everything_a_platform_sends(mirror: Mirror) -> None:
    nested: list[Any] = []
    for _ in range(700):
        nested = [nested]
    contents: tuple[Any, ...] = ("\0", "half \ud83d", "é\u2028\U0001f600", 2**70, 1e300, -0.0, {"": [None]}, nested)
    events = [_event(number, content=content) for number, content in enumerate(contents)]
    events += [_event(len(events) + number, time=time) for number, time in enumerate((2**63, 1e300, -1e300, -5))]
    events += [_event(0, id=name, streamIds=[name]) for name in ("\0", "half \ud83d", "'\"\\", ":_system:email")]
    without, null = _event(90), _event(91, modified=None)
    del without["modified"]
    with mirror.lock():
        anchor = _filled(mirror, *events, without, null)
        _expect_kept(mirror, anchor, "odd values", *events, without, null)
        transaction = mirror.begin(anchor, 2.0)
        deletions = [*(_deletion(event) for event in events), {"id": null["id"]}]
        _expect(transaction.apply("eventDelete", _items(*deletions)), deletions, "deletions of events with odd values")
        _expect_kept(mirror, transaction.commit(anchor), "what is left without odd values", without)


_CHECKS: Final[tuple[Callable[[Mirror], None], ...]] = (
    _begins_empty,
    _commits_data_and_anchor_together,
    _rolls_back,
    _returns_what_differs,
    _returns_deletions_of_its_events,
    _returns_all_deletions_after_a_crash,
    _returns_deletions_of_what_was_rolled_back,
    _drops_what_a_full_reading_did_not_find,
    _carries_on_a_full_reading,
    _asks_for_a_full_read,
    _asks_for_a_full_read_of_other_streams,
    _keeps_out_another,
    _keeps_everything_a_platform_sends,
)
