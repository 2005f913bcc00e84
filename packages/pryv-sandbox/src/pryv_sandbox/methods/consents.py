"""Consents: what a requester offers, and the access that stands for a person's consent to it.

Of the platform's consent requests there is what OAuth 2 needs: a request with an open link can be made, and accepted.
"""

from __future__ import annotations

import json
import re
import secrets
from dataclasses import asdict, dataclass, field
from typing import Any
from urllib.parse import urlsplit

from pryv_sandbox.model.endpoints import api_endpoint
from pryv_sandbox.model.ids import new_id, new_token
from pryv_sandbox.model.oauth import MOST_PERMISSIONS, OAuthError, Permission
from pryv_sandbox.model.system_streams import CMC_APPS
from pryv_sandbox.model.tracking import tracked
from pryv_sandbox.state import accesses as stored
from pryv_sandbox.state.accesses import Doc
from pryv_sandbox.state.changes import Change
from pryv_sandbox.state.oauth import Client
from pryv_sandbox.state.platform import Platform
from pryv_sandbox.state.users import User

REQUEST_TYPE = "consent/request-cmc"
_INBOX = ":_cmc:inbox"
_LIFETIME = 7 * 24 * 3600
_RANKED = ("none", "read", "create-only", "contribute", "manage")


def is_request(event: dict[str, Any]) -> bool:
    """Whether an event is a consent request that asks for a link by which it can be accepted."""
    content = event.get("content")
    asks = isinstance(content, dict) and content.get("capabilityRequested") is True
    return asks and event["type"] == REQUEST_TYPE and event["streamIds"][0].startswith(f"{CMC_APPS}:")


def with_capability(platform: Platform, user: User, event: dict[str, Any], base_url: str) -> dict[str, Any]:
    """The content of a new consent request, with its link."""
    token, now = new_token(), platform.clock.now()
    access = stored.save(
        platform,
        user,
        {
            "id": new_id(),
            "token": token,
            "name": f"__cmc-cap-{secrets.token_urlsafe(6)}",
            "type": "shared",
            "permissions": [{"level": "read", "streamId": stream_id} for stream_id in event["streamIds"]],
            "deviceName": None,
            **tracked("system", now),
        },
    )
    platform.db.execute("INSERT INTO capabilities VALUES (?, ?, ?, ?)", (token, user.key, event["id"], new_id()))
    return {
        **event["content"],
        "capabilityUrl": api_endpoint(base_url, token, user.username),
        "capabilityExpiresAt": int(now) + _LIFETIME,
        "capabilityAccessId": access["id"],
        "capabilityId": secrets.token_urlsafe(16),
        "status": "pending",
    }


# ---- offers


@dataclass(frozen=True)
class Offer:
    """What a client asks for.

    Attributes:
        requester: the username of whoever asks; of offers without a consent request, the client's id.
        id: the id of the consent request; if there is none, the offer can be accepted any number of times.
        stream: the stream of the requester's app.
    """

    name: str
    permissions: list[Permission]
    may_choose: bool
    requester: str
    app_id: str
    stream: str
    id: str | None = None
    texts: dict[str, Any] = field(default_factory=dict)

    def public(self) -> dict[str, Any]:
        """The offer as JSON."""
        return asdict(self)


def resolve(platform: Platform, client: Client, name: str) -> Offer:
    """An offer of a client.

    Raises:
        OAuthError: ``invalid_scope``, if it is not there, or is too large.
    """
    offered = client.offers[name]
    if isinstance(offered, str):
        offer = _requested(platform, name, offered)
    else:
        permissions, may_choose = offered
        offer = Offer(
            name, permissions, may_choose, client.client_id, client.client_id, f"{CMC_APPS}:{client.client_id}"
        )
    count = len(offer.permissions)
    if count > MOST_PERMISSIONS:
        message = f'offer "{name}" carries too many permission entries ({count} > {MOST_PERMISSIONS})'
        raise OAuthError("invalid_scope", message)
    return offer


