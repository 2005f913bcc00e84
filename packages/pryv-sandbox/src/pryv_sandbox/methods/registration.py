"""Registration of accounts."""

from __future__ import annotations

from typing import Any

from pryv_sandbox.methods.schemas import STRING
from pryv_sandbox.model.errors import already_exists, invalid_parameters
from pryv_sandbox.model.validation import Validator
from pryv_sandbox.state.platform import Platform
from pryv_sandbox.state.sessions import open_session
from pryv_sandbox.state.users import User

USERNAME = {"type": ["string"], "pattern": "^[a-z0-9][a-z0-9-]{3,58}[a-z0-9]$"}
_REGISTRATION = Validator(
    {
        "type": ["object"],
        "required": ["password", "appId", "email"],
        "properties": {
            "username": USERNAME,
            "password": {"type": ["string"], "minLength": 6, "maxLength": 100},
            "email": {"type": ["string"], "maxLength": 300},
            "appId": {"type": ["string"], "minLength": 6, "maxLength": 99},
            "invitationToken": STRING,
            "referer": {"type": ["string", "null"], "minLength": 1, "maxLength": 99},
            "language": {"type": ["string"], "minLength": 1, "maxLength": 5},
        },
    }
)
_OWN_PATHS = ("access", "assets", "event-types", "oauth2", "users")
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
_WELL_NAMED = Validator({"properties": {"username": USERNAME}})
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
        ApiError: if the name is not valid.
    """
    _check_registration(_WELL_NAMED, {"username": username})
    return platform.users.find(username) is not None


def is_reserved(username: str) -> bool:
    """Whether nobody can register with this name."""
    return username.startswith("pryv") or username in (*_OWN_PATHS, *_RESERVED.split())


async def register(platform: Platform, params: dict[str, Any]) -> tuple[User, str]:
    """Register an account, and open its first session.

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
    if platform.users.find(username):
        taken["username"] = username
    if platform.users.owner_of_email(email):
        taken["email"] = email
    if taken:
        raise already_exists("user", taken)
    user = platform.users.add(username, email, params.get("language", "en"), params["password"])
    return user, open_session(platform, user, params["appId"])
