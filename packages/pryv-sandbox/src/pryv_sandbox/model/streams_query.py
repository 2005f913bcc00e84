"""The parameter ``streams`` of ``events.get``."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from pryv_sandbox.model.access import Access
from pryv_sandbox.model.errors import forbidden, invalid_request_structure, unknown_reference
from pryv_sandbox.model.stream_tree import StreamTree
from pryv_sandbox.model.system_streams import ACCOUNT, AUDIT, STORES, WHOLE_STORES, Store, store_of

RawQuery = dict[str, Any]
"""Stream ids under ``any``, ``all`` and ``not``, and under ``storeId`` the one store they are all in."""

_FORBIDDEN_CHARACTERS = frozenset("\"'\\\0\b\t\n\r\x1a")


@dataclass(frozen=True)
class StreamsQuery:
    """A query with the ids of all its streams, those below the given ones included.

    An event matches if it is in a stream of each group of ``every``, and in no stream of ``none``. ``scope`` are the
    streams of its ``any``, in order, for the audit log; ``is_wildcard`` is true if it requests all.
    """

    store: Store
    every: tuple[frozenset[str], ...]
    none: frozenset[str]
    scope: tuple[str, ...] = ()
    is_wildcard: bool = False

    def matches(self, stream_ids: Iterable[str]) -> bool:
        """Whether an event in these streams matches."""
        held = frozenset(stream_ids)
        return all(held & group for group in self.every) and not held & self.none

    def sql(self) -> tuple[str, list[Any]]:
        """The query as an SQL condition on ``events.key``, and its parameters."""
        clauses = ["TRUE"] + [_IN_STREAMS] * len(self.every)
        values: list[Any] = [json.dumps(sorted(group)) for group in self.every]
        if self.none:
            clauses.append(f"NOT {_IN_STREAMS}")
            values.append(json.dumps(sorted(self.none)))
        return f"({' AND '.join(clauses)})", values


_IN_STREAMS = (
    "EXISTS (SELECT 1 FROM event_streams WHERE event = events.key AND stream IN (SELECT value FROM json_each(?)))"
)


def parse_streams(raw: Any, *, json_only_as_text: bool) -> list[RawQuery]:
    """The queries in the parameter: ids or queries, which are JSON text if they come over HTTP.

    Raises:
        ApiError: if they are not valid.
    """
    if raw is None:
        return [{"any": ["*"], "storeId": "local"}]
    if isinstance(raw, str) and raw[:1] in ("[", "{"):
        try:
            raw = json.loads(raw)
        except ValueError as error:
            raise _invalid(f"it is not JSON ({error})", raw) from None
    elif json_only_as_text and not (isinstance(raw, str) or all(isinstance(item, str) for item in raw)):
        raise _invalid("it should be an array of stream ids or a JSON query", raw)
    asked = [dict(item) if isinstance(item, dict) else item for item in (raw if isinstance(raw, list) else [raw])]
    ids = [item for item in asked if isinstance(item, str)]
    if ids and len(ids) < len(asked):
        raise _invalid("queries and stream ids cannot be mixed", asked)
    by_store = ([item for item in ids if store_of(item) == store] for store in STORES)
    queries = [{"any": items} for items in by_store if items] if ids else asked
    for query in queries:
        _check(query, asked)
    return queries


def _invalid(problem: str, raw: Any) -> Exception:
    return invalid_request_structure(f"Invalid 'streams' parameter: {problem}", raw)


def _check(query: Any, asked: list[Any]) -> None:
    """Refuse a query that is not valid; set the store of one that is."""
    if not isinstance(query, dict) or query.get("any") is None:
        raise _invalid("a query must contain an 'any' property", asked)
    for key, stream_ids in list(query.items()):
        if key not in ("any", "all", "not"):
            raise _invalid(f"unknown property '{key}'", asked)
        if not isinstance(stream_ids, list) or not all(isinstance(item, str) for item in stream_ids):
            raise _invalid(f"'{key}' must be an array of stream ids", asked)
        if "*" in stream_ids and (key != "any" or len(stream_ids) > 1):
            raise _invalid("'*' can only be alone and in 'any'", asked)
        if any(_FORBIDDEN_CHARACTERS.intersection(item) for item in stream_ids):
            raise _invalid("forbidden character in a stream id", asked)
        if any(store_of(item) != query.setdefault("storeId", store_of(item)) for item in stream_ids):
            raise _invalid("queries must be grouped by store", asked)
    if "*" in query["any"] and "all" in query:
        raise _invalid("'*' cannot be mixed with 'all'", asked)


def resolve_streams(queries: list[RawQuery], tree: StreamTree, access: Access, *, trashed: bool) -> list[StreamsQuery]:
    """The queries with the ids of all streams that the access may read; those without any are left out.

    Raises:
        ApiError: if a stream is unknown or may not be read.
    """
    if not all(query["any"] for query in queries):
        raise invalid_request_structure("A streams query must have a valid {any: [...]} component.")
    _check_readable([stream_id for query in queries for stream_id in query["any"] if stream_id != "*"], tree, access)
    return [
        found
        for query in queries
        for found in (_expand_star if query["any"] == ["*"] else _expand)(query, tree, access, trashed=trashed)
    ]


def _check_readable(stream_ids: list[str], tree: StreamTree, access: Access) -> None:
    bare = [stream_id.removesuffix("!") for stream_id in stream_ids]
    known = [stream_id for stream_id in bare if tree.get(stream_id)]
    for stream_id in known:
        if not access.can_read(stream_id):
            raise forbidden(f"stream [{stream_id.removeprefix(AUDIT)}] has not sufficent permission to get events")
    missing = [stream_id for stream_id in bare if stream_id not in known]
    if missing:
        raise unknown_reference("streams" if len(missing) > 1 else "stream", "streams", missing)


def _expand_star(query: RawQuery, tree: StreamTree, access: Access, *, trashed: bool) -> list[StreamsQuery]:
    if access.is_personal and "not" not in query and not tree.has_deleted and (trashed or not tree.has_trashed):
        every_stream = tuple(found for found in _streams_below("*", tree, frozenset(), trashed=trashed))
        local = [StreamsQuery("local", (), frozenset(), every_stream, is_wildcard=True)]
    elif access.can_read("*"):
        local = [replace(found, is_wildcard=True) for found in _expand(query, tree, access, trashed=trashed)]
    else:
        readable = [stream_id for stream_id in access.readable() if store_of(stream_id) == "local"]
        local = _expand({**query, "any": readable}, tree, access, trashed=trashed)
    fields = [ACCOUNT] if access.is_personal else [item for item in access.readable() if store_of(item) == "account"]
    return local + _expand({"any": fields, "storeId": "account"}, tree, access, trashed=trashed)


def _expand(query: RawQuery, tree: StreamTree, access: Access, *, trashed: bool) -> list[StreamsQuery]:
    if query["storeId"] in ("audit", "shared-secrets"):
        return [_in_flat_store(query)]
    excluded = frozenset(query.get("not", [])) | access.unreadable()

    def streams_of(stream_ids: Iterable[str], without: frozenset[str]) -> tuple[str, ...]:
        return tuple(
            found for stream_id in stream_ids for found in _streams_below(stream_id, tree, without, trashed=trashed)
        )

    any_of = streams_of(query["any"], excluded)
    all_of = [streams_of([stream_id], excluded) for stream_id in query.get("all", [])]
    every = tuple(frozenset(group) for group in (any_of, *all_of) if group)
    if not every:
        return []
    none = frozenset(streams_of(excluded, frozenset(query["any"])))
    return [StreamsQuery(query["storeId"], every, none, any_of)]


def _in_flat_store(query: RawQuery) -> StreamsQuery:
    """A query of a store in which only the root has children."""
    groups = (query["any"], *([stream_id] for stream_id in query.get("all", [])))
    every = tuple(frozenset(group) for group in groups if not set(group).intersection(WHOLE_STORES))
    return StreamsQuery(query["storeId"], every, frozenset(query.get("not", [])), tuple(query["any"]))


def _streams_below(stream_id: str, tree: StreamTree, without: frozenset[str], *, trashed: bool) -> Iterator[str]:
    """The stream and those below it: ``*`` means all except system streams, ``ID!`` only the stream itself."""
    if stream_id.endswith("!"):
        yield stream_id[:-1]
    elif stream_id != "*":
        yield from tree.expand(stream_id, trashed=trashed, excluded=without)
    else:
        for root in tree.children(None):
            if not root["id"].startswith(":"):
                yield from tree.expand(root["id"], trashed=trashed, excluded=without)
