"""The data of an account, by kind: events, streams, accesses, webhooks, the account itself and its profile sets.

A connection has one of each: `Connection.events`, `streams`, `accesses`, `webhooks`, `account`, `profile`.
"""

from pryv.resources.accesses import Accesses
from pryv.resources.account import Account
from pryv.resources.events import Events
from pryv.resources.profile import Profile
from pryv.resources.streams import Streams
from pryv.resources.webhooks import Webhooks

__all__ = ["Accesses", "Account", "Events", "Profile", "Streams", "Webhooks"]
