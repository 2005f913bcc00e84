"""Auth requests of an app, and of another consent page."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from pryv_sandbox import Sandbox

PERMISSIONS = [{"streamId": "diary", "defaultName": "Journal", "level": "read"}]
ASKED = {"requestingAppId": "some-app", "requestedPermissions": PERMISSIONS}
ACCEPTED = {
    "status": "ACCEPTED",
    "username": "someone",
    "token": "some-token",
    "apiEndpoint": "http://some-token@host/someone/",
}


@pytest.fixture
def access_url(pryv_sandbox: Sandbox) -> str:
    return f"{pryv_sandbox.url}reg/access"


def post(url: str, body: Any) -> tuple[int, dict[str, Any]]:
    answer = requests.post(url, json=body, timeout=5)
    return answer.status_code, answer.json()


def get(url: str) -> tuple[int, dict[str, Any]]:
    answer = requests.get(url, timeout=5)
    return answer.status_code, answer.json()


@pytest.mark.parametrize("ending", ["", "/"])
def test_a_request_is_open_until_it_is_answered(access_url: str, ending: str) -> None:
    status, opened = post(access_url + ending, ASKED)
    assert status == 201
    assert set(opened) == {"status", "key", "authUrl", "poll", "poll_rate_ms"}
    assert opened["poll"] == f"{access_url}/{opened['key']}"
    for _ in range(2):
        status, state = get(opened["poll"])
        assert (status, state["status"]) == (201, "NEED_SIGNIN")
        assert state["requestedPermissions"] == PERMISSIONS
        assert (state["lang"], state["returnURL"], state["oauthState"], state["clientData"]) == ("en", None, None, None)


def test_what_the_page_needs_is_in_its_url(access_url: str, pryv_sandbox: Sandbox) -> None:
    values = {"languageCode": "fr", "returnURL": "http://app.example/?a=1&b=2", "oauthState": "x y"}
    _, opened = post(access_url, {**ASKED, **values})
    assert opened["authUrl"].startswith(f"{pryv_sandbox.url}access.html?")
    assert parse_qs(urlsplit(opened["authUrl"]).query) == {
        "lang": ["fr"],
        "key": [opened["key"]],
        "requestingAppId": ["some-app"],
        "poll": [opened["poll"]],
        "poll_rate_ms": ["1000"],
        "serviceInfo": [pryv_sandbox.service_info_url],
        "returnURL": ["http://app.example/?a=1&b=2"],
        "oauthState": ["x y"],
    }


@pytest.mark.parametrize(
    ("answer", "status", "told"),
    [
        (ACCEPTED, 200, ACCEPTED),
        (
            {"status": "REFUSED", "reasonId": "SOME_REASON", "message": "No."},
            403,
            {"status": "REFUSED", "reasonId": "SOME_REASON", "message": "No."},
        ),
        ({"status": "ERROR", "message": "Oh."}, 403, {"status": "ERROR", "message": "Oh."}),
        (
            {"status": "REDIRECTED", "redirectUrl": "http://core.example/"},
            301,
            {"status": "REDIRECTED", "poll": "http://core.example/", "redirectUrl": "http://core.example/"},
        ),
    ],
)
def test_an_answer_is_told(access_url: str, answer: dict[str, str], status: int, told: dict[str, str]) -> None:
    _, opened = post(access_url, ASKED)
    assert post(opened["poll"], answer) == (status, told)
    for _ in range(2):
        assert get(opened["poll"]) == (status, told)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({}, "Missing or invalid requestingAppId"),
        ([], "Missing or invalid requestingAppId"),
        ({**ASKED, "requestingAppId": 3}, "Missing or invalid requestingAppId"),
        ({**ASKED, "requestedPermissions": []}, "Missing or invalid requestedPermissions"),
        ({**ASKED, "requestedPermissions": {}}, "Missing or invalid requestedPermissions"),
        (
            {**ASKED, "authUrl": "http://evil.example/"},
            "authUrl does not match any access:trustedAuthUrls entry (none configured)",
        ),
    ],
)
def test_a_request_that_cannot_be(access_url: str, asked: Any, message: str) -> None:
    assert post(access_url, asked) == (400, {"error": {"id": "invalid-parameters", "message": message}})


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ({}, "status must be ACCEPTED, REFUSED, ERROR, or REDIRECTED"),
        ({"status": "NEED_SIGNIN"}, "status must be ACCEPTED, REFUSED, ERROR, or REDIRECTED"),
        ({"status": "ACCEPTED", "username": "someone"}, "ACCEPTED requires username and token"),
        ({"status": "REDIRECTED"}, "REDIRECTED requires redirectUrl"),
    ],
)
def test_an_answer_that_cannot_be(access_url: str, answer: dict[str, str], message: str) -> None:
    _, opened = post(access_url, ASKED)
    assert post(opened["poll"], answer) == (400, {"error": {"id": "invalid-parameters", "message": message}})
    assert get(opened["poll"])[0] == 201


def test_a_request_is_forgotten_after_an_hour(access_url: str, pryv_sandbox: Sandbox) -> None:
    unknown = (400, {"error": {"id": "unknown-access-key", "message": "Unknown or expired access key"}})
    assert get(f"{access_url}/never-made") == unknown
    _, opened = post(access_url, ASKED)
    pryv_sandbox.faults.skew = 3590
    assert get(opened["poll"])[0] == 201
    pryv_sandbox.faults.skew = 3610
    assert get(opened["poll"]) == unknown
    assert post(opened["poll"], ACCEPTED) == unknown


def test_a_request_outlives_a_restart() -> None:
    sandbox = Sandbox()
    with sandbox:
        _, opened = post(f"{sandbox.url}reg/access", ASKED)
    with sandbox:
        assert get(opened["poll"])[0] == 201


def test_no_page_can_show_the_consent_page_in_a_frame(access_url: str) -> None:
    _, opened = post(access_url, ASKED)
    policy = requests.get(opened["authUrl"], timeout=5).headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in policy.split("; ")
