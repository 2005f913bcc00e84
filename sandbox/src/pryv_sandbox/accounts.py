"""Accounts: registration, login and logout."""

from __future__ import annotations

import json
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pryv_sandbox import passwords, second_factor
from pryv_sandbox.api import Context, Methods, Result
from pryv_sandbox.errors import (
    already_exists,
    invalid_access_token,
    invalid_credentials,
    invalid_operation,
    invalid_parameters,
)
from pryv_sandbox.ids import new_id, new_token
from pryv_sandbox.schemas import OBJECT, STRING
from pryv_sandbox.validation import Validator

if TYPE_CHECKING:
    from pryv_sandbox.platform import Platform

methods = Methods()

_USERNAME = {"type": ["string"], "pattern": "^[a-z0-9][a-z0-9-]{3,58}[a-z0-9]$"}
_REGISTRATION = Validator(
    {
        "type": ["object"],
        "required": ["password", "appId", "email"],
        "properties": {
            "username": _USERNAME,
            "password": {"type": ["string"], "minLength": 6, "maxLength": 100},
            "email": {"type": ["string"], "maxLength": 300},
            "appId": {"type": ["string"], "minLength": 6, "maxLength": 99},
            "invitationToken": STRING,
            "referer": {"type": ["string", "null"], "minLength": 1, "maxLength": 99},
            "language": {"type": ["string"], "minLength": 1, "maxLength": 5},
        },
    }
)
_OWN_PATHS = ("access", "assets", "event-types", "users")
"""Names that would hide the platform's own paths."""

_RESERVED = """
account accounts admin administrator anonymous audit backup billing callback config contact database default developer
documentation download email event group guest health hosting image images javascript login logout manager message
mobile moderator monitor oauth official owner password payment postmaster privacy private profile public register
registration sandbox search security server service services session settings signin signup staging static status
store stream support sysadmin system terms testing token update upload username webmaster website
"""
"""Names of a platform's parts and roles. open-pryv.io reserves some 120,000 words, these among them: see
``components/platform/src/reserved-words.json`` at https://github.com/pryv/open-pryv.io."""

_NAMED = Validator({"required": ["username"]})
_WELL_NAMED = Validator({"properties": {"username": _USERNAME}})
_REQUIRED = {
    "username": ("username-required", "Username is required"),
    "password": ("password-required", "Password is required"),
    "appId": ("appid-invalid", "Missing required field: appId"),
    "email": ("email-required", "Email is required"),
}
_INVALID = {
    "username": (
        "username-invalid",
        "Username should have between 5 and 60 characters and contain lowercase letters or numbers or dashes",
    ),
    "password": ("password-invalid", "Password should have between 5 and 23 characters"),
    "email": ("email-invalid", "Invalid email"),
    "appId": ("appid-invalid", "Invalid app Id"),
    "invitationToken": ("invitationToken-invalid", "Invalid invitation token"),
    "referer": ("referer-invalid", "Invalid referer"),
    "language": ("language-invalid", "Invalid language"),
}


@dataclass(frozen=True)
class User:
    """An account's owner."""

    key: int
    username: str
    email: str
    language: str
    attached_files: int
    has_second_factor: bool


_USER = "SELECT key, username, email, language, attached_files, mfa FROM users WHERE "


def find(platform: Platform, username: str) -> User | None:
    """The user with this name."""
    row = platform.db.execute(_USER + "username = ?", (username,)).fetchone()
    return User(*row) if row else None


def every(platform: Platform) -> list[User]:
    """All users."""
    return [User(*row) for row in platform.db.execute(_USER + "true").fetchall()]


def find_by_email(platform: Platform, email: str) -> User | None:
    """The user with this e-mail address."""
    row = platform.db.execute(_USER + "email = ?", (email,)).fetchone()
    return User(*row) if row else None


def _registration_problem(problem: dict[str, Any]) -> dict[str, Any]:
    missing = problem["code"] == "OBJECT_MISSING_REQUIRED_PROPERTY"
    param = problem["params"][0] if missing else problem["path"].removeprefix("#/")
    code, message = (_REQUIRED if missing else _INVALID)[param]
    return {"code": code, "message": message, "path": problem["path"], "param": param}


def _check_registration(schema: Validator, params: dict[str, Any]) -> None:
    problems = schema.problems(params)
    if problems:
        raise invalid_parameters([_registration_problem(problem) for problem in problems])


def is_taken(platform: Platform, username: str) -> bool:
    """Whether there is an account with this name.

    Raises:
        ApiError: if no account could have it.
    """
    _check_registration(_WELL_NAMED, {"username": username})
    return find(platform, username) is not None


