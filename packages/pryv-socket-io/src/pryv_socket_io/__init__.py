"""Socket.IO add-on of the Pryv.io SDK: notifications of changes, and calls, over one persistent connection."""

from pryv import __version__
from pryv_socket_io._notifications import Notification
from pryv_socket_io._socket import SocketIO

__all__ = ["Notification", "SocketIO", "__version__"]
