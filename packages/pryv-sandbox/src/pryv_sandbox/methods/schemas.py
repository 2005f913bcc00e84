"""The parts that the schemas of several methods share."""

from __future__ import annotations

from collections.abc import Container, Iterable
from typing import Any, Final

from pryv_sandbox.model.errors import forbidden

STRING: Final = {"type": ["string"]}
NUMBER: Final = {"type": ["number"]}
BOOLEAN: Final = {"type": ["boolean"]}
OBJECT: Final = {"type": ["object"]}

TRACKED: Final[dict[str, Any]] = {
    "created": {"type": "number"},
    "createdBy": {"type": "string"},
    "modified": {"type": "number"},
    "modifiedBy": {"type": "string"},
}
"""What the platform itself writes in an item: who made and who changed it, and when."""


def check_alterable(update: Iterable[str], alterable: Container[str]) -> None:
    """Refuse an update of fields that are not alterable.

    Raises:
        ApiError: ``forbidden``, with the names of these fields.
    """
    protected = [key for key in update if key not in alterable]
    if protected:
        raise forbidden(f"Forbidden update was attempted on the following protected field(s): [{','.join(protected)}].")
