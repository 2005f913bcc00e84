"""One TLS context for all connections that trust the same certificates.

With `requests`, each new connection loads the CA bundle again, which is most of its cost since OpenSSL 3
(https://github.com/python/cpython/issues/95031). A cache in `requests` was removed
(https://github.com/psf/requests/pull/6767), because it ignored the settings of custom adapters. The cache here is used
by the SDK's sessions only.
"""

from __future__ import annotations

import functools
import os
import ssl
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import create_urllib3_context

from .libraries import DEFAULT_CA_BUNDLE_PATH, select_proxy


class SharedContextAdapter(HTTPAdapter):
    """Makes connections with shared TLS contexts.

    It works like the adapter of `requests` for a client certificate, without verification, and for an https proxy.
    """

    _is_shared = False

    def get_connection_with_tls_context(
        self, request: requests.PreparedRequest, verify: Any, proxies: Any = None, cert: Any = None
    ) -> Any:
        """Return the pool of connections for a request."""
        proxy = select_proxy(request.url or "", proxies) or ""
        self._is_shared = bool(verify) and not cert and not proxy.lower().startswith("https:")
        return super().get_connection_with_tls_context(request, verify, proxies, cert)

    def build_connection_pool_key_attributes(
        self, request: requests.PreparedRequest, verify: Any, cert: Any = None
    ) -> Any:
        """Return the key of a connection pool: its host and its TLS settings."""
        host: Any
        tls: Any
        host, tls = super().build_connection_pool_key_attributes(request, verify, cert)
        if self._is_shared and host["scheme"] == "https":
            tls = {"cert_reqs": "CERT_REQUIRED", "ssl_context": shared_context(verify)}
        return host, tls

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        """Set the CA bundle of a pool, unless its context has loaded it."""
        if not self._is_shared:
            super().cert_verify(conn, url, verify, cert)  # type: ignore[no-untyped-call]


def shared_context(verify: bool | str) -> ssl.SSLContext:
    """Return the context that trusts a CA bundle. If the file has changed, a new context is made.

    Args:
        verify: The path of the bundle, or of a directory of certificates; `True` for the bundle of `certifi`.

    Raises:
        OSError: the file does not exist, or contains no certificate.
    """
    bundle = DEFAULT_CA_BUNDLE_PATH if verify is True else str(verify)
    found = os.stat(bundle)
    return _context(bundle, (found.st_ino, found.st_size, found.st_mtime_ns))


@functools.lru_cache(maxsize=16)
def _context(bundle: str, _state: tuple[int, int, int]) -> ssl.SSLContext:
    context = create_urllib3_context(cert_reqs=ssl.CERT_REQUIRED)
    if os.path.isdir(bundle):
        context.load_verify_locations(capath=bundle)
    else:
        context.load_verify_locations(cafile=bundle)
    return context
