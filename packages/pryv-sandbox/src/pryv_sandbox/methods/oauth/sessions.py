"""The sessions of clients; each has an access."""

from __future__ import annotations

from pryv_sandbox.methods import accesses
from pryv_sandbox.model.ids import new_id, new_token
from pryv_sandbox.model.oauth import Permission
from pryv_sandbox.model.tracking import tracked
from pryv_sandbox.state import accesses as stored
from pryv_sandbox.state.accesses import Doc
from pryv_sandbox.state.changes import Change
from pryv_sandbox.state.oauth import Grant
from pryv_sandbox.state.platform import Platform
from pryv_sandbox.state.users import User

SELF_REVOKE = {"feature": "selfRevoke", "setting": "allowed"}
"""What the permissions of a session always have."""


def open_session(
    platform: Platform,
    user: User,
    client_id: str,
    permissions: list[Permission],
    author: str,
    now: float,
    key: str | None = None,
) -> Doc:
    """The access of a new session; its token may be bound to a key."""
    doc = {
        "id": new_id(),
        "token": new_token(),
        "name": f"oauth:{client_id}",
        "type": "app",
        "deviceName": f"oauth-session-{new_id()}",
        "permissions": [{name: entry[name] for name in sorted(entry)} for entry in permissions],
        "expires": now + platform.settings.oauth.access_lifetime,
        **({"clientData": {"dpop": {"jkt": key}}} if key else {}),
        **tracked(author, now),
    }
    doc = stored.save(platform, user, doc)
    platform.publish(Change(user.key, "accesses", "create", stored.versioned(doc)))
    return doc


def end_sessions(platform: Platform, grant: Grant) -> None:
    """Revoke the consent, and delete all sessions of the client with the accesses that they created."""
    user = platform.users.read(grant.user)
    sessions = stored.select(
        platform, user, "deleted IS NULL AND type = 'app' AND name = ?", f"oauth:{grant.client_id}"
    )
    made = [doc for session in sessions for doc in stored.created_by(platform, user, session["id"])]
    consent = stored.find(platform, user, grant.consent_id)
    accesses.remove(platform, user, [*([consent] if consent else []), *sessions, *made])
