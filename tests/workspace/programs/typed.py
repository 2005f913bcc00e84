"""Right and wrong uses of typed dicts: a type checker reports the lines marked `# wrong`, and no other."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from pryv import Connection, Service
from pryv.types import EventCreate, EventsParams, StreamTree
from pryv_monitor import Monitor, SQLiteMirror


def queries(connection: Connection, service: Service, mirror: SQLiteMirror) -> None:
    connection.iter_events()
    connection.iter_events({})
    connection.iter_events({"streams": ["diary"], "types": ["note/txt"], "limit": 3, "sortAscending": True})
    connection.iter_events({"streams": "diary", "fromTime": datetime.now(timezone.utc), "toTime": 1.5})
    connection.iter_events({"streams": [{"any": ["diary"], "not": ["private"]}], "state": "all"})
    connection.iter_events({"content": [{"path": "$", "in": [1, 2]}]})
    connection.get_events_streamed({"limit": 3}, lambda event: event["id"])
    connection.get_latest_by_content("$", [1, 2], {"streams": ["diary"]})
    mirror.events({"streams": ["diary"]})
    Monitor(connection, {"streams": ["diary"]}, mirror=mirror)
    service.start_access_request(
        {"requestingAppId": "my-notebook", "requestedPermissions": [{"streamId": "diary", "level": "read"}]}
    )

    connection.iter_events({"stream": ["diary"]})  # wrong
    connection.iter_events({"streams": ["diary"], "limits": 3})  # wrong
    connection.iter_events({"limit": "three"})  # wrong
    connection.iter_events({"state": "gone"})  # wrong
    connection.iter_events({"fromTime": "2026-01-01"})  # wrong
    connection.iter_events({"content": [{"paths": "$", "eq": 1}]})  # wrong
    connection.iter_events(["diary"])  # wrong
    connection.get_events_streamed({"stream": ["diary"]}, lambda event: event["content"])  # wrong
    connection.get_latest_by_content("$", [1, 2], {"stream": ["diary"]})  # wrong
    mirror.events({"stream": ["diary"]})  # wrong
    Monitor(connection, {"stream": ["diary"]})  # wrong
    service.start_access_request({"requestingApp": "my-notebook"})  # wrong


def events(connection: Connection) -> None:
    connection.events.create({"streamIds": ["diary"], "type": "note/txt", "content": {"any": ["thing"]}})
    connection.events.create({"streamIds": ["diary"], "type": "note/txt", "time": datetime.now(timezone.utc)})
    connection.events.create_many({"streamIds": ["diary"], "type": "note/txt", "content": n} for n in range(3))
    connection.events.update("id", {"content": 1, "duration": None, "trashed": False})
    connection.create_event_with_file({"streamIds": ["diary"], "type": "picture/attached"}, "a.jpg")
    text: str = connection.events.delete("id")["type"]
    deleted: float = connection.events.delete("id", permanently=True).get("deleted", 0)
    print(text, deleted)

    connection.events.create({"streamId": "diary", "type": "note/txt"})  # wrong
    connection.events.create({"streamIds": ["diary"]})  # wrong
    connection.events.create({"streamIds": "diary", "type": "note/txt"})  # wrong
    connection.events.create({"streamIds": ["diary"], "type": "note/txt", "created": 1})  # wrong
    connection.events.create({"streamIds": ["diary"], "type": "note/txt", "time": "now"})  # wrong
    connection.events.create_many([{"streamIds": ["diary"], "typ": "note/txt"}])  # wrong
    connection.events.update("id", {"contents": 1})  # wrong
    connection.create_event_with_file({"streamId": "diary", "type": "picture/attached"}, "a.jpg")  # wrong
    connection.events.delete("id", permanently=True)["type"]  # wrong


def streams(connection: Connection) -> None:
    connection.streams.list({"state": "all"})
    connection.streams.create({"id": "diary", "name": "Diary", "parentId": None})
    connection.streams.update("diary", {"name": "Diary"})
    connection.streams.ensure({"id": "diary", "name": "Diary", "children": [{"id": "dreams", "name": "Dreams"}]})
    connection.streams.ensure([{"id": "diary", "name": "Diary"}, {"id": "mood", "name": "Mood"}])

    connection.streams.list({"status": "all"})  # wrong
    connection.streams.create({"id": "diary"})  # wrong
    connection.streams.create({"name": "Diary", "children": []})  # wrong
    connection.streams.update("diary", {"nam": "Diary"})  # wrong
    connection.streams.ensure({"id": "diary"})  # wrong
    connection.streams.ensure([{"id": "diary", "nam": "Diary"}])  # wrong
    connection.streams.ensure("diary")  # wrong


def accesses(connection: Connection) -> None:
    connection.accesses.list({"includeDeletions": True})
    made = connection.accesses.create({"name": "x", "permissions": [{"streamId": "diary", "level": "read"}]})
    connection.accesses.update(made["id"], {"name": "y", "expires": None})
    connection.update_access(made["id"], {"expireAfter": 3600})
    connection.webhooks.create("https://example.org/", {"x": {"kind": "events", "query": {"types": ["note/txt"]}}})
    connection.webhooks.update("id", {"state": "inactive"})

    connection.accesses.list({"includeDeleted": True})  # wrong
    connection.accesses.create({"name": "x"})  # wrong
    connection.accesses.create({"name": "x", "permissions": [{"streamId": "diary", "level": "write"}]})  # wrong
    connection.accesses.create({"name": "x", "permissions": [{"stream": "diary", "level": "read"}]})  # wrong
    connection.accesses.update(made["id"], {"token": "x"})  # wrong
    connection.update_access(made["id"], {"expire": 3600})  # wrong
    connection.webhooks.create("https://example.org/", {"x": {"kind": "event"}})  # wrong
    connection.webhooks.update("id", {"url": "https://example.org/"})  # wrong


def account(connection: Connection) -> None:
    connection.account.update({"email": "a@example.org", "language": "fr"})
    connection.account.update({"emails": {"add": ["a@example.org"], "setPrimary": "b@example.org"}})
    name: str = connection.account.change_username("alice-2")["account"]["username"]
    connection.profile.update("public", {"any": ["thing"], "theme": None})
    connection.audit({"limit": 3}, access="base:1", action="events.get")
    print(name)

    connection.account.update({"lang": "fr"})  # wrong
    connection.account.update({"emails": {"verify": ["a@example.org"]}})  # wrong
    connection.account.change_password("old")  # wrong
    connection.account.username_changes()["changes"]  # wrong
    connection.profile.get("secret")  # wrong
    connection.profile.update("public", "theme")  # wrong
    connection.audit({"stream": ["diary"]})  # wrong
    connection.audit(access=5)  # wrong


def dicts_of_unknown_shape(connection: Connection, found: dict[str, Any], read: Mapping[str, Any]) -> None:
    connection.account.update(found)
    connection.account.update({"emails": found})
    connection.profile.update("app", read)
    connection.iter_events(found)
    connection.iter_events(read)
    connection.iter_events(json.loads("{}"))
    connection.events.create(found)
    connection.events.create(read)
    connection.events.create_many([found, read])
    connection.events.update("id", found)
    connection.streams.ensure(found)
    connection.streams.ensure([found, read])
    connection.accesses.create({"name": "x", "permissions": [found]})
    connection.webhooks.create("https://example.org/", {"x": found})


def variables_with_a_type(connection: Connection) -> None:
    query: EventsParams = {"streams": ["diary"]}
    query["limit"] = 3
    connection.iter_events({**query, "sortAscending": True})
    note: EventCreate = {"streamIds": ["diary"], "type": "note/txt"}
    connection.events.create({**note, "content": "x"})
    tree: StreamTree = {"id": "diary", "name": "Diary"}
    connection.streams.ensure([tree])

    query["limits"] = 3  # wrong
    connection.iter_events(note)  # wrong
    connection.events.create(query)  # wrong
