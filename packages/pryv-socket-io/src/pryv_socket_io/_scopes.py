"""Scopes: which changes the platform tells of, on one connection after the other."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

from pryv import ERRORS, ApiError, PryvProtocolError


class Scopes:
    """The scopes that the platform has registered, and which each further connection needs to have registered again.

    Args:
        call: Sends a method's name and data over the current connection, and returns the answer that comes in so many
            seconds.
    """

    def __init__(self, call: Callable[[str, Any, float], Any]) -> None:
        self._call = call
        self._registered: dict[str, Any] = {}
        self._turn = threading.RLock()

    def subscribe(self, scopes: Mapping[str, Any], timeout: float) -> dict[str, Any]:
        """Register scopes, and return the acknowledgement."""
        with self._turn:
            answer = self._ask("subscribe", {"scopes": scopes}, timeout, _is_acknowledgement, unknown={"ok": False})
            if answer.get("ok"):
                self._registered.update(scopes)
        return answer

    def unsubscribe(self, keys: list[str] | None, timeout: float) -> dict[str, Any]:
        """Forget scopes, or all of them, and return the acknowledgement."""
        with self._turn:
            data = {"all": True} if keys is None else {"keys": keys}
            answer = self._ask("unsubscribe", data, timeout, _is_acknowledgement, unknown={"ok": False})
            for key in list(self._registered) if keys is None else keys:
                self._registered.pop(key, None)
        return answer

    def get(self, timeout: float) -> dict[str, Any]:
        """Return what the platform has registered."""
        return self._ask("getSubscriptions", {}, timeout, _has_scopes, unknown={"scopes": {}})

    def restore(self, timeout: float) -> list[ApiError]:
        """Register them again, each for itself, since one that the access lost must not cost the others.

        Returns:
            The platform's refusals; what they are about is forgotten.

        Raises:
            PryvError: one could not be registered now.
        """
        with self._turn:
            refusals = [(key, self._refusal(key, timeout)) for key in self._registered]
            for key, refusal in refusals:
                if refusal is not None:
                    del self._registered[key]
        return [refusal for _, refusal in refusals if refusal is not None]

    def _refusal(self, key: str, timeout: float) -> ApiError | None:
        try:
            self._call("subscribe", {"scopes": {key: self._registered[key]}}, timeout)
        except ApiError as error:
            if error.retryable:
                raise
            return error
        return None

    def _ask(
        self,
        method: str,
        data: Any,
        timeout: float,
        is_sound: Callable[[dict[str, Any]], bool],
        *,
        unknown: dict[str, Any],
    ) -> dict[str, Any]:
        """Return the answer to a call, or `unknown` where the platform does not know the method."""
        try:
            answer = self._call(method, data, timeout)
        except ApiError as error:
            if error.id != ERRORS.INVALID_METHOD:
                raise
            return unknown
        if not isinstance(answer, dict) or not is_sound(answer):
            raise PryvProtocolError(f"{method}: the answer is not of the form that the API gives it")
        return answer


def _is_acknowledgement(answer: dict[str, Any]) -> bool:
    keys = answer.get("keys", [])
    return isinstance(answer.get("ok"), bool) and isinstance(keys, list) and all(isinstance(key, str) for key in keys)


def _has_scopes(answer: dict[str, Any]) -> bool:
    scopes = answer.get("scopes")
    return isinstance(scopes, dict) and all(isinstance(scope, dict) for scope in scopes.values())


def as_scopes(payload: Mapping[str, Any]) -> dict[str, Any]:
    """Return scopes by key, from that itself or from a payload of lib-js.

    Raises:
        TypeError: it is no dict of dicts.
    """
    if not isinstance(payload, Mapping):
        raise TypeError(f"scopes is a dict, not {type(payload).__name__}")
    if isinstance(payload.get("key"), str):
        key, scope = payload["key"], {name: value for name, value in payload.items() if name != "key"}
        return {key: scope}
    inner = payload.get("scopes")
    scopes = inner if isinstance(inner, Mapping) and not inner.keys() & {"kind", "query"} else payload
    for key, scope in scopes.items():
        if not isinstance(key, str) or not isinstance(scope, Mapping):
            raise TypeError("scopes is a dict of dicts, by keys that are strings")
    return dict(scopes)
