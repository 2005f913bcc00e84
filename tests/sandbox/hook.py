"""Inputs from outside of the API while recordings are replayed: texts in a mail or on a telephone.

As a program, it serves a sandbox and these answers until it is terminated, and prints both URLs.
"""

from __future__ import annotations

import json
import secrets
import signal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from pryv_sandbox import Sandbox


def answer(sandbox: Sandbox, asked: dict[str, Any]) -> dict[str, str]:
    """Answer what is asked.

    Raises:
        LookupError: nothing of the kind was sent.
    """
    match asked["kind"]:
        case "mail":
            mails = [mail for mail in sandbox.mails if (mail.to, mail.template) == (asked["to"], asked["template"])]
            return {"token": mails[-1].token}
        case "sms":
            return {"code": [text.code for text in sandbox.text_messages if text.to == asked["phone"]][-1]}
        case "oauth-client":
            return _register(sandbox, asked)
        case kind:
            raise LookupError(kind)


def _register(sandbox: Sandbox, asked: dict[str, Any]) -> dict[str, str]:
    """Register a client, as an operator does."""
    secret = secrets.token_urlsafe(32) if asked.get("secret") else None
    sandbox.register_oauth_client(
        asked["username"],
        redirect_uris=asked["redirectUris"],
        offers=asked["offers"],
        grant_types=asked["grantTypes"],
        secret=secret,
        jwks=asked.get("jwks"),
    )
    return {"clientId": asked["username"], **({"secret": secret} if secret else {})}


def main() -> None:
    """Serve a sandbox, and the answers beside it."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    with Sandbox() as sandbox:

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                try:
                    body = json.dumps(answer(sandbox, asked)).encode()
                except LookupError:
                    self.send_error(404)
                    return
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
            Thread(target=server.serve_forever, daemon=True).start()
            print(sandbox.url, f"http://127.0.0.1:{server.server_port}/", flush=True)
            signal.sigwait({signal.SIGTERM, signal.SIGINT})
            server.shutdown()


if __name__ == "__main__":
    main()
