"""Types of the API's data, for editors and type checkers: at run time these are plain dicts.

The shapes follow the data structures of the API reference; keys that may be absent are not required. Data to send have
separate types (`EventCreate`, `EventsParams`, …): for a key that the API does not know, type checkers report an error.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, Protocol, SupportsFloat, SupportsIndex, TypedDict, TypeVar

_T = TypeVar("_T")

Timestamp = float
"""Seconds since 1970-01-01 UTC."""

Time = SupportsFloat | datetime
"""Seconds since 1970-01-01 UTC (of Python, NumPy or pandas), or a `datetime` with a time zone."""

Level = Literal["read", "contribute", "manage", "create-only", "none"]
AccessType = Literal["personal", "app", "shared"]


class Untyped(Protocol):
    """A dict of unknown shape, such as a variable of type `dict[str, Any]`, which is accepted instead of a typed dict.

    A dict display in the code does not match this protocol, so that type checkers report an unknown key in it: only
    with values of type `Any` does the type of `get` match.
    """

    def get(self, key: str, default: _T, /) -> _T:
        """Return a value, or `default` if there is none."""


# ---- events


class _AttachmentRequired(TypedDict):
    id: str
    fileName: str
    type: str
    size: int


class Attachment(_AttachmentRequired, total=False):
    """A file attached to an event."""

    readToken: str
    """A secret that gives access to this file only, in a URL."""
    integrity: str
    """The file's digest, as in Subresource Integrity."""


class _EventRequired(TypedDict):
    id: str
    streamIds: list[str]
    time: Timestamp
    type: str
    created: Timestamp
    createdBy: str
    modified: Timestamp
    modifiedBy: str
    content: Any
    """The content, of the form that `type` defines (a number, a text, an object, …). For types without
    content, such as `file/attached`, the key is missing."""


class Event(_EventRequired, total=False):
    """A timestamped, typed piece of data."""

    duration: float | None
    """Seconds; `None` while it is running."""
    description: str
    attachments: list[Attachment]
    clientData: dict[str, Any]
    """Data of apps, by their keys."""
    trashed: bool
    integrity: str


class _EventDeletionRequired(TypedDict):
    id: str


class EventDeletion(_EventDeletionRequired, total=False):
    """The deletion of an event."""

    deleted: Timestamp
    integrity: str


class _EventCreateRequired(TypedDict):
    streamIds: list[str] | tuple[str, ...]
    """The streams of the event, at least one."""
    type: str
    """Such as `note/txt`; see the API's event types."""


class EventCreate(_EventCreateRequired, total=False):
    """An event to create; the platform adds the rest."""

    id: str
    """An id from `utils.new_event_id`; it makes the call idempotent."""
    time: Time
    """By default, now."""
    duration: SupportsFloat | None
    """Seconds; `None` while it is running."""
    content: Any
    """The content, of the form that `type` defines (a number, a text, an object, …)."""
    description: str | None
    clientData: Mapping[str, Any] | None
    """Data of apps, by their keys."""
    trashed: bool | None


class EventUpdate(TypedDict, total=False):
    """Changes to an event: the members to replace."""

    streamIds: list[str] | tuple[str, ...]
    """The new streams of the event, at least one."""
    time: Time
    duration: SupportsFloat | None
    """Seconds; `None` while it is running."""
    type: str
    content: Any
    description: str | None
    clientData: Mapping[str, Any] | None
    """The keys to change; the value `None` removes a key, all others stay."""
    trashed: bool | None
    """`False` takes the event out of the trash."""


StreamsQuery = TypedDict(
    "StreamsQuery", {"any": Sequence[str], "all": Sequence[str], "not": Sequence[str]}, total=False
)
"""Streams to read events from: events are in one of `any` (or its children), in each of `all`, and in none of `not`."""

