"""The sessions of users; each has a personal access with its token."""

from __future__ import annotations

import json

from pryv_sandbox.model.errors import invalid_access_token
from pryv_sandbox.model.ids import new_id, new_token
from pryv_sandbox.state.accesses import save
from pryv_sandbox.state.platform import Platform
from pryv_sandbox.state.users import User


def open_session(platform: Platform, user: User, app_id: str) -> str:
    """Open a session of an app, or continue one that is open under the same username; returns its token."""
    now = platform.clock.now()
    row = platform.db.execute(
        "SELECT token FROM sessions WHERE username = ? AND app_id = ? AND expires > ?", (user.username, app_id, now)
    ).fetchone()
    token: str = row[0] if row else new_token()
    platform.db.execute(
        "INSERT OR REPLACE INTO sessions VALUES (?, ?, ?, ?, ?)",
        (token, user.key, user.username, app_id, now + platform.settings.session_lifetime),
    )
    _save_personal_access(platform, user, app_id, token, now)
    return token


def _save_personal_access(platform: Platform, user: User, app_id: str, token: str, now: float) -> None:
    row = platform.db.execute(
        "SELECT doc FROM accesses WHERE user = ? AND type = 'personal' AND name = ? AND deleted IS NULL",
        (user.key, app_id),
    ).fetchone()
    doc = json.loads(row[0]) if row else {"id": new_id(), "type": "personal", "name": app_id}
    made = {"created": now, "createdBy": "system"}
    # A former token stays valid while it is cached, as on the real platform.
    save(platform, user, {**made, **doc, "token": token, "modified": now, "modifiedBy": "system"}, forget=False)


def check_session(platform: Platform, token: str) -> None:
    """Extend the session of a personal token.

    Raises:
        ApiError: if it has ended.
    """
    now = platform.clock.now()
    alive = platform.db.execute(
        "UPDATE sessions SET expires = ? WHERE token = ? AND expires > ?",
        (now + platform.settings.session_lifetime, token, now),
    ).rowcount
    if not alive:
        raise invalid_access_token("Access session has expired.", 403)
