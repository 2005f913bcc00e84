"""What the author of a `Mirror` needs besides the protocol: items, their comparison, and trees of streams.

- `Item`: data and their JSON text, as the platform sent it.
- `kept_item`: the item of a kept text.
- `is_same`: whether an item is equal to the kept text of another.
- `StreamChanges`: which streams came and went, for `needs_full_read`.
- `flattened`, `nested`: a tree of streams as a list, parents first, and back.
- `shown`: a text that the JSON functions of a database can read.
- `select_events`: selects events as `events.get` does.

`pryv_monitor.testing.check_mirror` checks a mirror.
"""

from __future__ import annotations

from pryv_monitor._json import Item
from pryv_monitor._selection import select_events
from pryv_monitor._streams import StreamChanges, flattened, nested
from pryv_monitor._texts import is_same, kept_item, shown

__all__ = ["Item", "StreamChanges", "flattened", "is_same", "kept_item", "nested", "select_events", "shown"]
