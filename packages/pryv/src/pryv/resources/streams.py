"""Streams: the tree that events are put into."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, cast, overload

from pryv._arguments import as_dict
from pryv._ensure import Tree, ensure
from pryv._transport.timeouts import DEFAULT, CallTimeout
from pryv._transport.urls import path_segment
from pryv.errors import ForbiddenError
from pryv.resources._resource import Resource
from pryv.types import Deletion, Stream, StreamCreate, StreamsParams, StreamTree, StreamUpdate, Untyped

List = list  # which is a method inside the class


class Streams(Resource):
    """The streams of an account."""

    def list(self, params: StreamsParams | Untyped | None = None, *, timeout: CallTimeout = DEFAULT) -> List[Stream]:
        """Return the tree of streams, each with its `children`; then the deletions, if asked for.

        See the API's *Get streams*.

        Args:
            params: As `streams.get` takes them.
            timeout: Replaces the connection's timeout.

        Raises:
            TypeError: `params` is not a dict, or a parameter has no JSON form.
            ValueError: a parameter has no JSON form.
            PryvError: the call failed; see *Errors and retries*.
        """
        return self._all("streams", "streamDeletions", "streams.get", "streams", timeout, params)

    def create(self, stream: StreamCreate | Untyped, *, timeout: CallTimeout = DEFAULT) -> Stream:
        """Create a stream and return it. `ensure` creates only what is missing.

        See the API's *Create stream*.

        Args:
            stream: The stream.
            timeout: Replaces the connection's timeout.

        Raises:
            TypeError: `stream` is not a dict, or a value has no JSON form.
            ValueError: a value has no JSON form.
            ItemAlreadyExistsError: the `id` is taken, or a sibling has the `name`.
            PryvError: the call failed; see *Errors and retries*.
        """
        data = as_dict(stream, "stream")
        return self._one(Stream, "stream", "streams.create", "POST", "streams", timeout, data=data)

    def update(self, id: str, changes: StreamUpdate | Untyped, *, timeout: CallTimeout = DEFAULT) -> Stream:
        """Change a stream and return it.

        See the API's *Update stream*.

        Args:
            id: The stream's id.
            changes: The members to change.
            timeout: Replaces the connection's timeout.

        Raises:
            TypeError: an argument has the wrong type, or a value has no JSON form.
            ValueError: `id` cannot be one, or a value has no JSON form.
            UnknownResourceError: there is no such stream.
            ItemAlreadyExistsError: a sibling has the `name`.
            PryvError: the call failed; see *Errors and retries*.
        """
        data = as_dict(changes, "changes")
        return self._one(Stream, "stream", "streams.update", "PUT", _path(id), timeout, data=data)

    @overload
    def delete(
        self,
        id: str,
        permanently: Literal[False] = False,
        merge_events_with_parent: bool | None = None,
        *,
        timeout: CallTimeout = DEFAULT,
    ) -> Stream: ...

    @overload
    def delete(
        self,
        id: str,
        permanently: Literal[True],
        merge_events_with_parent: bool | None = None,
        *,
        timeout: CallTimeout = DEFAULT,
    ) -> Deletion: ...

    @overload
    def delete(
        self,
        id: str,
        permanently: bool,
        merge_events_with_parent: bool | None = None,
        *,
        timeout: CallTimeout = DEFAULT,
    ) -> Stream | Deletion: ...

    def delete(
        self,
        id: str,
        permanently: bool = False,
        merge_events_with_parent: bool | None = None,
        *,
        timeout: CallTimeout = DEFAULT,
    ) -> Stream | Deletion:
        """Move a stream to the trash, or delete it permanently with the streams below it.

        See the API's *Delete stream*.

        Args:
            id: The stream's id.
            permanently: Whether to delete it. Otherwise it is moved to the trash, and one that is in the trash stays
                there.
            merge_events_with_parent: What becomes of the events of a stream that is deleted: `True` moves them to its
                parent, `False` deletes those that are in no other stream. A stream with events is not deleted without
                it, but left in the trash.
            timeout: Replaces the connection's timeout, for each request.

        Returns:
            The stream in the trash; with `permanently` the deletion.

        Raises:
            TypeError: `id` is not a string.
            ValueError: `id` cannot be one.
            UnknownResourceError: there is no such stream.
            InvalidParametersError: the stream has events, and `merge_events_with_parent` does not say what becomes of
                them.
            PryvError: the call failed; see *Errors and retries*.
        """
        path = _path(id)
        if not permanently:
            return self._trash(id, path, timeout)
        params = {"mergeEventsWithParent": merge_events_with_parent}
        return self._delete(Deletion, "streamDeletion", "streams.delete", path, timeout, params)

    def _trash(self, id: str, path: str, timeout: CallTimeout) -> Stream:
        """Move a stream to the trash.

        `streams.delete` would delete one that is there already. A token that may not manage all streams has to use it:
        the platform refuses it an update of a stream that does not name a parent which the token may manage.
        """
        try:
            return self._one(Stream, "stream", "streams.update", "PUT", path, timeout, data={"trashed": True})
        except ForbiddenError:
            (stream,) = self.list({"id": id, "state": "all"}, timeout=timeout)
        if stream.get("trashed"):
            return stream
        return self._one(Stream, "stream", "streams.delete", "DELETE", path, timeout)

    def ensure(
        self, tree: StreamTree | Untyped | Iterable[StreamTree | Untyped], *, timeout: CallTimeout = DEFAULT
    ) -> List[Stream]:
        """Create the streams of a tree that do not exist, and return those, without their children.

        A stream whose `id` exists is left as it is, whatever its name, its parent, and be it in the trash. An app can
        call this at each start, in several processes at once.

        See the API's *Get streams* and *Create stream*.

        Args:
            tree: One stream or several, each with `id`, `name` and, if it has any, `children`, which are streams too.
            timeout: Replaces the connection's timeout, for each request.

        Raises:
            TypeError: something in `tree` has the wrong type.
            ValueError: a stream has no `id` or no `name`, an `id` has characters that the platform would change, or is
                there twice.
            ItemAlreadyExistsError: a `name` is that of another stream beside it.
            PryvError: the call failed; see *Errors and retries*. The streams created before are left there, and a
                further call creates the others.
        """
        return ensure(self._account, cast("Tree", tree), timeout)


def _path(id: str) -> str:
    return f"streams/{path_segment(id)}"
