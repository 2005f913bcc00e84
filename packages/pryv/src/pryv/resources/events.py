"""Events: timestamped, typed pieces of data."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal, cast, overload

from pryv._arguments import as_dict, with_two_arguments
from pryv._batch import Call, Result
from pryv._calls import call_all
from pryv._resend import CREATE, creates_with_id, post_event
from pryv._transport.account import Account
from pryv._transport.results import member, with_members
from pryv._transport.timeouts import DEFAULT, CallTimeout
from pryv._transport.urls import path_segment
from pryv.errors import ForbiddenError, PryvError, PryvProtocolError, ServerError
from pryv.resources._resource import Resource
from pryv.types import Event, EventCreate, EventDeletion, EventUpdate, Untyped

EventsProgress = Callable[[int | None, list[Event]], object] | Callable[[int | None], object]


class Events(Resource):
    """The events of an account. `Connection.iter_events` reads them."""

    def __init__(self, account: Account, chunk_size: int) -> None:
        super().__init__(account)
        self._chunk_size = chunk_size

    def create(self, event: EventCreate | Untyped, *, timeout: CallTimeout = DEFAULT) -> Event:
        """Create an event and return it.

        With an `id` (see `utils.new_event_id`) the call is idempotent: it is retried by the retry policy, and creates
        the event once.

        See `Create event <https://pryv.github.io/reference/#create-event>`__ in the API reference.

        Args:
            event: The event.
            timeout: Replaces the connection's timeout.

        Raises:
            TypeError: `event` is not a dict, or a value has no JSON form.
            ValueError: a value has no JSON form.
            ItemAlreadyExistsError: another event has the `id`.
            PryvError: the call failed; see *Errors and retries*.
        """
        data = as_dict(event, "event")
        if creates_with_id(CREATE, data):
            return cast("Event", member(post_event(self._account, data, timeout), "event", dict, CREATE))
        return self._one(Event, "event", CREATE, "POST", "events", timeout, data=data)

    def create_many(
        self,
        events: Iterable[EventCreate | Untyped],
        progress: EventsProgress | None = None,
        *,
        timeout: CallTimeout = DEFAULT,
    ) -> list[Event]:
        """Create events in batches, and return them in order.

        A batch in which every event has an `id` is idempotent, and retried by the retry policy; any other batch is
        never sent twice.

        See `Create event <https://pryv.github.io/reference/#create-event>`__ and
        `Call batch <https://pryv.github.io/reference/#call-batch>`__ in the API reference.

        Args:
            events: The events. An iterator is read batch by batch.
            progress: A callback that gets the percentage done (`None` if the number of events is unknown) after each
                batch and, if it takes two arguments, the events created so far.
            timeout: Replaces the connection's timeout, for each batch.

        Raises:
            TypeError: an item of `events` is not a dict, or a value has no JSON form.
            ValueError: a value has no JSON form. The messages have the event's number, from 0, and the field.
            ApiError: the platform refused an event: `index` is the number of the first one, from 0. Other events of
                the same batch may have been created; later batches were not sent.
            PryvError: a call failed; see *Errors and retries*. The attribute `results` of this and any other exception
                has the events created.
        """
        if isinstance(events, (str, bytes, Mapping)) or not isinstance(events, Iterable):
            raise TypeError(f"events is an iterable of events, not {type(events).__name__}")
        report = None if progress is None else with_two_arguments(progress, "progress")
        created: list[Event] = []

        def finish_batch(percent: int | None, results: list[Result]) -> None:
            new = _events(results[len(created) :])
            is_complete = len(created) + len(new) == len(results)
            results = []  # or a traceback would show them
            if not is_complete:
                raise PryvProtocolError(f"{CREATE}: a result has no event")
            created.extend(new)
            if report is not None:
                report(percent, created)

        calls = (Call(CREATE, as_dict(event, f"event {number}")) for number, event in enumerate(events))
        try:
            call_all(
                self._account,
                list(calls) if isinstance(events, Sequence) else calls,
                self._chunk_size,
                finish_batch,
                timeout,
                raise_on_error=True,
            )
        except BaseException as error:
            with contextlib.suppress(AttributeError):
                error.results = created + _events(getattr(error, "results", [])[len(created) :])  # type: ignore[attr-defined]
            created = []  # or a traceback would show them
            raise
        return created

    def get(self, id: str, *, timeout: CallTimeout = DEFAULT) -> Event:
        """Return an event; of a deleted event, only `id` and `deleted`.

        See `Get one event <https://pryv.github.io/reference/#get-one-event>`__ in the API reference.

        Args:
            id: The event's id.
            timeout: Replaces the connection's timeout.

        Raises:
            TypeError: `id` is not a string.
            ValueError: `id` is not an id.
            UnknownResourceError: the event does not exist.
            PryvError: the call failed; see *Errors and retries*.
        """
        return self._one(Event, "event", "events.getOne", "GET", _path(id), timeout)

    def get_with_history(self, id: str, *, timeout: CallTimeout = DEFAULT) -> tuple[Event, list[Event]]:
        """Return an event with its former versions, the oldest first, if the platform stores them.

        See `Get one event <https://pryv.github.io/reference/#get-one-event>`__ in the API reference.

        Args:
            id: The event's id.
            timeout: Replaces the connection's timeout.

        Raises:
            TypeError: `id` is not a string.
            ValueError: `id` is not an id.
            UnknownResourceError: the event does not exist.
            PryvError: the call failed; see *Errors and retries*.
        """
        path, method, params = _path(id), "events.getOne", {"includeHistory": True}
        result = with_members(self._call(method, "GET", path, timeout, params=params), method, event=dict, history=list)
        return result["event"], result["history"]

    def update(self, id: str, changes: EventUpdate | Untyped, *, timeout: CallTimeout = DEFAULT) -> Event:
        """Change an event and return it.

        See `Update event <https://pryv.github.io/reference/#update-event>`__ in the API reference.

        Args:
            id: The event's id.
            changes: The members to change.
            timeout: Replaces the connection's timeout.

        Raises:
            TypeError: an argument has the wrong type, or a value has no JSON form.
            ValueError: `id` is not an id, or a value has no JSON form.
            UnknownResourceError: the event does not exist.
            PryvError: the call failed; see *Errors and retries*.
        """
        data = as_dict(changes, "changes")
        return self._one(Event, "event", "events.update", "PUT", _path(id), timeout, data=data)

    @overload
    def delete(self, id: str, permanently: Literal[False] = False, *, timeout: CallTimeout = DEFAULT) -> Event: ...

    @overload
    def delete(self, id: str, permanently: Literal[True], *, timeout: CallTimeout = DEFAULT) -> EventDeletion: ...

    @overload
    def delete(self, id: str, permanently: bool, *, timeout: CallTimeout = DEFAULT) -> Event | EventDeletion: ...

    def delete(self, id: str, permanently: bool = False, *, timeout: CallTimeout = DEFAULT) -> Event | EventDeletion:
        """Move an event to the trash, or delete it permanently.

        See `Delete event <https://pryv.github.io/reference/#delete-event>`__ in the API reference.

        Args:
            id: The event's id.
            permanently: Whether to delete it, with its attachments and history, so that only its `id` remains.
                Otherwise it is moved to the trash, or stays there.
            timeout: Replaces the connection's timeout, for each request.

        Returns:
            The event in the trash; with `permanently` the deletion, even if the event was deleted already.

        Raises:
            TypeError: `id` is not a string.
            ValueError: `id` is not an id.
            UnknownResourceError: the event does not exist.
            PryvError: the call failed; see *Errors and retries*.
        """
        path = _path(id)
        return self._delete_permanently(path, timeout) if permanently else self._trash(path, timeout)

    def _trash(self, path: str, timeout: CallTimeout) -> Event:
        """Move an event to the trash.

        `events.delete` would delete an event that is in the trash already. It is used only if the token may not read.
        """
        try:
            return self._one(Event, "event", "events.update", "PUT", path, timeout, data={"trashed": True})
        except ForbiddenError:
            return self._one(Event, "event", "events.delete", "DELETE", path, timeout)

    def _delete_permanently(self, path: str, timeout: CallTimeout) -> EventDeletion:
        try:
            return self._delete(EventDeletion, "eventDeletion", "events.delete", path, timeout)
        except ServerError:
            # The platform responds with an unexpected error if the event is deleted already.
            deletion = self._deletion(path, timeout)
            if deletion is None:
                raise
            return deletion

    def _deletion(self, path: str, timeout: CallTimeout) -> EventDeletion | None:
        """Return the deletion of an event, `None` if it is not deleted, or cannot be read."""
        try:
            event = self._one(EventDeletion, "event", "events.getOne", "GET", path, timeout)
        except PryvError:
            return None
        return event if "deleted" in event else None


def _path(id: str) -> str:
    return f"events/{path_segment(id)}"


def _events(results: Sequence[Result]) -> list[Event]:
    """Return the events of results; errors and malformed results have none."""
    return [cast("Event", result["event"]) for result in results if isinstance(result.get("event"), dict)]
