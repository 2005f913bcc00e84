"""Webhooks: a platform notifies of a change, and the account is passed at once.

Calls may be lost or repeated: lost changes are found at the interval of the fleet.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from http import HTTPStatus
from typing import Any, Final

from pryv import Connection, ItemAlreadyExistsError
from pryv_fleet._database import Database
from pryv_fleet._holds import HeldError
from pryv_fleet._leases import Claim, Leases
from pryv_fleet._passes import Passes, message_of
from pryv_fleet.errors import DatabaseError
from pryv_fleet.reports import WebhooksReport

_MAKE_ID: Final = """
    UPDATE {schema}.accounts SET wake_id = coalesce(wake_id, %s)
    WHERE id = %s AND (not_before IS NULL OR not_before <= now()) RETURNING wake_id
"""
_WAKE: Final = """
    UPDATE {schema}.accounts SET due = CASE WHEN due > now() OR leased_until > now() THEN now() ELSE due END
    WHERE wake_id = %s RETURNING id
"""
_ID_BYTES: Final = 24
_WAIT: Final = 3.0
"""Seconds to wait for PostgreSQL, as the platform waits for the response."""
_LONGEST_LENGTH: Final = 7
"""Digits of the length of a body that is read."""
_BLOCK: Final = 1 << 16
_HELD: Final = "its platform has asked not to be called now"

Environment = Mapping[str, Any]
StartResponse = Callable[[str, list[tuple[str, str]]], object]


def register_webhooks(database: Database, leases: Leases, passes: Passes, url: str, threads: int) -> WebhooksReport:
    """Register a webhook for each account; see `Fleet.register_webhooks`."""
    base = url.rstrip("/")

    def register(claim: Claim) -> tuple[str, str | None]:
        rows = database.execute(_MAKE_ID, (secrets.token_urlsafe(_ID_BYTES), claim.id))
        if not rows:
            return claim.name, _HELD
        ((wake_id,),) = rows
        try:
            with passes.connection(claim) as connection:
                _ensure(connection, f"{base}/{wake_id}")
        except HeldError:
            return claim.name, _HELD
        except Exception as error:  # noqa: BLE001  (a platform may respond with anything)
            passes.hold(claim, error)
            return claim.name, message_of(error)
        return claim.name, None

    with ThreadPoolExecutor(threads) as pool:
        results = list(pool.map(register, leases.look()))
    failed = {name: error for name, error in results if error is not None}
    return WebhooksReport(registered=len(results) - len(failed), failed=failed)


def _ensure(connection: Connection, url: str) -> None:
    """Have a platform call a URL. It makes a webhook inactive after several failed calls."""
    known = next((webhook for webhook in connection.webhooks.list() if webhook["url"] == url), None)
    if known is None:
        with suppress(ItemAlreadyExistsError):  # another process was faster
            connection.webhooks.create(url)
    elif known["state"] == "inactive":
        connection.webhooks.activate(known["id"])


class Receiver:
    """A WSGI application that wakes the account whose webhook a platform calls.

    It answers `POST /…/ID` with 204, an unknown id with 404, and with 503 while PostgreSQL cannot be reached. The body
    of a notification says nothing more.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def __call__(self, environment: Environment, start_response: StartResponse) -> Iterable[bytes]:
        """Handle a request."""
        _drop_body(environment)
        status = self._status(environment)
        start_response(f"{status.value} {status.phrase}", [("Content-Length", "0")])
        return []

    def _status(self, environment: Environment) -> HTTPStatus:
        if environment["REQUEST_METHOD"] != "POST":
            return HTTPStatus.METHOD_NOT_ALLOWED
        wake_id = str(environment.get("PATH_INFO", "")).rpartition("/")[2]
        if not wake_id.isascii() or "\0" in wake_id:
            return HTTPStatus.NOT_FOUND
        try:
            with self._database.connection(_WAIT) as connection:
                is_known = connection.execute(self._database.sql(_WAKE), (wake_id,)).rowcount
        except DatabaseError:
            return HTTPStatus.SERVICE_UNAVAILABLE
        return HTTPStatus.NO_CONTENT if is_known else HTTPStatus.NOT_FOUND


def _drop_body(environment: Environment) -> None:
    """Read the body: if a server closes a connection with unread data, the response may get lost.

    See RFC 9112, 9.6: https://www.rfc-editor.org/rfc/rfc9112#section-9.6.
    """
    length = str(environment.get("CONTENT_LENGTH") or "")
    left = int(length) if length.isdecimal() and len(length) <= _LONGEST_LENGTH else 0
    while left > 0 and (data := environment["wsgi.input"].read(min(left, _BLOCK))):
        left -= len(data)
