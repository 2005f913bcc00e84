"""What can be set on a platform."""

from __future__ import annotations

from dataclasses import dataclass

API_VERSION = "2.0.0-pre.4"
SERIAL = "2026112101"
MAX_BODY_SIZE = 10 * 1024 * 1024


@dataclass(frozen=True)
class Settings:
    """How a sandbox platform behaves.

    Attributes:
        data: the file that keeps the data; in memory if ``None``.
        name: the platform's name in its service information.
        visibility_window: upper bound, in seconds, of the random time between the ``modified`` stamp of a write
            and the moment the write can be read; ``None`` leaves only what the event loop's scheduling brings.
        trusted_hosts: patterns of the hosts whose web pages may send a password, besides the platform's own; ``*``
            stands for anything. A request from no page may as well.
        keep_history: whether the former versions of a changed event are kept.
        reset_lifetime: seconds in which a forgotten password can be replaced, once that was asked for.
        session_lifetime: seconds an unused personal session lasts.
        results_limit: most events a batch or a socket call may return.
        page_size: events per chunk of a streamed answer.
        subscriptions: whether sockets know subscriptions; on older platforms they do not.
        null_characters: whether texts may hold the character U+0000. A platform on PostgreSQL takes none: an item that
            holds one is an error 500.
    """

    data: str | None = None
    name: str = "Local Pryv (reference)"
    visibility_window: float | None = None
    trusted_hosts: tuple[str, ...] = ("localhost", "127.0.0.1", "::1", "*.backloop.dev")
    keep_history: bool = True
    reset_lifetime: float = 3600
    session_lifetime: float = 14 * 24 * 3600
    results_limit: int = 100_000
    page_size: int = 1000
    subscriptions: bool = True
    null_characters: bool = True
