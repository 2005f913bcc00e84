"""The time from the HTTP response of a write to the change that a monitor delivers: this SDK and the JavaScript client.

    python benchmarks/notification_latency.py [WRITES]

The platform notifies both over a socket, and they fetch what has changed. The JavaScript client's monitor asks for what
was modified after the latest it has seen, and so may lose a change. This SDK's asks for the last 15 seconds again, and
for the streams, in one request: the more is written in that time, the longer that takes. Prints JSON.
"""

import latency

if __name__ == "__main__":
    latency.main("monitor_listener", writes=120, pause=0.2)