ContentCondition = TypedDict(
    "ContentCondition",
    {
        "path": str,
        "eq": Any,
        "neq": Any,
        "in": Sequence[Any],
        "exists": bool,
        "gt": SupportsFloat,
        "gte": SupportsFloat,
        "lt": SupportsFloat,
        "lte": SupportsFloat,
        "prefix": str,
    },
    total=False,
)
"""A condition on an event's `content` or `clientData`: a dot-path (`$` is the whole value) and one operator."""


class EventsParams(TypedDict, total=False):
    """The parameters of `events.get`."""

    streams: str | StreamsQuery | Sequence[str | StreamsQuery]
    """The streams, with their children; by default all that can be read."""
    types: Sequence[str]
    """Such as `note/txt`, or `note/*`."""
    fromTime: Time
    """The earliest time; events that began before and end at this time or later are included."""
    toTime: Time
    """The latest time."""
    sortAscending: bool
    """From the oldest to the latest; by default from the latest."""
    skip: SupportsIndex
    """The number of events to skip."""
    limit: SupportsIndex
    """The number of events to return at most."""
    state: Literal["default", "trashed", "all"]
    """By default, events in the trash are left out."""
    modifiedSince: Time
    """Only events that were changed after this time."""
    includeDeletions: bool
    """Whether to return the deletions since `modifiedSince`, too."""
    running: bool
    """Only events that are running."""
    content: Sequence[ContentCondition]
    """Conditions on the content, which must all be true; for platforms with content queries."""
    clientData: Sequence[ContentCondition]
    """Conditions on the data of apps, which must all be true; for platforms with content queries."""


# ---- streams


class _StreamRequired(TypedDict):
    id: str
    name: str
    parentId: str | None


class Stream(_StreamRequired, total=False):
    """A stream, with its `children` if it was returned as a tree."""

    singleActivity: bool
    clientData: dict[str, Any]
    """Data of apps, by their keys."""
    children: list[Stream]
    childrenHidden: bool
    trashed: bool
    created: Timestamp
    createdBy: str
    modified: Timestamp
    modifiedBy: str


class _StreamCreateRequired(TypedDict):
    name: str
    """A name that no sibling has."""


class StreamCreate(_StreamCreateRequired, total=False):
    """A stream to create."""

    id: str
    """By default made by the platform, which changes characters other than a-z, A-Z, 0-9, `-`, `_` and `.`."""
    parentId: str | None
    """The stream to put it into; `None`, the default, makes it a root."""
    clientData: Mapping[str, Any] | None
    """Data of apps, by their keys."""


class StreamUpdate(TypedDict, total=False):
    """Changes to a stream: the members to replace."""

    name: str
    """A name that no sibling has."""
    parentId: str | None
    """The stream to move it to; `None` makes it a root."""
    clientData: Mapping[str, Any] | None
    """The keys to change; the value `None` removes a key, all others stay."""
    trashed: bool | None
    """`False` takes the stream out of the trash."""


class _StreamTreeRequired(TypedDict):
    id: str
    name: str
    """A name that no sibling has."""


class StreamTree(_StreamTreeRequired, total=False):
    """A stream that an app needs, with its children."""

    parentId: str | None
    """The existing stream to put the topmost stream of a tree into. By default it is a root."""
    clientData: Mapping[str, Any] | None
    """Data of apps, by their keys, if the stream has to be created."""
    children: Sequence[StreamTree]


class StreamsParams(TypedDict, total=False):
    """The parameters of `streams.get`."""

    parentId: str
    """Return only the streams below this one."""
    id: str
    """Return only this stream and the streams below it."""
    state: Literal["default", "all"]
    """By default, streams in the trash are left out."""
    includeDeletionsSince: Time
    """Return the deletions since this time, too."""


# ---- accesses


class Permission(TypedDict, total=False):
    """A permission of an access: `level` on a stream (and its children), or a `feature` with its `setting`."""

    streamId: str
    """The stream; `*` means all."""
    level: Level
    defaultName: str
    """The name of the stream, if a request has to create it."""
    feature: str
    """Such as `selfRevoke`."""
    setting: str
    """`forbidden` or `allowed`."""


