"""What asks a monitor for updates."""

from __future__ import annotations

import contextlib
import math
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pryv import Connection, MissingAddonError, PryvError

from ._json import encode

if TYPE_CHECKING:
    from pryv_socket_io import SocketIO

    from .monitor import Monitor

_SUBSCRIBED = ("streams", "types", "content", "clientData")
_CHANGES = ("notificationsChanged", "eventsChanged", "streamsChanged", "reconnect")
_ALL_STREAMS = '"*"'


class UpdateMethod:
    """Asks one monitor for updates; made to be extended.

    Attributes:
        monitor: The monitor, `None` until it is added to one.
    """

    monitor: Monitor | None = None

    def set_monitor(self, monitor: Monitor) -> None:
        """Belong to a monitor; `Monitor.add_update_method` calls this.

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
        """Prepare for the next update: called after each pass, on the monitor's thread.

        What it raises counts as a failed pass.
        """

    def stop(self) -> None:
        """Put away what `ready` made: called when the monitor stops."""

    def ask(self) -> None:
        """Ask the monitor for an update, without waiting for it; a monitor that is not started is left alone."""
        if self.monitor is not None:
            with contextlib.suppress(RuntimeError):
                self.monitor.update_events(wait=False)


class EventsTimer(UpdateMethod):
    """Asks for an update so many seconds after the last one.

    Args:
        seconds: The time between updates.

    Raises:
        ValueError: it is not above 0.
    """

    def __init__(self, seconds: float) -> None:
        if not 0 < seconds < math.inf:
            raise ValueError("a timer's interval is a number of seconds above 0")
        self.seconds = seconds
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
    """Asks for an update whenever the platform notifies of a change in the scope. It needs `pryv-monitor[socket]`.

    Where the scope names streams, and the platform knows subscriptions, only changes in these streams and those below
    count; otherwise every change in the account. After the connection was lost an update is asked for as well, since
    notifications may have been missed. The socket is this object's own.
    """

    def __init__(self) -> None:
        self._socket: SocketIO | None = None

    def ready(self) -> None:
        """Open the socket, if it is not open.

        Raises:
            MissingAddonError: `pryv-socket-io` is not installed.
            PryvError: the socket cannot be opened.
        """
        if self._socket is not None or self.monitor is None:
            return
        socket = _new_socket(self.monitor.connection)
        try:
            socket.open()
            _subscribe(socket, self.monitor.scope)
        except PryvError:
            socket.close()
            raise
        self._socket = socket
        threading.Thread(target=self._listen, args=(socket,), name="pryv-monitor-socket", daemon=True).start()
        self.ask()  # what changed since the last pass was not notified

    def stop(self) -> None:
        """Close the socket."""
        socket, self._socket = self._socket, None
        if socket is not None:
            socket.close()

    def _listen(self, socket: SocketIO) -> None:
        """Act on notifications until the socket is closed; one that failed is opened anew after a pass."""
        try:
            for notification in socket.notifications():
                self._heard(socket, notification.name, notification.payload)
        except PryvError as error:
            if self._socket is socket:
                self.stop()
                self._tell("error", error)
                self.ask()

    def _heard(self, socket: SocketIO, name: str, payload: Any) -> None:
        if name == "notificationsChanged" and "streams" in payload["keys"] and self.monitor is not None:
            _subscribe(socket, self.monitor.scope)
        if name in _CHANGES:
            self.ask()
        elif name in ("accessUpdated", "error"):
            self._tell(name, payload)

    def _tell(self, name: str, payload: Any) -> None:
        if self.monitor is not None:
            self.monitor.tell(name, payload)


def _subscribe(socket: SocketIO, scope: Mapping[str, Any]) -> None:
    """Ask to be notified of the scope alone: of the streams there are below those it names, but not of later ones.

    A scope of all streams is not subscribed to, for new ones would go unnoticed.
    """
    if "streams" not in scope or _ALL_STREAMS in encode(scope["streams"]):
        return
    streams = {"streams": scope["streams"]}
    events = {key: scope[key] for key in _SUBSCRIBED if key in scope}
    if any("*" in name for name in events.get("types", ())):
        del events["types"]  # patterns match nothing there
    socket.subscribe({"events": {"kind": "events", "query": events}, "streams": {"kind": "streams", "query": streams}})


def _new_socket(connection: Connection) -> SocketIO:
    try:
        from pryv_socket_io import SocketIO
    except ModuleNotFoundError:
        raise MissingAddonError("updates by notification need an add-on: pip install pryv-monitor[socket]") from None
    return SocketIO(connection)
