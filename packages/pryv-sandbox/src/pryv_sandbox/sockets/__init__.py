"""Socket.IO: calls over a WebSocket, and notifications of changes."""
