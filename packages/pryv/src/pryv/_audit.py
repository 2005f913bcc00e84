"""Queries of the audit log. The platform returns it as events of streams for each access and each method."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pryv._arguments import as_dict, require
from pryv.utils import parse_access_ref

_ALL = ":_audit:accesses"
_OF_ACCESS = ":_audit:access-"
_OF_ACTION = ":_audit:action-"


def audit_query(params: Any, access: str | None, action: str | None) -> Mapping[str, Any]:
    """Return the query for the calls of an access, of a method, of both or of all; see `Connection.audit`."""
    params = as_dict({} if params is None else params, "params")
    if params.get("streams") is not None:
        raise ValueError("params cannot have streams: they are chosen by access and action")
    streams = []
    if access is not None:
        parse_access_ref(access)
        streams.append(f"{_OF_ACCESS}{access}")
    if action is not None:
        require(action=action)
        streams.append(f"{_OF_ACTION}{action}")
    first, *others = streams or [_ALL]
    return {**params, "streams": {"any": [first], "all": others} if others else [first]}
