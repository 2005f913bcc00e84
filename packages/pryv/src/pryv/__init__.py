"""Python SDK for Pryv.io."""

__version__ = "0.1.0"
