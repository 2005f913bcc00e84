"""The progress of a monitor."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Final

import attrs

from pryv_monitor._json import decode, encode
from pryv_monitor.errors import AnchorCorruptError, AnchorError

VERSION: Final = 1


@attrs.frozen
class Identity:
    """The identity of an account and an access.

    Attributes:
        platform: The host of the platform's register.
        access: The id of the access, without the serial number of its version; of an OAuth session, whose access is
            replaced by each refresh, the client and the user.
        user: Digest of the platform and the username.
    """

    platform: str
    access: str
    user: str


@attrs.frozen
class Anchor:
    """The progress of a monitor in one scope of one account. It contains no secret.

    Anchors are compared without `begun`, `latest` and `changes`, which describe the last pass.

    Attributes:
        scope: Digest of the parameters of the scope.
        since: The platform's time, in seconds, from which the next pass reads changes: a time that was known before the
            last complete pass (while there is none, the first one) read them. A full reading keeps it until it is
            complete, because the deletions since then are reported only by the list of changes.
        reached: During a full reading: the event time, in seconds, before which all events were read. Otherwise `None`.
        generation: The number of full reads that were begun.
        synced: The local time, in seconds, when the last complete pass ended.
        begun: The local time, in seconds, when the last complete pass began.
        latest: The platform's time, in seconds, in the last response of the last complete pass. The next pass reads
            later than that, so it can set `since` to it.
        changes: The number of events and deletions that the last complete pass read.
        refused: The local time, in seconds, when the platform last did not respond properly to a pass that reads with
            one request; `None` if it never did that.
        streams: Digest of the streams delivered last.
        remembered: The changes delivered that the next pass reads again: digests, with the time of each in seconds.
        began: The platform's time, in seconds, when the last full reading began.
        delivering: Whether changes may have been delivered after this anchor, in a pass that was not committed.
        by_stream: Whether the scope names streams: a stream that is moved may enter or leave it.
        identity: Identifies the account; `None` if the platform does not report it.
        credentials: Digest of the endpoint and the token of the last pass, keyed with the token.
    """

    scope: str
    since: float
    reached: float | None = None
    generation: int = 1
    synced: float | None = None
    begun: float | None = attrs.field(default=None, eq=False)
    streams: str | None = None
    remembered: Mapping[str, float] = attrs.field(factory=dict, repr=False)
    began: float = attrs.field(default=attrs.Factory(lambda anchor: anchor.since, takes_self=True))
    latest: float = attrs.field(default=attrs.Factory(lambda anchor: anchor.since, takes_self=True), eq=False)
    changes: int = attrs.field(default=0, eq=False)
    refused: float | None = None
    delivering: bool = False
    by_stream: bool = False
    identity: Identity | None = None
    credentials: str = attrs.field(default="", repr=False)

    def dumps(self) -> str:
        """Return the anchor as text, with a version and a checksum."""
        body = encode(attrs.asdict(self))
        return encode({"version": VERSION, "checksum": _checksum(body), "anchor": body})

    @classmethod
    def loads(cls, text: str) -> Anchor:
        """Return the anchor in a text.

        Raises:
            AnchorCorruptError: the text is not one that `dumps` returned.
            AnchorError: a later version wrote it, or a version before the first release.
        """
        try:
            fields = _checked(text)
            if fields is not None:
                identity = fields.pop("identity", None)
                return cls(**fields, identity=identity and Identity(**identity))
        except (ValueError, TypeError, RecursionError):
            pass
        raise AnchorCorruptError("the anchor is damaged; reset it to start over")


def _checked(text: str) -> dict[str, Any] | None:
    outer = decode(text)
    if not isinstance(outer, dict) or not isinstance(outer.get("anchor"), str):
        return None
    if outer.get("checksum") != _checksum(outer["anchor"]):
        return None
    if outer.get("version") != VERSION:
        raise AnchorError(f"the anchor is of version {outer.get('version')}, this package knows version {VERSION}")
    fields: dict[str, Any] = decode(outer["anchor"])
    if "round" in fields:
        raise AnchorError("the anchor was made before the first release of pryv-monitor; reset it to start over")
    return fields


def _checksum(body: str) -> str:
    return hashlib.sha256(body.encode()).hexdigest()
