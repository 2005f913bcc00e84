"""Registration, login, passwords, the account's own fields."""

from __future__ import annotations

import secrets
from typing import Any

import pytest
import requests

from pryv_sandbox import Sandbox
from pryv_sandbox.http.app import create_app
from pryv_sandbox.http.server_thread import ServerThread
from pryv_sandbox.methods.account import reset_token
from pryv_sandbox.methods.second_factor import CODE, require
from pryv_sandbox.state.platform import Platform
from pryv_sandbox.state.settings import Settings

from .caller import Caller


def registration(**changes: Any) -> dict[str, Any]:
    username = f"user{secrets.token_hex(4)}"
    person = {"username": username, "password": "some-password", "email": f"{username}@example.org", "appId": "the-app"}
    return {**person, **changes}


def register(sandbox: Sandbox, path: str = "reg/users", **changes: Any) -> requests.Response:
    return requests.post(sandbox.url + path, json=registration(**changes), timeout=5)


def log_in(url: str, username: str, password: str, origin: str | None = None) -> requests.Response:
    headers = {"Origin": origin} if origin else {}
    body = {"username": username, "password": password, "appId": "the-app"}
    return requests.post(f"{url}{username}/auth/login", json=body, headers=headers, timeout=5)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"appId": None}, "appid-invalid"),
        ({"username": "four"}, "username-invalid"),
        ({"username": "With Capitals"}, "username-invalid"),
        ({"username": "-begins"}, "username-invalid"),
        ({"username": "n" * 61}, "username-invalid"),
        ({"password": "short"}, "password-invalid"),
        ({"appId": "short"}, "appid-invalid"),
        ({"email": 12}, "email-invalid"),
        ({"language": "too-long"}, "language-invalid"),
    ],
)
def test_refuses_a_registration_that_is_not_valid(pryv_sandbox: Sandbox, changes: dict[str, Any], code: str) -> None:
    answer = register(pryv_sandbox, **changes)
    assert answer.status_code == 400
    assert [problem["code"] for problem in answer.json()["error"]["data"]] == [code]


@pytest.mark.parametrize(("name", "reason"), [("four", "between 5 and 60 characters"), ("taken", "already exists")])
def test_an_account_that_is_refused_says_why(name: str, reason: str) -> None:
    with Sandbox() as sandbox:
        sandbox.create_account("taken")
        with pytest.raises(ValueError, match=reason):
            sandbox.create_account(name)


@pytest.mark.parametrize("username", ["abcde", "a2345", "with-dash", "n" * 60])
def test_registers_any_valid_username(pryv_sandbox: Sandbox, username: str) -> None:
    answer = register(pryv_sandbox, username=username)
    assert answer.status_code == 201
    assert answer.json()["apiEndpoint"].endswith(f"@{pryv_sandbox.url.split('//')[1]}{username}/")


def test_names_every_value_that_is_taken(pryv_sandbox: Sandbox) -> None:
    first = registration()
    register(pryv_sandbox, **first)
    assert register(pryv_sandbox, email=first["email"]).json()["error"]["data"] == {"email": first["email"]}
    assert register(pryv_sandbox, username=first["username"]).json()["error"]["data"] == {"username": first["username"]}


RESERVED = ["users", "assets", "pryv-something", "admin", "system", "support", "static"]


@pytest.mark.parametrize("username", RESERVED)
def test_reserves_some_names(pryv_sandbox: Sandbox, username: str) -> None:
    taken = f"{pryv_sandbox.create_account().username}@example.org"
    answer = register(pryv_sandbox, username=username, email=taken)
    assert (answer.status_code, answer.json()["error"]["data"]) == (409, {"username": username})
    check = requests.get(f"{pryv_sandbox.url}reg/{username}/check_username", timeout=5)
    assert check.json()["reserved"] is False, "the platform looks for an account only"


def test_serves_the_assets_it_names(pryv_sandbox: Sandbox) -> None:
    info = requests.get(pryv_sandbox.service_info_url, timeout=5).json()
    assets = requests.get(info["assets"]["definitions"], timeout=5).json()
    assert assets["favicon"]["default"]["url"] == "favicon.ico"
    icon, style = (assets[kind]["default"]["url"] for kind in ("favicon", "css"))
    for name in (icon, style, *assets["lib-js"]["buttonSignIn"].values()):
        assert requests.get(assets["baseUrl"] + name, timeout=5).status_code == 200
    assert requests.get(assets["baseUrl"] + icon, timeout=5).headers["Content-Type"] == "image/x-icon"
    types = requests.get(info["eventTypes"], timeout=5).json()["types"]
    assert types["mass/kg"] == {"type": "number"}


