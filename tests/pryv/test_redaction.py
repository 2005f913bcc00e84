"""A canary token is used in every public call, with failures and successes: it is never shown."""

from __future__ import annotations

import http.client
import io
import json
import logging
import pickle
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.pryv.surface import public_calls
from tests.pryv.wire import Reply, Wire, error_reply, reply

from pryv import Connection, MfaRequiredError, PryvError, Service
from pryv._transport.redact import redact, redact_data
from pryv.errors import ApiError
from pryv.oauth import DPoPKey, SignedConnection
from pryv.types import AppCheckRequest

if TYPE_CHECKING:
    from tests.accounts import Account

EVENT: dict[str, Any] = {"id": "c" * 25, "streamIds": ["diary"], "type": "note/txt", "content": "text"}
APP_REQUEST: AppCheckRequest = {"requestingAppId": "app-id", "requestedPermissions": []}
NO_CALLS = {"token", "endpoint", "api_endpoint", "delta_time", "service", "socket", "close", "info_sync"}

CONNECTION_CALLS: dict[str, Callable[[Connection], Any]] = {
    "with_options": lambda connection: connection.with_options(retry=None).get("streams"),
    "username": lambda connection: connection.username(),
    "access_info": lambda connection: connection.access_info(force_refresh=True),
    "api": lambda connection: connection.api([{"method": "streams.get"}], raise_on_error=True),
    "iter_api": lambda connection: list(connection.iter_api([{"method": "streams.get"}])),
    "api_one": lambda connection: connection.api_one("events.get", {}, "events"),
    "get": lambda connection: connection.get("events", {"limit": 1}),
    "post": lambda connection: connection.post("events", EVENT),
    "put": lambda connection: connection.put("events/x", {"content": "y"}),
    "delete": lambda connection: connection.delete("events/x"),
    "iter_events": lambda connection: list(connection.iter_events()),
    "get_events_streamed": lambda connection: connection.get_events_streamed({}, lambda event: None),
    "create_event_with_file": lambda connection: connection.create_event_with_file(EVENT, __file__),
    "create_event_with_file_from_buffer": lambda connection: connection.create_event_with_file_from_buffer(
        EVENT, b"data", "name.txt"
    ),
    "create_event_with_files": lambda connection: connection.create_event_with_files(EVENT, [("name.txt", b"data")]),
    "add_attachment": lambda connection: connection.add_attachment("x", b"data", "name.txt"),
    "delete_attachment": lambda connection: connection.delete_attachment("x", "file"),
    "download_attachment": lambda connection: connection.download_attachment(
        "x", {"id": "file", "fileName": "name.txt", "size": 4, "readToken": "x"}, io.BytesIO()
    ),
    "add_points_to_hf_event": lambda connection: connection.add_points_to_hf_event("x", ["deltaTime"], [[1]]),
    "add_points_batch": lambda connection: connection.add_points_batch({}),
    "get_hf_points": lambda connection: connection.get_hf_points("x"),
    "get_latest_by_content": lambda connection: connection.get_latest_by_content("$", ["x"]),
    "update_access": lambda connection: connection.update_access("x", {"name": "y"}),
    "get_access_with_history": lambda connection: connection.get_access_with_history("x"),
    "revoke": lambda connection: connection.revoke(),
    "events.create": lambda connection: connection.events.create(EVENT),
    "events.create_many": lambda connection: connection.events.create_many([EVENT]),
    "events.get": lambda connection: connection.events.get("x"),
    "events.get_with_history": lambda connection: connection.events.get_with_history("x"),
    "events.update": lambda connection: connection.events.update("x", {"content": "y"}),
    "events.delete": lambda connection: connection.events.delete("x"),
    "events.delete, permanently": lambda connection: connection.events.delete("x", permanently=True),
    "streams.list": lambda connection: connection.streams.list(),
    "streams.create": lambda connection: connection.streams.create({"name": "x"}),
    "streams.update": lambda connection: connection.streams.update("x", {"name": "y"}),
    "streams.delete": lambda connection: connection.streams.delete("x"),
    "streams.delete, permanently": lambda connection: connection.streams.delete("x", permanently=True),
    "streams.ensure": lambda connection: connection.streams.ensure({"id": "x", "name": "X"}),
    "accesses.list": lambda connection: connection.accesses.list(),
    "accesses.get": lambda connection: connection.accesses.get("x"),
    "accesses.get_with_history": lambda connection: connection.accesses.get_with_history("x"),
    "accesses.create": lambda connection: connection.accesses.create({"name": "x", "permissions": []}),
    "accesses.update": lambda connection: connection.accesses.update("x", {"name": "y"}),
    "accesses.delete": lambda connection: connection.accesses.delete("x"),
    "accesses.check_app": lambda connection: connection.accesses.check_app(APP_REQUEST),
    "webhooks.list": lambda connection: connection.webhooks.list(),
    "webhooks.get": lambda connection: connection.webhooks.get("x"),
    "webhooks.create": lambda connection: connection.webhooks.create("https://example.org/", {"key": {}}),
    "webhooks.update": lambda connection: connection.webhooks.update("x", {"state": "inactive"}),
    "webhooks.activate": lambda connection: connection.webhooks.activate("x"),
    "webhooks.delete": lambda connection: connection.webhooks.delete("x"),
    "webhooks.test": lambda connection: connection.webhooks.test("x"),
    "account.get": lambda connection: connection.account.get(),
    "account.update": lambda connection: connection.account.update({"language": "fr"}),
    "account.change_password": lambda connection: connection.account.change_password("old one", "new one"),
    "account.change_username": lambda connection: connection.account.change_username("x"),
    "account.username_changes": lambda connection: connection.account.username_changes(),
    "profile.get": lambda connection: connection.profile.get("private"),
    "profile.update": lambda connection: connection.profile.update("public", {"x": None}),
    "audit": lambda connection: list(connection.audit(access="x", action="events.get")),
    "logout": lambda connection: connection.logout(),
}


