"""Calls of the API, and the declaration of its methods."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from pryv_sandbox.model.access import Access
from pryv_sandbox.model.endpoints import api_endpoint
from pryv_sandbox.model.errors import invalid_access_token, too_many_results, unexpected
from pryv_sandbox.model.validation import Schema, Validator
from pryv_sandbox.state.platform import Platform
from pryv_sandbox.state.users import User

Result = dict[str, Any]
Handler = Callable[["Context", Any], Awaitable[Result]]
AccessType = Literal["personal", "app", "shared"]


@dataclass(frozen=True)
class Pages:
    """A long list in a result: its items as JSON text, page by page."""

    pages: AsyncIterator[list[str]]


@dataclass
class Context:
    """The context of a call: the account, the access, and where the request comes from.

    Attributes:
        base_url: the URL of the platform, with the host that the caller uses.
        origin: the origin of the web page that calls.
        caller_id: the text after the token; the author of changes includes it.
        authenticated: the access, if there is one.
        from_query_string: whether the parameters come from a URL; objects in them are then JSON text.
        files: the files that were sent with the call, as stored.
        source: what the audit log says of the caller's connection.
        query: the query string of the request, for the audit log.
        audited: what the method itself adds to the audit log.
    """

    platform: Platform
    user: User
    base_url: str
    origin: str | None = None
    caller_id: str | None = None
    authenticated: Access | None = None
    from_query_string: bool = False
    files: list[dict[str, Any]] = field(default_factory=list)
    source: dict[str, Any] = field(default_factory=dict)
    query: dict[str, Any] = field(default_factory=dict)
    audited: dict[str, Any] = field(default_factory=dict)

    @property
    def access(self) -> Access:
        """The access that the call is made with."""
        if self.authenticated is None:
            raise invalid_access_token(
                'The access token is missing: expected an "Authorization" header or an "auth" query string parameter.'
            )
        return self.authenticated

    @property
    def author(self) -> str:
        """The author of changes, for ``createdBy`` and ``modifiedBy``."""
        return f"{self.access.id} {self.caller_id}" if self.caller_id else self.access.id

    def check_no_access(self) -> None:
        """Fail if the call has an access, for a method that identifies its caller in another way, as a login does.

        In batches and over sockets every call has one. Changes made by the method before are not undone.

        Raises:
            ApiError: ``unexpected-error``, as on the real platform.
        """
        if self.authenticated:
            raise unexpected(f"the call is already made with the access {self.authenticated.id}")

    async def stamp(self) -> float:
        """The timestamp of a write, set shortly before the write can be read, as on a platform with several writers.

        A handler gets it first, and then reads, checks and writes without another ``await``.
        """
        now = self.platform.clock.now()
        window = self.platform.settings.visibility_window
        if window:
            await asyncio.sleep(random.uniform(0, window))
        else:
            for _ in range(random.randrange(3)):
                await asyncio.sleep(0)
        return now

    def api_endpoint(self, token: str) -> str:
        """The API endpoint that carries this token."""
        return api_endpoint(self.base_url, token, self.user.username)


@dataclass(frozen=True)
class Method:
    """A method of the API: its handler, the schema of its parameters, and the types of accesses that may call it."""

    handler: Handler
    params: Validator
    public: bool
    callers: tuple[AccessType, ...]


class Methods(dict[str, Method]):
    """Methods by id; a handler is added by decorating it."""

    def declare(
        self,
        method_id: str,
        params: Schema,
        *,
        public: bool = False,
        callers: tuple[AccessType, ...] = ("personal", "app", "shared"),
    ) -> Callable[[Handler], Handler]:
        """Declare the decorated function as a method; a public one needs no token."""

        def register(handler: Handler) -> Handler:
            self[method_id] = Method(handler, Validator(params), public, callers)
            return handler

        return register


async def read_pages(result: Result, limit: int) -> Result:
    """The result with its pages read into lists.

    Raises:
        ApiError: ``too-many-results``, if one has more than ``limit`` items.
    """
    return {key: await _items(value, limit) if isinstance(value, Pages) else value for key, value in result.items()}


async def _items(pages: Pages, limit: int) -> list[Any]:
    texts: list[str] = []
    async for page in pages.pages:
        texts += page
        if len(texts) > limit:
            raise too_many_results(limit)
    items: list[Any] = json.loads(f"[{','.join(texts)}]")
    return items