@pytest.mark.parametrize("body", [b"[]", b'"text"', b"1", b"null"])
def test_takes_nothing_but_objects(pryv_sandbox: Sandbox, body: bytes) -> None:
    account = pryv_sandbox.create_account()
    for path in ("reg/users", "reg/user", f"{account.username}/auth/login", f"{account.username}/events"):
        headers = {"Content-Type": "application/json", "Authorization": account.token}
        assert requests.post(pryv_sandbox.url + path, data=body, headers=headers, timeout=5).status_code == 400


def test_the_legacy_form_needs_its_own_spelling(pryv_sandbox: Sandbox) -> None:
    assert register(pryv_sandbox, "reg/user", appId=None, appid="the-app").status_code == 201


def test_names_every_value_that_is_missing(pryv_sandbox: Sandbox) -> None:
    error = requests.post(pryv_sandbox.url + "reg/users", json={}, timeout=5).json()["error"]
    assert [problem["code"] for problem in error["data"]] == ["password-required", "appid-invalid", "email-required"]


def test_tells_whether_a_username_is_taken(pryv_sandbox: Sandbox) -> None:
    def check(username: str) -> requests.Response:
        return requests.get(f"{pryv_sandbox.url}reg/{username}/check_username", timeout=5)

    assert check(pryv_sandbox.create_account().username).json()["reserved"] is True
    assert check("nobody-has-this").json()["reserved"] is False
    for impossible in ("four", "Capitals", "ends-", "n" * 61):
        answer = check(impossible)
        assert (answer.status_code, answer.json()["error"]["data"][0]["code"]) == (400, "username-invalid")


def test_finds_users_by_email(pryv_sandbox: Sandbox) -> None:
    person = registration()
    register(pryv_sandbox, **person)
    for key in ("uid", "username"):
        found = requests.get(f"{pryv_sandbox.url}reg/{person['email']}/{key}", timeout=5)
        assert found.json() == {key: person["username"]}
    unknown = requests.get(f"{pryv_sandbox.url}reg/no-{person['email']}/uid", timeout=5)
    assert (unknown.status_code, unknown.json()["error"]["id"]) == (404, "unknown-email")


def test_the_same_app_gets_its_session_back_until_logged_out(pryv_sandbox: Sandbox) -> None:
    person = registration()
    register(pryv_sandbox, **person)
    name = person["username"]
    token = log_in(pryv_sandbox.url, name, "some-password").json()["token"]
    assert log_in(pryv_sandbox.url, name, "some-password").json()["token"] == token
    requests.post(f"{pryv_sandbox.url}{name}/auth/logout", headers={"Authorization": token}, timeout=5)
    refused = requests.get(f"{pryv_sandbox.url}{name}/events", headers={"Authorization": token}, timeout=5)
    assert (refused.status_code, refused.json()["error"]["id"]) == (403, "invalid-access-token")
    assert log_in(pryv_sandbox.url, name, "some-password").json()["token"] != token


def test_a_login_may_say_more(pryv_sandbox: Sandbox) -> None:
    account = pryv_sandbox.create_account()
    place = f"{pryv_sandbox.url}{account.username}/auth/login"
    body = {"username": account.username, "password": account.password, "appId": "the-app", "deviceName": "phone"}
    assert requests.post(place, json=body, timeout=5).json()["token"]
    del body["appId"]
    assert requests.post(place, json=body, timeout=5).json()["error"]["id"] == "invalid-operation"


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        (None, 200),
        ("http://localhost:8080", 200),
        ("http://127.0.0.1", 200),
        ("https://evil.example", 401),
        ("http://localhost.evil.example@evil.example", 401),
        ("http://localhost.evil.example", 401),
        ("null", 401),
    ],
)
def test_takes_passwords_from_trusted_pages_only(pryv_sandbox: Sandbox, origin: str | None, status: int) -> None:
    account = pryv_sandbox.create_account()
    answer = log_in(pryv_sandbox.url, account.username, account.password, origin)
    assert answer.status_code == status
    own = log_in(pryv_sandbox.url, account.username, account.password, pryv_sandbox.url.rstrip("/"))
    assert own.status_code == 200


