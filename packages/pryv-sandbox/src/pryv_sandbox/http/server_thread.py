"""A web server on a separate thread."""

from __future__ import annotations

import asyncio
import socket
import threading
import weakref
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from typing import Any, TypeVar

from aiohttp import web

from pryv_sandbox.http.transports import reset
from pryv_sandbox.libraries import open_transports
from pryv_sandbox.state.settings import KEEP_ALIVE

T = TypeVar("T")


class ServerThread:
    """Serves an application on a port, from an event loop on a separate thread.

    Attributes:
        port: the port to listen on. Once a free one is found it is kept, and reserved while nothing is served.
    """

    def __init__(self, make_app: Callable[[], web.Application], host: str, port: int) -> None:
        self.port = port
        self._is_port_found = port == 0
        self._held = ExitStack()
        weakref.finalize(self, self._held.close)
        self._make_app = make_app
        self._host = host
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop
        self._stopping: asyncio.Event
        self._runner: web.AppRunner

    def start(self) -> None:
        """Start serving; when this returns, connections are accepted."""
        if self._thread:
            raise RuntimeError("The server runs already.")
        self._runner = web.AppRunner(
            self._make_app(), access_log=None, shutdown_timeout=0.1, keepalive_timeout=KEEP_ALIVE
        )
        ready: Future[None] = Future()
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._serve(ready)), name="pryv-sandbox", daemon=True
        )
        self._thread.start()
        try:
            ready.result()
        except Exception:
            self._thread.join()
            self._thread = None
            raise

    def stop(self) -> None:
        """Reset all connections, and end the thread."""
        if self._thread:
            self._loop.call_soon_threadsafe(self._stopping.set)
            self._thread.join()
            self._thread = None

    def call(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on the server's loop, from another thread."""
        if not self._thread:
            coroutine.close()
            raise RuntimeError("The server does not run.")
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    @contextmanager
    def refuse(self) -> Iterator[None]:
        """Reset all connections, and accept none inside this context."""
        self.call(self._close())
        try:
            yield
        finally:
            self.call(self._open())

    async def _serve(self, ready: Future[None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        try:
            await self._runner.setup()
            await self._open()
        except Exception as error:  # noqa: BLE001
            ready.set_exception(error)
        else:
            ready.set_result(None)
            await self._stopping.wait()
            await self._close()
        finally:
            await self._runner.cleanup()

    async def _open(self) -> None:
        self._held.close()
        await web.TCPSite(self._runner, self._host, self.port).start()
        self.port = self._runner.addresses[0][1]

    async def _close(self) -> None:
        addresses = self._runner.addresses if self._is_port_found else []
        for site in list(self._runner.sites):
            await site.stop()
        for address in addresses:
            self._held.enter_context(_reserve(address))
        for transport in open_transports(self._runner):
            reset(transport)


def _reserve(address: tuple[Any, ...]) -> socket.socket:
    """A socket that reserves a port: others that look for a free one do not find it. It accepts no connection."""
    holder = socket.socket(socket.AF_INET6 if len(address) == 4 else socket.AF_INET)
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    holder.bind(address)
    return holder
