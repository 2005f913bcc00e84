"""The access of an account's token, and the revocation of accesses."""

from __future__ import annotations

import contextlib
from typing import Any

from pryv._calls import call_one
from pryv._display import SecretText, with_secrets
from pryv._transport.account import Account
from pryv._transport.timeouts import CallTimeout
from pryv.errors import PryvProtocolError, StaleAccessIdError, UnknownResourceError
from pryv.types import AccessInfo
from pryv.utils import parse_access_ref, serialize_access_ref


def access_info(account: Account, force_refresh: bool, timeout: CallTimeout) -> AccessInfo:
    """Return the access of the account's token, fetched once for each token; see `Connection.access_info`."""
    state = account.state
    known: AccessInfo | None = state.access_info  # another thread may forget it
    if force_refresh or known is None or state.access_token != account.token:
        account.credentials.before_request()
        token = account.token and SecretText(account.token)  # in a traceback
        info: Any = account.call("GET", "access-info", idempotent=True, timeout=timeout)
        known = with_secrets(info)
        state.access_info, state.access_token = known, token
    return known


def own_access_id(account: Account, timeout: CallTimeout) -> str:
    """Return the id of the access of the account's token."""
    account.credentials.before_request()  # a new token may have another access
    access_id = access_info(account, False, timeout).get("id")
    if not isinstance(access_id, str) or not access_id:
        raise PryvProtocolError("GET access-info: the response has no id")
    return access_id


def revoke(account: Account, access_id: str, timeout: CallTimeout) -> dict[str, Any] | None:
    """Delete an access; return `None` if it is deleted already.

    The id may be that of an older version of the access.
    """
    try:
        return _delete_any_version(account, access_id, timeout)
    except UnknownResourceError:
        return None


def _delete_any_version(account: Account, access_id: str, timeout: CallTimeout) -> dict[str, Any]:
    try:
        return _delete(account, access_id, timeout)
    except StaleAccessIdError as error:
        current_id = _current_id(access_id, error.current_serial)
        if current_id is None:
            raise
    return _delete(account, current_id, timeout)


def _current_id(access_id: str, serial: int | None) -> str | None:
    """Return the id of an access's current version, `None` if the platform did not return its serial."""
    if serial is not None:
        with contextlib.suppress(TypeError, ValueError):
            return serialize_access_ref(parse_access_ref(access_id).base, serial)
    return None


def _delete(account: Account, access_id: str, timeout: CallTimeout) -> dict[str, Any]:
    result: dict[str, Any] = call_one(account, "accesses.delete", {"id": access_id}, None, timeout)
    return result
