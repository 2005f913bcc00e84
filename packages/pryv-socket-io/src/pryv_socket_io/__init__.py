"""Socket.IO add-on of the Pryv.io SDK."""

from pryv import __version__

__all__ = ["__version__"]
