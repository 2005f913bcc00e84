"""Uses every public name as a program would, for type checkers to read; it is not run."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterable, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import requests

import pryv
from pryv import (
    ERRORS,
    AccessRefusedError,
    AccessRequest,
    AccessTimeoutError,
    ApiError,
    Call,
    Connection,
    EventStream,
    ForbiddenError,
    IntegrityError,
    InvalidAccessTokenError,
    InvalidCredentialsError,
    InvalidParametersError,
    ItemAlreadyExistsError,
    Limits,
    MfaRequiredError,
    MissingAddonError,
    PryvConnectionError,
    PryvError,
    PryvProtocolError,
    PryvStreamError,
    PryvTimeoutError,
    PryvTlsError,
    RateLimitedError,
    ResponseTooLargeError,
    RetryPolicy,
    Series,
    ServerError,
    Service,
    ServiceAssets,
    ServiceInfo,
    SharedSecretUnavailableError,
    StaleAccessIdError,
    StreamedEvents,
    TooManyResultsError,
    UnknownResourceError,
    addons,
    auth,
    connect_from_key,
    frames,
    oauth,
    resources,
    shared_secrets,
    types,
    utils,
)


def connections(service: Service) -> None:
    retry = RetryPolicy(attempts=5, backoff=0.1, max_backoff=1, deadline=30)
    wait: float = retry.wait(2, retry_after=1.5)
    plain = Connection("https://TOKEN@alice.pryv.me/")
    patient: Connection = plain.with_options(timeout=300, retry=None).with_options(retry=retry).with_options()
    patient.close()
    plain.close()
    with Connection(
        "https://TOKEN@alice.pryv.me/",
        service,
        timeout=(wait, None),
        retry=None,
        session=requests.Session(),
        chunk_size=10,
        limits=Limits(response=1 << 20, event=1 << 16, frame=None, rate=0.5),
    ) as connection:
        token: str | None = connection.token
        endpoints: list[str] = [connection.endpoint, connection.api_endpoint]
        delta_time: float = connection.delta_time
        platform: Service = connection.service
        username: str = connection.username()
        info: types.AccessInfo = connection.access_info(force_refresh=True, timeout=None)
        permissions: list[types.Permission] = info.get("permissions", [])
        event_resource(connection.events)
        stream_resource(connection.streams)
        access_resource(connection.accesses)
        webhook_resource(connection.webhooks)
        account_resource(connection.account)
        profile_resource(connection.profile)
        socket = connection.socket
        logging.info("%s", (token, endpoints, delta_time, platform, username, permissions, socket))


def calls(connection: Connection) -> None:
    def handle(result: dict[str, Any], call: Call) -> None:
        logging.info("%s %s %s", call.method, call.params, result)

    def progress(percent: int | None, results: list[dict[str, Any]]) -> None:
        logging.info("%s %d", percent, len(results))

    event = {"id": utils.new_event_id(), "streamIds": ["diary"], "type": "note/txt", "content": "Hello"}
    results: list[dict[str, Any]] = connection.api(
        [Call("streams.get"), Call("events.create", event, handle), {"method": "events.get", "params": {}}],
        progress,
        raise_on_error=False,
        timeout=5,
    )
    try:
        connection.api([Call("streams.get", {}, results.append)], lambda percent: percent, raise_on_error=True)
    except ApiError as error:
        failed: int | None = error.index
        logging.info("%s %d", failed, len(error.results))
    for call, result in connection.iter_api(Call("events.getOne", {"id": event_id}) for event_id in "abc"):
        handle(result, call)
    connection.api_one("streams.get", {"state": "all"}, "streams")
    bodies: list[dict[str, Any]] = [
        connection.get("events", {"limit": 1}),
        connection.post("events", event),
        connection.put("events/x", {"content": "y"}),
        connection.delete("events/x", {"y": True}),
    ]
    logging.info("%s %s", results, bodies)


def events(connection: Connection) -> None:
    params: types.EventsParams = {
        "streams": [{"any": ["diary"], "not": ["private"]}],
        "types": ["note/txt"],
        "fromTime": 0.0,
        "toTime": 1.7e9,
        "sortAscending": True,
        "modifiedSince": 0,
        "includeDeletions": True,
        "content": [{"path": "$", "eq": "x"}],
    }
    stream: EventStream = connection.iter_events(params)
    with stream:
        for event in stream:
            seen: tuple[str, list[str], float, str] = (event["id"], event["streamIds"], event["time"], event["type"])
            text: str = stream.text
            logging.info("%s %s", seen, text)
    counts: tuple[int, int | None, types.Meta | None] = (
        stream.events_count,
        stream.event_deletions_count,
        stream.meta,
    )
    summary: StreamedEvents = connection.get_events_streamed({"limit": 5}, lambda event: event.get("content"))
    told: tuple[int, int | None, float] = (
        summary.events_count,
        summary.event_deletions_count,
        summary.meta["serverTime"],
    )
    latest: dict[Any, types.Event] = connection.get_latest_by_content("drug.code", ["a", 1, True], params)
    logging.info("%s %s %s", counts, told, latest)


def files(connection: Connection, path: Path) -> None:
    event: types.EventCreate = {"streamIds": ["diary"], "type": "picture/attached"}
    connection.create_event_with_file(event, path)
    connection.create_event_with_file_from_buffer(event, b"data", "data.bin")
    connection.create_event_with_file_from_buffer(event, io.BytesIO(), "data.bin", timeout=60)
    connection.create_event_with_files(event, ["report.txt", ("data.bin", b"data"), ("more.bin", io.BytesIO())])
    body: dict[str, Any] = connection.add_attachment("x", path, "other.jpg")
    attachment: types.Attachment = body["event"]["attachments"][0]
    content: bytes = connection.download_attachment("x", attachment)
    whole: Path = connection.download_attachment("x", attachment, path)
    named: str = connection.download_attachment("x", attachment["id"], "copy.jpg")
    buffer: io.BytesIO = connection.download_attachment("x", attachment, io.BytesIO())
    connection.delete_attachment("x", attachment["id"])
    logging.info("%d %s %s %s", len(content), whole, named, buffer)


def series(connection: Connection) -> None:
    sent: int = connection.add_points_to_hf_event("x", ["deltaTime", "value"], ((t, 1.5) for t in range(10)))
    sent += connection.add_points_batch({"x": Series(["deltaTime", "value"], [[0, 1.5]])})
    points: Series = connection.get_hf_points("x", from_delta_time=0, to_delta_time=5.5)
    columns: dict[str, list[Any]] = points.columns()
    rows: list[list[Any]] = list(points.rows())
    fields: list[str] = points.fields
    raw: Iterable[Any] = points.points
    logging.info("%d %s %s %s %s", sent, columns, rows, fields, raw)


def accesses(connection: Connection) -> None:
    access: types.Access = connection.update_access("base:1", {"name": "x"})
    history: types.AccessWithHistory = connection.get_access_with_history("base")
    deletion: dict[str, Any] | None = connection.revoke(throw_on_fail=False, using=connection)
    logging.info("%s %s %s", access, history, deletion)


def event_frames(events: list[types.Event]) -> None:
    frames.to_pandas(events, ["id", "content.systolic"])
    frames.to_arrow(events, {"content.systolic": float})
    sum(1 for _ in frames.iter_arrow(iter(events), rows=1000))


def event_resource(events: resources.Events) -> None:
    new: types.EventCreate = {
        "id": utils.new_event_id(),
        "streamIds": ["diary"],
        "type": "note/txt",
        "time": datetime.now(timezone.utc),
        "duration": None,
        "content": "Slept well.",
        "clientData": {"app:key": 1},
    }
    event: types.Event = events.create(new)
    many: list[types.Event] = events.create_many((new for _ in range(10)), lambda percent: percent, timeout=5)
    events.create_many([new], lambda percent, created: len(created))
    versions: tuple[types.Event, list[types.Event]] = events.get_with_history(event["id"])
    changed: types.Event = events.update(event["id"], {"time": 0, "description": None, "trashed": False})
    trashed: types.Event = events.delete(event["id"])
    deletion: types.EventDeletion = events.delete(event["id"], permanently=True)
    logging.info("%s", (events.get(event["id"]), many, versions, changed, trashed, deletion))


def stream_resource(streams: resources.Streams) -> None:
    tree: list[types.Stream] = streams.list({"parentId": "diary", "state": "all", "includeDeletionsSince": 0})
    made: types.Stream = streams.create({"id": "dreams", "name": "Dreams", "parentId": "diary"})
    changed: types.Stream = streams.update("dreams", {"name": "At night", "parentId": None})
    trashed: types.Stream = streams.delete("dreams")
    deletion: types.Deletion = streams.delete("dreams", permanently=True, merge_events_with_parent=False)
    wanted: types.StreamTree = {"id": "diary", "name": "Diary", "children": [{"id": "dreams", "name": "Dreams"}]}
    added: list[types.Stream] = [*streams.ensure(wanted), *streams.ensure([wanted, {"id": "mood", "name": "Mood"}])]
    logging.info("%s", (tree, made, changed, trashed, deletion, added))


def access_resource(accesses: resources.Accesses) -> None:
    found: list[types.Access] = accesses.list({"includeDeletions": True, "includeExpired": True})
    made: types.Access = accesses.create(
        {"name": "For a friend", "permissions": [{"streamId": "diary", "level": "read"}], "expireAfter": 3600}
    )
    changed: types.Access = accesses.update(made["id"], {"name": "x", "expires": None, "clientData": {"x": None}})
    history: types.AccessWithHistory = accesses.get_with_history(changed["id"])
    deletion: types.Deletion = accesses.delete(accesses.get(made["id"])["id"])
    check: types.AppCheck = accesses.check_app(
        {
            "requestingAppId": "my-notebook",
            "requestedPermissions": [{"streamId": "diary", "level": "read", "defaultName": "Diary"}],
        }
    )
    logging.info("%s", (found, history, deletion, check.get("checkedPermissions")))


def webhook_resource(webhooks: resources.Webhooks) -> None:
    made: types.Webhook = webhooks.create(
        "https://example.org/", {"diary": {"kind": "events", "query": {"streams": ["diary"]}}}
    )
    found: list[types.Webhook] = [
        *webhooks.list(),
        webhooks.get(made["id"]),
        webhooks.update(made["id"], {"state": "inactive"}),
        webhooks.activate(made["id"]),
        webhooks.test(made["id"]),
    ]
    deletion: types.Deletion = webhooks.delete(made["id"])
    logging.info("%s %s", found, deletion)


def account_resource(account: resources.Account) -> None:
    info: types.AccountInfo = account.get()
    changed: types.AccountInfo = account.update({"language": "fr", "emails": {"add": ["alice@example.org"]}})
    emails: list[types.EmailAddress] = info.get("emails", [])
    primary: list[str] = [email["value"] for email in emails if email["primary"] and email["status"] == "verified"]
    account.change_password("see-you-soon", "see-you-later")
    change: types.UsernameChange = account.change_username("alice-2")
    counts: types.UsernameChanges = account.username_changes()
    left: int = counts["usernameChangesRemaining"]
    logging.info("%s", (changed, primary, change["account"]["username"], change["usernameChangesRemaining"], left))


def profile_resource(profile: resources.Profile) -> None:
    sets: list[dict[str, Any]] = [profile.get("public"), profile.update("app", {"theme": None})]
    logging.info("%s", sets)


def audit(connection: Connection) -> None:
    with connection.audit({"fromTime": 0}, access="base:1", action="events.get") as log:
        calls: list[tuple[float, Any]] = [(event["time"], event.get("content")) for event in log]
    latest: EventStream = connection.audit({"limit": 1})
    connection.logout()
    logging.info("%s %s", calls, latest)


def second_factor(service: Service, connection: Connection) -> None:
    token: str = service.mfa_activate(connection, phone="+41790000000", timeout=5)
    codes: list[str] = service.mfa_confirm("alice", token, "1234")
    service.mfa_recover("alice", "see-you-soon", codes[0])
    service.mfa_deactivate(connection)


def secrets_to_hand_over(connection: Connection) -> None:
    shared: shared_secrets.SharedSecret = shared_secrets.create(
        connection,
        {"token": "TOKEN"},
        ttl=3600,
        title="Export",
        message="It was read before.",
        return_url="https://example.org/",
        passphrase="three quiet otters",
        verifier_secret=None,
        timeout=5,
    )
    parts: tuple[str, str] = shared_secrets.parse_key(shared.key)
    history: list[types.SharedSecretStatus] = shared_secrets.status(connection, shared.key, timeout=5).status_history
    texts: list[str | None] = [shared.id, shared.title, shared.status, shared.message]
    texts += [shared.return_url, shared.signature_type]
    logging.info("%s %s %s %f", parts, history[0]["time"], texts, shared.expires)
    try:
        secret: Any = shared_secrets.retrieve(
            connection.endpoint, shared.key, passphrase="three quiet otters", timeout=(5, 5)
        )
        logging.info("%s", secret)
    except SharedSecretUnavailableError as error:
        page: str | None = error.return_url
        logging.info("%s %s", error.message, page)
        shared_secrets.retrieve("https://alice.pryv.me/", shared.key, verifier_secret="words")


def unknown_shapes(connection: Connection, query: dict[str, Any], event: Mapping[str, Any]) -> None:
    with connection.iter_events(query) as stream:
        connection.get_events_streamed(query, lambda event: event["id"])
        connection.get_latest_by_content("$", [1], query)
        connection.events.create_many(event for _ in stream)
    created: types.Event = connection.events.create(event)
    made: list[types.Stream] = connection.streams.ensure([query])
    logging.info("%s %s", created, made)


def platforms() -> None:
    with Service(
        "https://reg.pryv.me/service/info", {"name": "x"}, timeout=10, retry=RetryPolicy(), session=None
    ) as service:
        info: ServiceInfo = service.info(force_fetch=True)
        known: ServiceInfo | None = service.info_sync()
        service.set_service_info(info)
        texts: list[str | None] = [
            *(info.name, info.api, info.access, info.register, info.home, info.support, info.terms),
            *(info.event_types, info.version, info.serial, info["eventTypes"]),
        ]
        members: list[Mapping[str, Any]] = [info.assets, info.features]
        can: list[bool] = [service.supports_hf(), service.supports_content_queries(), service.is_dns_less()]
        endpoint: str = service.api_endpoint_for("alice", "TOKEN") + Service.build_api_endpoint(info, "alice")
        logging.info("%s %s %s %s %s", known, texts, members, can, endpoint)
        assets(service.assets(force_fetch=True))


def assets(found: ServiceAssets | None) -> None:
    if found is not None:
        urls: list[str] = [found.get_url("a:b"), found.relative_url("x"), found.login_button_css_url()]
        html: str = found.login_button_html()
        messages: dict[str, Any] = found.login_button_messages()
        logging.info("%s %s %s %s", urls, html, messages, found.get("a"))


def users(service: Service) -> None:
    exists: bool = service.user_exists("alice")
    found: str | None = service.user_id_for_email("alice@example.org")
    tree: dict[str, Any] = service.available_hostings()
    hostings: list[types.Hosting] = service.flat_hostings()
    created: types.UserCreated = service.create_user(
        username="alice",
        password="see-you-soon",
        email="alice@example.org",
        app_id="my-notebook",
        hosting=hostings[0]["key"],
        language="fr",
        invitation_token="enjoy",
        referer=None,
    )
    logging.info("%s %s %s %s %s", exists, found, tree, created["username"], created["apiEndpoint"])
    try:
        connection: Connection = service.login("alice", "see-you-soon", "my-notebook", "https://app.example")
    except MfaRequiredError as error:
        service.mfa_challenge("alice", error.mfa_token)
        connection = service.mfa_verify("alice", error.mfa_token, "123456")
    connection.close()
    service.request_password_reset("alice", "my-notebook")
    service.reset_password("alice", "see-you-later", "TOKEN", "my-notebook")
    address: str = service.verify_email("alice", "TOKEN", "my-notebook")
    service.delete_user("alice", "TOKEN")
    logging.info("%s", address)


def access_requests(service: Service) -> None:
    asked: types.AuthRequest = {
        "requestingAppId": "my-notebook",
        "requestedPermissions": [{"streamId": "diary", "level": "manage", "defaultName": "Diary"}],
        "languageCode": "fr",
        "returnURL": False,
    }
    request: AccessRequest = service.start_access_request(asked)
    told: tuple[str, str, str, float, str] = (
        request.key,
        request.auth_url,
        request.poll,
        request.poll_rate,
        request.status,
    )
    answer: dict[str, Any] = service.poll_access_request(request.poll)
    both: list[Connection] = [
        service.connect_from_key(request.key),
        connect_from_key(request.key, "https://reg.pryv.me/service/info", {"name": "x"}),
    ]
    logging.info("%s %s %s", told, answer, both)


class Interface:
    """A login interface that belongs to no class of the package."""

    def on_state_change(self, state: auth.AuthState) -> None:
        logging.info("%s %s %s", state.status, state.auth_url, state.message)

    def get_authorization_data(self) -> auth.AuthorizationData | None:
        return None

    def save_authorization_data(self, data: auth.AuthorizationData) -> None:
        logging.info("%s", data.get("username"))

    def delete_authorization_data(self) -> None:
        pass


def authentication(service: Service, request: AccessRequest) -> None:
    def told(state: auth.AuthState) -> None:
        if state.status == auth.AuthStates.AUTHORIZED and state.key is not None:
            service.connect_from_key(state.key).close()

    settings = auth.AuthSettings({"requestingAppId": "my-notebook", "requestedPermissions": []}, told)
    interface: auth.LoginUI = Interface()
    terminal: auth.LoginUI = auth.TerminalLogin(settings, service, open_browser=False)
    controller = auth.AuthController(settings, service, interface)
    controller.init()
    controller.start_auth_request(timeout=60)
    controller.handle_click()
    controller.stop_auth_request("enough")
    state: auth.AuthState = controller.state
    signed_in: Service = auth.setup_auth(settings, "https://reg.pryv.me/service/info", None, ui=terminal)
    auth.setup_auth(settings, "https://reg.pryv.me/service/info").close()
    connection: Connection = auth.wait_for_access(service, request, 60, on_state=told)
    permissions: list[types.Permission] = [{"streamId": "diary", "level": "read"}]
    platform = "https://reg.pryv.me/service/info"
    with auth.sign_in(platform, "my-notebook", permissions, store=auth.MemoryStore(), ui=terminal) as diary:
        logging.info("%s", diary)
    undescribed: list[dict[str, Any]] = [{"streamId": "diary", "level": "read"}]
    auth.sign_in(platform, "my-notebook", undescribed, profile="work", ui=auth.TerminalLogin, timeout=None).close()
    auth.sign_out(platform, store=auth.MemoryStore(), profile="work")
    statuses: list[str] = [
        *(auth.AuthStates.ERROR, auth.AuthStates.LOADING, auth.AuthStates.INITIALIZED, auth.AuthStates.NEED_SIGNIN),
        *(auth.AuthStates.SIGNOUT, auth.AuthStates.REFUSED),
    ]
    logging.info("%s %s %s %s", state, signed_in, connection, statuses)


def stores() -> None:
    kept: list[auth.CredentialStore] = [
        auth.KeyringStore(),
        auth.FileStore("credentials"),
        auth.MemoryStore(),
        auth.default_store(),
    ]
    for store in kept:
        store.save("notebook", {"apiEndpoint": "https://TOKEN@alice.pryv.me/", "username": "alice"})
        data: auth.AuthorizationData | None = store.get("notebook")
        store.delete("notebook")
        logging.info("%s", data is None)
    auth.KeyringStore().check_writable()
    auth.FileStore("credentials").check_writable()
    auth.MemoryStore().check_writable()


def utilities(url: str) -> None:
    token, endpoint = utils.extract_token_and_api_endpoint(url)
    parts: utils.TokenAndEndpoint = utils.extract_token_and_api_endpoint(url)
    named: utils.DecomposedEndpoint = utils.decompose_api_endpoint(parts.endpoint, "https://{username}.pryv.me/")
    ref: utils.AccessRef = utils.parse_access_ref("base:3")
    base, serial = ref
    seconds: float = utils.to_timestamp(utils.to_datetime(1767268800.5))
    texts: list[str | None] = [
        utils.build_api_endpoint(endpoint, token),
        utils.serialize_access_ref(base, serial),
        utils.service_info_from_url(url),
        utils.clean_url_from_pryv_params(url),
        utils.new_event_id(),
    ]
    params: dict[str, str] = utils.query_params_from_url(url)
    logging.info("%s %s %s %s", named, texts, params, seconds)


def api_errors(error: ApiError) -> None:
    facts: tuple[str | None, str, int | None, str | None] = (error.id, error.message, error.status, error.method)
    logging.info("%s %s %s", facts, error.data, error.id == ERRORS.UNKNOWN_USER)
    if isinstance(error, StaleAccessIdError):
        stale: tuple[str | None, int | None] = (error.provided, error.current_serial)
        logging.info("%s", stale)
    elif isinstance(error, (RateLimitedError, ServerError)):
        wait: float | None = error.retry_after
        logging.info("%s", wait)
    elif isinstance(error, MfaRequiredError):
        held: str = error.mfa_token
        logging.info("%d", len(held))


def errors(connection: Connection) -> None:
    try:
        connection.get("events")
    except (InvalidAccessTokenError, InvalidCredentialsError, ForbiddenError, InvalidParametersError):
        raise
    except (UnknownResourceError, ItemAlreadyExistsError, TooManyResultsError) as error:
        api_errors(error)
    except PryvStreamError as error:
        seen: int = error.events_seen
        logging.info("%d", seen)
    except (PryvTimeoutError, PryvTlsError) as error:
        sent: bool = error.sent
        logging.info("%s", sent)
    except (PryvConnectionError, PryvProtocolError, ResponseTooLargeError, IntegrityError):
        raise
    except (AccessRefusedError, AccessTimeoutError, MissingAddonError) as error:
        logging.info("%s", error)
    except PryvError as error:
        again: bool = error.retryable
        logging.info("%s", again)


def add_ons(connection: Connection) -> None:
    def send(chunk: list[dict[str, Any]]) -> list[addons.Result]:
        if len(chunk) > 10:
            raise addons.ChunkTooLargeError
        return [{} for _ in chunk]

    carrier: addons.SendChunk = send
    calls: list[addons.CallLike] = [Call("streams.get"), {"method": "streams.get"}]
    progress: addons.Progress = print

    settings: addons.HttpSettings = addons.http_settings(connection)
    proxies: Mapping[str, str] = settings.proxies
    others: tuple[bool | str, str | tuple[str, str] | None, str] = (settings.verify, settings.cert, settings.user_agent)
    results: list[dict[str, Any]] = addons.run_batch(carrier, calls, addons.chunk_size(connection), progress)
    text: str = addons.redact("https://TOKEN@host/", "TOKEN")
    error: ApiError = addons.api_error(addons.redact_data({"id": "x"}, "TOKEN"), method="events.get")
    info: types.AccessInfo = addons.access_info_within(connection, 5, force_refresh=True)
    wait: float = addons.RetryPolicy().wait(1)
    stopped = addons.SignalSafeEvent()
    stopped.set()
    waited: list[bool] = [stopped.is_set(), stopped.wait(wait)]
    changed = addons.SignalSafeCondition()
    waited.append(changed.wait_for(stopped.is_set, timeout=1.5))
    changed.notify_all()
    place: addons.Destination = Path("copy.txt")
    with addons.open_destination(place) as file:
        file.write(b"whole")
    with addons.replace_file("keys.json", private=True) as secret:
        secret.write(b"whole")
    addons.sync_directory(".")
    with addons.lock_directory("."), open("log", "wb", buffering=0) as log:
        addons.write_all(log, b"")
    addons.require_bearer(connection, "socket")
    token: str | None = addons.bearer_token(connection)
    other: bool = addons.renew_token(connection, token, error)
    with addons.new_session() as session:
        Connection(connection.api_endpoint, session=session).username()
    masked: str = addons.SecretText("TOKEN")
    addons.require_callback(print, "progress")
    addons.require_methods(connection, "connection", "a Connection", "close")
    assert addons.require_seconds(5, "pause", above_zero=True, endless=True) >= 5.0
    logged = addons.without_frames(logging.info)
    logged("hidden")
    plain: Any = addons.plain({"fromTime": 0})
    limits: Limits = addons.limits(connection)
    sizes: list[int | None] = [limits.response, limits.event, limits.frame, addons.parsed_size(b"[]")]
    lost: PryvConnectionError = addons.connection_error(ConnectionResetError(), "socket", "host:443", sent=False)
    passes: bool = addons.is_transient(lost) or addons.is_transient_status(503)
    stream: addons.BatchStream = addons.stream_batch(connection, [Call("streams.get")], {"streams"}, timeout=5)
    parts: list[tuple[int, str, list[tuple[Any, str]]]] = list(stream)
    time: float | None = stream.server_time
    members: list[tuple[str, Any]] = list(addons.json_members([b'{"events": []}'], ["events"]))
    with connection.iter_events() as found:
        batches: list[tuple[str, list[tuple[types.Event, str]]]] = list(addons.event_batches(found))
    logging.info("%s %s %s %s", parts, time, batches, members)
    made = (masked, other, proxies, others, passes, waited, results, text, error, info, wait, plain, sizes, limits.rate)
    logging.info("%s", (*made, pryv.__version__))


def sessions(store: oauth.TokenStore) -> None:
    client = oauth.OAuthClient(
        "https://host.pryv.me",
        "study-app",
        scope="cmc:study-A",
        redirect_uri="http://127.0.0.1/callback",
        private_key="-----BEGIN PRIVATE KEY-----",
        key_id="1",
        dpop=True,
        store=oauth.FileTokenStore(Path("study.tokens")),
        leeway=60,
        timeout=(5, None),
        retry=None,
        session=requests.Session(),
    )
    server: oauth.AuthorizationServer = client.metadata(force_fetch=True)
    members: list[object] = [server.issuer, server.scopes_supported, server["issuer"], len(server), list(server)]
    request: oauth.AuthorizationRequest = client.authorization_request(redirect_uri="http://[::1]/", state="state")
    asked: list[str] = [request.url, request.state, request.code_verifier, request.redirect_uri]
    try:
        connection: Connection = client.handle_callback("https://app.example/?code=x", request)
        connection = client.login(port=8080, open_browser=False, timeout=None, on_url=print)
        connection = client.connection(timeout=5)
        connection = client.refresh()
        connection = client.client_credentials(scope=None)
    except oauth.OAuthLoginRequiredError:
        raise
    except oauth.OAuthError as error:
        reasons: list[str | int | None] = [error.error, error.description, error.status]
        logging.info("%s", reasons)
        raise
    tokens: oauth.OAuthTokens | None = client.tokens
    client.forget(revoke=False)
    with store.lock(10):
        kept: oauth.OAuthTokens | None = store.load()
        if kept is not None:
            store.save(kept)
            times: list[float | None] = [kept.expires_at, kept.expires_in, kept.refresh_attempts]
            texts: list[str | None] = [kept.access_token, kept.refresh_token, kept.token_type, kept.scope]
            logging.info("%s", (times, texts, kept.api_endpoint, kept.key))
        store.delete()
    stores: list[oauth.TokenStore] = [oauth.MemoryTokenStore(), oauth.KeyringTokenStore("study")]
    logging.info("%s", (members, asked, connection, tokens, stores))


def keys(service: Service) -> None:
    key: oauth.DPoPKey = oauth.DPoPKey.generate()
    jwk: dict[str, str] = key.to_jwk(private=True)
    proof: str = oauth.DPoPKey.from_jwk(jwk).proof("GET", "https://host/", "TOKEN", nonce="1", issued_at=0)
    signed: Connection = oauth.SignedConnection("https://TOKEN@alice.pryv.me/", key, service, retry=None)
    logging.info("%s", (key.thumbprint, proof, signed))