def _requested(platform: Platform, name: str, capability_url: str) -> Offer:
    token = urlsplit(capability_url).username
    row = platform.db.execute(
        "SELECT username, offer, doc FROM capabilities JOIN users ON users.key = capabilities.user JOIN events"
        " ON events.user = capabilities.user AND events.id = capabilities.event WHERE token = ?",
        (token,),
    ).fetchone()
    if row is None:
        message = f'offer "{name}" cannot be resolved: cmc/accept: capability events.get failed: 403'
        raise OAuthError("invalid_scope", message)
    requester, offer_id, doc = row
    event = json.loads(doc)
    request = event["content"]["request"]
    return Offer(
        name,
        request["permissions"],
        request.get("allowUserChoice") is True,
        requester,
        event["content"]["requesterMeta"]["appId"],
        event["streamIds"][0],
        offer_id,
        {key: request[key] for key in ("title", "description", "consent") if key in request},
    )


# ---- consent


def consent(platform: Platform, user: User, offer: Offer, kept: list[Permission], url: str) -> Doc:
    """The access that stands for the user's consent, which grants at least these permissions.

    Raises:
        OAuthError: ``server_error``, if the consent was given before and then deleted, as on the real platform.
    """
    host = urlsplit(url).netloc
    name = f"cmc:{offer.app_id}:{offer.requester}@{host}"
    existing = stored.select(platform, user, "deleted IS NULL AND name = ?", name)
    if existing:
        return _widened(platform, user, existing[0], kept)
    _accept_once(platform, user, offer)
    now = platform.clock.now()
    theirs, own = _partner(offer.requester, url), _partner(user.username, url)
    back_channel = api_endpoint(url, new_token(), offer.requester)
    counterparty = {
        "host": host,
        "username": offer.requester,
        "apiEndpoint": back_channel,
        "remoteChatStreamId": f"{offer.stream}:chats:{own}",
        "remoteCollectorStreamId": f"{offer.stream}:collectors:{own}",
    }
    cmc = {
        "role": "counterparty",
        "appCode": offer.app_id,
        "features": None,
        "counterparty": counterparty,
        "offerEventId": offer.id or new_id(),
        "acceptEventId": new_id(),
        "scopeStreamId": offer.stream,
        "backChannelApiEndpoint": back_channel,
    }
    doc = {
        "id": new_id(),
        "token": new_token(),
        "name": name,
        "type": "shared",
        "permissions": [
            *(_sorted(entry) for entry in kept),
            {"level": "create-only", "streamId": _INBOX},
            {"level": "contribute", "streamId": f"{offer.stream}:chats:{theirs}"},
            {"level": "contribute", "streamId": f"{offer.stream}:collectors:{theirs}"},
        ],
        "clientData": {"cmc": cmc},
        **tracked("system", now),
        "deviceName": None,
    }
    doc = stored.save(platform, user, doc)
    platform.db.execute("UPDATE accesses SET last_used = ? WHERE user = ? AND id = ?", (now, user.key, doc["id"]))
    platform.publish(Change(user.key, "accesses", "create", stored.versioned(doc)))
    return doc


def _accept_once(platform: Platform, user: User, offer: Offer) -> None:
    if offer.id is None:
        return
    cursor = platform.db.execute("INSERT OR IGNORE INTO accepted_offers VALUES (?, ?)", (user.key, offer.id))
    if not cursor.rowcount:
        raise OAuthError("server_error", "failed to create access", 500)


def _widened(platform: Platform, user: User, doc: Doc, kept: list[Permission]) -> Doc:
    """The access of an earlier consent, with the permissions that it lacks."""
    permissions = {_key(entry): entry for entry in doc["permissions"]}
    for entry in kept:
        before = permissions.get(_key(entry))
        if before is None or _RANKED.index(entry.get("level", "none")) > _RANKED.index(before.get("level", "none")):
            permissions[_key(entry)] = _sorted(entry)
    if list(permissions.values()) == doc["permissions"]:
        return doc
    changed = {**doc, "permissions": list(permissions.values()), "modified": platform.clock.now()}
    return stored.save(platform, user, changed)


def _key(entry: Permission) -> str:
    return str(entry.get("streamId") or entry.get("feature"))


def _sorted(entry: Permission) -> Permission:
    return {key: entry[key] for key in sorted(entry)}


def _partner(username: str, url: str) -> str:
    """The name of a partner in the ids of streams."""
    return f"{username}--{re.sub('[^a-z0-9]+', '-', urlsplit(url).hostname or '')}"
