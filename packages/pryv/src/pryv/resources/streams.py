"""Streams: the tree that contains the events."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, cast, overload

from pryv._arguments import as_dict
from pryv._ensure import Tree, ensure
from pryv._transport.results import member
from pryv._transport.timeouts import DEFAULT, CallTimeout
from pryv._transport.urls import path_segment
from pryv.errors import ForbiddenError
from pryv.resources._resource import Resource
from pryv.types import Deletion, Stream, StreamCreate, StreamsParams, StreamTree, StreamUpdate, Untyped

List = list  # which is a method inside the class


class Streams(Resource):
    """The streams of an account."""

    def list(self, params: StreamsParams | Untyped | None = None, *, timeout: CallTimeout = DEFAULT) -> List[Stream]:
        """Return the tree of streams, each with its `children`, then the deletions if they were requested.

        See `Get streams <https://pryv.github.io/reference/#get-streams>`__ in the API reference.

        Args:
            params: The parameters of `streams.get`.
            timeout: Replaces the connection's timeout.

        Raises:
            TypeError: `params` is not a dict, or a parameter has no JSON form.
            ValueError: a parameter has no JSON form.
            PryvError: the call failed; see *Errors and retries*.
        """
        return self._all("streams", "streamDeletions", "streams.get", "streams", timeout, params)

    def create(self, stream: StreamCreate | Untyped, *, timeout: CallTimeout = DEFAULT) -> Stream:
        """Create a stream and return it. `ensure` creates only the streams that are missing.

        See `Create stream <https://pryv.github.io/reference/#create-stream>`__ in the API reference.

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

        See `Update stream <https://pryv.github.io/reference/#update-stream>`__ in the API reference.

        Args:
            id: The stream's id.
            changes: The members to change. Give `name` together with the stream's `parentId`: without it, open-pryv.io
                2.0.0-pre.4 compares the name with those of the streams without a parent, instead of the siblings.
            timeout: Replaces the connection's timeout.

        Raises:
            TypeError: an argument has the wrong type, or a value has no JSON form.
            ValueError: `id` is not an id, or a value has no JSON form.
            UnknownResourceError: the stream does not exist.
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

        See `Delete stream <https://pryv.github.io/reference/#delete-stream>`__ in the API reference.

        Args:
            id: The stream's id.
            permanently: Whether to delete it. Otherwise it is moved to the trash, or stays there.
            merge_events_with_parent: `True` moves the events of a deleted stream to its parent, `False` deletes those
                that are in no other stream. Without it, a stream with events is not deleted, but left in the trash.
            timeout: Replaces the connection's timeout, for each request.

        Returns:
            The stream in the trash; with `permanently` the deletion.

        Raises:
            TypeError: `id` is not a string.
            ValueError: `id` is not an id.
            UnknownResourceError: the stream does not exist.
            InvalidParametersError: the stream has events, and `merge_events_with_parent` is missing.
            PryvError: the call failed; see *Errors and retries*.
        """
        path = _path(id)
        if not permanently:
            return self._trash(id, path, timeout)
        params = {"mergeEventsWithParent": merge_events_with_parent}
        return self._delete(Deletion, "streamDeletion", "streams.delete", path, timeout, params)

    def _trash(self, id: str, path: str, timeout: CallTimeout) -> Stream:
        """Move a stream to the trash.

        `streams.delete` would delete a stream that is in the trash already, so it is used only if the token may not
        manage all streams: for such a token, the platform requires that an update contains a parent that it may manage.
        """
        try:
            return self._one(Stream, "stream", "streams.update", "PUT", path, timeout, data={"trashed": True})
        except ForbiddenError:
            found = self.list({"id": id, "state": "all"}, timeout=timeout)
        stream = cast("Stream", member({"stream": next(iter(found), None)}, "stream", dict, "streams.get"))
        if stream.get("trashed"):
            return stream
        return self._one(Stream, "stream", "streams.delete", "DELETE", path, timeout)

    def ensure(
        self, tree: StreamTree | Untyped | Iterable[StreamTree | Untyped], *, timeout: CallTimeout = DEFAULT
    ) -> List[Stream]:
        """Create the missing streams of a tree, and return the created ones, without their children.

        A stream whose `id` exists is not changed, even if it has another name or parent, or is in the trash. An app can
        call this at each start, in several processes at once.

        See `Get streams <https://pryv.github.io/reference/#get-streams>`__ and
        `Create stream <https://pryv.github.io/reference/#create-stream>`__ in the API reference.

        Args:
            tree: One stream or several, each with `id`, `name` and, if it has any, `children`, which are streams too.
            timeout: Replaces the connection's timeout, for each request.

        Raises:
            TypeError: a value in `tree` has the wrong type.
            ValueError: a stream has no `id` or no `name`, or an `id` has characters that the platform would change, or
                occurs twice.
            ItemAlreadyExistsError: a sibling has the same `name`.
            PryvError: a call failed; see *Errors and retries*. The streams created before remain, and another call
                creates the others.
        """
        return ensure(self._account, cast("Tree", tree), timeout)


def _path(id: str) -> str:
    return f"streams/{path_segment(id)}"
