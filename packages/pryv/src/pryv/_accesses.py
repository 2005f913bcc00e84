"""Revoking the access of a connection."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from pryv._transport.timeouts import CallTimeout
from pryv.errors import InvalidAccessTokenError, PryvProtocolError, StaleAccessIdError, UnknownResourceError
from pryv.utils import parse_access_ref, serialize_access_ref

if TYPE_CHECKING:
    from pryv.connection import Connection


def revoke(connection: Connection, using: Connection, timeout: CallTimeout) -> dict[str, Any] | None:
    """Delete the access of `connection` with a call of `using`; return `None` if it is deleted already."""
    try:
        access_id = connection.access_info(timeout=timeout).get("id")
    except InvalidAccessTokenError:
        return None
    if not isinstance(access_id, str) or not access_id:
        raise PryvProtocolError("GET access-info: the answer has no id")
    try:
        return _delete(using, access_id, timeout)
    except UnknownResourceError:
        return None
    except InvalidAccessTokenError:
        if using is not connection:
            raise
        return None


def _delete(using: Connection, access_id: str, timeout: CallTimeout) -> dict[str, Any]:
    """Delete an access, of which the id known may be that of an older version."""
    try:
        return _deleted(using, access_id, timeout)
    except StaleAccessIdError as error:
        current_id = _current_id(access_id, error.current_serial)
        if current_id is None:
            raise
    return _deleted(using, current_id, timeout)


def _current_id(access_id: str, serial: int | None) -> str | None:
    """Return the id of an access's current version, `None` where the platform did not tell its serial."""
    if serial is not None:
        with contextlib.suppress(TypeError, ValueError):
            return serialize_access_ref(parse_access_ref(access_id).base, serial)
    return None


def _deleted(using: Connection, access_id: str, timeout: CallTimeout) -> dict[str, Any]:
    result: dict[str, Any] = using.api_one("accesses.delete", {"id": access_id}, timeout=timeout)
    return result
