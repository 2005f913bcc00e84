"""A web application with sign-in by Pryv.io, which shows users the last events of their diary."""

import argparse
import secrets
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime, timezone
from hmac import compare_digest
from urllib.parse import urlsplit

import attrs
from flask import Flask, Response, abort, flash, redirect, render_template, request, session, url_for
from werkzeug.exceptions import BadRequest
from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.wrappers import Response as AnyResponse

from pryv import (
    AccessRefusedError,
    Call,
    Connection,
    InvalidAccessTokenError,
    OAuthError,
    OAuthLoginRequiredError,
    PryvError,
    Service,
)
from pryv.oauth import AuthorizationRequest, OAuthClient
from pryv.types import Permission
from pryv.utils import clean_url_from_pryv_params, query_params_from_url
from pryv_sandbox import Sandbox

APP_ID = "diary-on-the-web"
PERMISSIONS: list[Permission] = [{"streamId": "diary", "defaultName": "Diary", "level": "read"}]
OFFER = "diary"
NOT_OF_THIS_BROWSER = "This is not the result of a request from this browser. Nothing has changed."
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src data:; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "same-origin",  # with no-referrer, browsers would not name this site as the origin of its forms
    "X-Content-Type-Options": "nosniff",
}


@attrs.define
class Visit:
    """A user who is signing in, or has signed in.

    Attributes:
        key: The key of the current access request; it gives the token.
        client: The client of the visitor's OAuth session, with the tokens in its memory.
        asked: The current request of that client.
        connection: The account, once its user has given access.
    """

    key: str = ""
    client: OAuthClient | None = None
    asked: AuthorizationRequest | None = None
    connection: Connection | None = None
    since: float = attrs.field(factory=time.monotonic)


class Visits:
    """All visits, by number. They stay on the server: the browser has only the number.

    A visit that began more than `LONGEST` seconds ago is deleted when another one begins.
    """

    LONGEST = 8 * 3600

    def __init__(self) -> None:
        self._visits: dict[str, Visit] = {}

    def current(self) -> Visit | None:
        """The visit of the browser that sent the current request."""
        return self._visits.get(session.get("visit", ""))

    def begin(self, visit: Visit) -> None:
        """Replace the browser's current visit by another one, under a new number."""
        self.end()
        for number, other in list(self._visits.items()):
            if visit.since - other.since > self.LONGEST:
                self._forget(number)
        session["visit"] = secrets.token_urlsafe()
        self._visits[session["visit"]] = visit

    def end(self) -> None:
        """Delete the browser's current visit."""
        self._forget(session.pop("visit", ""))

    def _forget(self, number: str) -> None:
        visit = self._visits.pop(number, None)
        if visit and visit.connection:
            visit.connection.close()


app = Flask(__name__)
app.secret_key = secrets.token_bytes()
app.config.update(SESSION_COOKIE_NAME="web_login", SESSION_COOKIE_SAMESITE="Lax")
visits = Visits()


def platform() -> Service:
    """The platform that the application is for."""
    service: Service = app.config["PLATFORM"]
    return service


@app.before_request
def refuse_forms_of_other_sites() -> None:
    """They are sent without the cookie, so they cannot act for a visitor; but the response would replace the cookie."""
    origin = request.headers.get("Origin")
    if request.method == "POST" and origin is not None and urlsplit(origin).netloc != request.host:
        abort(400, "This was not sent by a page of this application. Nothing has changed.")


@app.get("/")
def home() -> str | AnyResponse:
    params = query_params_from_url(request.url)
    if key := params.get("prYvkey") or params.get("pryvKey"):
        come_back(key)
        return redirect(clean_url_from_pryv_params(request.url))
    visit = visits.current()
    if visit is None or visit.connection is None:
        return render_template("welcome.html", platform=platform().info().name)
    events = list(visit.connection.iter_events({"limit": 20}))
    return render_template("events.html", username=visit.connection.username(), events=events)


@app.post("/sign-in")
def sign_in() -> AnyResponse:
    return sign_in_by_oauth() if "OAUTH" in app.config else sign_in_by_access_request()


def sign_in_by_access_request() -> AnyResponse:
    return_url = url_for("home", _external=True) + "?"
    asked = platform().start_access_request(
        {"requestingAppId": APP_ID, "requestedPermissions": PERMISSIONS, "returnURL": return_url}
    )
    visits.begin(Visit(asked.key))
    return redirect(asked.auth_url)


def come_back(key: str) -> None:
    """Continue with the access request that the user of this browser has accepted or refused.

    The key has the role of `state` in OAuth: the result is valid only in the browser that made the request. So a link
    cannot sign a visitor in to another person's account.
    """
    visit = visits.current()
    if visit is None or visit.connection or not compare_digest(visit.key.encode(), key.encode()):
        abort(400, NOT_OF_THIS_BROWSER)
    try:
        visits.begin(Visit(key, connection=platform().connect_from_key(key)))
    except AccessRefusedError:
        visits.end()
        flash("You did not give access. Nothing has been read.")


