"""Update methods ask a monitor for passes."""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pryv import MissingAddonError, RetryPolicy
from pryv.addons import SignalSafeEvent, require_bearer, require_seconds
from pryv_monitor._json import encode
from pryv_monitor._updatable import UpdatableMonitor

if TYPE_CHECKING:
    from pryv_socket_io import Notification, SocketIO

_SUBSCRIBED = ("streams", "types", "content", "clientData")
_CHANGES = ("notificationsChanged", "eventsChanged", "streamsChanged", "reconnect")
_ALL_STREAMS = '"*"'
_BACKOFF = RetryPolicy(backoff=1, max_backoff=60)


class UpdateMethod:
    """Asks one monitor for passes. This is the base class; it asks for none.

    Attributes:
        monitor: The monitor, `None` until it is added to one.
    """

    monitor: UpdatableMonitor | None = None

    def set_monitor(self, monitor: UpdatableMonitor) -> None:
        """Set the monitor; `Monitor.add_update_method` calls this.

        Raises:
            RuntimeError: it belongs to one already.
        """
        if self.monitor is not None:
            raise RuntimeError("an update method belongs to one monitor")
        self.monitor = monitor
        monitor.on("ready", lambda _report: self.ready())
        monitor.on("stop", lambda _error: self.stop())
        if monitor.started:
            self.ready()

    def ready(self) -> None:
        """Prepare for the next pass. Called after each pass, on the monitor's thread.

        If it raises, the pass counts as failed.
        """

    def stop(self) -> None:
        """Release what `ready` made. Called when the monitor stops."""

    def ask(self) -> None:
        """Ask the monitor for a pass, without waiting for it. If the monitor is not started, this does nothing."""
        if self.monitor is not None:
            with contextlib.suppress(RuntimeError):
                self.monitor.update_events(wait=False)


class EventsTimer(UpdateMethod):
    """Asks for a pass a number of seconds after the last one.

    Args:
        seconds: The time between passes.

    Raises:
        TypeError: it is not a number.
        ValueError: it is not above 0.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = require_seconds(seconds, "seconds", above_zero=True)
        self._timer: threading.Timer | None = None

    def ready(self) -> None:
        """Set the timer."""
        self.stop()
        self._timer = threading.Timer(self.seconds, self._due)
        self._timer.daemon = True
        self._timer.start()

    def stop(self) -> None:
        """Cancel the timer."""
        if self._timer is not None:
            self._timer.cancel()

    def _due(self) -> None:
        self.ask()


class SocketUpdates(UpdateMethod):
    """Asks for a pass when the platform notifies of a change in the scope. It needs `pryv-monitor[socket]`.

    If the scope names streams, and the platform supports subscriptions, it is notified only of changes in these streams
    and their descendants; otherwise of every change in the account. When a lost connection is back, it asks for a pass
    too, because notifications may have been missed. It opens its own socket. If that fails, it opens another after the
    next pass and a wait, which grows up to a minute.
    """

    def __init__(self) -> None:
        self._socket: SocketIO | None = None
        self._stopped = SignalSafeEvent()
        self._error: Exception | None = None
        self._failures = 0
        self._lock = threading.RLock()

    def set_monitor(self, monitor: UpdatableMonitor) -> None:
        """Set the monitor.

        Raises:
            RuntimeError: it belongs to one already.
            MissingAddonError: `pryv-socket-io` is not installed.
            PryvError: the token of its connection is bound to a key (DPoP), so that sockets cannot use it.
        """
        require_bearer(monitor.connection, "SocketUpdates")
        _socket_class()
        super().set_monitor(monitor)

    def ready(self) -> None:
        """Begin to open the socket, if there is none.

        Raises:
            PryvError: the last socket could not be opened, or has failed.
        """
        with self._lock:
            error, self._error = self._error, None
        if error is not None:
            raise error
        if self._socket is None and self.monitor is not None:
            self._socket, self._stopped = _socket_class()(self.monitor.connection), SignalSafeEvent()
            arguments = (self._socket, self._stopped, self.monitor)
            threading.Thread(target=self._work, args=arguments, name="pryv-monitor-socket", daemon=True).start()

    def stop(self) -> None:
        """Close the socket, or stop opening it."""
        with self._lock:
            socket, self._socket, self._error = self._socket, None, None
        self._stopped.set()
        if socket is not None:
            socket.close()

    def _work(self, socket: SocketIO, stopped: SignalSafeEvent, monitor: UpdatableMonitor) -> None:
        """Open a socket and handle its notifications until it is closed; `ready` raises what ended it otherwise."""
        opened = math.inf
        try:
            if self._failures and stopped.wait(_BACKOFF.wait(self._failures)):
                return
            socket.open()
            opened = time.monotonic()
            if stopped.is_set():  # `stop` was called before the socket was open
                socket.close()
                return
            _subscribe(socket, monitor.scope)
            self.ask()  # there was no notification of changes since the last pass
            for notification in socket.notifications():
                self._on_notification(socket, monitor, notification)
        except Exception as error:  # noqa: BLE001  (`ready` raises it, after the pass that is requested here)
            socket.close()
            if time.monotonic() - opened >= _BACKOFF.max_backoff:
                self._failures = 0
            self._failures += 1
            with self._lock:
                if stopped.is_set():
                    return
                self._error, self._socket = error, None
            self.ask()

    def _on_notification(self, socket: SocketIO, monitor: UpdatableMonitor, notification: Notification) -> None:
        name, payload = notification.name, notification.payload
        if name == "notificationsChanged" and "streams" in payload["keys"]:
            _subscribe(socket, monitor.scope)
        if name in _CHANGES:
            self.ask()
        elif name in ("accessUpdated", "error"):
            monitor._notify(name, payload)


def _subscribe(socket: SocketIO, scope: Mapping[str, Any]) -> None:
    """Subscribe to the streams of the scope and their descendants, as they are now.

    For a scope of all streams there is no subscription: it would not include new streams.
    """
    if "streams" not in scope or _ALL_STREAMS in encode(scope["streams"]):
        return
    streams = {"streams": scope["streams"]}
    events = {key: scope[key] for key in _SUBSCRIBED if key in scope}
    if any("*" in name for name in events.get("types", ())):
        del events["types"]  # subscriptions do not support patterns
    socket.subscribe({"events": {"kind": "events", "query": events}, "streams": {"kind": "streams", "query": streams}})


def _socket_class() -> type[SocketIO]:
    try:
        from pryv_socket_io import SocketIO
    except ModuleNotFoundError:
        raise MissingAddonError('notifications need an add-on: pip install "pryv-monitor[socket]"') from None
    return SocketIO