def test_a_changed_password_replaces_the_old_one(pryv_sandbox: Sandbox) -> None:
    account = pryv_sandbox.create_account()
    change = requests.post(
        f"{pryv_sandbox.url}{account.username}/account/change-password",
        json={"oldPassword": account.password, "newPassword": "another-one"},
        headers={"Authorization": account.token},
        timeout=5,
    )
    assert change.status_code == 200
    assert log_in(pryv_sandbox.url, account.username, account.password).status_code == 401
    assert log_in(pryv_sandbox.url, account.username, "another-one").status_code == 200


def test_the_account_shows_and_changes_its_fields(pryv_sandbox: Sandbox) -> None:
    owner = Caller.of(pryv_sandbox)
    changed = owner.put("account", {"language": "fr", "email": f"{owner.username}@new.example"})["account"]
    assert owner.get("account")["account"] == changed
    assert (changed["language"], changed["email"]) == ("fr", f"{owner.username}@new.example")
    owner.put("account", {"storageUsed": 1}, 400)


def test_a_profile_is_merged_key_by_key(pryv_sandbox: Sandbox) -> None:
    account = pryv_sandbox.create_account()
    url, headers = f"{pryv_sandbox.url}{account.username}/profile/private", {"Authorization": account.token}
    requests.put(url, json={"a": 1, "b": 2}, headers=headers, timeout=5)
    requests.put(url, json={"b": None, "c": 3}, headers=headers, timeout=5)
    assert requests.get(url, headers=headers, timeout=5).json()["profile"] == {"a": 1, "c": 3}


class TestBehindTheScenes:
    """Tests that need access to the sandbox itself: a mailed token, a second factor, a short session."""

    @pytest.fixture
    def platform(self) -> Any:
        platform = Platform(Settings(session_lifetime=100, reset_lifetime=100))
        yield platform
        platform.close()

    @pytest.fixture
    def url(self, platform: Platform) -> Any:
        server = ServerThread(lambda: create_app(platform), "127.0.0.1", 0)
        server.start()
        yield f"http://127.0.0.1:{server.port}/"
        server.stop()

    @pytest.fixture
    def person(self, url: str) -> dict[str, Any]:
        person = registration()
        requests.post(url + "reg/users", json=person, timeout=5)
        return person

    def test_a_forgotten_password_is_replaced_once_with_the_mailed_token(
        self, platform: Platform, url: str, person: dict[str, Any]
    ) -> None:
        name, account = person["username"], f"{url}{person['username']}/account/"
        requests.post(account + "request-password-reset", json={"appId": "the-app"}, timeout=5)
        token = reset_token(platform, name)
        reset = {"appId": "the-app", "username": name, "newPassword": "a-new-one", "resetToken": token}
        assert requests.post(account + "reset-password", json=reset, timeout=5).status_code == 200
        assert log_in(url, name, "a-new-one").status_code == 200
        assert requests.post(account + "reset-password", json=reset, timeout=5).status_code == 401

    def test_a_second_factor_holds_the_token_back(self, platform: Platform, url: str, person: dict[str, Any]) -> None:
        user = platform.users.find(person["username"])
        assert user
        require(platform, user)
        name = person["username"]
        held = log_in(url, name, person["password"])
        assert held.status_code == 200
        assert set(held.json()) == {"meta", "mfaToken"}
        headers = {"Authorization": held.json()["mfaToken"]}
        challenge = requests.post(f"{url}{name}/mfa/challenge", headers=headers, timeout=5)
        assert challenge.status_code == 200
        verify = f"{url}{name}/mfa/verify"
        assert requests.post(verify, json={"code": "no"}, headers=headers, timeout=5).status_code == 400
        released = requests.post(verify, json={"code": CODE}, headers=headers, timeout=5).json()
        info = requests.get(f"{url}{name}/access-info", headers={"Authorization": released["token"]}, timeout=5)
        assert info.json()["type"] == "personal"
        assert requests.post(verify, json={"code": CODE}, headers=headers, timeout=5).status_code == 401

    def test_an_unused_session_ends(self, platform: Platform, url: str, person: dict[str, Any]) -> None:
        name = person["username"]
        token = log_in(url, name, person["password"]).json()["token"]

        def status() -> int:
            return requests.get(f"{url}{name}/events", headers={"Authorization": token}, timeout=5).status_code

        platform.clock.skew = 90
        assert status() == 200
        platform.clock.skew = 180
        assert status() == 200
        platform.clock.skew = 290
        assert status() == 403
