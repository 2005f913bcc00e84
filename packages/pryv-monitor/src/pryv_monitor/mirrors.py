"""What the author of a `Mirror` needs besides the protocol: items, their comparison, and trees of streams.

- `Item`: data and their JSON text, as the platform sent it.
- `is_same`: whether an item is equal to the kept text of another.
- `StreamChanges`: which streams came and went, for `needs_full_read`.
- `flattened`, `nested`: a tree of streams as a list, parents first, and back.
- `shown`: a text that the JSON functions of a database can read.
- `select_events`: selects events as `events.get` does.

`pryv_monitor.testing.check_mirror` checks a mirror.
"""

from __future__ import annotations

from pryv_monitor._json import Item, decode, is_another_version, stable_fields
from pryv_monitor._selection import select_events
from pryv_monitor._streams import StreamChanges, flattened, nested
from pryv_monitor._texts import shown

__all__ = ["Item", "StreamChanges", "flattened", "is_same", "nested", "select_events", "shown"]


def is_same(kept: str, item: Item) -> bool:
    """Return whether an item makes no difference to the kept text of the item with the same id.

    The platform generates some fields of an account's own events (`:_system:…`) at each read; they do not count.

    Args:
        kept: The JSON text that the mirror keeps.
        item: An event or a deletion.

    Raises:
        ValueError: `kept` is not JSON.
    """
    if kept == item[1]:
        return True
    return not is_another_version(kept, item[0]) and stable_fields(decode(kept)) == stable_fields(item[0])
