"""Sessions of `requests` that the accounts of all platforms share, and that ask before each request."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final
from urllib.request import getproxies

import requests
from requests.adapters import BaseAdapter

from pryv.addons import new_session

_CA_VARIABLES: Final = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
BeforeRequest = Callable[[], object]


class SessionPool:
    """Sessions, each used by one thread at a time. It survives a fork.

    Attributes:
        callbacks: Functions that are called with the status of each response.
    """

    def __init__(self) -> None:
        self.callbacks: list[Callable[[int], object]] = []
        self._reset()

    def _reset(self) -> None:
        self._free: list[_Session] = []
        self._shared: list[_Session] = []
        self._pid = os.getpid()

    @contextmanager
    def session(self, before_request: BeforeRequest) -> Iterator[requests.Session]:
        """Borrow a session: the one that was used last.

        Args:
            before_request: Called before each request. What it raises is raised instead of sending the request.
        """
        self._reset_after_fork()
        try:
            session = self._free.pop()
        except IndexError:
            session = _Session(self._notify)
        session.adapter.before_request = before_request
        try:
            yield session.session
        finally:
            self._free.append(session)

    def shared(self, before_request: BeforeRequest) -> requests.Session:
        """Return a new session, for all threads; see `session`."""
        self._reset_after_fork()
        session = _Session(self._notify)
        session.adapter.before_request = before_request
        self._shared.append(session)
        return session.session

    def _reset_after_fork(self) -> None:
        if self._pid != os.getpid():
            self._reset()

    def _notify(self, response: requests.Response, **_: Any) -> None:
        for callback in self.callbacks:
            callback(response.status_code)

    def close(self) -> None:
        """Close the sessions that are not in use."""
        for session in self._shared:
            session.session.close()
        while self._free:
            self._free.pop().session.close()


class _Session:
    """A session that has the settings of the environment: to look for them takes a tenth of a request's CPU."""

    def __init__(self, on_response: Callable[..., object]) -> None:
        self.session = session = new_session()
        session.trust_env = bool(getproxies().keys() - {"no"})  # which host has a proxy is up to requests
        session.verify = next((path for name in _CA_VARIABLES if (path := os.environ.get(name))), True)
        session.hooks["response"].append(on_response)
        self.adapter = _AskingAdapter(session.get_adapter("https://"))
        for scheme in ("http://", "https://"):
            session.mount(scheme, self.adapter)


class _AskingAdapter(BaseAdapter):
    """Sends requests with another adapter, after it has asked."""

    before_request: BeforeRequest

    def __init__(self, adapter: BaseAdapter) -> None:
        super().__init__()
        self._adapter = adapter

    def send(self, *args: Any, **options: Any) -> requests.Response:
        """Send a request, unless what is called before it raises an exception."""
        self.before_request()
        return self._adapter.send(*args, **options)

    def close(self) -> None:
        """Close the connections."""
        self._adapter.close()
