"""The code of the second factor of a login."""

from pryv_sandbox.methods.second_factor import CODE

__all__ = ["CODE"]
