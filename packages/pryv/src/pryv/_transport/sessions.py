"""The `requests` sessions behind a connection or a service."""

from __future__ import annotations

import os
import threading
import weakref
from typing import Any

import requests

from pryv._version import __version__

from .adapter import LimitingAdapter


class Sessions:
    """One session for each thread, and a new one after a fork; or the session given, used as it is.

    Several users (`Http`) may share them. The connections are closed when the last user that has sent a request closes.
    """

    def __init__(self, given: requests.Session | None = None) -> None:
        self.given = given
        self._reset()

    def _reset(self) -> None:
        self._lock = threading.RLock()  # reentrant: a signal handler may call close while this thread holds it
        self._local = threading.local()
        self._sessions: weakref.WeakSet[requests.Session] = weakref.WeakSet()
        self._users: weakref.WeakSet[object] = weakref.WeakSet()
        self._pid = os.getpid()

    def _reset_after_fork(self) -> None:
        if self._pid != os.getpid():
            self._reset()

    def get(self, user: object) -> requests.Session:
        """Return the session for this thread."""
        if self.given is not None:
            return self.given
        self._reset_after_fork()
        with self._lock:
            self._users.add(user)
        session: requests.Session | None = getattr(self._local, "session", None)
        if session is None:
            session = self._local.session = new_session()
            with self._lock:
                self._sessions.add(session)
        return session

    def close(self, user: object) -> None:
        """Close the connections of every thread, unless other users are left; a session given stays open.

        Further use opens new ones.
        """
        self._reset_after_fork()
        with self._lock:
            self._users.discard(user)
            if not self._users:
                for session in self._sessions:
                    session.close()

    def __reduce__(self) -> tuple[Any, ...]:
        return Sessions, (self.given,)


def new_session() -> requests.Session:
    """Return a session with this package's name as user agent."""
    session = requests.Session()
    session.headers["User-Agent"] = f"pryv-python/{__version__}"
    session.headers["Accept"] = "application/json"
    # Without br: brotli limits decompression only since 1.2 (https://github.com/google/brotli/issues/1149).
    session.headers["Accept-Encoding"] = "gzip, deflate"
    for scheme in ("http://", "https://"):
        session.mount(scheme, LimitingAdapter())
    return session
