"""Deletion of an account, by its owner."""

from __future__ import annotations

import json

from pryv_sandbox.methods import webhooks
from pryv_sandbox.methods.calls import Context
from pryv_sandbox.model.errors import invalid_access_token
from pryv_sandbox.state.changes import Change

_TABLES_OF_EVENTS = ("event_versions", "event_streams", "points", "series_ends")
_TABLES_OF_USERS = (
    *("events", "streams", "profiles", "webhooks", "access_versions", "accesses", "sessions", "mfa_sessions"),
    *("password_resets", "emails", "former_usernames", "capabilities", "accepted_offers"),
    "oauth_tokens",
)


def delete_account(context: Context) -> None:
    """Delete an account with all its data; sockets that are open are closed.

    Raises:
        ApiError: if the access is not the owner's.
    """
    platform, user = context.platform, context.user
    if not context.access.is_personal:
        raise invalid_access_token("Cannot find access from token.", 403)
    for webhook in webhooks.select(platform, user):
        webhooks.delete_of_access(platform, user, webhook["accessId"])
    attached = platform.db.execute("SELECT doc FROM events WHERE user = ? AND attached", (user.key,)).fetchall()
    with platform.transaction():
        for table in _TABLES_OF_EVENTS:
            platform.db.execute(
                f"DELETE FROM {table} WHERE event IN (SELECT key FROM events WHERE user = ?)", (user.key,)
            )
        for table in _TABLES_OF_USERS:
            platform.db.execute(f"DELETE FROM {table} WHERE user = ?", (user.key,))
        platform.db.execute("DELETE FROM users WHERE key = ?", (user.key,))
    for (doc,) in attached:
        platform.files.remove(json.loads(doc)["attachments"])
    platform.forget(user)
    platform.publish(Change(user.key, "accesses", "delete", {}))
