"""Accesses: tokens with permissions, for apps and for sharing."""

from __future__ import annotations

from typing import Any, cast

from pryv._arguments import as_dict
from pryv._display import with_secrets
from pryv._transport.timeouts import DEFAULT, CallTimeout
from pryv._transport.urls import path_segment
from pryv.resources._resource import Resource
from pryv.types import (
    Access,
    AccessCreate,
    AccessesParams,
    AccessUpdate,
    AccessWithHistory,
    AppCheck,
    AppCheckRequest,
    Deletion,
    Untyped,
)
from pryv.utils import parse_access_ref

List = list  # which is a method inside the class


class Accesses(Resource):
    """The accesses of an account that the token may see: all, or those that it created.

    In the `repr` of an access, its `token` and `apiEndpoint` are masked; otherwise they are normal strings.
    """

    def _call(self, method: str, verb: str, path: str, timeout: CallTimeout, **content: Any) -> dict[str, Any]:
        result: dict[str, Any] = with_secrets(super()._call(method, verb, path, timeout, **content))
        return result

    def list(self, params: AccessesParams | Untyped | None = None, *, timeout: CallTimeout = DEFAULT) -> List[Access]:
        """Return the accesses, then the deleted ones if they were requested. Accesses contain tokens.

        See `Get accesses <https://pryv.github.io/reference/#get-accesses>`__ in the API reference.

        Args:
            params: The parameters of `accesses.get`.
            timeout: Replaces the connection's timeout.

        Raises:
            TypeError: `params` is not a dict.
            PryvError: the call failed; see *Errors and retries*.
        """
        # The platform takes `includeDeletions=false`, too, for a request of the deletions.
        given = {key: value for key, value in as_dict({} if params is None else params, "params").items() if value}
        return self._all("accesses", "accessDeletions", "accesses.get", "accesses", timeout, given)

    def get(self, id: str, *, timeout: CallTimeout = DEFAULT) -> Access:
        """Return an access, in the version of the id.

        See `Get one access <https://pryv.github.io/reference/#get-one-access>`__ in the API reference.

        Args:
            id: The access's id, `base` or `base:serial`.
            timeout: Replaces the connection's timeout.

        Raises:
            TypeError: `id` is not a string.
            ValueError: `id` is not an access id.
            UnknownResourceError: the access does not exist.
            PryvError: the call failed; see *Errors and retries*.
        """
        return self._one(Access, "access", "accesses.getOne", "GET", _path(id), timeout)

    def get_with_history(self, id: str, *, timeout: CallTimeout = DEFAULT) -> AccessWithHistory:
        """Return an access (or one version of it) with its `history`, the oldest version first.

        See `Get one access <https://pryv.github.io/reference/#get-one-access>`__ in the API reference.

        Args:
            id: The access's id, `base` or `base:serial`.
            timeout: Replaces the connection's timeout.

        Raises:
            TypeError: `id` is not a string.
            ValueError: `id` is not an access id.
            UnknownResourceError: the access does not exist.
            PryvError: the call failed; see *Errors and retries*.
        """
        method = "accesses.getOne"
        params = {"includeHistory": True}
        members = {"access": dict, "history": list}
        return self._with(AccessWithHistory, members, method, "GET", _path(id), timeout, params=params)

    def create(self, access: AccessCreate | Untyped, *, timeout: CallTimeout = DEFAULT) -> Access:
        """Create an access and return it, with its `token` and `apiEndpoint`.

        See `Create access <https://pryv.github.io/reference/#create-access>`__ in the API reference.

        Args:
            access: The access.
            timeout: Replaces the connection's timeout.

        Raises:
            TypeError: `access` is not a dict, or a value has no JSON form.
            ValueError: a value has no JSON form.
            ItemAlreadyExistsError: an access has the same type, name and device, or the same token.
            PryvError: the call failed; see *Errors and retries*.
        """
        data = as_dict(access, "access")
        return self._one(Access, "access", "accesses.create", "POST", "accesses", timeout, data=data)

    def update(self, id: str, changes: AccessUpdate | Untyped, *, timeout: CallTimeout = DEFAULT) -> Access:
        """Change an access and return it, with a new serial in its id.

        See `Update access <https://pryv.github.io/reference/#update-access>`__ in the API reference.

        Args:
            id: The access's current id, with its serial.
            changes: The members to change.
            timeout: Replaces the connection's timeout.

        Raises:
            TypeError: an argument has the wrong type, or a value has no JSON form.
            ValueError: `id` is not an access id, or a value has no JSON form.
            StaleAccessIdError: the access was updated since; `current_serial` is its version.
            PryvError: the call failed; see *Errors and retries*.
        """
        data = as_dict(changes, "changes")
        return self._one(Access, "access", "accesses.update", "PUT", _path(id), timeout, data=data)

    def delete(self, id: str, *, timeout: CallTimeout = DEFAULT) -> Deletion:
        """Delete an access, so that its token is no longer valid, and return the deletion.

        See `Delete access <https://pryv.github.io/reference/#delete-access>`__ in the API reference.
        `Connection.revoke` deletes the connection's own access.

        Args:
            id: The access's current id, with its serial.
            timeout: Replaces the connection's timeout.

        Raises:
            TypeError: `id` is not a string.
            ValueError: `id` is not an access id.
            UnknownResourceError: the access does not exist.
            StaleAccessIdError: the access was updated since; `current_serial` is its version.
            PryvError: the call failed; see *Errors and retries*.
        """
        return self._one(Deletion, "accessDeletion", "accesses.delete", "DELETE", _path(id), timeout)

    def check_app(self, request: AppCheckRequest | Untyped, *, timeout: CallTimeout = DEFAULT) -> AppCheck:
        """Compare a request of an app with the app's access; this needs a personal token.

        See `Check app authorization <https://pryv.github.io/reference/#check-app-authorization>`__ in the API
        reference.

        Args:
            request: The permissions that the app would request.
            timeout: Replaces the connection's timeout.

        Raises:
            TypeError: `request` is not a dict, or a value has no JSON form.
            ValueError: a value has no JSON form.
            PryvError: the call failed; see *Errors and retries*.
        """
        data = as_dict(request, "request")
        return cast("AppCheck", self._call("accesses.checkApp", "POST", "accesses/check-app", timeout, data=data))


def _path(id: str) -> str:
    parse_access_ref(id)
    return f"accesses/{path_segment(id)}"
