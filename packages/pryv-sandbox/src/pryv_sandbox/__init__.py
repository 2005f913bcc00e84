"""A Pryv.io platform in one process, for development and tests."""

from pryv_sandbox._version import __version__
from pryv_sandbox.faults.faults import Faults
from pryv_sandbox.sandbox import Account, Sandbox
from pryv_sandbox.state.outbox import Mail, TextMessage
from pryv_sandbox.state.settings import OAuthSettings

__all__ = ["Account", "Faults", "Mail", "OAuthSettings", "Sandbox", "TextMessage", "__version__"]
