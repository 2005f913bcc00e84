"""Scopes: the changes that the platform notifies of. They are registered again after a reconnect."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from pryv import ERRORS, ApiError, PryvError, PryvProtocolError
from pryv.addons import plain


class Scopes:
    """The registered scopes.

    Args:
        call: Calls a method, by its name, data and timeout in seconds, over the current connection, and returns the
            result.
    """

    def __init__(self, call: Callable[[str, Any, float], Any]) -> None:
        self._call = call
        self._registered: dict[str, Any] = {}
        self._lock = threading.RLock()

    def subscribe(self, scopes: Mapping[str, Any], timeout: float) -> dict[str, Any]:
        """Register scopes, all or none, and return the acknowledgement."""
        with self._lock:
            try:
                data = {"scopes": scopes}
                result = self._request("subscribe", data, timeout, _is_acknowledgement, unknown={"ok": False})
            except ApiError:
                self._restore(scopes, timeout)
                raise
            if result.get("ok"):
                self._registered.update(scopes)
        return result

    def _restore(self, rejected: Mapping[str, Any], timeout: float) -> None:
        """Remove scopes that were rejected, and register again those that they were to replace.

        open-pryv.io 2.0.0-pre.4 keeps the scopes before the one that it rejects. Until the scopes change again, it then
        sends no notifications of them, and no general ones.
        """
        with suppress(PryvError):
            self._call("unsubscribe", {"keys": list(rejected)}, timeout)
            for key in rejected.keys() & self._registered:
                self._resubscribe_one(key, timeout)

    def unsubscribe(self, keys: list[str] | None, timeout: float) -> dict[str, Any]:
        """Remove the scopes with these keys, `None` for all of them, and return the acknowledgement."""
        with self._lock:
            data = {"all": True} if keys is None else {"keys": keys}
            result = self._request("unsubscribe", data, timeout, _is_acknowledgement, unknown={"ok": False})
            for key in list(self._registered) if keys is None else keys:
                self._registered.pop(key, None)
        return result

    def get(self, timeout: float) -> dict[str, Any]:
        """Return the scopes that the platform has registered."""
        return self._request("getSubscriptions", {}, timeout, _has_scopes, unknown={"scopes": {}})

    def resubscribe(self, timeout: float) -> list[ApiError]:
        """Register the scopes again, one by one, as the access may have lost the permission for some of them.

        Returns:
            The errors of scopes that the platform rejected. These scopes are removed.

        Raises:
            PryvError: a scope could not be registered because of a transient failure.
        """
        with self._lock:
            rejections = [(key, self._resubscribe_one(key, timeout)) for key in self._registered]
            for key, rejection in rejections:
                if rejection is not None:
                    del self._registered[key]
        return [rejection for _, rejection in rejections if rejection is not None]

    def _resubscribe_one(self, key: str, timeout: float) -> ApiError | None:
        try:
            self._call("subscribe", {"scopes": {key: self._registered[key]}}, timeout)
        except ApiError as error:
            if error.retryable:
                raise
            return error
        return None

    def _request(
        self,
        method: str,
        data: Any,
        timeout: float,
        is_valid: Callable[[dict[str, Any]], bool],
        *,
        unknown: dict[str, Any],
    ) -> dict[str, Any]:
        """Return the result of a call, or `unknown` if the platform does not know the method."""
        try:
            result = self._call(method, data, timeout)
        except ApiError as error:
            if error.id != ERRORS.INVALID_METHOD:
                raise
            return unknown
        if not isinstance(result, dict) or not is_valid(result):
            raise PryvProtocolError(f"{method}: the result is not of the form in the API reference")
        return result


def _is_acknowledgement(result: dict[str, Any]) -> bool:
    keys = result.get("keys", [])
    return isinstance(result.get("ok"), bool) and isinstance(keys, list) and all(isinstance(key, str) for key in keys)


def _has_scopes(result: dict[str, Any]) -> bool:
    scopes = result.get("scopes")
    return isinstance(scopes, dict) and all(isinstance(scope, dict) for scope in scopes.values())


def parse_scopes(payload: Mapping[str, Any]) -> dict[str, Any]:
    """Return a dict of scopes by key, from such a dict or from a payload in a form of lib-js.

    It is a copy: the scopes are registered again after a reconnect, as they were.

    Raises:
        TypeError: it is not a dict of dicts, or a value in it has no JSON form.
        ValueError: a value in it has no JSON form.
    """
    if not isinstance(payload, Mapping):
        raise TypeError(f"scopes is a dict, not {type(payload).__name__}")
    if isinstance(payload.get("key"), str):
        payload = {payload["key"]: {name: value for name, value in payload.items() if name != "key"}}
    inner = payload.get("scopes")
    scopes = inner if isinstance(inner, Mapping) and not inner.keys() & {"kind", "query"} else payload
    for key, scope in scopes.items():
        if not isinstance(key, str) or not isinstance(scope, Mapping):
            raise TypeError("scopes is a dict of dicts, by keys that are strings")
    copy: dict[str, Any] = plain(dict(scopes))
    return copy
