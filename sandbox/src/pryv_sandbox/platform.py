"""A Pryv.io platform: its data, its clock, its methods."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pryv_sandbox import accesses, account, accounts, app_check, events, second_factor, service, streams, webhooks
from pryv_sandbox.access import Access
from pryv_sandbox.accounts import User
from pryv_sandbox.api import Context, Methods, Result, gather
from pryv_sandbox.attachments import Files
from pryv_sandbox.changes import Change, Listener
from pryv_sandbox.clock import Clock
from pryv_sandbox.errors import ApiError, invalid_method
from pryv_sandbox.hooks import Hooks
from pryv_sandbox.settings import Settings
from pryv_sandbox.storage import connect
from pryv_sandbox.stored_accesses import find_by_token, note_use
from pryv_sandbox.stream_tree import StreamTree, read_tree

METHODS = Methods()
for _resource in (account, accounts, accesses, app_check, events, second_factor, service, streams, webhooks):
    METHODS.update(_resource.methods)


@METHODS.declare(
    "callBatch",
    {
        "type": ["array"],
        "items": {
            "type": ["object"],
            "required": ["method", "params"],
            "properties": {"method": {"type": ["string"]}, "params": {"type": ["object", "array"]}},
        },
    },
)
async def _call_batch(context: Context, calls: list[dict[str, Any]]) -> Result:
    results = [await _outcome(context, call["method"], call["params"]) for call in calls]
    used = Counter(call["method"] for call in calls if call["method"] in METHODS)
    note_use(context.platform, context.user, context.access, used)
    return {"results": results}


async def _outcome(context: Context, method_id: str, params: Any) -> Result:
    try:
        result = await context.platform.run(context, method_id, params)
        return await gather(result, context.platform.settings.results_limit)
    except ApiError as error:
        return {"error": error.public()}


class Platform:
    """Everything behind the HTTP and socket interfaces.

    Attributes:
        listeners: called with each change, on the event loop's thread.
        hooks: the webhooks that are delivered.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings or Settings()
        self.clock = Clock()
        self.db = connect(self.settings.data, null_characters=self.settings.null_characters)
        self.files = Files(self.settings.data)
        self.listeners: list[Listener] = []
        self.hooks = Hooks(self)
        self._trees: dict[int, StreamTree] = {}
        self._accesses: dict[int, dict[str, Access]] = {}

    async def call(self, context: Context, method_id: str, params: Any) -> Result:
        """Run a method for a caller, and note that the access was used.

        Raises:
            ApiError: as the method answers.
        """
        result = await self.run(context, method_id, params)
        if context.authenticated and method_id != "callBatch":
            note_use(self, context.user, context.authenticated, {method_id: 1})
        return result

    async def run(self, context: Context, method_id: str, params: Any) -> Result:
        """Run a method.

        Raises:
            ApiError: as the method answers.
        """
        method = METHODS.get(method_id)
        if method is None:
            raise invalid_method(method_id)
        if not method.public:
            _ = context.access
        method.params.check(params)
        return await method.handler(context, params)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Several writes that become visible together, or not at all; nothing is awaited inside."""
        self.db.execute("BEGIN")
        try:
            yield
        except BaseException:
            self.db.execute("ROLLBACK")
            raise
        self.db.execute("COMMIT")

    def publish(self, change: Change) -> None:
        """Tell the listeners of a change."""
        for listener in self.listeners:
            listener(change)

    def tree(self, user: User) -> StreamTree:
        """The streams of an account."""
        if user.key not in self._trees:
            self._trees[user.key] = read_tree(self.db, user.key)
        return self._trees[user.key]

    def access(self, user: User, token: str) -> Access:
        """The access with this token, which may have expired.

        Raises:
            ApiError: if there is none.
        """
        known = self._accesses.setdefault(user.key, {})
        if token not in known:
            known[token] = find_by_token(self, user, token)
        return known[token]

    def forget(self, user: User) -> None:
        """Read the streams and accesses of an account anew when they are next needed."""
        self._trees.pop(user.key, None)
        self._accesses.pop(user.key, None)

    def close(self) -> None:
        """Let go of the database and the files."""
        self.db.close()
        self.files.close()
