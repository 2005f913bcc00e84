"""The base class of the kinds of data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, cast

from pryv._display import public_names
from pryv._resend import is_idempotent
from pryv._transport.account import Account
from pryv._transport.results import member, with_members
from pryv._transport.timeouts import CallTimeout
from pryv._transport.urls import query_pairs

ShapeT = TypeVar("ShapeT")


class Resource:
    """One kind of data of an account."""

    def __init__(self, account: Account) -> None:
        self._account = account

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self._account.endpoint}>"

    __dir__ = public_names

    def _call(
        self,
        method: str,
        verb: str,
        path: str,
        timeout: CallTimeout,
        *,
        params: Any = None,
        data: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Send a call and return its result.

        Args:
            method: The id of the API method, for errors.
            verb: The HTTP method.
            path: The path below the endpoint.
            timeout: Replaces the account's timeout.
            params: Query parameters.
            data: The data of the body.
        """
        return self._account.call(
            verb,
            path,
            label=method,
            query=query_pairs(params),
            data=data,
            idempotent=is_idempotent(method, data),
            timeout=timeout,
        )

    def _one(
        self,
        shape: type[ShapeT],
        key: str,
        method: str,
        verb: str,
        path: str,
        timeout: CallTimeout,
        *,
        params: Any = None,
        data: Mapping[str, Any] | None = None,
    ) -> ShapeT:
        """Send a call and return the member `key` of its result, an object of type `shape`; see `_call`."""
        return cast(
            "ShapeT", member(self._call(method, verb, path, timeout, params=params, data=data), key, dict, method)
        )

    def _with(
        self,
        shape: type[ShapeT],
        members: Mapping[str, type],
        method: str,
        verb: str,
        path: str,
        timeout: CallTimeout,
        *,
        params: Any = None,
        data: Mapping[str, Any] | None = None,
    ) -> ShapeT:
        """Send a call and return its result, of type `shape`, checked to have members of these types; see `_call`."""
        return cast(
            "ShapeT",
            with_members(self._call(method, verb, path, timeout, params=params, data=data), method, **members),
        )

    def _all(self, key: str, deletions: str, method: str, path: str, timeout: CallTimeout, params: Any) -> list[Any]:
        """Send a call and return the items under `key` of its result, then those under `deletions`; see `_call`."""
        result = with_members(
            {deletions: [], **self._call(method, "GET", path, timeout, params=params)},
            method,
            **{key: list, deletions: list},
        )
        return [*result[key], *result[deletions]]

    def _delete(
        self, shape: type[ShapeT], key: str, method: str, path: str, timeout: CallTimeout, params: Any = None
    ) -> ShapeT:
        """Delete an item permanently and return the member `key` of the result, a deletion of type `shape`.

        A first call moves an item to the trash, and a second one deletes it.
        """
        deletion = self._call(method, "DELETE", path, timeout, params=params).get(key)
        if isinstance(deletion, dict):
            return cast("ShapeT", deletion)
        return self._one(shape, key, method, "DELETE", path, timeout, params=params)
