"""Retries: which calls, when, and which calls are never sent twice; the server counts them."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from datetime import datetime, timezone
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.pryv.wire import FAST, Reply, Wire, error_reply, interrupted_once_asked, reply
from tests.waiting import within

from pryv import (
    ApiError,
    Connection,
    PryvConnectionError,
    PryvError,
    PryvTimeoutError,
    RateLimitedError,
    RetryPolicy,
    ServerError,
    Service,
)
from pryv._transport.retry import parse_retry_after
from pryv.utils import new_event_id

if TYPE_CHECKING:
    from pryv_sandbox import Sandbox

Use = Callable[[Connection], object]

RETRIED_STATUSES = [408, 425, 429, 500, 502, 503, 504, 507, 520, 529]
EVENT = {"streamIds": ["diary"], "type": "note/txt", "content": "text"}
SAFE: dict[str, Use] = {
    "get": lambda connection: connection.get("streams"),
    "access_info": lambda connection: connection.access_info(),
    "iter_events": lambda connection: list(connection.iter_events()),
    "post events with an id": lambda connection: connection.post("events", {**EVENT, "id": new_event_id()}),
    "account.username_changes": lambda connection: connection.account.username_changes(),
    "profile.get": lambda connection: connection.profile.get("app"),
    "audit": lambda connection: list(connection.audit(access="x")),
    "batch of reads": lambda connection: connection.api([{"method": "events.get"}, {"method": "streams.get"}]),
    "batch of events with ids": lambda connection: connection.api(
        [{"method": "events.create", "params": {**EVENT, "id": new_event_id()}}, {"method": "events.getOne"}]
    ),
    "batch of reads with other names": lambda connection: connection.api(
        [{"method": name} for name in ("service.info", "accesses.checkApp", "account.usernameChanges")]
    ),
    "posted batch of reads": lambda connection: connection.post("", [{"method": "events.get", "params": {}}]),
}
UNSAFE: dict[str, Use] = {
    "post": lambda connection: connection.post("streams", {"id": "x"}),
    "post events": lambda connection: connection.post("events", EVENT),
    "post events with a null id": lambda connection: connection.post("events", {**EVENT, "id": None}),
    "put": lambda connection: connection.put("events/x", {"content": "y"}),
    "delete": lambda connection: connection.delete("events/x"),
    "account.update": lambda connection: connection.account.update({"language": "fr"}),
    "account.change_password": lambda connection: connection.account.change_password("old-one", "new-one"),
    "account.change_username": lambda connection: connection.account.change_username("another-name"),
    "profile.update": lambda connection: connection.profile.update("private", {"x": None}),
    "logout": lambda connection: connection.logout(),
    "mfa_activate": lambda connection: connection.service.mfa_activate(connection, phone="1"),
    "mfa_deactivate": lambda connection: connection.service.mfa_deactivate(connection),
    "batch with a write": lambda connection: connection.api(
        [{"method": "events.get"}, {"method": "streams.create", "params": {"id": "x"}}]
    ),
    "batch with an event without id": lambda connection: connection.api(
        [
            {"method": "events.create", "params": {**EVENT, "id": new_event_id()}},
            {"method": "events.create", "params": EVENT},
        ]
    ),
    "batch in a batch without calls": lambda connection: connection.api([{"method": "callBatch"}]),
    "posted batch with an event without parameters": lambda connection: connection.post(
        "", [{"method": "events.create"}]
    ),
    "batch with an update": lambda connection: connection.api(
        [{"method": "events.update", "params": {"id": new_event_id(), "update": {}}}]
    ),
    "batch with a delete": lambda connection: connection.api(
        [{"method": "events.delete", "params": {"id": new_event_id()}}]
    ),
}


def outcome(use: Use, connection: Connection) -> PryvError | None:
    try:
        use(connection)
    except PryvError as error:
        return error
    return None


@pytest.mark.parametrize("use", SAFE.values(), ids=SAFE.keys())
@pytest.mark.parametrize("status", RETRIED_STATUSES)
def test_idempotent_calls_are_retried_after_a_transient_status(
    wire: Wire, connection: Connection, use: Use, status: int
) -> None:
    wire.always = error_reply(status, "x")
    error = outcome(use, connection)
    assert isinstance(error, {408: ApiError, 425: ApiError, 429: RateLimitedError}.get(status, ServerError))
    assert len(wire.requests) == 3
    assert len({(request.method, request.target, request.body) for request in wire.requests}) == 1


@pytest.mark.parametrize("use", SAFE.values(), ids=SAFE.keys())
@pytest.mark.parametrize("then", ["reset", "close"])
def test_idempotent_calls_are_retried_after_a_lost_connection(
    wire: Wire, connection: Connection, use: Use, then: str
) -> None:
    wire.always = Reply(b"", then)
    assert type(outcome(use, connection)) is PryvConnectionError
    assert len(wire.requests) == 3


@pytest.mark.parametrize("use", UNSAFE.values(), ids=UNSAFE.keys())
@pytest.mark.parametrize(
    "answer", [*(error_reply(status, "x") for status in RETRIED_STATUSES), Reply(b"", "reset"), Reply(b"", "close")]
)
def test_other_calls_are_sent_once(wire: Wire, connection: Connection, use: Use, answer: Reply) -> None:
    wire.always = answer
    assert outcome(use, connection) is not None
    assert len(wire.requests) == 1


SERVICE_CALLS: dict[str, Callable[[Service], object]] = {
    "mfa_confirm": lambda service: service.mfa_confirm("alice", "mfa-token", "1234"),
    "mfa_recover": lambda service: service.mfa_recover("alice", "see-you", "recovery-code"),
    "verify_email": lambda service: service.verify_email("alice", "token", "app-id"),
    "delete_user": lambda service: service.delete_user("alice", "token"),
}


@pytest.mark.parametrize("call", SERVICE_CALLS.values(), ids=SERVICE_CALLS.keys())
@pytest.mark.parametrize(
    "answer", [*(error_reply(status, "x") for status in RETRIED_STATUSES), Reply(b"", "reset"), Reply(b"", "close")]
)
def test_a_call_of_a_service_is_sent_once(wire: Wire, call: Callable[[Service], object], answer: Reply) -> None:
    info = {"name": "Wire", "api": f"{wire.url}{{username}}/", "access": wire.url, "register": wire.url}
    wire.always = answer
    if call is SERVICE_CALLS["delete_user"]:
        wire.replies.append(reply({"server": wire.url}))
    with Service(None, info, retry=FAST, timeout=2) as service, pytest.raises(PryvError):
        call(service)
    assert len([request for request in wire.requests if not request.target.endswith("/server")]) == 1


LOOK_UPS: dict[str, Callable[[Service], object]] = {
    "user_exists": lambda service: service.user_exists("alice"),
    "user_id_for_email": lambda service: service.user_id_for_email("alice@example.org"),
    "available_hostings": lambda service: service.available_hostings(),
    "the server of delete_user": lambda service: service.delete_user("alice", "token"),
}


@pytest.mark.parametrize("call", LOOK_UPS.values(), ids=LOOK_UPS.keys())
@pytest.mark.parametrize("answer", [error_reply(503, "x"), Reply(b"", "close")])
def test_reads_of_a_service_are_retried(wire: Wire, call: Callable[[Service], object], answer: Reply) -> None:
    info = {"name": "Wire", "api": f"{wire.url}{{username}}/", "access": wire.url, "register": wire.url}
    wire.always = answer
    with Service(None, info, retry=FAST, timeout=2) as service, pytest.raises(PryvError):
        call(service)
    assert len(wire.requests) == 3
    assert len({(request.method, request.target) for request in wire.requests}) == 1


@pytest.mark.parametrize("use", [*SAFE.values(), *UNSAFE.values()], ids=[*SAFE.keys(), *UNSAFE.keys()])
@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 413, 421, 501, 505])
def test_a_permanent_status_is_not_retried(wire: Wire, connection: Connection, use: Use, status: int) -> None:
    wire.always = error_reply(status, "x")
    assert outcome(use, connection) is not None
    assert len(wire.requests) == 1


@pytest.mark.parametrize("use", SAFE.values(), ids=SAFE.keys())
@pytest.mark.parametrize("retry", [None, RetryPolicy(attempts=1)])
def test_retries_can_be_turned_off(wire: Wire, use: Use, retry: RetryPolicy | None) -> None:
    wire.always = error_reply(503, "x")
    with wire.connection(retry=retry) as connection:
        assert isinstance(outcome(use, connection), ServerError)
    assert len(wire.requests) == 1


def test_a_call_succeeds_at_a_later_attempt(wire: Wire, connection: Connection) -> None:
    wire.replies.extend([error_reply(503, "x"), Reply(b"", "reset"), reply({"streams": [1]})])
    assert connection.get("streams")["streams"] == [1]
    assert len(wire.requests) == 3


@pytest.mark.parametrize("use", [*SAFE.values(), *UNSAFE.values()], ids=[*SAFE.keys(), *UNSAFE.keys()])
def test_a_failed_connect_is_retried_for_all_calls(
    sandbox: Sandbox, caplog: pytest.LogCaptureFixture, use: Use
) -> None:
    account = sandbox.create_account()
    caplog.set_level("INFO", logger="pryv")
    with Connection(account.api_endpoint, retry=FAST) as connection, sandbox.faults.refuse():
        error = outcome(use, connection)
    assert isinstance(error, PryvConnectionError)
    assert not error.sent
    assert error.retryable
    assert len([record for record in caplog.records if "failed, the next" in record.message]) == 2


def test_a_write_waits_out_a_restart(sandbox: Sandbox) -> None:
    account = sandbox.create_account()
    refusing, failed = threading.Event(), threading.Event()

    def note(record: logging.LogRecord) -> bool:
        failed.set()
        return True

    def restart() -> None:
        with sandbox.faults.refuse():
            refusing.set()
            failed.wait(5)

    log = logging.getLogger("pryv")
    policy = RetryPolicy(attempts=50, backoff=0.05, max_backoff=0.05)
    with Connection(account.api_endpoint, retry=policy) as connection:
        restarting = threading.Thread(target=restart)
        restarting.start()
        refusing.wait()
        log.addFilter(note)
        log.setLevel(logging.INFO)
        try:
            assert connection.post("streams", {"id": "diary", "name": "Diary"})["stream"]["id"] == "diary"
        finally:
            log.setLevel(logging.NOTSET)
            log.removeFilter(note)
            restarting.join()


def test_waits_are_drawn_from_a_growing_range() -> None:
    policy = RetryPolicy(backoff=0.5, max_backoff=3)
    for attempt, bound in [(1, 0.5), (2, 1), (3, 2), (4, 3), (5, 3), (5000, 3)]:
        waits = [policy.wait(attempt) for _ in range(400)]
        assert 0 <= min(waits) < bound * 0.2
        assert bound * 0.8 < max(waits) <= bound


def test_a_wait_is_never_shorter_than_the_platform_asks() -> None:
    policy = RetryPolicy(backoff=0.5)
    assert policy.wait(1, 30) == 30
    assert 0 <= policy.wait(1, 0) <= 0.5


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"attempts": 0}, ValueError),
        ({"attempts": -1}, ValueError),
        ({"attempts": 1.5}, TypeError),
        ({"attempts": "3"}, TypeError),
        ({"backoff": -1}, ValueError),
        ({"backoff": float("nan")}, ValueError),
        ({"backoff": "1"}, TypeError),
        ({"max_backoff": -1}, ValueError),
        ({"deadline": 0}, ValueError),
        ({"deadline": -1}, ValueError),
        ({"deadline": float("nan")}, ValueError),
        ({"deadline": None}, TypeError),
    ],
)
def test_policies_out_of_range_are_refused(options: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        RetryPolicy(**options)


@pytest.mark.parametrize("retry", [3, True, {"attempts": 3}, RetryPolicy])
def test_the_retry_argument_is_a_policy(retry: Any) -> None:
    for make in (Connection, Service):
        with pytest.raises(TypeError):
            make("https://host/", retry=retry)


def http_date(seconds_from_now: float) -> str:
    return format_datetime(datetime.fromtimestamp(time.time() + seconds_from_now, timezone.utc), usegmt=True)


@pytest.mark.parametrize("form", [str, http_date])
def test_retry_after_is_respected(wire: Wire, connection: Connection, form: Callable[[int], str]) -> None:
    wire.replies.append(error_reply(503, "x", {"Retry-After": form(2)}))
    with within(FAST.deadline, at_least=0.9):
        connection.get("streams")
    assert len(wire.requests) == 2


@pytest.mark.parametrize("form", [str, http_date])
@pytest.mark.parametrize("status", [429, 503])
def test_a_wait_beyond_the_deadline_is_not_begun(
    wire: Wire, connection: Connection, form: Callable[[int], str], status: int
) -> None:
    wire.always = error_reply(status, "x", {"Retry-After": form(3600)})
    with within(FAST.deadline):
        error = outcome(SAFE["get"], connection)
    assert len(wire.requests) == 1
    assert isinstance(error, (RateLimitedError, ServerError))
    assert error.retry_after == pytest.approx(3600, abs=10)


@pytest.mark.parametrize("status", [429, 503])
def test_an_error_that_is_not_retried_has_retry_after(wire: Wire, connection: Connection, status: int) -> None:
    wire.always = error_reply(status, "x", {"Retry-After": "7"})
    error = outcome(UNSAFE["post"], connection)
    assert isinstance(error, (RateLimitedError, ServerError))
    assert error.retry_after == 7


MOMENT = datetime(2015, 10, 21, 7, 27, tzinfo=timezone.utc).timestamp()
DATES = {
    "Wed, 21 Oct 2015 07:28:00 GMT": 60,
    "Wed, 21 Oct 2015 09:28:00 +0200": 60,
    "Wed, 21 Oct 2015 07:28:00": 60,
    "Wednesday, 21-Oct-15 07:28:00 GMT": 60,
    "Wed Oct 21 07:28:00 2015": 60,
    "Wed, 21 Oct 2014 07:28:00 GMT": 0,
    "Wed, 21 Oct 9999 07:28:00 GMT": 86_400,
}


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        *DATES.items(),
        (None, None),
        ("0", 0),
        ("120", 120),
        (" 7 ", 7),
        ("86400", 86_400),
        ("99999999999", 86_400),
        ("9" * 5000, 86_400),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("1e9", None),
        ("nan", None),
        ("inf", None),
        ("5, 5", None),
        ("Wed, 99 Oct 2015 07:28:00 GMT", None),
        ("Wed, 21 Oct 99999999999999999999 07:28:00 GMT", None),
        ("Wed, 21 Oct 2015 07:28:00 +9999", None),
    ],
)
def test_retry_after_is_a_number_or_a_date(value: str | None, seconds: float | None) -> None:
    assert parse_retry_after(value, None, MOMENT) == seconds


@pytest.mark.parametrize(("value", "seconds"), DATES.items())
@pytest.mark.parametrize("date", ["Wed, 21 Oct 2015 07:27:00 GMT", "Wednesday, 21-Oct-15 07:27:00 GMT"])
def test_a_date_is_compared_with_the_date_of_the_response(value: str, seconds: float, date: str) -> None:
    for received in (0, MOMENT - 3600, MOMENT, MOMENT + 3600, 4e9):
        assert parse_retry_after(value, date, received) == seconds


def test_a_date_is_compared_with_the_local_clock_without_one() -> None:
    for date in (None, "", "today", "Wed, 99 Oct 2015 07:28:00 GMT"):
        assert parse_retry_after("Wed, 21 Oct 2015 07:28:00 GMT", date, MOMENT) == 60


odd_dates = st.one_of(
    st.text(),
    st.from_regex(r"[A-Z][a-z]{2}, \d+ [A-Z][a-z]{2} \d+ \d+:\d+:\d+ ([+-]\d+|[A-Z]+)"),
    st.datetimes().map(lambda moment: format_datetime(moment)),
)


@given(odd_dates, odd_dates)
def test_any_retry_after_is_parsed_or_ignored(value: str, date: str) -> None:
    seconds = parse_retry_after(value, date, MOMENT)
    assert seconds is None or 0 <= seconds <= 86_400


@pytest.mark.parametrize("skew", [-86_400 * 30, -3600, 3600, 86_400 * 30])
def test_a_wrong_local_clock_does_not_change_the_wait(wire: Wire, connection: Connection, skew: float) -> None:
    wire.replies.append(error_reply(503, "x", {"Date": http_date(skew), "Retry-After": http_date(skew + 1)}))
    with within(FAST.deadline):
        connection.get("streams")
    wire.always = error_reply(503, "x", {"Date": http_date(skew), "Retry-After": http_date(skew + 3600)})
    error = outcome(SAFE["get"], connection)
    assert isinstance(error, ServerError)
    assert error.retry_after == pytest.approx(3600, abs=2)


@pytest.mark.parametrize("value", ["86401", "99999999999", "9" * 400])
def test_retry_after_is_a_day_at_most(wire: Wire, value: str) -> None:
    wire.always = error_reply(429, "x", {"Retry-After": value})
    with wire.connection() as connection:
        error = outcome(SAFE["get"], connection)
    assert isinstance(error, RateLimitedError)
    assert error.retry_after == 86_400
    assert "retry after 86400 s" in str(error)
    assert len(wire.requests) == 1


def test_no_attempt_begins_after_the_deadline(wire: Wire) -> None:
    wire.always = Reply(b"", "hang")
    policy = RetryPolicy(attempts=100, backoff=0, deadline=0.5)
    with wire.connection(timeout=0.2, retry=policy) as connection, within(10, at_least=0.5):
        assert isinstance(outcome(SAFE["get"], connection), PryvTimeoutError)
    assert len(wire.requests) <= 3


def test_an_interrupt_ends_a_wait_at_once(wire: Wire) -> None:
    wire.always = error_reply(503, "x", {"Retry-After": "30"})
    policy = RetryPolicy(attempts=3, deadline=120)
    with wire.connection(retry=policy) as connection:
        with interrupted_once_asked(wire):
            connection.get("streams")
        assert len(wire.requests) == 1
        wire.always = reply({"streams": []})
        assert connection.get("streams")["streams"] == []


def test_an_interrupt_ends_a_read_at_once(wire: Wire) -> None:
    wire.replies.append(Reply(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{", "hang"))
    with wire.connection(timeout=30) as connection:
        with interrupted_once_asked(wire):
            connection.get("streams")
        assert connection.get("streams")
