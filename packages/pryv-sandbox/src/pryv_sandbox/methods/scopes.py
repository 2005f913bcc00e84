"""Scopes: queries that say which changes a client is notified of."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pryv_sandbox.methods.calls import Context
from pryv_sandbox.model.content_query import parse_conditions
from pryv_sandbox.model.errors import forbidden, invalid_request_structure
from pryv_sandbox.model.streams_query import StreamsQuery, parse_streams, resolve_streams
from pryv_sandbox.state.changes import Change

Query = dict[str, Any]


class Scope:
    """A query, resolved to what the access may read when the scope is made.

    Attributes:
        kind: what changes: ``events``, ``streams`` or ``accesses``.
        query: the query, as the client sent it.

    Raises:
        ApiError: if the query is not valid, or asks for more than the access may read.
    """

    def __init__(self, context: Context, kind: str, query: Query) -> None:
        self.kind = kind
        self.query = query
        self._types = query.get("types") or []
        match kind:
            case "events" | "streams":
                self._streams = _resolve(context, query)
                self._conditions = [
                    *parse_conditions(query.get("content") or [], "content"),
                    *parse_conditions(query.get("clientData") or [], "clientData"),
                ]
            case "accesses":
                if not context.access.is_personal:
                    raise forbidden("Watching access changes requires a personal access.")
                if not any(query.get(key) for key in ("streams", "types", "accessIds")):
                    raise invalid_request_structure(
                        "An accesses scope requires at least one of: streams, types, accessIds."
                    )
                self._streams = _resolve(context, query) if query.get("streams") else []
            case _:
                raise invalid_request_structure(f"scope kind '{kind}' is not yet supported")

    def matches(self, change: Change) -> bool:
        """Whether the client is notified of the change; of a deleted stream or access only the id is compared."""
        if change.kind != self.kind or not change.item:
            return False
        if self.kind == "events":
            return self._matches_event(change.item)
        item = {"id": change.item["id"]} if change.action == "delete" else change.item
        return self._matches_stream(item) if self.kind == "streams" else self._matches_access(item)

    def _matches_event(self, event: dict[str, Any]) -> bool:
        return (
            (not self._streams or self._covers(event["streamIds"]))
            and (not self._types or event["type"] in self._types)
            and all(condition.matches(event) for condition in self._conditions)
        )

    def _matches_stream(self, stream: dict[str, Any]) -> bool:
        return self._covers([stream["id"], stream.get("parentId")])

    def _matches_access(self, access: dict[str, Any]) -> bool:
        granted = [permission.get("streamId") for permission in access.get("permissions", [])]
        return (
            (not self.query.get("accessIds") or access["id"] in self.query["accessIds"])
            and (not self._types or access.get("type") in self._types)
            and (not self._streams or self._covers(granted))
        )

    def _covers(self, stream_ids: list[Any]) -> bool:
        return any(streams.matches(stream_ids) for streams in self._streams)


def _resolve(context: Context, query: Query) -> list[StreamsQuery]:
    """The streams of a query, as a fixed set: a stream that is created later is not in it."""
    tree = context.platform.tree(context.user)
    asked = parse_streams(query.get("streams"), json_only_as_text=False)
    resolved = resolve_streams(asked, tree, context.access, trashed=query.get("state") in ("all", "trashed"))
    every_stream = frozenset(found for root in tree.children(None) for found in tree.expand(root["id"]))
    return [replace(streams, every=streams.every or (every_stream,)) for streams in resolved]
