"""Webhooks: URLs that the platform calls when the account changes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pryv._arguments import as_dict, require
from pryv._transport.results import member
from pryv._transport.timeouts import DEFAULT, CallTimeout
from pryv._transport.urls import path_segment
from pryv.resources._resource import Resource
from pryv.types import Deletion, Untyped, Webhook, WebhookScope, WebhookUpdate

List = list  # which is a method inside the class


class Webhooks(Resource):
    """The webhooks of an account that the token may see: all, or those that it created."""

    def list(self, *, timeout: CallTimeout = DEFAULT) -> List[Webhook]:
        """Return the webhooks.

        See `Get webhooks <https://pryv.github.io/reference/#get-webhooks>`__ in the API reference.

        Args:
            timeout: Replaces the connection's timeout.

        Raises:
            PryvError: the call failed; see *Errors and retries*.
        """
        return member(self._call("webhooks.get", "GET", "webhooks", timeout), "webhooks", list, "webhooks.get")

    def get(self, id: str, *, timeout: CallTimeout = DEFAULT) -> Webhook:
        """Return a webhook.

        See `Get one webhook <https://pryv.github.io/reference/#get-one-webhook>`__ in the API reference.

        Args:
            id: The webhook's id.
            timeout: Replaces the connection's timeout.

        Raises:
            TypeError: `id` is not a string.
            ValueError: `id` is not an id.
            UnknownResourceError: the webhook does not exist.
            PryvError: the call failed; see *Errors and retries*.
        """
        return self._one(Webhook, "webhook", "webhooks.getOne", "GET", _path(id), timeout)

    def create(
        self,
        url: str,
        scopes: Mapping[str, WebhookScope | Untyped] | None = None,
        *,
        timeout: CallTimeout = DEFAULT,
    ) -> Webhook:
        """Create a webhook and return it; this needs the token of an app access or a shared access.

        See `Create webhook <https://pryv.github.io/reference/#create-webhook>`__ in the API reference.

        Args:
            url: The URL to call.
            scopes: The changes to call it for, by keys of your choice, which each call contains; by default all.
            timeout: Replaces the connection's timeout.

        Raises:
            TypeError: an argument has the wrong type, or a value has no JSON form.
            ValueError: `url` is empty, or a value has no JSON form.
            ItemAlreadyExistsError: the access has a webhook with this URL.
            ForbiddenError: the token is a personal one.
            PryvError: the call failed; see *Errors and retries*.
        """
        require(url=url)
        data: dict[str, Any] = {"url": url}
        if scopes is not None:
            data["scopes"] = as_dict(scopes, "scopes")
        return self._one(Webhook, "webhook", "webhooks.create", "POST", "webhooks", timeout, data=data)

    def update(self, id: str, changes: WebhookUpdate | Untyped, *, timeout: CallTimeout = DEFAULT) -> Webhook:
        """Change a webhook and return it.

        See `Update webhook <https://pryv.github.io/reference/#update-webhook>`__ in the API reference.

        Args:
            id: The webhook's id.
            changes: The members to change.
            timeout: Replaces the connection's timeout.

        Raises:
            TypeError: an argument has the wrong type, or a value has no JSON form.
            ValueError: `id` is not an id, or a value has no JSON form.
            UnknownResourceError: the webhook does not exist.
            PryvError: the call failed; see *Errors and retries*.
        """
        data = as_dict(changes, "changes")
        return self._one(Webhook, "webhook", "webhooks.update", "PUT", _path(id), timeout, data=data)

    def activate(self, id: str, *, timeout: CallTimeout = DEFAULT) -> Webhook:
        """Activate a webhook that the platform deactivated after too many failures, and return it.

        See `Update webhook <https://pryv.github.io/reference/#update-webhook>`__ in the API reference.

        Args:
            id: The webhook's id.
            timeout: Replaces the connection's timeout.

        Raises:
            TypeError: `id` is not a string.
            ValueError: `id` is not an id.
            UnknownResourceError: the webhook does not exist.
            PryvError: the call failed; see *Errors and retries*.
        """
        return self.update(id, {"state": "active"}, timeout=timeout)

    def delete(self, id: str, *, timeout: CallTimeout = DEFAULT) -> Deletion:
        """Delete a webhook and return the deletion.

        See `Delete webhook <https://pryv.github.io/reference/#delete-webhook>`__ in the API reference.

        Args:
            id: The webhook's id.
            timeout: Replaces the connection's timeout.

        Raises:
            TypeError: `id` is not a string.
            ValueError: `id` is not an id.
            UnknownResourceError: the webhook does not exist.
            PryvError: the call failed; see *Errors and retries*.
        """
        return self._one(Deletion, "webhookDeletion", "webhooks.delete", "DELETE", _path(id), timeout)

    def test(self, id: str, *, timeout: CallTimeout = DEFAULT) -> Webhook:
        """Make the platform call a webhook once, with the message `test`, and return it.

        See `Test webhook <https://pryv.github.io/reference/#test-webhook>`__ in the API reference.

        Args:
            id: The webhook's id.
            timeout: Replaces the connection's timeout.

        Raises:
            TypeError: `id` is not a string.
            ValueError: `id` is not an id.
            UnknownResourceError: the webhook does not exist, or its URL did not respond with a status from 200 to 299
                (`unknown-referenced-resource`).
            PryvError: the call failed; see *Errors and retries*.
        """
        return self._one(Webhook, "webhook", "webhooks.test", "POST", f"{_path(id)}/test", timeout, data={})


def _path(id: str) -> str:
    return f"webhooks/{path_segment(id)}"
