"""Scopes: standing queries by which a client says what changes it wants to hear of."""

from __future__ import annotations

from typing import Any

from pryv_sandbox.api import Context
from pryv_sandbox.changes import Change
from pryv_sandbox.content_query import parse_conditions
from pryv_sandbox.errors import forbidden, invalid_request_structure
from pryv_sandbox.streams_query import StreamsQuery, parse_streams, resolve_streams

Query = dict[str, Any]


class Scope:
    """A standing query, bound to what the access may read when it is made.

    Attributes:
        kind: what it is about: ``events``, ``streams`` or ``accesses``.
        query: the query as the client gave it.

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
        """Whether the client wants to hear of the change."""
        if change.kind != self.kind:
            return False
        match self.kind:
            case "events":
                return self._matches_event(change.item)
            case "streams":
                return self._covers([change.item["id"], change.item.get("parentId")])
            case _:
                return self._matches_access(change.item)

    def _matches_event(self, event: dict[str, Any]) -> bool:
        return (
            self._covers(event.get("streamIds", []))
            and (not self._types or event.get("type") in self._types)
            and all(condition.matches(event) for condition in self._conditions)
        )

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
    return resolve_streams(
        parse_streams(query.get("streams"), json_only_as_text=False),
        context.platform.tree(context.user),
        context.access,
        trashed=query.get("state") in ("all", "trashed"),
    )
