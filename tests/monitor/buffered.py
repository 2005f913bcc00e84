"""A mirror that holds changes in memory until its commit, which it may lose to another worker."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import attrs

from pryv_monitor import Anchor, ContendedError
from pryv_monitor.changes import Kind
from pryv_monitor.mirrors import StreamChanges, flattened


@attrs.define
class Content:
    """What is committed, or would be."""

    anchor: Anchor | None = None
    version: int = 0
    streams: str | None = None
    events: dict[str, tuple[str, int]] = attrs.field(factory=dict)
    deletions: set[str] = attrs.field(factory=set)

    def copy(self) -> "Content":
        return attrs.evolve(self, events=dict(self.events), deletions=set(self.deletions))


class BufferedTransaction:
    """One reading, on a copy of what was committed when it began."""

    def __init__(self, mirror: "BufferedMirror", anchor: Anchor) -> None:
        self.mirror = mirror
        self.began_with = anchor
        self.rollback()

    def rollback(self) -> None:
        self.before = self.mirror.content
        self.content = self.before.copy()
        self.changed = False
        self.stream_changes = StreamChanges(self.began_with)

    def apply(self, kind: Kind, items: Sequence[tuple[Any, str]]) -> list[Any]:
        by_kind: dict[Kind, Callable[[Any, str], bool]] = {
            "event": self.apply_event,
            "eventDelete": self.apply_deletion,
            "streams": self.apply_streams,
        }
        last = list({item[0]["id"]: item for item in items}.values()) if kind == "event" else items
        new = [data for data, text in last if by_kind[kind](data, text)]
        self.changed = self.changed or bool(new)
        return new

    def apply_event(self, event: Any, text: str) -> bool:
        known = self.content.events.get(event["id"])
        differs = known is None or json.loads(known[0]) != event
        self.content.events[event["id"]] = (text, self.began_with.generation)
        return differs

    def apply_deletion(self, deletion: Any, _text: str) -> bool:
        was_kept = self.content.events.pop(deletion["id"], None) is not None
        differs = was_kept or (self.began_with.delivering and deletion["id"] not in self.content.deletions)
        if differs:
            self.content.deletions.add(deletion["id"])
        return differs

    def apply_streams(self, tree: Any, text: str) -> bool:
        before, self.content.streams = self.content.streams, text
        self.stream_changes.add(flattened(json.loads(before or "[]")), flattened(tree))
        return text != before

    def needs_full_read(self) -> bool:
        events = (json.loads(text) for text, _ in self.content.events.values())
        is_astray = any(not self.stream_changes.gone.isdisjoint(event["streamIds"]) for event in events)
        return is_astray or self.stream_changes.reveals_events

    def dropped(self) -> Iterator[list[Any]]:
        generation = self.began_with.generation
        gone = [event_id for event_id, (_, seen_in) in self.content.events.items() if seen_in < generation]
        for event_id in gone:
            del self.content.events[event_id]
        if gone:
            self.changed = True
            yield [{"id": event_id} for event_id in gone]

    def commit(self, anchor: Anchor) -> Anchor:
        committed = self.mirror.content.anchor
        if (
            not self.changed
            and committed is not None
            and anchor == attrs.evolve(committed, since=anchor.since, synced=anchor.synced)
        ):
            self.mirror.skipped += 1
            return anchor
        if self.mirror.content.version != self.before.version:
            raise ContendedError("another worker has committed")
        self.mirror.content = attrs.evolve(self.content.copy(), anchor=anchor, version=self.before.version + 1)
        self.before, self.changed = self.mirror.content, False
        return anchor


class BufferedMirror:
    """Keeps the content in memory. Any number of workers may use it at once."""

    transaction: type[BufferedTransaction] = BufferedTransaction

    def __init__(self) -> None:
        self.content = Content()
        self.loaded = self.skipped = 0

    def lock(self) -> AbstractContextManager[None]:
        return nullcontext()

    def load(self) -> Anchor | None:
        self.loaded += 1
        return self.content.anchor

    def begin(self, anchor: Anchor, now: float) -> BufferedTransaction:
        return self.transaction(self, anchor)

    def events(self, params: Mapping[str, Any] | None = None) -> Iterator[dict[str, Any]]:
        return iter([json.loads(text) for text, _ in self.content.events.values()])

    def streams(self) -> list[dict[str, Any]]:
        tree: list[dict[str, Any]] = json.loads(self.content.streams or "[]")
        return tree
