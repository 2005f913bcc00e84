"""Types of the API's data, for editors and type checkers: at run time these are plain dicts.

The shapes follow the data structures of the API reference; keys that may be absent are not required.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, TypedDict

Timestamp = float
"""Seconds since 1970-01-01 UTC."""

Level = Literal["read", "contribute", "manage", "create-only", "none"]
AccessType = Literal["personal", "app", "shared"]


class _AttachmentRequired(TypedDict):
    id: str
    fileName: str
    type: str
    size: int


class Attachment(_AttachmentRequired, total=False):
    """A file attached to an event."""

    readToken: str
    integrity: str


class _EventRequired(TypedDict):
    id: str
    streamIds: list[str]
    time: Timestamp
    type: str
    created: Timestamp
    createdBy: str
    modified: Timestamp
    modifiedBy: str


class Event(_EventRequired, total=False):
    """A timestamped, typed piece of data; `duration` is in seconds, `None` while running."""

    content: Any
    duration: float | None
    description: str
    attachments: list[Attachment]
    clientData: dict[str, Any]
    trashed: bool
    integrity: str


class EventDeletion(TypedDict, total=False):
    """What remains of a deleted event."""

    id: str
    deleted: Timestamp
    integrity: str


class _StreamRequired(TypedDict):
    id: str
    name: str
    parentId: str | None


class Stream(_StreamRequired, total=False):
    """A stream, with its `children` if it was returned as a tree."""

    singleActivity: bool
    clientData: dict[str, Any]
    children: list[Stream]
    childrenHidden: bool
    trashed: bool
    created: Timestamp
    createdBy: str
    modified: Timestamp
    modifiedBy: str


class Permission(TypedDict, total=False):
    """A permission of an access: `level` on a stream (and its children), or a `feature` with its `setting`."""

    streamId: str
    level: Level
    defaultName: str
    feature: str
    setting: str


class Access(TypedDict, total=False):
    """An access; `id` is `base` or `base:serial`. Holds the token: keep it out of logs."""

    id: str
    token: str
    apiEndpoint: str
    type: AccessType
    name: str
    deviceName: str | None
    permissions: list[Permission]
    lastUsed: Timestamp
    expires: Timestamp
    clientData: dict[str, Any]
    created: Timestamp
    createdBy: str
    modified: Timestamp
    modifiedBy: str
    integrity: str


class User(TypedDict, total=False):
    """The account an access belongs to."""

    username: str


class AccessInfo(Access, total=False):
    """An access as `access-info` returns it: with its `user`, and in `calls` the number of calls of each method."""

    user: User
    calls: dict[str, int]


class AccessWithHistory(TypedDict, total=False):
    """An access with its former versions, oldest first; `current` is the latest id if another one was requested."""

    access: Access
    history: list[Access]
    current: str


class Meta(TypedDict):
    """The metadata of a response; `serverTime` is in seconds."""

    apiVersion: str
    serverTime: Timestamp
    serial: str


class ErrorBody(TypedDict, total=False):
    """An error of the API."""

    id: str
    message: str
    data: Any


StreamsQuery = TypedDict("StreamsQuery", {"any": list[str], "all": list[str], "not": list[str]}, total=False)
"""Streams to read events from: events are in one of `any` (or its children), in each of `all`, and in none of `not`."""

ContentCondition = TypedDict(
    "ContentCondition",
    {
        "path": str,
        "eq": Any,
        "neq": Any,
        "in": list[Any],
        "exists": bool,
        "gt": float,
        "gte": float,
        "lt": float,
        "lte": float,
        "prefix": str,
    },
    total=False,
)
"""A condition on an event's `content` or `clientData`: a dot-path (`$` is the whole value) and one operator."""


class EventsParams(TypedDict, total=False):
    """The parameters of `events.get`; times are in seconds."""

    streams: str | StreamsQuery | Sequence[str | StreamsQuery]
    types: Sequence[str]
    fromTime: Timestamp
    toTime: Timestamp
    sortAscending: bool
    skip: int
    limit: int
    state: Literal["default", "trashed", "all"]
    modifiedSince: Timestamp
    includeDeletions: bool
    running: bool
    content: Sequence[ContentCondition]
    clientData: Sequence[ContentCondition]


class AuthRequest(TypedDict, total=False):
    """A request of an app for access to an account; see the API's *Auth request*."""

    requestingAppId: str
    requestedPermissions: list[Permission]
    languageCode: str
    returnURL: str | Literal[False] | None
    referer: str
    clientData: dict[str, Any]
    deviceName: str
    expireAfter: float
    serviceInfo: dict[str, Any]


class Hosting(TypedDict):
    """A hosting of accounts."""

    key: str
    name: str | None
    description: str | None
    region: str
    zone: str
    availableCore: str | None
    available: bool


class UserCreated(TypedDict):
    """The result of the registration of an account."""

    username: str
    apiEndpoint: str