def service_calls(secret: str) -> dict[str, Callable[[Service], Any]]:
    """Return every call of a service, with a secret as each argument that may be one."""
    request = {"requestingAppId": "app-id", "requestedPermissions": []}
    return {
        "info": lambda service: service.info(force_fetch=True),
        "set_service_info": lambda service: service.set_service_info({"name": secret}),
        "supports_hf": lambda service: service.supports_hf(),
        "supports_content_queries": lambda service: service.supports_content_queries(),
        "is_dns_less": lambda service: service.is_dns_less(),
        "assets": lambda service: service.assets(force_fetch=True),
        "api_endpoint_for": lambda service: service.api_endpoint_for("us er", secret),
        "build_api_endpoint": lambda service: service.build_api_endpoint({"api": "x"}, "user", secret),
        "login": lambda service: service.login("userone", secret, "app-id"),
        "mfa_challenge": lambda service: service.mfa_challenge("userone", secret),
        "mfa_verify": lambda service: service.mfa_verify("userone", secret, secret),
        "mfa_activate": lambda service: service.mfa_activate(personal(service, secret), phone="x"),
        "mfa_confirm": lambda service: service.mfa_confirm("userone", secret, secret),
        "mfa_deactivate": lambda service: service.mfa_deactivate(personal(service, secret)),
        "mfa_recover": lambda service: service.mfa_recover("userone", secret, secret),
        "verify_email": lambda service: service.verify_email("userone", secret, "app-id"),
        "delete_user": lambda service: service.delete_user("userone", secret),
        "user_exists": lambda service: service.user_exists("userone"),
        "user_id_for_email": lambda service: service.user_id_for_email("a@b.org"),
        "available_hostings": lambda service: service.available_hostings(),
        "flat_hostings": lambda service: service.flat_hostings(),
        "create_user": lambda service: service.create_user(
            username="userone", password=secret, email="a@b.org", app_id="app-id", hosting="x"
        ),
        "request_password_reset": lambda service: service.request_password_reset("userone", "app-id"),
        "reset_password": lambda service: service.reset_password("userone", secret, secret, "app-id"),
        "start_access_request": lambda service: service.start_access_request({**request, "clientData": {"x": secret}}),
        "poll_access_request": lambda service: service.poll_access_request("key"),
        "connect_from_key": lambda service: service.connect_from_key("key"),
    }


READS_DATA = {"download_attachment", "get_hf_points"}
TAKES_SECRET = {
    *("login", "mfa_challenge", "mfa_verify", "mfa_activate", "mfa_confirm", "mfa_deactivate", "mfa_recover"),
    *("create_user", "reset_password", "verify_email"),
}

