"""The message of an `ApiError`: the platform's objections, and no secret."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.pryv.wire import Wire, reply
from tests.waiting import within

from pryv import ApiError, InvalidParametersError, Service
from pryv._text import UNPRINTABLE
from pryv._transport.redact import redact, redact_error, secrets_in
from pryv.errors import ERRORS, api_error

if TYPE_CHECKING:
    from tests.accounts import Account

FORMAT = "The parameters' format is invalid."
PASSWORD = "Password should have between 5 and 23 characters"


def lacks(name: str) -> dict[str, Any]:
    message = f"must have required property '{name}'"
    return {"code": "OBJECT_MISSING_REQUIRED_PROPERTY", "params": [name], "message": message, "path": "#/"}


def unknown(name: str, path: str) -> dict[str, Any]:
    message = "must NOT have additional properties"
    return {"code": "OBJECT_ADDITIONAL_PROPERTIES", "params": [name], "message": message, "path": path}


@pytest.mark.parametrize(
    ("message", "data", "said"),
    [
        (
            FORMAT,
            [lacks("streamIds"), unknown("streamId", "#")],
            ": must have required property 'streamIds'; must NOT have additional properties (streamId)",
        ),
        (
            FORMAT,
            [{"code": "PATTERN", "params": ["^a/b$"], "message": 'must match pattern "^a/b$"', "path": "#/type"}],
            ': type: must match pattern "^a/b$"',
        ),
        (
            FORMAT,
            [{"code": "INVALID_TYPE", "params": [["number"]], "message": "must be number", "path": "#/limit"}],
            ": limit: must be number",
        ),
        (
            FORMAT,
            [unknown("verify", "#/update/emails")],
            ": update.emails: must NOT have additional properties (verify)",
        ),
        (
            FORMAT,
            [{"code": "appid-invalid", "message": "Invalid app Id", "path": "#/appId", "param": "appId"}],
            ": appId: Invalid app Id",
        ),
        (
            FORMAT,
            [
                {"code": "password-required", "message": "Password is required", "path": "#/", "param": "password"},
                {"code": "email-required", "message": "Email is required", "path": "#/", "param": "email"},
            ],
            ": password: Password is required; email: Email is required",
        ),
        ("Invalid 'content' parameter: no operator.", "content", ""),
        ("Not so.", "streams", ": streams"),
        ("Not so.", ["diary", "health"], ""),
        ("Not so.", {"inner": {"message": "the reason", "path": "#/a"}}, ": a: the reason"),
        ('Unknown referenced stream "nope"', {"streamIds": ["nope"]}, ""),
        ("Stale access reference", {"provided": "a", "currentSerial": 1}, ""),
        ("gone", {"id": "shared-secret-unavailable", "returnUrl": "https://example.org/"}, ""),
        ("gone", None, ""),
    ],
)
def test_the_message_has_the_details_in_the_data(message: str, data: Any, said: str) -> None:
    error = api_error({"id": "x", "message": message, "data": data}, status=400, method="events.create")
    assert str(error) == f"events.create: {message} [x, HTTP 400]{said}"


TEXTS = st.text(st.characters(exclude_categories=[]), max_size=2000) | st.sampled_from(
    ["\x1b]52;c;x\x07", "\u202e", "x"]
)
DATA = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXTS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["message", "path", "param", "params", "code", "data"]), inner, max_size=4)
    ),
    max_leaves=20,
)


def nested(depth: int, wrap: Callable[[Any], Any]) -> Any:
    data: Any = "x"
    for _ in range(depth):
        data = wrap(data)
    return data


@given(
    body=DATA | st.fixed_dictionaries({"id": DATA, "message": DATA, "data": DATA}),
    status=st.none() | st.just(400),
    method=TEXTS,
)
@example({"id": "\u202e" * 300, "message": "\x1b" * 300, "data": "\ud800" * 300}, 400, "\x1b" * 300)
@example(
    {"id": "x" * 9999, "message": "y" * 9999, "data": [{"message": "z" * 9999, "path": "#/" + "p" * 9999}]},
    400,
    "m" * 9999,
)
def test_the_message_is_short_and_printable(body: Any, status: int | None, method: str) -> None:
    error = api_error(body, status=status, method=method)
    error.index = 3500
    text = str(error)
    assert len(text) < 1100
    assert UNPRINTABLE.search(text) is None


@pytest.mark.parametrize("member", ["id", "message", "data"])
def test_deeply_nested_data_have_a_message(member: str) -> None:
    for wrap in (lambda inner: [inner], lambda inner: {"data": inner, "message": "x"}):
        assert len(str(api_error({member: nested(50_000, wrap)}))) < 100


@pytest.mark.parametrize("password", ["a", "e", "P", "5", "pass", "Password?", "hé \"q\\'", "a/b=&", "x" * 23])
def test_a_password_is_masked_but_no_other_word(wire: Wire, password: str) -> None:
    echoes = [
        f"invalid: {password}",
        f'the value "{password}" is refused',
        f"({password})",
        f"https://host/?q={quote(password, safe='')}",
        json.dumps(password)[1:-1],
    ]
    data = [
        {"code": "password-invalid", "message": PASSWORD, "path": "#/password", "param": "password"},
        *({"code": "PATTERN", "message": echo, "params": [password]} for echo in echoes),
    ]
    error = {"id": "invalid-parameters-format", "message": "Not taken.", "data": data}
    wire.always = reply(json.dumps({"error": error}), 400)
    urls = {"api": f"{wire.url}{{username}}/", "access": wire.url, "register": wire.url}
    with Service(None, {"name": "Wire", **urls}) as service, wire.connection() as connection:
        for call in (
            lambda: service.login("userone", password, "app-id"),
            lambda: service.reset_password("userone", password, "reset-token", "app-id"),
            lambda: service.create_user(username="u", password=password, email="e", app_id="a", hosting="h"),
            lambda: service.mfa_verify("userone", "mfa-token", password),
            lambda: service.mfa_confirm("userone", "mfa-token", password),
            lambda: service.mfa_recover("userone", password, "recovery-code"),
            lambda: service.mfa_recover("userone", "see-you", password),
            lambda: service.verify_email("userone", password, "app-id"),
            lambda: connection.account.change_password("see-you", password),
            lambda: connection.account.change_password(password, "see-you"),
            lambda: connection.post("account/change-password", {"oldPassword": "other", "newPassword": password}),
            lambda: connection.post("events", {"id": "a", "content": {"password": password}}),
            lambda: connection.api([{"method": "account.changePassword", "params": {"newPassword": password}}]),
        ):
            with pytest.raises(InvalidParametersError) as refused:
                call()
            assert_masked(refused.value, password)
        wire.always = reply({"results": [{"error": error}]})
        with pytest.raises(InvalidParametersError) as refused:
            connection.api_one("account.changePassword", {"update": {"newPassword": password}})
        assert_masked(refused.value, password)


def assert_masked(error: ApiError, password: str) -> None:
    assert error.id == "invalid-parameters-format"
    assert error.message == "Not taken."
    data = error.data
    assert data[0]["message"] == (PASSWORD if password != "5" else PASSWORD.replace("5", "***"))
    assert [item["message"] for item in data[1:]] == [
        "invalid: ***",
        'the value "***" is refused',
        "(***)",
        "https://host/?q=***",
        "***",
    ]
    assert all(item["params"] == ["***"] for item in data[1:])
    assert "invalid: ***" in str(error)


def test_an_id_of_the_api_is_never_masked() -> None:
    for error_id in (ERRORS.FORBIDDEN, ERRORS.INVALID_PARAMETERS_FORMAT):
        shown = redact_error({"id": error_id, "message": error_id}, sent={"password": error_id})
        assert shown == {"id": error_id, "message": "***"}
    assert redact_error({"id": "id", "message": "message"}, "id", "message") == {"id": "***", "message": "***"}
    assert redact_error({"id": ["x"], "message": {}}, "x") == {"id": ["***"], "message": {}}


@pytest.mark.parametrize(
    ("data", "found"),
    [
        ({"password": "a", "username": "b"}, {"a"}),
        ([{"params": {"update": {"newPassword": "a", "oldPassword": "b"}}}], {"a", "b"}),
        (
            {"mfaToken": "a", "resetToken": "b", "token": "c", "languageCode": "d", "code": "e", "path": "f"},
            set("abc"),
        ),
        ({"secret": {"deep": ["a", {"er": "b"}]}, "password": 12, "token": True}, {"a", "b", "12"}),
        (({"recoveryCode": "a"},), {"a"}),
        (None, set()),
        ("password", set()),
        (nested(900, lambda inner: {"password": [inner]}), {"x"}),
    ],
)
def test_secrets_in_the_request_are_found(data: Any, found: set[str]) -> None:
    assert set(secrets_in(data)) == found


@pytest.mark.parametrize("piece", ["eyJ-", "eyJa.", "eyJ", "-eyJ.", "://a", "?token=", "token=a&"])
def test_redacting_takes_linear_time(piece: str) -> None:
    with within(2):
        assert redact(f"{piece * 40_000} a-token", "a-token").endswith(" ***")


def test_a_proof_is_masked() -> None:
    for before in ("", " ", ":", "=", '"'):
        assert redact(f"{before}eyJhbGciOiJFUzI1NiJ9.eyJodG0iOiJHRVQifQ.c2lnbmF0dXJl!") == f"{before}***!"


def test_the_message_of_many_details_takes_linear_time() -> None:
    data = [{"message": f"objection {number}"} for number in range(50_000)]
    error = api_error({"message": "no " * 500_000, "data": data})
    with within(2):
        assert "no no" in str(error)
    assert "objection 0; objection 1;" in str(error)


@given(text=st.text(), secret=st.text(min_size=1))
def test_redacting_any_text_leaves_no_long_secret(text: str, secret: str) -> None:
    shown = redact(f"{text}{secret}{text}", secret)
    if len(secret) >= 8 and "***" not in secret and secret not in "***":
        assert secret not in shown.replace("***", "\0")


def test_messages_of_a_platform(module_account: Account, service: Service) -> None:
    _, _, connection = module_account
    for call in (
        lambda: connection.post("events", {"streamId": "diary", "type": "note/txt"}),
        lambda: connection.api_one("events.create", {"streamId": "diary", "type": "note/txt"}),
    ):
        with pytest.raises(InvalidParametersError, match=r"must have required property 'streamIds'.*\(streamId\)$"):
            call()
    with pytest.raises(ApiError, match=r"appId: Invalid app Id$"):
        service.create_user(username="erroruser", password="see-you-soon", email="e@example.org", app_id="a")
    with pytest.raises(ApiError, match=f"password: {PASSWORD}$"):
        service.create_user(username="erroruser", password="a", email="e@example.org", app_id="pryv-sdk-tests")
