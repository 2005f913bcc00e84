"""Any change to any response of a platform causes a documented exception or a right result."""

from __future__ import annotations

import contextlib
import itertools
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import requests
from tests.peers.mutations import Playback, Use, fuzz, run_command
from tests.pryv.surface import public_calls

from pryv import (
    AccessRequest,
    Connection,
    MfaRequiredError,
    PryvError,
    RetryPolicy,
    Series,
    Service,
    StreamedEvents,
    UnknownResourceError,
    shared_secrets,
)
from pryv.auth import wait_for_access
from pryv.cli import main
from pryv.types import AppCheckRequest, EventsParams
from pryv_sandbox import Sandbox
from pryv_sandbox.second_factor import CODE

APP_ID = "mutations"
APP_REQUEST: AppCheckRequest = {
    "requestingAppId": APP_ID,
    "requestedPermissions": [{"streamId": "other", "level": "read", "defaultName": "Diary"}],
}
ASKED: dict[str, Any] = {"requestingAppId": APP_ID, "requestedPermissions": [{"streamId": "diary", "level": "read"}]}
EVENT: dict[str, Any] = {"streamIds": ["diary"], "type": "note/txt", "content": "text"}
EXIT_CODES = (0, 1, 69, 75, 77)
"""The exit codes that a response can cause."""


class Filled:
    """An account with something of everything, seen through a playback."""

    def __init__(self, sandbox: Sandbox, playback: Playback) -> None:
        self.sandbox = sandbox
        self.account = sandbox.create_account()
        self.guarded = sandbox.create_account(mfa=True)
        self.leaving = sandbox.create_account()
        self.here = playback.here
        self.endpoint = playback.here(self.account.api_endpoint)
        self.service_info_url = playback.here(sandbox.service_info_url)
        self.numbers = itertools.count()
        with Connection(self.account.api_endpoint) as connection:
            connection.api_one("streams.create", {"id": "diary", "name": "Diary"})
            connection.api_one("streams.create", {"id": "notes", "name": "Notes", "parentId": "diary"})
            made = [{**EVENT, "time": time, "content": content} for time, content in ((1, "a"), (2, {"x": {"y": 5}}))]
            made[1]["type"] = "test/any"
            self.events = [connection.post("events", event)["event"]["id"] for event in made]
            with_file = connection.create_event_with_file_from_buffer({**EVENT, "time": 3}, b"file", "note.txt")
            self.event_with_file = with_file["event"]["id"]
            self.attachment = with_file["event"]["attachments"][0]
            series = connection.post("events", {"streamIds": ["diary"], "type": "series:mass/kg", "time": 4})
            self.series = series["event"]["id"]
            connection.add_points_to_hf_event(self.series, ["deltaTime", "value"], [[0, 1], [1, 2.5]])
            self.access = connection.api_one("accesses.create", {**self.new_access(), "name": "one"}, "access")["id"]
            self.access = connection.update_access(self.access, {"name": "two"})["id"]
            self.changed = connection.accesses.create(self.new_access())["id"]
            self.ended = connection.accesses.create(self.new_access())["id"]
            self.app = connection.accesses.create(self.new_access())["token"]
            with Connection(self.account.api_endpoint.replace(self.account.token, self.app)) as app:
                self.webhook = app.webhooks.create("http://127.0.0.1:9/")["id"]
            self.revoked = connection.api_one("accesses.create", self.new_access(), "access")["token"]
            self.deleted = self.events.pop(0)
            for _ in range(2):
                connection.delete(f"events/{self.deleted}")

    def new_access(self) -> dict[str, Any]:
        permissions = [{"streamId": "diary", "level": "manage"}]
        return {"type": "app", "name": f"app {next(self.numbers)}", "permissions": permissions}

    def connect(self) -> Connection:
        return Connection(self.endpoint, retry=None, timeout=3)

    def serve(self) -> Service:
        return Service(self.service_info_url, retry=None, timeout=3)


def a(*kinds: type) -> Callable[[Any], bool]:
    """Return whether a result has a type."""
    return lambda result: isinstance(result, kinds) and not (isinstance(result, bool) and bool not in kinds)


A_DICT = a(dict)


def all_are(kind: type) -> Callable[[Any], bool]:
    return lambda result: isinstance(result, (list, tuple)) and all(isinstance(item, kind) for item in result)


