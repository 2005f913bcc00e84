"""Accesses: tokens with permissions, for apps and for sharing."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pryv_sandbox.access import Access
from pryv_sandbox.api import Context, Methods, Result
from pryv_sandbox.errors import forbidden, invalid_access_token

if TYPE_CHECKING:
    from pryv_sandbox.accounts import User
    from pryv_sandbox.platform import Platform

methods = Methods()


def find_by_token(platform: Platform, user: User, token: str) -> Access:
    """The access with this token.

    Raises:
        ApiError: if there is none.
    """
    row = platform.db.execute(
        "SELECT doc FROM accesses WHERE user = ? AND token = ? AND deleted IS NULL", (user.key, token)
    ).fetchone()
    if row is None:
        raise invalid_access_token("Cannot find access from token.", 403)
    return Access(json.loads(row[0]), platform.tree(user))


def check_valid(platform: Platform, access: Access) -> None:
    """Refuse an access that has expired.

    Raises:
        ApiError: if it has.
    """
    expires = access.doc.get("expires")
    if expires is not None and platform.clock.now() > expires:
        raise forbidden("Access has expired.")


@methods.declare("getAccessInfo", {"type": ["object"]})
async def _info(context: Context, params: dict[str, Any]) -> Result:
    access = context.access
    info = {key: value for key, value in access.doc.items() if key != "integrity"}
    if not access.is_personal:
        info["permissions"] = access.permissions
    return {**info, "user": {"username": context.user.username}}
