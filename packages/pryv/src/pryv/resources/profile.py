"""The profile sets: data about the user, by keys of your choice."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal, get_args

from pryv._arguments import as_dict
from pryv._display import with_secrets
from pryv._transport.timeouts import DEFAULT, CallTimeout
from pryv.resources._resource import Resource
from pryv.types import Untyped

ProfileName = Literal["public", "private", "app"]
_READ: Final[dict[str, str]] = {"public": "profile.getPublic", "private": "profile.get", "app": "profile.getApp"}
_UPDATE: Final[dict[str, str]] = {"public": "profile.update", "private": "profile.update", "app": "profile.updateApp"}


class Profile(Resource):
    """The profile sets of an account.

    - `public`: any token may read it, a personal one may change it.
    - `private`: a personal token may read and change it.
    - `app`: of the app that the token belongs to; it may read and change it.

    The platform stores a second factor in `private`, under `mfa`. In its `repr`, the recovery codes are masked.
    """

    def _call(self, method: str, verb: str, path: str, timeout: CallTimeout, **content: Any) -> dict[str, Any]:
        result: dict[str, Any] = with_secrets(super()._call(method, verb, path, timeout, **content))
        return result

    def get(self, name: ProfileName, *, timeout: CallTimeout = DEFAULT) -> dict[str, Any]:
        """Return a profile set; it is empty at first.

        See `Profile sets <https://pryv.github.io/reference/#profile-sets>`__ in the API reference.

        Args:
            name: `public`, `private` or `app`.
            timeout: Replaces the connection's timeout.

        Raises:
            ValueError: there is no such profile set.
            ForbiddenError: the token may not read it.
            InvalidParametersError: the name is `app`, and the token is not that of an app (`invalid-operation`).
            PryvError: the call failed; see *Errors and retries*.
        """
        path = _path(name)
        return self._one(dict[str, Any], "profile", _READ[name], "GET", path, timeout)

    def update(
        self, name: ProfileName, changes: Mapping[str, Any] | Untyped, *, timeout: CallTimeout = DEFAULT
    ) -> dict[str, Any]:
        """Change keys of a profile set, and return all of it.

        See `Profile sets <https://pryv.github.io/reference/#profile-sets>`__ in the API reference.

        Args:
            name: `public`, `private` or `app`.
            changes: The new values by their keys; `None` removes a key. Other keys are not changed.
            timeout: Replaces the connection's timeout.

        Raises:
            TypeError: `changes` is not a dict, or a value has no JSON form.
            ValueError: there is no such profile set, or a value has no JSON form.
            ForbiddenError: the token may not change it.
            InvalidParametersError: the name is `app`, and the token is not that of an app (`invalid-operation`).
            PryvError: the call failed; see *Errors and retries*.
        """
        path, data = _path(name), as_dict(changes, "changes")
        return self._one(dict[str, Any], "profile", _UPDATE[name], "PUT", path, timeout, data=data)


def _path(name: str) -> str:
    if name not in get_args(ProfileName):
        raise ValueError(f"a profile set is 'public', 'private' or 'app', not {name!r}")
    return f"profile/{name}"