def of_account(filled: Filled) -> dict[str, Use]:
    """Return a use of each method of a connection."""

    def use(call: Callable[[Connection], Any], is_right: Callable[[Any], bool] = A_DICT) -> Use:
        def run() -> Any:
            with filled.connect() as connection:
                result = call(connection)
                assert -1e300 < connection.delta_time < 1e300
                return result

        return Use(run, is_right)

    def revoke(connection: Connection) -> Any:
        with Connection(connection.endpoint.replace("//", f"//{filled.revoked}@"), retry=None) as app:
            return app.revoke(), app.revoke()

    def rename(connection: Connection) -> Any:
        with Connection(filled.here(filled.guarded.api_endpoint), retry=None, timeout=3) as other:
            return other.account.change_username(f"mutated{filled.guarded.username}")

    def log_out(connection: Connection) -> None:
        with Connection(filled.here(filled.guarded.api_endpoint), retry=None, timeout=3) as other:
            other.logout()

    def hook(connection: Connection) -> Any:
        with Connection(connection.endpoint.replace("//", f"//{filled.app}@"), retry=None) as app:
            return app.webhooks.create(f"http://127.0.0.1:9/{next(filled.numbers)}")

    def call_hook(connection: Connection) -> Any:
        try:
            return connection.webhooks.test(filled.webhook)
        except UnknownResourceError:  # nobody listens
            return {}

    calls: list[dict[str, Any]] = [
        {"method": "events.get", "params": {"limit": 2}},
        {"method": "events.create", "params": EVENT},
        {"method": "no.method"},
    ]

    def share(connection: Connection) -> Any:
        shared = shared_secrets.create(connection, {"a": 1}, ttl=60, title="t", message="m")
        assert shared_secrets.status(connection, shared.key).key == shared.key
        return shared_secrets.retrieve(connection.endpoint, shared.key)

    deletions: EventsParams = {"modifiedSince": 0, "includeDeletions": True}
    event = filled.events[0]
    file = filled.event_with_file, filled.attachment["id"]
    return {
        "username": use(lambda connection: connection.username(), a(str)),
        "access_info": use(lambda connection: connection.access_info()),
        "service": use(lambda connection: connection.service.info().name, a(str)),
        "api": use(lambda connection: connection.api(calls), all_are(dict)),
        "iter_api": use(lambda connection: [result for _, result in connection.iter_api(calls)], all_are(dict)),
        "api_one": use(lambda connection: connection.api_one("events.get", {"limit": 2})),
        "api_one, a key": use(lambda connection: connection.api_one("streams.get", {}, "streams"), lambda _: True),
        "get": use(lambda connection: connection.get("events", {"limit": 2})),
        "post": use(lambda connection: connection.post("events", EVENT)),
        "put": use(lambda connection: connection.put(f"events/{event}", {"content": "b"})),
        "delete": use(lambda connection: connection.delete(f"events/{event}")),
        "iter_events": use(lambda connection: list(connection.iter_events(deletions)), all_are(dict)),
        "iter_events, long": use(
            lambda connection: list(connection.iter_events({"types": ["note/txt", "test/any"] * 15})), all_are(dict)
        ),
        "get_events_streamed": use(
            lambda connection: connection.get_events_streamed({}, lambda event: event.keys()),
            a(StreamedEvents),
        ),
        "create_event_with_file": use(lambda connection: connection.create_event_with_file(EVENT, __file__)),
        "create_event_with_file_from_buffer": use(
            lambda connection: connection.create_event_with_file_from_buffer(EVENT, b"x", "x.txt")
        ),
        "create_event_with_files": use(lambda connection: connection.create_event_with_files(EVENT, [("x", b"x")])),
        "add_attachment": use(lambda connection: connection.add_attachment(event, b"x", "x.txt")),
        "download_attachment": use(
            lambda connection: connection.download_attachment(filled.event_with_file, filled.attachment),
            lambda data: data == b"file",
        ),
        "download_attachment, by its id": use(lambda connection: connection.download_attachment(*file), a(bytes)),
        "add_points_to_hf_event": use(
            lambda connection: connection.add_points_to_hf_event(filled.series, ["deltaTime", "value"], [[5, 5]]),
            lambda count: count == 1,
        ),
        "add_points_batch": use(
            lambda connection: connection.add_points_batch({filled.series: Series(["deltaTime", "value"], [[6, 5]])}),
            lambda count: count == 1,
        ),
        "get_hf_points": use(
            lambda connection: connection.get_hf_points(filled.series),
            lambda series: all(len(row) == len(series.fields) for row in series.rows()),
        ),
        "get_latest_by_content": use(lambda connection: connection.get_latest_by_content("x.y", [5, "5", True])),
        "update_access": use(lambda connection: connection.update_access(filled.access, {"name": "three"})),
        "get_access_with_history": use(
            lambda connection: connection.get_access_with_history(filled.access)["access"], a(dict)
        ),
        "delete_attachment": use(lambda connection: connection.delete_attachment(*file)),
        "events.create": use(lambda connection: connection.events.create(EVENT)),
        "events.create, with an id": use(lambda connection: connection.events.create({**EVENT, "id": "c" * 25})),
        "events.create_many": use(lambda connection: connection.events.create_many([EVENT, EVENT]), all_are(dict)),
        "events.get": use(lambda connection: connection.events.get(event)),
        "events.get_with_history": use(
            lambda connection: connection.events.get_with_history(event),
            lambda found: isinstance(found[0], dict) and isinstance(found[1], list),
        ),
        "events.update": use(lambda connection: connection.events.update(event, {"content": "c"})),
        "events.delete": use(lambda connection: connection.events.delete(event)),
        "events.delete, permanently": use(lambda connection: connection.events.delete(filled.deleted, True)),
        "streams.list": use(lambda connection: connection.streams.list({"includeDeletionsSince": 0}), a(list)),
        "streams.create": use(lambda connection: connection.streams.create({"name": f"n{next(filled.numbers)}"})),
        "streams.update": use(lambda connection: connection.streams.update("notes", {"name": "Notes 2"})),
        "streams.delete": use(lambda connection: connection.streams.delete("notes")),
        "streams.delete, permanently": use(lambda connection: connection.streams.delete("notes", True, False)),
        "streams.ensure": use(lambda connection: connection.streams.ensure({"id": "new", "name": "New"}), a(list)),
        "accesses.list": use(lambda connection: connection.accesses.list({"includeDeletions": True}), a(list)),
        "accesses.get": use(lambda connection: connection.accesses.get(filled.access)),
        "accesses.get_with_history": use(lambda connection: connection.accesses.get_with_history(filled.access)),
        "accesses.create": use(lambda connection: connection.accesses.create(filled.new_access())),
        "accesses.update": use(lambda connection: connection.accesses.update(filled.changed, {"name": "four"})),
        "accesses.delete": use(lambda connection: connection.accesses.delete(filled.ended)),
        "accesses.check_app": use(lambda connection: connection.accesses.check_app(APP_REQUEST)),
        "webhooks.list": use(lambda connection: connection.webhooks.list(), a(list)),
        "webhooks.get": use(lambda connection: connection.webhooks.get(filled.webhook)),
        "webhooks.create": use(hook),
        "webhooks.update": use(lambda connection: connection.webhooks.update(filled.webhook, {"state": "inactive"})),
        "webhooks.activate": use(lambda connection: connection.webhooks.activate(filled.webhook)),
        "webhooks.test": use(call_hook),
        "webhooks.delete": use(lambda connection: connection.webhooks.delete(filled.webhook)),
        "shared_secrets": use(share, lambda secret: secret is not None),
        "account.get": use(lambda connection: connection.account.get()),
        "account.update": use(lambda connection: connection.account.update({"language": "fr"})),
        "account.change_password": use(
            lambda connection: connection.account.change_password(filled.account.password, filled.account.password),
            a(type(None)),
        ),
        "account.change_username": use(rename, lambda change: isinstance(change["usernameChangesRemaining"], int)),
        "account.username_changes": use(lambda connection: connection.account.username_changes()),
        "profile.get": use(lambda connection: connection.profile.get("public")),
        "profile.update": use(lambda connection: connection.profile.update("private", {"x": 1})),
        "audit": use(lambda connection: list(connection.audit(action="events.get")), all_are(dict)),
        "logout": use(log_out, a(type(None))),
        "revoke": use(revoke, lambda results: all(result is None or isinstance(result, dict) for result in results)),
    }