MASKS_ARGUMENTS = {*TAKES_SECRET, "delete_user", "api_endpoint_for", "build_api_endpoint"}


def personal(service: Service, token: str) -> Connection:
    """Return a connection with a personal token, and the timeout and retries of the service."""
    return service._connection(service.api_endpoint_for("userone", token))


def answers(secret: str) -> dict[str, Reply]:
    """Return responses that contain the secret, valid and invalid ones."""
    told = {"message": f"no {secret} here", "data": {secret: [f"https://{secret}@host/", {"token": secret}]}}
    page = f"<html>{secret}</html>"
    endpoint = f"http://{secret}@127.0.0.1/userone/"
    return {
        "success": reply(
            {
                "id": "a",
                "user": {"username": "userone"},
                "token": secret,
                "events": [{"content": secret}],
                "event": {**EVENT, "attachments": []},
                "results": [{"events": []}],
                "access": {"id": "x", "token": secret},
                "apiEndpoint": endpoint,
                "status": "ACCEPTED",
            }
        ),
        **{
            f"error {status}": error_reply(status, "x", {"X-Token": secret}, **told)
            for status in (400, 401, 403, 404, 409, 413, 421, 429, 500, 503)
        },
        "error in a batch": reply({"id": "a", "results": [{"error": {"id": "x", **told}}]}),
        "page": reply(page),
        "bad gateway": reply(page, 502),
        "forbidden page": reply(page, 403),
        "no meta": reply(f'{{"token": "{secret}", "user": 5}}'),
        "list": reply(f'["{secret}"]'),
        "cut": Reply(reply({"token": secret}).data[:-9], "close"),
        "cut json": reply(f'{{"token": "{secret}", "events": ['),
        "redirect": reply(page, 302, {"Location": f"http://{secret}@127.0.0.1/{secret}?auth={secret}"}),
        "moved": error_reply(421, "wrong-core", data={"coreUrl": f"http://{secret}@127.0.0.1/"}),
        "broken": Reply(b"", "reset"),
        "silent": Reply(b"", "hang"),
        "no http": Reply(f"{secret}\r\n\r\n".encode(), "close"),
    }


ANSWERS = answers("")


def links(error: BaseException | None, seen: set[int]) -> Iterator[BaseException]:
    """Yield an exception and its causes."""
    if error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        yield from links(error.__cause__, seen)
        yield from links(error.__context__, seen)


def what_it_shows(error: BaseException, locals_too: bool) -> str:
    """Return all text of an exception, with the local variables of frames outside this file."""
    shown = []
    for link in links(error, set()):
        shown += [str(link), repr(link), repr(link.args), repr(vars(link))]
        shown += traceback.format_exception(link)
        summary = traceback.TracebackException.from_exception(link, capture_locals=locals_too)
        shown += [repr(frame.locals) for frame in summary.stack if frame.filename != __file__]
    return "\n".join(shown)


def use_silently(
    call: Callable[[], Any], secret: str, caplog: pytest.LogCaptureFixture, locals_too: bool
) -> Exception | None:
    """Make a call, and check that its output does not contain the secret."""
    failure = None
    with caplog.at_level(logging.DEBUG):
        try:
            call()
        except (PryvError, ValueError, TypeError) as error:
            failure = error
    if failure is not None:
        assert secret not in what_it_shows(failure, locals_too)
        assert secret.encode() not in pickle.dumps(failure)
    for record in caplog.records:
        assert secret not in record.getMessage()
        assert secret not in repr(vars(record))
    caplog.clear()
    return failure


@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize("call", CONNECTION_CALLS)
def test_no_call_of_a_connection_shows_its_token(
    wire: Wire, caplog: pytest.LogCaptureFixture, call: str, answer: str
) -> None:
    wire.always = answers(wire.token)[answer]
    with wire.connection(timeout=0.05 if answer == "silent" else 2) as connection:
        locals_too = call not in READS_DATA
        failure = use_silently(lambda: CONNECTION_CALLS[call](connection), wire.token, caplog, locals_too)
        assert wire.token not in repr(connection) + str(connection)
    is_error = answer.startswith("error ") and answer not in ("error in a batch", "error 401" * (call == "revoke"))
    if is_error and wire.requests:
        assert isinstance(failure, ApiError)
        assert "***" in str(failure)


