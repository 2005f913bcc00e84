"""A Pryv.io platform in one process, for development and tests."""

from pryv_sandbox.faults import Faults
from pryv_sandbox.server import Account, Sandbox

__all__ = ["Account", "Faults", "Sandbox"]
