"""A job that cron starts: `SERVER TOKENS MIRROR`. It updates a mirror, and prints the number of new events."""

import random
import sys
import time

from pryv.oauth import FileTokenStore, OAuthClient
from pryv_monitor import Monitor, SQLiteMirror

server, tokens, mirror = sys.argv[1:]
time.sleep(random.uniform(0, 0.1))
client = OAuthClient(server, "study-app", store=FileTokenStore(tokens))
with client.connection() as connection:
    print(Monitor(connection, {"streams": ["diary"]}, mirror=SQLiteMirror(mirror)).sync().events)