def test_the_debug_level_of_http_client_prints_no_token(
    wire: Wire, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(http.client.HTTPConnection, "debuglevel", 1)
    with wire.connection() as connection:
        connection.get("streams")
    assert wire.token not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("call", "answer"),
    [
        (call, answer)
        for call in service_calls("")
        for answer in ANSWERS
        if call in TAKES_SECRET or not answer.startswith("error")  # none can mask what it was never told
    ],
)
def test_no_call_of_a_service_shows_a_secret(
    wire: Wire, caplog: pytest.LogCaptureFixture, call: str, answer: str
) -> None:
    secret = wire.token
    wire.always = answers(secret)[answer]
    with Service(wire.url, timeout=0.05 if answer == "silent" else 2, retry=None) as service:
        service.set_service_info(wire.service_info(assets={"definitions": wire.url}))
        use_silently(lambda: service_calls(secret)[call](service), secret, caplog, locals_too=call in MASKS_ARGUMENTS)
        assert secret not in repr(service) + str(service)


@pytest.mark.parametrize("answer", [answer for answer in ANSWERS if answer != "silent"])
@pytest.mark.parametrize("passwords", [("{}", "new-one"), ("old-one", "{}"), ("{}", 5), (None, "{}"), ("{}", "")])
def test_a_password_is_not_shown_when_it_is_changed(
    wire: Wire, connection: Connection, caplog: pytest.LogCaptureFixture, passwords: tuple[Any, Any], answer: str
) -> None:
    secret = f"secret {wire.token[6:]}"
    old, new = (word.format(secret) if isinstance(word, str) else word for word in passwords)
    wire.always = answers(secret)[answer]
    failure = use_silently(lambda: connection.account.change_password(old, new), secret, caplog, locals_too=True)
    assert (len(wire.requests) == 0) == isinstance(failure, (TypeError, ValueError))


def test_an_admin_key_is_not_shown(wire: Wire, caplog: pytest.LogCaptureFixture) -> None:
    with Service(None, wire.service_info(), retry=None, timeout=2) as service:
        for name in answers("").keys() - {"success", "error in a batch", "no meta", "silent"}:
            wire.replies.clear()
            wire.replies += [reply({"server": wire.url}), answers(wire.token)[name]]
            failure = use_silently(lambda: service.delete_user("alice", wire.token), wire.token, caplog, True)
            assert isinstance(failure, PryvError)


@pytest.mark.parametrize(
    ("call", "body"),
    [
        ("mfa_confirm", {"recoveryCodes": ["{}", 5]}),
        ("mfa_confirm", {"recoveryCodes": {"x": "{}"}}),
        ("mfa_activate", {"mfaToken": ["{}"]}),
        ("mfa_activate", {"mfaToken": "{} {}"}),
        ("login", {"mfaToken": "{} {}"}),
        ("login", {"token": "{} {}"}),
        ("mfa_verify", {"token": ["{}"]}),
        ("verify_email", {"token": "{}"}),
    ],
)
@pytest.mark.parametrize("status", [200, 302])
def test_secrets_of_a_malformed_response_are_not_shown(
    wire: Wire, caplog: pytest.LogCaptureFixture, call: str, body: dict[str, Any], status: int
) -> None:
    wire.always = reply(json.loads(json.dumps(body).replace("{}", wire.token)), status)
    with Service(None, wire.service_info(), retry=None, timeout=2) as service:
        failure = use_silently(lambda: service_calls("held")[call](service), wire.token, caplog, locals_too=True)
    assert isinstance(failure, PryvError)


@pytest.mark.parametrize("status", [200, 302])
def test_the_mfa_token_of_an_error_is_not_shown(wire: Wire, status: int) -> None:
    wire.always = reply({"mfaToken": wire.token}, status)
    with Service(None, wire.service_info(), retry=None, timeout=2) as service:
        with pytest.raises(MfaRequiredError) as required:
            service.login("alice", "see-you", "app-id")
        assert required.value.mfa_token == wire.token
        assert wire.token not in what_it_shows(required.value, locals_too=True)


