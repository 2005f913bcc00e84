"""The profile sets of accounts: an object for each name."""

from __future__ import annotations

import json
from typing import Any

from pryv_sandbox.model.merging import merged
from pryv_sandbox.state.platform import Platform
from pryv_sandbox.state.users import User


def read_profile(platform: Platform, user: User, name: str) -> dict[str, Any]:
    """A profile set of a user; empty at first."""
    row = platform.db.execute("SELECT doc FROM profiles WHERE user = ? AND id = ?", (user.key, name)).fetchone()
    profile: dict[str, Any] = json.loads(row[0]) if row else {}
    return profile


def change_profile(platform: Platform, user: User, name: str, update: dict[str, Any]) -> dict[str, Any]:
    """Set the given keys of a profile set, remove those that are null, and return it."""
    profile = merged(read_profile(platform, user, name), update)
    platform.db.execute("INSERT OR REPLACE INTO profiles VALUES (?, ?, ?)", (user.key, name, json.dumps(profile)))
    return profile