class _AccessRequired(TypedDict):
    id: str
    token: str
    type: AccessType
    name: str
    created: Timestamp
    createdBy: str
    modified: Timestamp
    modifiedBy: str
    apiEndpoint: str
    """The API endpoint, which contains the token. It is a secret; a deleted access has none."""
    permissions: list[Permission]
    """For a personal access, the key is missing."""


class Access(_AccessRequired, total=False):
    """An access; `id` is `base` or `base:serial`. Holds the token: keep it out of logs."""

    deviceName: str | None
    lastUsed: Timestamp
    expires: Timestamp
    clientData: dict[str, Any]
    """Data of apps, by their keys."""
    alias: str | None
    """A name that replaces the username in `apiEndpoint`."""
    deleted: Timestamp
    """For a deleted access only."""
    integrity: str


class _AccessCreateRequired(TypedDict):
    name: str
    """A name that no access of the same type and device has; for an app access, the app's id."""
    permissions: Sequence[Permission | Untyped]


class AccessCreate(_AccessCreateRequired, total=False):
    """An access to create."""

    type: Literal["app", "shared"]
    """By default `shared`."""
    deviceName: str | None
    """For an app access only."""
    expireAfter: SupportsFloat
    """Seconds from now until it expires; by default never."""
    clientData: Mapping[str, Any]
    """Data of apps, by their keys."""
    token: str
    """By default made by the platform."""
    randomAlias: bool
    """Whether another name replaces the username in the API endpoint."""


class AccessUpdate(TypedDict, total=False):
    """Changes to an access: the members to replace."""

    name: str
    deviceName: str | None
    permissions: Sequence[Permission | Untyped]
    expireAfter: SupportsFloat
    """Seconds from now until it expires."""
    expires: None
    """`None` removes the expiry."""
    clientData: Mapping[str, Any] | None
    """The keys to change; the value `None` removes a key, all others stay."""


class AccessesParams(TypedDict, total=False):
    """The parameters of `accesses.get`."""

    includeExpired: bool
    """Return expired accesses, too."""
    includeDeletions: bool
    """Return deleted accesses, too; they have `deleted`."""


class User(TypedDict, total=False):
    """The account an access belongs to."""

    username: str


class AccessInfo(Access, total=False):
    """An access as `access-info` returns it: with its `user`, and in `calls` the number of calls of each method."""

    user: User
    calls: dict[str, int]


class _AccessWithHistoryRequired(TypedDict):
    access: Access
    history: list[Access]


class AccessWithHistory(_AccessWithHistoryRequired, total=False):
    """An access with its former versions, oldest first; `current` is the latest id if another one was requested."""

    current: str


class _AppCheckRequestRequired(TypedDict):
    requestingAppId: str
    requestedPermissions: Sequence[Permission | Untyped]


class AppCheckRequest(_AppCheckRequestRequired, total=False):
    """The permissions that an app would request."""

    deviceName: str
    clientData: Mapping[str, Any]


class AppCheck(TypedDict, total=False):
    """The comparison of an app's access with a request."""

    matchingAccess: Access
    """The app's access, if it has all requested permissions."""
    mismatchingAccess: Access
    """The app's access, if it lacks a requested permission."""
    checkedPermissions: list[Permission]
    """The requested permissions, with the names of existing streams, or free names for new ones."""
    error: ErrorBody
    """A notice that names of streams were taken, and are changed in `checkedPermissions`."""


# ---- account


class EmailAddress(TypedDict):
    """An e-mail address of an account."""

    value: str
    primary: bool
    """Whether the platform sends mails to it."""
    status: Literal["verified", "pending"]
    """`pending` until `Service.verify_email`."""
    verifiedAt: Timestamp | None
    verificationMethod: str | None


