"""Accesses in the database."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

from pryv_sandbox.model.access import Access
from pryv_sandbox.model.errors import forbidden, invalid_access_token, unknown_resource
from pryv_sandbox.model.integrity import item_integrity
from pryv_sandbox.state.platform import Platform
from pryv_sandbox.state.users import User

Doc = dict[str, Any]

_COLUMNS = "doc, last_used, calls"


def find_by_token(platform: Platform, user: User, token: str) -> Access:
    """The access with this token, which may have expired.

    Raises:
        ApiError: if there is none.
    """
    cached = platform.cached_accesses(user)
    if token not in cached:
        cached[token] = _read_by_token(platform, user, token)
    return cached[token]


def _read_by_token(platform: Platform, user: User, token: str) -> Access:
    row = platform.db.execute(
        f"SELECT {_COLUMNS} FROM accesses WHERE user = ? AND token = ? AND deleted IS NULL",
        (user.key, token),
    ).fetchone()
    if row is None:
        raise invalid_access_token("Cannot find access from token.", 403)
    return Access(_doc(*row), partial(platform.tree, user))


def find_by_id(platform: Platform, user: User, access_id: str) -> Access | None:
    """The access with this id."""
    doc = find(platform, user, access_id)
    return None if doc is None else Access(doc, partial(platform.tree, user))


def check_valid(platform: Platform, access: Access) -> None:
    """Refuse an access that has expired.

    Raises:
        ApiError: if it has.
    """
    if is_expired(access.doc, platform.clock.now()):
        raise forbidden("Access has expired.")


def count_use(platform: Platform, user: User, access: Access, calls: dict[str, int]) -> None:
    """Count the methods that are called with an access."""
    for method_id, count in calls.items():
        path = f'$."{method_id.replace(".", ":")}"'
        platform.db.execute(
            "UPDATE accesses SET last_used = ?, calls = json_set(calls, ?, ifnull(json_extract(calls, ?), 0) + ?)"
            " WHERE user = ? AND id = ?",
            (platform.clock.now(), path, path, count, user.key, access.id),
        )


def is_expired(doc: Doc, now: float) -> bool:
    """Whether an access has expired."""
    return doc.get("expires") is not None and now > doc["expires"]


def _doc(doc: str, last_used: float | None, calls: str) -> Doc:
    access: Doc = json.loads(doc)
    return access if last_used is None else {**access, "lastUsed": last_used, "calls": json.loads(calls)}


def find(platform: Platform, user: User, access_id: str) -> Doc | None:
    """The access with this id, which has no serial."""
    row = platform.db.execute(
        f"SELECT {_COLUMNS} FROM accesses WHERE user = ? AND id = ? AND deleted IS NULL",
        (user.key, access_id),
    ).fetchone()
    return _doc(*row) if row else None


def select(platform: Platform, user: User, where: str, *values: Any) -> list[Doc]:
    """The account's accesses that match an SQL condition, by name."""
    rows = platform.db.execute(
        f"SELECT {_COLUMNS} FROM accesses WHERE user = ? AND {where} ORDER BY name, id",
        (user.key, *values),
    )
    return [_doc(*row) for row in rows]


def created_by(platform: Platform, user: User, access_id: str) -> list[Doc]:
    """The accesses that another one has created."""
    return [doc for doc in select(platform, user, "deleted IS NULL") if doc["createdBy"].split(" ")[0] == access_id]


def versioned(doc: Doc) -> Doc:
    """The access with its versioned id, without members that are not sent."""
    shown = {key: value for key, value in doc.items() if key not in ("calls", "serial")}
    return {**shown, "id": reference(doc["id"], doc.get("serial"))}


def reference(access_id: str, serial: int | None) -> str:
    """The versioned id."""
    return access_id if serial is None else f"{access_id}:{serial}"


def parse_reference(versioned_id: str) -> tuple[str, int | None]:
    """The id and the serial in a versioned id.

    Raises:
        ApiError: if it is not valid.
    """
    access_id, colon, serial = versioned_id.partition(":")
    if colon and not (serial.isdecimal() and int(serial) > 0):
        raise unknown_resource("access", versioned_id)
    return access_id, int(serial) if colon else None


def save(platform: Platform, user: User, doc: Doc, *, forget: bool = True) -> Doc:
    """Write an access, and ``forget`` what is cached of it; returns it as stored."""
    stored = {key: value for key, value in doc.items() if key not in ("calls", "lastUsed", "integrity")}
    stored["integrity"] = item_integrity("ACCESS", stored)
    values = (stored["type"], stored["name"], stored.get("deviceName"), json.dumps(stored))
    platform.db.execute(
        "INSERT INTO accesses (user, id, token, type, name, device_name, doc) VALUES (?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT DO UPDATE SET token = excluded.token, name = excluded.name, device_name = excluded.device_name,"
        " doc = excluded.doc",
        (user.key, stored["id"], stored["token"], *values),
    )
    if forget:
        platform.forget_access(user, stored["id"])
    return stored