def is_reserved(username: str) -> bool:
    """Whether nobody can have this name."""
    return username.startswith("pryv") or username in (*_OWN_PATHS, *_RESERVED.split())


async def register(platform: Platform, params: dict[str, Any]) -> tuple[User, str]:
    """Open an account, with a first session.

    Returns:
        The user and the session's token.

    Raises:
        ApiError: if the parameters are not valid, or the username or e-mail address is taken, or the username reserved.
    """
    # A missing username is only noticed once the rest is in order.
    _check_registration(_REGISTRATION, params)
    _check_registration(_NAMED, params)
    username, email = params["username"], params["email"]
    if is_reserved(username):
        raise already_exists("user", {"username": username})
    taken = {}
    if find(platform, username):
        taken["username"] = username
    if find_by_email(platform, email):
        taken["email"] = email
    if taken:
        raise already_exists("user", taken)
    platform.db.execute(
        "INSERT INTO users (username, email, language, password) VALUES (?, ?, ?, ?)",
        (username, email, params.get("language", "en"), passwords.hash_password(params["password"])),
    )
    user = find(platform, username)
    assert user  # noqa: S101
    return user, open_session(platform, user, params["appId"])


def open_session(platform: Platform, user: User, app_id: str) -> str:
    """The token of this app's session, which goes on if it is still open, and of its personal access."""
    now = platform.clock.now()
    row = platform.db.execute(
        "SELECT token FROM sessions WHERE user = ? AND app_id = ? AND expires > ?", (user.key, app_id, now)
    ).fetchone()
    token: str = row[0] if row else new_token()
    platform.db.execute(
        "INSERT OR REPLACE INTO sessions VALUES (?, ?, ?, ?)",
        (token, user.key, app_id, now + platform.settings.session_lifetime),
    )
    _save_personal_access(platform, user, app_id, token, now)
    platform.forget(user)
    return token


def _save_personal_access(platform: Platform, user: User, app_id: str, token: str, now: float) -> None:
    row = platform.db.execute(
        "SELECT doc FROM accesses WHERE user = ? AND type = 'personal' AND name = ? AND deleted IS NULL",
        (user.key, app_id),
    ).fetchone()
    doc = (
        json.loads(row[0])
        if row
        else {
            "id": new_id(),
            "type": "personal",
            "name": app_id,
            "created": now,
            "createdBy": "system",
        }
    )
    doc.update(token=token, modified=now, modifiedBy="system")
    platform.db.execute(
        "INSERT INTO accesses (user, id, token, type, name, doc) VALUES (?, ?, ?, 'personal', ?, ?)"
        " ON CONFLICT DO UPDATE SET token = excluded.token, doc = excluded.doc",
        (user.key, doc["id"], token, app_id, json.dumps(doc)),
    )


def check_session(platform: Platform, token: str) -> None:
    """Keep the session of a personal token alive.

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


def password_matches(platform: Platform, user: User, password: str) -> bool:
    """Whether the password is this user's."""
    (hashed,) = platform.db.execute("SELECT password FROM users WHERE key = ?", (user.key,)).fetchone()
    return passwords.matches(password, hashed)


def check_trusted(context: Context, origin: str) -> None:
    """Refuse a password from a page that is not trusted.

    Raises:
        ApiError: ``invalid-credentials``.
    """
    trusted = (urlsplit(context.base_url).hostname or "", *context.platform.settings.trusted_hosts)
    host = urlsplit(origin).hostname or ""
    if origin and not any(fnmatchcase(host, pattern) for pattern in trusted):
        raise invalid_credentials('The app id ("appId") is either missing or not trusted.')


_LOGIN = {
    "type": ["object"],
    "required": ["username", "password", "appId"],
    "properties": {"username": STRING, "password": STRING, "appId": STRING, "origin": STRING},
}


@methods.declare("auth.login", _LOGIN, public=True)
async def _login(context: Context, params: dict[str, Any]) -> Result:
    platform, user = context.platform, context.user
    check_trusted(context, params.get("origin", ""))
    if params["username"].lower() != user.username:
        raise invalid_operation("The username in the path does not match that of the credentials.")
    if not password_matches(platform, user, params["password"]):
        raise invalid_credentials()
    token = open_session(platform, user, params["appId"])
    context.check_no_access()
    if user.has_second_factor:
        return {"mfaToken": second_factor.hold(platform, user, token)}
    return {"token": token, "apiEndpoint": context.api_endpoint(token), "preferredLanguage": user.language}


@methods.declare("auth.logout", OBJECT)
async def _logout(context: Context, params: dict[str, Any]) -> Result:
    context.platform.db.execute("DELETE FROM sessions WHERE token = ?", (context.access.token,))
    return {}