NO_CALLS = {"close", "info_sync", "set_service_info", "build_api_endpoint"}
NOT_USED = {"token", "endpoint", "api_endpoint", "delta_time", "socket", "close", "with_options"}


class Visitor:
    """The calls of a program to a platform, from the service info to a connection."""

    def __init__(self, filled: Filled, playback: Playback) -> None:
        self.filled = filled
        self.playback = playback
        self.username, self.password = filled.account.username, filled.account.password

    def uses(self) -> dict[str, Use]:
        """Return a use of each method of a service."""

        def use(call: Callable[[Service], Any], is_right: Callable[[Any], bool]) -> Use:
            def run() -> Any:
                with self.filled.serve() as service:
                    return call(service)

            return Use(run, is_right)

        email = f"{self.username}@example.org"
        return {
            "info": use(lambda service: dict(service.info()), a(dict)),
            "supports_hf": use(lambda service: service.supports_hf(), a(bool)),
            "supports_content_queries": use(lambda service: service.supports_content_queries(), a(bool)),
            "is_dns_less": use(lambda service: service.is_dns_less(), a(bool)),
            "assets": use(self.look, a(str, type(None))),
            "login_button_html": use(self.read_button, a(str, type(None))),
            "login_button_messages": use(self.read_messages, a(dict, type(None))),
            "api_endpoint_for": use(lambda service: service.api_endpoint_for("alice"), a(str)),
            "login": use(self.log_in, a(str)),
            "mfa_challenge mfa_verify": use(self.log_in_twice, a(str, type(None))),
            "mfa_activate mfa_confirm mfa_deactivate mfa_recover": use(self.guard, all_are(str)),
            "verify_email": use(self.verify_email, a(str)),
            "delete_user": use(self.delete, a(type(None))),
            "user_exists": use(lambda service: service.user_exists(self.username), a(bool)),
            "user_id_for_email": use(lambda service: service.user_id_for_email(email), a(str, type(None))),
            "available_hostings": use(lambda service: service.available_hostings(), a(dict)),
            "flat_hostings": use(lambda service: service.flat_hostings(), all_are(dict)),
            "create_user": use(self.register, lambda made: all_are(str)(list(made.values()))),
            "request_password_reset reset_password": use(self.reset, a(type(None))),
            "start_access_request": use(self.ask, lambda request: 0 <= request.poll_rate < 1e6),
            "poll_access_request": use(lambda service: service.poll_access_request(self.ask(service).poll), a(dict)),
            "connect_from_key": use(self.connect, a(str)),
            "wait_for_access": use(self.wait, a(str)),
        }

    def look(self, service: Service) -> str | None:
        assets = service.assets()
        with contextlib.suppress(ValueError):  # there is none
            return None if assets is None else assets.login_button_css_url() + assets.get_url("favicon:default:url")
        return None

    def read_button(self, service: Service) -> str | None:
        assets = service.assets()
        with contextlib.suppress(ValueError):  # there is none
            return None if assets is None else assets.login_button_html()
        return None

    def read_messages(self, service: Service) -> dict[str, Any] | None:
        assets = service.assets()
        with contextlib.suppress(ValueError):  # there are none
            return None if assets is None else assets.login_button_messages()
        return None

    def log_in(self, service: Service) -> str | None:
        with service.login(self.username, self.password, APP_ID) as connection:
            return connection.token

    def log_in_twice(self, service: Service) -> str | None:
        guarded = self.filled.guarded
        try:
            service.login(guarded.username, guarded.password, APP_ID).close()
        except MfaRequiredError as error:
            service.mfa_challenge(guarded.username, error.mfa_token)
            with service.mfa_verify(guarded.username, error.mfa_token, CODE) as connection:
                return connection.token
        return None

    def guard(self, service: Service) -> list[str]:
        with self.filled.connect() as connection:
            token = service.mfa_activate(connection, phone="1")
            code = self.filled.sandbox.text_messages[-1].code if self.playback.recording else "1234"
            codes = service.mfa_confirm(self.username, token, code)
            for recovery_code in filter(None, codes[:1]):
                service.mfa_recover(self.username, self.password, recovery_code)
            service.mfa_deactivate(connection)
        return codes

    def verify_email(self, service: Service) -> str:
        with self.filled.connect() as connection:
            connection.account.update({"emails": {"add": [f"more-{self.username}@example.org"]}})
        token = self.filled.sandbox.mails[-1].token if self.playback.recording else "token"
        return service.verify_email(self.username, token, APP_ID)

    def delete(self, service: Service) -> None:
        service.delete_user(self.filled.leaving.username, self.filled.leaving.token)

    def register(self, service: Service) -> Mapping[str, Any]:
        name = f"mutated{secrets.token_hex(6)}"
        return service.create_user(username=name, password="see-you", email=f"{name}@example.org", app_id=APP_ID)

    def reset(self, service: Service) -> None:
        service.request_password_reset(self.username, APP_ID)
        token = self.filled.sandbox.reset_token(self.username) if self.playback.recording else "token"
        service.reset_password(self.username, self.password, token, APP_ID)

    def ask(self, service: Service) -> AccessRequest:
        return service.start_access_request(ASKED)

    def accept(self, request: AccessRequest) -> None:
        if self.playback.recording:
            answer = {"status": "ACCEPTED", "username": self.username, "token": self.filled.account.token}
            answer["apiEndpoint"] = self.filled.account.api_endpoint
            requests.post(request.poll, json=answer, timeout=5)

    def connect(self, service: Service) -> str:
        request = self.ask(service)
        self.accept(request)
        with service.connect_from_key(request.key) as connection:
            return connection.api_endpoint

    def wait(self, service: Service) -> str:
        request = self.ask(service)
        self.accept(request)
        with wait_for_access(service, request, timeout=0.2) as connection:
            return connection.api_endpoint


