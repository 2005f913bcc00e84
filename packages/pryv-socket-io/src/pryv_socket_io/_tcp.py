"""Connect to a host with the settings of HTTP requests: the same proxy, the same certificates."""

from __future__ import annotations

import base64
import http.client
import socket
from collections.abc import Callable
from urllib.parse import urlsplit

from pryv.addons import HttpSettings
from pryv_socket_io._libraries import get_auth_from_url, read_connect_status, select_proxy
from pryv_socket_io._stream import Stream
from pryv_socket_io._tls import encrypt

PROXY_SCHEMES = ("http",)
"""The supported schemes of proxy URLs."""

_PORTS = {"http": 80, "https": 443}


def open_stream(url: str, settings: HttpSettings, timeout: float, on_socket: Callable[[socket.socket], None]) -> Stream:
    """Return a connection to the host of an http or https URL, encrypted for https.

    Args:
        url: The URL.
        settings: The proxy and TLS settings of HTTP requests.
        timeout: Seconds for each step.
        on_socket: Called with every socket before it is connected.

    Raises:
        OSError: the connection failed.
        http.client.HTTPException: the proxy's response is not HTTP.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    port = parts.port or _PORTS[parts.scheme]
    proxy = select_proxy(url, dict(settings.proxies))
    if proxy:
        sock = _connect_through_proxy(proxy, host, port, timeout, on_socket)
    else:
        sock = _connect(host, port, timeout, on_socket)
    try:
        return Stream(encrypt(sock, host, settings) if parts.scheme == "https" else sock)
    except BaseException:
        sock.close()
        raise


def _connect(host: str, port: int, timeout: float, on_socket: Callable[[socket.socket], None]) -> socket.socket:
    error: OSError | None = None
    for family, kind, protocol, _, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        sock = socket.socket(family, kind, protocol)
        try:
            sock.settimeout(timeout)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            on_socket(sock)
            sock.connect(address)
        except OSError as failure:
            sock.close()
            error = failure
        except BaseException:
            sock.close()
            raise
        else:
            return sock
    raise error or OSError("the host has no address")


def _connect_through_proxy(
    proxy: str, host: str, port: int, timeout: float, on_socket: Callable[[socket.socket], None]
) -> socket.socket:
    """Return a socket connected to a host through an HTTP tunnel."""
    proxy = proxy if "://" in proxy else f"http://{proxy}"
    parts = urlsplit(proxy)
    sock = _connect(parts.hostname or "", parts.port or _PORTS["http"], timeout, on_socket)
    try:
        _request_tunnel(sock, f"[{host}]:{port}" if ":" in host else f"{host}:{port}", get_auth_from_url(proxy))
    except BaseException:
        sock.close()
        raise
    return sock


def _request_tunnel(sock: socket.socket, target: str, credentials: tuple[str, str]) -> None:
    request = [f"CONNECT {target} HTTP/1.1", f"Host: {target}"]
    if any(credentials):
        basic = base64.b64encode(":".join(credentials).encode()).decode()
        request.append(f"Proxy-Authorization: Basic {basic}")
    sock.sendall("\r\n".join([*request, "", ""]).encode())
    status = read_connect_status(sock)
    if status != http.HTTPStatus.OK:
        raise OSError(f"Tunnel connection failed: {status}")  # the message of http.client
