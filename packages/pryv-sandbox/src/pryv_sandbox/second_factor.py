"""The code that the second factor of a login takes."""

from pryv_sandbox.methods.second_factor import CODE

__all__ = ["CODE"]
