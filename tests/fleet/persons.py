"""Accounts on the platform under test, and fleets of them."""

from __future__ import annotations

import secrets
from typing import Any

from tests.accounts import Account

from pryv import Connection
from pryv_fleet import Fleet

STREAM = "diary"


def access_to(account: Account) -> str:
    """Return an API endpoint with an app token that may read and write everything; the account gets a stream."""
    connection = account[2]
    connection.streams.ensure({"id": STREAM, "name": "Diary"})
    access = {"name": secrets.token_hex(6), "permissions": [{"streamId": "*", "level": "manage"}]}
    endpoint: str = connection.api_one("accesses.create", access, "access")["apiEndpoint"]
    return endpoint


def note(connection: Connection, content: Any) -> dict[str, Any]:
    """Write a note, and return the event."""
    return dict(connection.events.create({"streamIds": [STREAM], "type": "note/txt", "content": content}))


def contents(fleet: Fleet, name: str) -> list[Any]:
    """Return the contents of an account's notes in the tables, sorted."""
    query = (
        "SELECT text FROM {schema}.events e JOIN {schema}.accounts a ON a.id = e.account WHERE name = %s AND type = %s"
    )
    return sorted(text for (text,) in fleet._database.execute(query, (name, "note/txt")))
