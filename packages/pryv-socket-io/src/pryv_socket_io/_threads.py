"""Threads that the system may refuse."""

from __future__ import annotations

import threading

from pryv import PryvConnectionError


def start_thread(thread: threading.Thread) -> None:
    """Start a thread. In a container, the number of threads may be limited.

    Raises:
        PryvConnectionError: the system allows no more threads.
    """
    try:
        thread.start()
    except RuntimeError as error:
        raise PryvConnectionError(f"socket: {error}", sent=False) from None