class StorageUsed(TypedDict):
    """The storage that an account uses."""

    dbDocuments: int
    """The number of bytes, or of items, in the database."""
    attachedFiles: int
    """The bytes of attached files."""


class _AccountInfoRequired(TypedDict):
    username: str
    email: str
    language: str


class AccountInfo(_AccountInfoRequired, total=False):
    """The data of an account.

    See `Account information <https://pryv.github.io/reference/#account-information>`__ in the API reference.
    """

    storageUsed: StorageUsed
    emails: list[EmailAddress]


class EmailChanges(TypedDict, total=False):
    """Changes to the e-mail addresses of an account: up to 20 in each list."""

    add: Sequence[str]
    """New addresses. The platform sends a token to each, for `Service.verify_email`."""
    remove: Sequence[str]
    setPrimary: str
    """A verified address."""
    resend: Sequence[str]
    """Addresses to which the token is sent again."""


class AccountUpdate(TypedDict, total=False):
    """Changes to an account."""

    email: str
    """Replaces the primary address."""
    language: str
    """A two-letter code."""
    emails: EmailChanges | Untyped


class UsernameChange(TypedDict):
    """The result of a change of the username."""

    account: AccountInfo
    usernameChangesRemaining: int


class UsernameChanges(TypedDict):
    """The numbers of changes of the username: made so far, allowed, and left."""

    usernameChangesUsed: int
    usernameChangesLimit: int
    usernameChangesRemaining: int


# ---- webhooks


class WebhookScope(TypedDict, total=False):
    """Changes that a webhook is called for."""

    kind: Literal["events", "streams"]
    """By default `events`."""
    query: EventsParams | Untyped
    """Only changes of these events, or streams; a query without times, `skip` and `limit`."""


class WebhookRun(TypedDict):
    """One call of a webhook."""

    status: int
    """The HTTP status of the response; 0 if there was none."""
    timestamp: Timestamp


class _WebhookRequired(TypedDict):
    id: str
    accessId: str
    url: str
    state: Literal["active", "inactive"]
    runCount: int
    failCount: int
    lastRun: WebhookRun
    runs: list[WebhookRun]
    currentRetries: int
    maxRetries: int
    minIntervalMs: int
    created: Timestamp
    createdBy: str
    modified: Timestamp
    modifiedBy: str


class Webhook(_WebhookRequired, total=False):
    """A URL that the platform calls when the account changes."""

    scopes: dict[str, WebhookScope]
    """The changes it is called for, by their keys; by default all."""


class WebhookUpdate(TypedDict, total=False):
    """Changes to a webhook: the members to replace."""

    state: Literal["active", "inactive"]
    """`active` activates it again after too many failures."""
    scopes: Mapping[str, WebhookScope | Untyped]
    """The changes it is called for, by their keys."""


# ---- shared secrets


class _SharedSecretStatusRequired(TypedDict):
    status: Literal["pending", "consumed", "discarded"]
    time: Timestamp


class SharedSecretStatus(_SharedSecretStatusRequired, total=False):
    """A status of a shared secret, from a time on."""

    info: str
    """Why it was discarded."""


# ---- platforms, and what all share


class _DeletionRequired(TypedDict):
    id: str


class Deletion(_DeletionRequired, total=False):
    """The deletion of a stream, access or webhook."""

    deleted: Timestamp


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


class AuthRequest(TypedDict, total=False):
    """A request of an app for access to an account.

    See `Auth request <https://pryv.github.io/reference/#auth-request>`__ in the API reference.
    """

    requestingAppId: str
    """The app's id, of 6 characters at least."""
    requestedPermissions: list[Permission]
    languageCode: str
    """The language of the page, a two-letter code."""
    returnURL: str | Literal[False] | None
    referer: str
    clientData: Mapping[str, Any]
    """Data of apps, by their keys, for the access."""
    deviceName: str
    expireAfter: SupportsFloat
    """Seconds until the access expires; by default never."""
    serviceInfo: Mapping[str, Any]


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
