"""The version, one for the three packages."""

__version__ = "0.1.0"
