"""Whether an anchor belongs to an account and a scope."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import attrs

from pryv import Connection, PryvError
from pryv_monitor._reader import Reader
from pryv_monitor._scope import END, START, Scope
from pryv_monitor.anchor import Anchor, Identity
from pryv_monitor.errors import AnchorMismatchError

_REMEDY: Final = "use a separate one, or reset it to start over"
_LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")
_log = logging.getLogger("pryv_monitor")


class Owner:
    """The account and the scope that a monitor follows, as its anchors know them.

    An anchor has the identity of its account, which the platform reports: the register's host, the access, the user. It
    stays the same when the account gets another host name, or its user another name. To ask for it in each pass would
    cost requests. So the anchor also has a digest of endpoint and token: while that is the same, the account is.
    """

    def __init__(self, connection: Connection, scope: Scope) -> None:
        self._connection = connection
        self._by_stream = "streams" in scope.params
        self._scope = _digest(json.dumps(dict(scope.params), sort_keys=True))
        self._credentials = _credentials(connection)
        self._has_asked = False

    def new_anchor(self, now: float, reader: Reader) -> Anchor:
        """Return an anchor of this owner, from which no full reading has begun."""
        identity = self._ask_once(reader)
        return Anchor(
            self._scope,
            now,
            generation=0,
            by_stream=self._by_stream,
            identity=identity,
            credentials=self._credentials,
        )

    def checked(self, anchor: Anchor, reader: Reader) -> Anchor | None:
        """Return an anchor that belongs to this owner, with what identifies it now.

        Returns:
            The anchor; `None` if nothing was read under it, and it is of another scope, which the platform may have
            refused, or does not say to which account it belongs.

        Raises:
            AnchorMismatchError: it belongs to another.
            PryvError: the platform cannot be reached.
        """
        if (_is_empty(anchor) and anchor.scope != self._scope) or self._is_of_nobody(anchor):
            return None
        self._check_scope(anchor)
        if anchor.credentials == self._credentials:
            identity = anchor.identity or self._ask_once(reader)
        else:
            identity = self._identity(reader)
            _check_account(anchor.identity, identity)
            _check_access(anchor.identity, identity)
        return attrs.evolve(anchor, identity=identity, credentials=self._credentials)

    def adopted(self, anchor: Anchor, reader: Reader, *, force: bool) -> Anchor:
        """Return the anchor with the identity of this owner, or as it is if there is nothing to adopt.

        Raises:
            AnchorMismatchError: it is of another scope, or of another account and `force` is not set.
            PryvError: the platform cannot be reached.
        """
        self._check_scope(anchor)
        if anchor.credentials == self._credentials or self._is_of_nobody(anchor):
            return anchor
        identity = self._identity(reader)
        if not force:
            _check_account(anchor.identity, identity)
        return attrs.evolve(anchor, identity=identity, credentials=self._credentials)

    def _is_of_nobody(self, anchor: Anchor) -> bool:
        """Return whether nothing was read under an anchor that does not say to which account it belongs."""
        return _is_empty(anchor) and anchor.identity is None and anchor.credentials != self._credentials

    def _check_scope(self, anchor: Anchor) -> None:
        if anchor.scope != self._scope:
            raise AnchorMismatchError(f"the anchor belongs to another scope: {_REMEDY}", differs="scope")

    def _identity(self, reader: Reader) -> Identity:
        identity = reader.call(lambda: _identity(self._connection))
        if identity is None:
            raise AnchorMismatchError("the platform does not report whether the anchor belongs to this account")
        return identity

    def _ask_once(self, reader: Reader) -> Identity | None:
        """Return the identity, if the platform reports one; it is not needed now."""
        if self._has_asked:
            return None
        self._has_asked = True
        try:
            return reader.call(lambda: _identity(self._connection))
        except PryvError as error:
            _log.info("the platform does not report the account's identity (%s)", type(error).__name__)
            return None


def _identity(connection: Connection) -> Identity | None:
    """Return the identity of an account, `None` if the platform's responses lack a part of it.

    See `Get current access info <https://pryv.github.io/reference/#access-info>`__ and
    `Service info <https://pryv.github.io/reference/#service-info>`__ in the API reference.
    """
    info = connection.access_info()
    access, user = info.get("id"), info.get("user")
    username = user.get("username") if isinstance(user, dict) else None
    host = _host(connection.service.info().register)
    if not isinstance(access, str) or not isinstance(username, str) or not host:
        return None
    user_digest = _digest(f"{host} {username}")
    base_id = access.partition(":")[0]  # after an update the id is `base:serial`
    session = _session_name(info)
    return Identity(host, base_id if session is None else f"{session} {user_digest}", user_digest)


def _is_empty(anchor: Anchor) -> bool:
    """Return whether nothing was committed under an anchor: the first reading has failed before its first window."""
    return anchor.synced is None and anchor.generation == 1 and anchor.reached in (START, END)


def _session_name(info: Mapping[str, Any]) -> str | None:
    """Return the name of an OAuth client's session, `oauth:CLIENT`: each refresh replaces the access, not the name."""
    name = info.get("name")
    is_session = info.get("type") == "app" and isinstance(name, str) and name.startswith("oauth:")
    return name if is_session else None


def _host(url: str) -> str:
    """Return host and port of a URL; the names of this machine are one."""
    parts = urlsplit(url)
    host = "localhost" if parts.hostname in _LOOPBACK else parts.hostname or ""
    return host if parts.port is None else f"{host}:{parts.port}"


def _check_account(kept: Identity | None, found: Identity) -> None:
    if kept is None:
        raise AnchorMismatchError(f"the anchor does not say to which account it belongs: {_REMEDY}")
    is_same_access = (kept.platform, kept.access) == (found.platform, found.access)
    if not is_same_access and kept.user != found.user:
        raise AnchorMismatchError(f"the anchor belongs to another account: {_REMEDY}")


def _check_access(kept: Identity | None, found: Identity) -> None:
    if kept is not None and kept.access != found.access:
        message = f"the anchor belongs to another access to this account: adopt it, or {_REMEDY}"
        raise AnchorMismatchError(message, differs="access")


def _credentials(connection: Connection) -> str:
    """Return a digest of endpoint and token that does not help to guess the token."""
    key = hashlib.sha256((connection.token or "").encode()).digest()
    return hashlib.blake2b(connection.endpoint.encode(), key=key, digest_size=16).hexdigest()


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