def sign_in_by_oauth() -> AnyResponse:
    client = OAuthClient(**app.config["OAUTH"], redirect_uri=url_for("come_back_by_oauth", _external=True))
    asked = client.authorization_request()
    visits.begin(Visit(client=client, asked=asked))
    return redirect(asked.url)


@app.get("/back")
def come_back_by_oauth() -> AnyResponse:
    visit = visits.current()
    if visit is None or visit.client is None or visit.asked is None:
        abort(400, NOT_OF_THIS_BROWSER)
    try:
        connection = visit.client.handle_callback(request.url, visit.asked)
        visits.begin(Visit(client=visit.client, connection=connection))
    except AccessRefusedError:
        visits.end()
        flash("You did not give access. Nothing has been read.")
    except OAuthError as error:
        if error.error != "invalid-callback":
            raise
        abort(400, NOT_OF_THIS_BROWSER)
    return redirect(url_for("home"))


@app.post("/sign-out")
def sign_out() -> AnyResponse:
    if visit := visits.current():
        if visit.client:
            visit.client.forget()
        visits.end()
        flash("You are signed out.")
    return redirect(url_for("home"))


@app.errorhandler(InvalidAccessTokenError)
@app.errorhandler(OAuthLoginRequiredError)
def show_that_access_is_gone(_: PryvError) -> AnyResponse:
    visits.end()
    flash("The access you gave does not exist any more.")
    return redirect(url_for("home"))


@app.errorhandler(PryvError)
def show_failure(error: PryvError) -> tuple[str, int]:
    return render_template("error.html", message=f"The platform failed: {error}"), 502


@app.errorhandler(BadRequest)
def show_bad_request(error: BadRequest) -> tuple[str, int]:
    return render_template("error.html", message=error.description), 400


@app.after_request
def add_headers(response: Response) -> Response:
    response.headers.update(HEADERS)
    return response


@app.template_filter()
def date(timestamp: object) -> str:
    """The day and time, in UTC. An event's time may be any number."""
    try:
        return datetime.fromtimestamp(float(str(timestamp)), timezone.utc).strftime("%d %B %Y, %H:%M UTC")
    except (ValueError, OverflowError, OSError):
        return "not a date of the calendar"


class RequestLog(WSGIRequestHandler):
    """Logs requests without their parameters: a key is a secret."""

    path = ""  # for a request line that is too long or empty

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        self.log("info", "%s %r %s", self.command, self.path.partition("?")[0], code)

    def log_error(self, *_: object) -> None:
        """Log nothing: the message would repeat the request. `log_request` logs the status code."""


@contextmanager
def sandbox_with_a_diary() -> Iterator[Sandbox]:
    """A platform on this machine, with an account to sign in with, where this application is an OAuth client."""
    with Sandbox() as sandbox:
        account = sandbox.create_account("alice", "see-you-soon")
        notes = ["Slept well.", "Walked to the lake and back.", "61.2 kg, a little less than last week."]
        calls = [Call("streams.create", {"id": "diary", "name": "Diary"})] + [
            Call("events.create", {"streamIds": ["diary"], "type": "note/txt", "content": note}) for note in notes
        ]
        with Connection(account.api_endpoint) as connection:
            connection.api(calls)
        offer = [{"streamId": "diary", "level": "read"}]
        sandbox.register_oauth_client(APP_ID, redirect_uris=["http://127.0.0.1/back"], offers={OFFER: offer})
        print(f"Sign in as {account.username}, password {account.password}.", file=sys.stderr)
        yield sandbox


def main() -> None:
    parser = argparse.ArgumentParser(prog="web_login", description=__doc__)
    parser.add_argument("--platform", metavar="URL", help="service info URL of a platform (default: a sandbox, here)")
    parser.add_argument("--port", type=int, default=0, help="the port to serve on (default: any that is free)")
    parser.add_argument("--oauth", action="store_true", help="sign in by OAuth 2")
    parser.add_argument("--issuer", metavar="URL", help="authorization server of the platform, for --oauth")
    parser.add_argument("--client-id", default=APP_ID, help=f"id that it knows this application by ({APP_ID})")
    parser.add_argument("--scope", default=f"cmc:{OFFER}", help=f"what to ask for (cmc:{OFFER})")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with ExitStack() as stack:
            url, issuer = options.platform, options.issuer
            if url is None:
                sandbox = stack.enter_context(sandbox_with_a_diary())
                url, issuer = sandbox.service_info_url, sandbox.url
            if options.oauth:
                server = {"authorization_server": issuer, "client_id": options.client_id, "scope": options.scope}
                app.config["OAUTH"] = server
                OAuthClient(**server).metadata()
            app.config["PLATFORM"] = stack.enter_context(Service(url))
            platform().info()
            site = make_server("127.0.0.1", options.port, app, threaded=True, request_handler=RequestLog)
            print(f"http://127.0.0.1:{site.port}/", flush=True)
            site.serve_forever()
    except (PryvError, ValueError, OSError) as error:
        sys.exit(f"{parser.prog}: {error}")


if __name__ == "__main__":
    main()
