"""The documents of an account besides its streams and events: accesses, profiles, webhooks, the audit log."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator
from datetime import datetime, timezone
from typing import Any, Final

import attrs

from pryv import ApiError, Connection, InvalidAccessTokenError, ServerError
from pryv_backup._files import HashingWriter
from pryv_backup._layout import APP_PROFILES, HISTORIES, safe_id
from pryv_backup._secrets import tokens_in

_EARLIEST: Final = -1.7976931348623157e308
_LATEST: Final = 1.7976931348623157e308
_AT_ONCE: Final = 500
_REFUSALS: Final = (400, 403, 404, 405, 410)
"""The statuses for what the kind of access may not read, or the platform does not have."""


@attrs.frozen
class Documents:
    """Reads documents of one account.

    Attributes:
        connection: The account.
        unreadable: Gets the names of what the token may not read.
    """

    connection: Connection
    unreadable: list[str] = attrs.field(factory=list)

    def accesses(self) -> dict[str, Any]:
        """Return `accesses.json` and `accesses-all.json`, if they may be read."""
        every = {"includeDeletions": True, "includeExpired": True}
        return {
            **self._read("accesses", "accesses.json", "accesses"),
            **self._read("accesses-all", "accesses-all.json", "accesses", every),
        }

    def account(self) -> dict[str, Any]:
        """Return the account and its profiles, those that may be read."""
        found = {
            **self._read("account", "account.json", "account"),
            **self._read("profile/private", "profile_private.json", "profile/private"),
            **self._read("profile/public", "profile_public.json", "profile/public"),
        }
        access = self.connection.access_info()
        if access.get("type") == "app":
            name = f"{APP_PROFILES}/profile_app_{safe_id(str(access.get('id')))}.json"
            found |= self._read("profile/app", name, "profile/app")
        return found

    def webhooks(self) -> dict[str, Any]:
        """Return the webhooks that the token may read."""
        found = self._read("webhooks", "webhooks.json", "webhooks")
        about = {"generated_at": datetime.now(timezone.utc).isoformat(timespec="seconds"), "accesses_scanned": 1}
        return {name: {**about, **body} for name, body in found.items()}

    def histories(self, accesses: Iterable[Any]) -> Iterator[tuple[str, Any]]:
        """Yield each access with its former versions."""
        for access in accesses:
            name = f"{HISTORIES}/{safe_id(access['id'].partition(':')[0])}.json"
            try:
                yield name, self.connection.get_access_with_history(access["id"])
            except ApiError as error:
                self._note(f"access {access['id']}", error)

    def deletions(self) -> Iterator[Any]:
        """Yield the deletions of events in the whole account, the earliest first.

        Raises:
            PryvError: the call failed.
        """
        beyond_all = {"fromTime": _LATEST, "toTime": _LATEST}
        params: dict[str, Any] = {
            "modifiedSince": _EARLIEST,
            "includeDeletions": True,
            "sortAscending": True,
            **beyond_all,
        }
        with self.connection.iter_events(params) as items:
            yield from (item for item in items if "deleted" in item)

    def audit(self) -> Iterator[Any] | None:
        """Return the calls in the audit log that the token may read, the earliest first; `None` if it may read none.

        Raises:
            PryvError: the call failed.
        """
        access = self.connection.access_info()
        own = None if access.get("type") == "personal" else access.get("id")
        events = self.connection.audit({"sortAscending": True}, access=own)
        try:
            first = list(itertools.islice(events, 1))
        except ApiError as error:
            self._note("audit", error)
            return None
        return itertools.chain(first, events)

    def _read(self, name: str, file: str, path: str, params: dict[str, Any] | None = None) -> dict[str, Any]:
        try:
            return {file: self.connection.get(path, params)}
        except ApiError as error:
            self._note(name, error)
            return {}

    def _note(self, name: str, error: ApiError) -> None:
        """Note what the token may not read.

        Raises:
            ApiError: the error has another reason.
        """
        if isinstance(error, (InvalidAccessTokenError, ServerError)) or error.status not in _REFUSALS:
            raise error
        self.unreadable.append(name)


def known_tokens(connection: Connection, documents: dict[str, Any]) -> list[str]:
    """Return the tokens in lists of accesses, and that of the connection."""
    accesses = (
        access
        for body in documents.values()
        for key in ("accesses", "accessDeletions")
        for access in body.get(key) or ()
    )
    return [*filter(None, [connection.token]), *tokens_in(accesses)]


def write_json(file: HashingWriter, data: Any) -> None:
    """Write a document as JSON."""
    file.write(json.dumps(data, indent=1).encode())


def write_items(file: HashingWriter, key: str, items: Iterable[Any]) -> None:
    """Write a document with one list, an item per line, as the items arrive."""
    file.write(b'{"%b":[' % key.encode())
    items, separator = iter(items), ""
    while block := list(itertools.islice(items, _AT_ONCE)):
        lines = ",\n".join(map(json.dumps, block))
        file.write(f"{separator}\n{lines}".encode())
        separator = ","
    file.write(b'\n],"meta":{}}\n')
