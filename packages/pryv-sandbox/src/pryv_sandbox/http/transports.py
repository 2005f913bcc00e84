"""TCP connections."""

from __future__ import annotations

import asyncio
import socket
import struct


def reset(transport: asyncio.Transport | None) -> None:
    """Close a connection with a reset (RST), not in the orderly way (FIN)."""
    if transport is not None and not transport.is_closing():
        no_lingering = struct.pack("ii", 1, 0)
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, no_lingering)
        transport.abort()
