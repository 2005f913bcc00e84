"""The data of an account, by kind: events, streams, accesses and webhooks.

A connection has one of each: `Connection.events`, `streams`, `accesses`, `webhooks`.
"""

from pryv.resources.accesses import Accesses
from pryv.resources.events import Events
from pryv.resources.streams import Streams
from pryv.resources.webhooks import Webhooks

__all__ = ["Accesses", "Events", "Streams", "Webhooks"]
