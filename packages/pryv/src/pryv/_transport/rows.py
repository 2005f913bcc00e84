"""Some members of each object in a block, parsed by msgspec without making dicts: the other members are skipped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from .blocks import MsgspecDecoder

_LONG_INTEGER = 4300
"""`json` refuses an integer of more digits, msgspec skips it."""
_PLACE = 50


class RowDecoder(MsgspecDecoder):
    """Parses objects as rows: the values of the members that are asked for, `None` for those that are absent.

    It reads the blocks that `MsgspecDecoder` reads; and numbers beyond a double, in members that are skipped.

    Raises:
        ValueError: msgspec cannot find a member of this name.
    """

    size = 16_384  # rows take less memory than dicts

    def __init__(self, members: Sequence[str]) -> None:
        names = [f"member_{number}" for number in range(len(members))]
        self._row: Any = msgspec.defstruct(
            "Row", [(name, Any, None) for name in names], rename=dict(zip(names, members, strict=True)), gc=False
        )
        super().__init__(self._row)
        self.objects |= {self._row}
        self._members = members

    def items(self, source: bytes) -> list[Any] | None:
        """Return the objects as rows, `None` if they cannot be read so."""
        try:
            source.decode()  # msgspec does not decode the strings that it skips
        except UnicodeDecodeError:
            return None
        return None if _may_have_long_integer(source) else super().items(source)

    def columns(self, items: list[Any]) -> list[Sequence[Any]]:
        """Return the values of each member, of rows and of objects that were parsed as dicts."""
        if set(map(type, items)) != {self._row}:
            items = [item if type(item) is self._row else self._of(item) for item in items]
        return list(zip(*map(msgspec.structs.astuple, items), strict=True))

    def _of(self, item: Mapping[str, Any]) -> Any:
        return self._row(*map(item.get, self._members))


def _may_have_long_integer(source: bytes) -> bool:
    """Return whether there are only digits at one of the places of which a long integer covers one at least."""
    step = _LONG_INTEGER - _PLACE
    return any(source[at : at + _PLACE].isdigit() for at in range(step, len(source), step))
