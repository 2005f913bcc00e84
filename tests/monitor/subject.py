"""Accounts to follow, their contents, and the number of requests to the platform."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

import requests
from tests.waiting import wait_for

from pryv import Connection
from pryv_monitor import AnchorStore, SQLiteMirror
from pryv_monitor._scope import START

BATCH = "^/[^/]+/$"
"""The path of a pass that reads with one request, for faults."""
STREAMS = f"/streams$|{BATCH}"
EVENTS = f"/events$|{BATCH}"
"""The paths of the first request of a pass, and of the one for events, whether it is one request or two."""


class Traffic:
    """The responses that a session receives."""

    def __init__(self, session: requests.Session) -> None:
        self.answers: list[requests.Response] = []
        session.hooks["response"].append(lambda answer, **_: self.answers.append(answer))

    @property
    def bytes_read(self) -> int:
        return sum(answer.raw.tell() for answer in self.answers)


class Readable(Protocol):
    """A mirror that can be read."""

    def events(self, params: Mapping[str, Any] | None = None) -> Iterator[dict[str, Any]]: ...

    def streams(self) -> list[dict[str, Any]]: ...


class Subject:
    """An account with two streams, `pulse` and `notes`, and what a test does to it."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        for stream_id in ("pulse", "notes"):
            self.create_stream(stream_id)

    def create_stream(self, stream_id: str, parent_id: str | None = None) -> None:
        self.connection.api_one("streams.create", {"id": stream_id, "name": stream_id, "parentId": parent_id}, "stream")

    def add(self, count: int = 1, **fields: Any) -> list[dict[str, Any]]:
        """Creates events, a second of event time apart where none is given."""
        base = {"streamIds": ["pulse"], "type": "frequency/bpm", **fields}
        calls = [
            {"method": "events.create", "params": {"time": 1_600_000_000 + i, "content": 60 + i, **base}}
            for i in range(count)
        ]
        return [result["event"] for result in self.connection.api(calls)]

    def update(self, event: dict[str, Any], **changes: Any) -> dict[str, Any]:
        updated: dict[str, Any] = self.connection.api_one(
            "events.update", {"id": event["id"], "update": changes}, "event"
        )
        return updated

    def delete(self, event: dict[str, Any]) -> None:
        """Trashes an event and then deletes it."""
        for _ in range(2):
            self.connection.delete(f"events/{event['id']}")

    def events(self, scope: dict[str, Any] | None = None) -> dict[str, dict[str, Any]]:
        """What the platform holds, by id."""
        return own(self.connection.iter_events({"state": "all", **(scope or {})}))

    def streams(self) -> list[dict[str, Any]]:
        tree: list[dict[str, Any]] = self.connection.get("streams", {"state": "all"})["streams"]
        return tree

    def assert_mirrored(self, mirror: Readable, scope: dict[str, Any] | None = None) -> None:
        assert own(mirror.events({"state": "all"})) == self.events(scope)
        assert mirror.streams() == self.streams()


def is_untouched(store: AnchorStore | SQLiteMirror) -> bool:
    """Whether no change was delivered."""
    anchor = store.load()
    return anchor is None or (anchor.synced is None and anchor.reached == START)


def own(events: Any) -> dict[str, dict[str, Any]]:
    """Events by id, without the fields of the account, which are new at each read."""
    return {event["id"]: event for event in events if not event["id"].startswith(":")}


def wait_for_count(look: Callable[[], Any], count: int) -> None:
    """Waits until the result of `look` has a number of items."""
    wait_for(lambda: len(look()) == count)