def of_command_line(filled: Filled, home: Path) -> dict[str, Use]:
    """Return a use of each command."""

    def use(*arguments: str, codes: tuple[int, ...] = EXIT_CODES) -> Use:
        return Use(lambda: run_command(main, arguments), lambda code: code in codes)

    (home / "file.txt").write_text("text")
    file = str(home / "file.txt")
    or_none = (*EXIT_CODES, 2)  # an event without attachments was named
    return {
        "info": use("info", filled.service_info_url),
        "whoami": use("whoami"),
        "accesses": use("accesses"),
        "streams": use("streams"),
        "call": use("call", "events.get", '{"limit": 2}'),
        "events": use("events"),
        "events --jsonl": use("events", "--streams", "diary", "--jsonl"),
        "upload": use("upload", file, "--stream", "diary"),
        "upload --event": use("upload", file, "--event", filled.events[0]),
        "download": use("download", filled.event_with_file, str(home / "copy.txt"), codes=or_none),
        "download -": use(
            "download", filled.event_with_file, "-", "--attachment", filled.attachment["id"], codes=or_none
        ),
        "login": use(
            *("login", filled.service_info_url, "--app-id", APP_ID, "--permission", "diary:read"),
            *("--no-browser", "--timeout", "0.1"),
        ),
    }


