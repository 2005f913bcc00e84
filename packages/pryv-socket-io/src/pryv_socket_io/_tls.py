"""TLS with the settings of HTTP requests."""

from __future__ import annotations

import os
import socket
import ssl

from certifi import where
from urllib3.util import create_urllib3_context

from pryv.addons import HttpSettings


def encrypt(sock: socket.socket, host: str, settings: HttpSettings) -> ssl.SSLSocket:
    """Return the socket, encrypted.

    Raises:
        OSError: the certificate was not accepted, or the handshake failed.
    """
    verify = settings.verify
    needs = ssl.CERT_REQUIRED if verify else ssl.CERT_NONE
    context = settings.ssl_context or create_urllib3_context(cert_reqs=needs)
    context.verify_mode = needs
    if verify:
        authorities = where() if verify is True else verify
        if os.path.isdir(authorities):
            context.load_verify_locations(capath=authorities)
        else:
            context.load_verify_locations(cafile=authorities)
    if settings.cert is not None:
        context.load_cert_chain(*((settings.cert,) if isinstance(settings.cert, str) else settings.cert))
    # A host is named without a final dot: https://www.rfc-editor.org/rfc/rfc6066#section-3
    return context.wrap_socket(sock, server_hostname=host.rstrip("."))
