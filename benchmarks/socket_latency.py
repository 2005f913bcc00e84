"""The time from the HTTP response of a write to the callback of a socket: this SDK and the JavaScript client.

    python benchmarks/socket_latency.py [WRITES]

Prints JSON.
"""

import latency

if __name__ == "__main__":
    latency.main("socket_listener", writes=1000, pause=0.005)