@pytest.fixture
def filled(sandbox: Sandbox, playback: Playback) -> Filled:
    return Filled(sandbox, playback)


@pytest.fixture
def home(tmp_path: Path, filled: Filled, monkeypatch: pytest.MonkeyPatch) -> Path:
    """That of a user of the command line, who is not made to wait."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.fail.Keyring")
    monkeypatch.setenv("PRYV_API_ENDPOINT", filled.endpoint)
    monkeypatch.setattr(RetryPolicy, "wait", lambda *_: 0.0)
    return tmp_path


COUNTS = [500, pytest.param(8000, marks=pytest.mark.long)]


@pytest.mark.parametrize("count", COUNTS)
def test_changed_responses_of_an_account(playback: Playback, filled: Filled, count: int) -> None:
    uses = of_account(filled)
    named = {name.partition(",")[0] for name in uses}
    assert set(public_calls(Connection)) - NOT_USED <= named
    fuzz(playback, uses, count, (PryvError,))


@pytest.mark.parametrize("count", COUNTS)
def test_changed_responses_of_a_platform(playback: Playback, filled: Filled, count: int) -> None:
    uses = Visitor(filled, playback).uses()
    named = {word for name in uses for word in name.split()}
    assert {name for name in dir(Service) if not name.startswith("_")} - NO_CALLS <= named
    fuzz(playback, uses, count, (PryvError,))


@pytest.mark.parametrize("count", COUNTS)
def test_changed_responses_to_commands(playback: Playback, filled: Filled, home: Path, count: int) -> None:
    fuzz(playback, of_command_line(filled, home), count, ())
