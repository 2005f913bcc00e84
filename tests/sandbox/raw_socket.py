"""A Socket.IO client that shows its frames."""

from __future__ import annotations

import json
import re
from typing import Any

import websocket

from pryv_sandbox import Sandbox

_ACK = re.compile(r"43/[^,]+,(\d+)(.*)", re.DOTALL)
_EVENT = re.compile(r"42/[^,]+,(\[.*)", re.DOTALL)
_BARRIER = 9999


class RawSocket:
    """A WebSocket to the platform's Socket.IO endpoint, frame by frame."""

    def __init__(self, sandbox: Sandbox, namespace: str, token: str | None) -> None:
        query = "EIO=4&transport=websocket" + (f"&auth={token}" if token is not None else "")
        self._socket = websocket.create_connection(
            f"{sandbox.url.replace('http', 'ws', 1)}socket.io/?{query}", timeout=5
        )
        self.namespace = namespace
        self.opening = self.receive()

    def __enter__(self) -> RawSocket:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._socket.close()

    def send(self, frame: str) -> None:
        self._socket.send(frame)

    def receive(self) -> str:
        frame = self._socket.recv()
        assert isinstance(frame, str)
        return frame

    def connect(self) -> str:
        """The answer to entering the namespace."""
        self.send(f"40/{self.namespace},")
        return self.receive()

    def call(self, *message: Any, number: int = 1) -> tuple[list[Any], list[list[Any]]]:
        """Send a message; its acknowledgement, and the notifications that came before it."""
        self.send(f"42/{self.namespace},{number}{json.dumps(message)}")
        notifications: list[list[Any]] = []
        while True:
            frame = self.receive()
            if ack := _ACK.fullmatch(frame):
                assert int(ack[1]) == number
                return json.loads(ack[2]), notifications
            event = _EVENT.fullmatch(frame)
            assert event, frame
            notifications.append(json.loads(event[1]))

    def pending(self) -> list[list[Any]]:
        """The notifications of all changes so far: the response to a call comes after them."""
        return self.call("getSubscriptions", {}, number=_BARRIER)[1]
