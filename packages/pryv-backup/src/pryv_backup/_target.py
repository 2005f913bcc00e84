"""The account that a backup is restored into, and what the restore has done so far."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import attrs

from pryv import ERRORS, ApiError, Call, Connection, InvalidAccessTokenError, PryvProtocolError
from pryv.addons import api_error, is_transient
from pryv_backup._errors import BackupError
from pryv_backup._reports import Failure
from pryv_backup._restore_state import RestoreState


@attrs.define
class Target:
    """The account, and what the restore has done so far.

    Attributes:
        connection: The account.
        state: When the restore began.
        progress: The callback.
        fails_on_conflict: Whether an id that exists is a failure.
        created: Streams and events created.
        skipped: Streams and events whose ids existed.
        failed: What could not be restored.
    """

    connection: Connection
    state: RestoreState
    progress: Callable[[str, int], object]
    fails_on_conflict: bool
    created: int = 0
    skipped: int = 0
    failed: list[Failure] = attrs.field(factory=list)

    def count(self, kind: str, id: str, error: Any, *, is_other: bool = False) -> bool:
        """Count an item, and return whether it was created.

        Args:
            kind: Its kind.
            id: Its id.
            error: The error that the platform returned, if any.
            is_other: Whether another item exists, not this one.
        """
        if not error:
            self.created += 1
            return True
        if error.get("id") == ERRORS.ITEM_ALREADY_EXISTS and not is_other:
            self.skipped += 1
            if not self.fails_on_conflict:
                return False
        self.fail(kind, id, error)
        return False

    def fail(self, kind: str, id: str, error: Any) -> None:
        """Add a failure: the error that the platform returned for an item."""
        self.failed.append(Failure(f"{kind} {id}", str(api_error(error))))

    @contextmanager
    def noting(self, what: str) -> Iterator[None]:
        """Note a failure of one item; others, such as a connection that breaks, end the restore.

        A response that is not one of the API may be that of a server in front of the platform, to a file that is too
        large for it. It ends the restore only if the platform does not respond properly to another request.
        """
        try:
            yield
        except (ApiError, BackupError, FileNotFoundError, PryvProtocolError, TypeError, ValueError) as error:
            if isinstance(error, PryvProtocolError):
                self.connection.get("access-info")
            elif not concerns_one_item(error):
                raise
            self.failed.append(Failure(what, str(error)))

    def trash(self, kind: str, ids: Iterable[str]) -> None:
        """Put streams or events into the trash."""
        calls = (Call(f"{kind}s.update", {"id": key, "update": {"trashed": True}}) for key in ids)
        for number, (call, result) in enumerate(self.connection.iter_api(calls), 1):
            if "error" in result:
                self.fail(kind, call.params["id"], result["error"])
            self.progress("trash", number)


def concerns_one_item(error: Exception) -> bool:
    """Return whether an error is about one item only; after any other, the next item would fail too."""
    return not (isinstance(error, InvalidAccessTokenError) or is_transient(error))
