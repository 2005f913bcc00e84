"""Socket.IO add-on of the Pryv.io SDK."""

__version__ = "0.1.0"
