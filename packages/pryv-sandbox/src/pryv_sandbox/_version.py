"""The version, which it shares with the SDK."""

__version__ = "0.1.0"