@pytest.mark.parametrize(
    ("cls", "calls"), [(Connection, CONNECTION_CALLS), (Service, service_calls(""))], ids=["Connection", "Service"]
)
def test_no_public_call_is_left_out(cls: type, calls: dict[str, Any]) -> None:
    assert set(public_calls(cls)) - NO_CALLS == {name.partition(",")[0] for name in calls}


def test_successful_calls_do_not_show_the_token(
    module_account: Account, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    _, _, connection = module_account
    token = connection.token
    assert token
    for call in CONNECTION_CALLS.values():
        use_silently(lambda call=call: call(connection), token, caplog, locals_too=True)  # type: ignore[misc]
    assert token not in repr(connection) + repr(connection.service)


@pytest.mark.parametrize("endpoint", ["https://{}@host/ x", "https://{}@a@host/", "{}", "https://{}/x@host/"])
def test_a_malformed_endpoint_is_not_repeated(endpoint: str, caplog: pytest.LogCaptureFixture) -> None:
    secret = "canary-token"
    failure = use_silently(lambda: Connection(endpoint.format(secret)), secret, caplog, locals_too=False)
    assert isinstance(failure, ValueError)


@pytest.mark.parametrize("call", sorted(TAKES_SECRET))
@pytest.mark.parametrize("odd", ["\r\nX-Injected: 1", " ", "\u20ac", "\ud800"])
def test_a_secret_that_cannot_be_sent_is_not_repeated(
    wire: Wire, caplog: pytest.LogCaptureFixture, call: str, odd: str
) -> None:
    wire.always = error_reply(400, "x")
    with Service(wire.url) as service:
        service.set_service_info({"name": "x", "api": f"{wire.url}{{username}}/", "access": "x", "register": wire.url})
        failure = use_silently(
            lambda: service_calls(wire.token + odd)[call](service), wire.token, caplog, locals_too=False
        )
    assert isinstance(failure, ValueError) == (not wire.requests)
    assert not any("x-injected" in request.headers for request in wire.requests)


def test_text_is_redacted() -> None:
    assert redact("no s3cret here: https://s3cret@host/", "s3cret") == "no *** here: https://***@host/"
    assert redact("/usr/canary-tokens/x", "canary-token") == "/usr/***s/x"
    assert redact("GET /x?auth=abc&readToken=d&y=1") == "GET /x?auth=***&readToken=***&y=1"
    assert redact("a%2Fb%3D and a/b=", "a/b=") == "*** and ***"
    assert redact("nothing", None, "") == "nothing"


def test_data_is_redacted() -> None:
    data = {"s3cret": ["s3cret", 1, None, {"x": "a s3cret"}], "y": True}
    assert redact_data(data, "s3cret") == {"***": ["***", 1, None, {"x": "a ***"}], "y": True}


def test_data_of_any_depth_is_redacted(wire: Wire, connection: Connection) -> None:
    wire.always = reply('{"error": {"id": "x", "data": ' + "[" * 900 + f'"{wire.token}"' + "]" * 900 + "}}", 400)
    with pytest.raises(ApiError) as failed:
        connection.get("streams")
    assert wire.token not in repr(failed.value.data)


BAD_ARGUMENTS: list[dict[str, Any]] = [
    {"service": 5},
    {"chunk_size": 0},
    {"timeout": -1},
    {"retry": 5},
    {"session": 5},
    {"limits": 5},
]


@pytest.mark.parametrize("arguments", BAD_ARGUMENTS, ids=str)
@pytest.mark.parametrize("key", [None, DPoPKey.generate()], ids=["plain", "signed"])
def test_bad_arguments_do_not_show_the_token(
    arguments: dict[str, Any], key: DPoPKey | None, caplog: pytest.LogCaptureFixture
) -> None:
    token = "canary-token-1"

    def connect() -> Connection:
        endpoint = f"https://{token}@host/"
        return Connection(endpoint, **arguments) if key is None else SignedConnection(endpoint, key, **arguments)

    assert use_silently(connect, token, caplog, locals_too=True)


@pytest.mark.parametrize("place", ["host:99999/", "host/?q", " host/", ""])
def test_a_malformed_endpoint_does_not_show_its_token(place: str, caplog: pytest.LogCaptureFixture) -> None:
    token = "canary-token-1"
    endpoint = f"https://{token}@{place}"
    assert use_silently(lambda: Connection(endpoint), token, caplog, locals_too=True)
