"""Delivery of webhooks: a webhook is called when its account changes, and again later if the call fails."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import aiohttp
from aiohttp import web

from pryv_sandbox.methods import webhooks
from pryv_sandbox.methods.calls import Context
from pryv_sandbox.methods.scopes import Scope
from pryv_sandbox.methods.webhooks import Doc, is_success
from pryv_sandbox.model.errors import ApiError
from pryv_sandbox.state import accesses as stored_accesses
from pryv_sandbox.state.changes import Change
from pryv_sandbox.state.platform import Platform
from pryv_sandbox.state.users import User

_RUNS_KEPT = 50

Message = str | None
"""The key of a scope; without scopes the platform sends null."""


class WebhookDelivery:
    """Delivers all webhooks of a platform while it is served."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._deliveries: dict[str, _Delivery] = {}
        self._session: aiohttp.ClientSession

    async def run(self, app: web.Application) -> AsyncIterator[None]:
        """Deliver while an application is served; see ``aiohttp.web.Application.cleanup_ctx``."""
        async with aiohttp.ClientSession() as self._session:
            for user in self._platform.users.every():
                for webhook in webhooks.select(self._platform, user):
                    self._start(user, webhook, ["webhooksServiceBoot"])
            self._platform.listeners.append(self._on_change)
            yield
            self._platform.listeners.remove(self._on_change)
            for webhook_id in list(self._deliveries):
                self._stop(webhook_id)

    def _start(self, user: User, webhook: Doc, messages: Sequence[Message] = ()) -> None:
        """Start to deliver a webhook, unless its scopes are no longer valid; these messages are sent first."""
        access = stored_accesses.find_by_id(self._platform, user, webhook["accessId"])
        context = Context(self._platform, user, base_url="", authenticated=access)
        try:
            scopes = webhooks.bind(context, webhook.get("scopes", {}))
        except ApiError:
            return
        delivery = _Delivery(self._platform, self._session, user, webhook, scopes)
        delivery.send(messages)
        self._deliveries[webhook["id"]] = delivery

    def _stop(self, webhook_id: str) -> None:
        if delivery := self._deliveries.pop(webhook_id, None):
            delivery.task.cancel()

    def _on_change(self, change: Change) -> None:
        if change.kind == "webhooks":
            self._on_webhook(change)
            return
        for delivery in self._deliveries.values():
            if delivery.user.key == change.user:
                delivery.notify(change)

    def _on_webhook(self, change: Change) -> None:
        """Start to deliver a new webhook, stop for a deleted one, and resume for an updated one."""
        webhook_id = change.item["id"]
        if change.action == "create":
            self._start(self._platform.users.read(change.user), change.item)
        elif change.action == "delete":
            self._stop(webhook_id)
        elif delivery := self._deliveries.get(webhook_id):
            delivery.state = "active"


class _Delivery:
    """Delivers one webhook: its pending messages, and the record of its calls."""

    def __init__(
        self,
        platform: Platform,
        session: aiohttp.ClientSession,
        user: User,
        webhook: Doc,
        scopes: dict[str, Scope],
    ) -> None:
        self.user = user
        self.state: str = webhook["state"]
        self._platform = platform
        self._session = session
        self._webhook = webhook
        self._scopes = scopes
        self._messages: dict[Message, None] = {}
        self._has_messages = asyncio.Event()
        self.task = asyncio.create_task(self._deliver())

    def notify(self, change: Change) -> None:
        """Send the keys of the scopes that match a change."""
        self.send([key for key, scope in self._scopes.items() if scope.matches(change)] if self._scopes else [None])

    def send(self, messages: Sequence[Message]) -> None:
        """Add messages to those that are pending, each once."""
        if self.state == "active" and messages:
            self._messages.update(dict.fromkeys(messages))
            self._has_messages.set()

    async def _deliver(self) -> None:
        while True:
            await self._has_messages.wait()
            await asyncio.sleep(self._pause())
            messages, self._messages = list(self._messages), {}
            self._has_messages.clear()
            now = self._platform.clock.now()
            status = await webhooks.post(self._session, self._webhook["url"], messages, now)
            self._record(status)
            if not is_success(status):
                self.send(messages)

    def _pause(self) -> float:
        """The seconds until the next call; they grow with the number of failed calls."""
        pause: float = self._webhook["minIntervalMs"] / 1000 * (self._webhook["currentRetries"] or 1)
        passed: float = self._platform.clock.now() - self._webhook["lastRun"]["timestamp"]
        return max(0.0, min(pause - passed, pause))

    def _record(self, status: int) -> None:
        before = self._webhook
        failed = not is_success(status)
        retries = before["currentRetries"] + 1 if failed else 0
        if retries > before["maxRetries"]:
            self.state = "inactive"
            self._messages.clear()
            self._has_messages.clear()
        run: dict[str, Any] = {"status": status, "timestamp": self._platform.clock.now()}
        changes = {
            "lastRun": run,
            "runs": [run, *before["runs"]][:_RUNS_KEPT],
            "runCount": before["runCount"] + 1,
            "failCount": before["failCount"] + failed,
            "currentRetries": retries,
            "state": self.state,
        }
        self._webhook = before | changes
        webhooks.change(self._platform, self.user, before, changes)
