"""The consent page, as a person meets it in a browser."""

from __future__ import annotations

import secrets
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
import requests
from selenium.webdriver import Chrome, Keys
from tests.peers.browser import Page
from tests.waiting import wait_for

from pryv_sandbox import Account, Sandbox
from pryv_sandbox.second_factor import CODE

from .caller import Caller

DIARY = {"streamId": "diary", "defaultName": "Journal", "level": "contribute"}


@pytest.fixture
def account(pryv_sandbox: Sandbox) -> Account:
    return pryv_sandbox.create_account()


class Asked:
    """An auth request as its app sees it."""

    def __init__(self, sandbox: Sandbox, **values: Any) -> None:
        request = {"requestingAppId": "consent-tests", "requestedPermissions": [DIARY], **values}
        answer = requests.post(f"{sandbox.url}reg/access", json=request, timeout=5)
        assert answer.status_code == 201, answer.text
        self.auth_url: str = answer.json()["authUrl"]
        self.key: str = answer.json()["key"]
        self._poll: str = answer.json()["poll"]

    def poll(self) -> tuple[int, dict[str, Any]]:
        answer = requests.get(self._poll, timeout=5)
        return answer.status_code, answer.json()

    def access(self) -> dict[str, Any]:
        """The access that was given."""
        status, answer = self.poll()
        assert (status, answer["status"]) == (200, "ACCEPTED")
        place = answer["apiEndpoint"].replace(f"{answer['token']}@", "")
        info = requests.get(f"{place}access-info", headers={"Authorization": answer["token"]}, timeout=5).json()
        assert info["user"]["username"] == answer["username"]
        return dict(info)


def streams_of(sandbox: Sandbox, account: Account) -> dict[str, str]:
    url = f"{sandbox.url}{account.username}/streams"
    streams = requests.get(url, headers={"Authorization": account.token}, timeout=5).json()["streams"]
    return {stream["id"]: stream["name"] for stream in streams}


def granted(access: dict[str, Any]) -> list[tuple[str, str]]:
    """The permissions of an access, without those every access has."""
    permissions = access["permissions"]
    return [(item["streamId"], item["level"]) for item in permissions if not item["streamId"].startswith(":")]


def give(page: Page, asked: Asked, account: Account) -> None:
    """Grant the requested access."""
    page.open(asked.auth_url)
    page.sign_in(account)
    page.wait_for("What it asks for")
    page.click("Accept")
    page.wait_for("Access given")


def test_accept(page: Page, pryv_sandbox: Sandbox, account: Account) -> None:
    description = {"type": "note/txt", "content": "We read your journal.\nNothing else."}
    asked = Asked(pryv_sandbox, clientData={"app-web-auth:description": description}, expireAfter=3 * 24 * 3600)
    page.open(asked.auth_url)
    assert "consent-tests asks for access to your data" in page.text
    page.sign_in(account)
    page.wait_for("What it asks for")
    for text in (account.username, "Journal", "See, add, change and delete entries", "after 3 days", "Nothing else."):
        assert text in page.text
    page.click("Accept")
    page.wait_for("You can close this window.")
    access = asked.access()
    assert access["type"] == "app"
    assert access["name"] == "consent-tests"
    assert access["clientData"] == {"app-web-auth:description": description}
    assert access["expires"] == pytest.approx(access["created"] + 3 * 24 * 3600, abs=1)
    assert granted(access) == [("diary", "contribute")]
    assert streams_of(pryv_sandbox, account)["diary"] == "Journal"


@pytest.mark.parametrize("signed_in", [True, False])
def test_refuse(page: Page, pryv_sandbox: Sandbox, account: Account, signed_in: bool) -> None:
    asked = Asked(pryv_sandbox)
    page.open(asked.auth_url)
    if signed_in:
        page.sign_in(account)
        page.wait_for("What it asks for")
    page.click("Refuse")
    page.wait_for("Access refused")
    status, answer = asked.poll()
    assert (status, answer["status"], answer["reasonId"]) == (403, "REFUSED", "REFUSED_BY_USER")


def test_register(page: Page, pryv_sandbox: Sandbox, account: Account) -> None:
    asked = Asked(pryv_sandbox)
    page.open(asked.auth_url)
    page.click("Create one")
    name = f"fresh{secrets.token_hex(4)}"
    page.fill("register", username=account.username, email=f"{name}@example.org", password="a-password")
    page.wait_for("This username is taken.")
    page.fill("register", username="x", email=f"{name}@example.org", password="a-password")
    page.wait_for("Username should have between 5 and 60 characters")
    page.fill("register", username=name, email=f"{name}@example.org", password="a-password")
    page.wait_for("What it asks for")
    page.click("Accept")
    page.wait_for("Access given")
    assert asked.access()["user"]["username"] == name


def test_wrong_credentials(page: Page, pryv_sandbox: Sandbox, account: Account) -> None:
    page.open(Asked(pryv_sandbox).auth_url)
    for username in (account.username, "nobody-at-all"):
        page.fill("sign-in", username=username, password="wrong")
        page.wait_for("Wrong username or password.")
    page.fill("sign-in", username="nobody@example.org", password="wrong")
    page.wait_for("No account has this e-mail address.")
    page.fill("sign-in", username=f"{account.username}@example.org", password=account.password)
    page.wait_for("What it asks for")


def test_second_factor(page: Page, pryv_sandbox: Sandbox) -> None:
    asked = Asked(pryv_sandbox)
    page.open(asked.auth_url)
    page.sign_in(pryv_sandbox.create_account(mfa=True))
    page.wait_for("The code you were sent")
    page.fill("code", code="0")
    page.wait_for("The provided MFA code is invalid: 0")
    page.fill("code", code=CODE)
    page.wait_for("What it asks for")
    page.click("Accept")
    page.wait_for("Access given")
    assert asked.access()["name"] == "consent-tests"


def test_an_access_that_fits_is_given_again(page: Page, pryv_sandbox: Sandbox, account: Account) -> None:
    first, second = Asked(pryv_sandbox), Asked(pryv_sandbox)
    give(page, first, account)
    page.open(second.auth_url)
    page.sign_in(account)
    page.wait_for("Access given")
    assert second.access()["token"] == first.access()["token"]


def test_an_access_that_does_not_fit_is_replaced(page: Page, pryv_sandbox: Sandbox, account: Account) -> None:
    health = {"streamId": "health", "defaultName": "Health", "level": "read"}
    first = Asked(pryv_sandbox, expireAfter=3600)
    second = Asked(pryv_sandbox, requestedPermissions=[DIARY, health])
    give(page, first, account)
    page.open(second.auth_url)
    page.sign_in(account)
    page.wait_for("replaces what you allowed")
    page.click("Accept")
    page.wait_for("Access given")
    access = second.access()
    assert granted(access) == [("diary", "contribute"), ("health", "read")]
    assert "expires" not in access
    assert access["token"] == first.access()["token"]


def returned_to(page: Page, sandbox: Sandbox) -> dict[str, list[str]]:
    """The parameters of the page the browser is sent to."""
    page.wait_for("cheersFrom")
    assert page.url.startswith(sandbox.url)
    parts = urlsplit(page.url)
    return parse_qs(parts.query or parts.fragment)


@pytest.mark.parametrize("return_path", ["", "?mine=1", "#"])
def test_the_browser_goes_back_to_the_app(
    page: Page, pryv_sandbox: Sandbox, account: Account, return_path: str
) -> None:
    asked = Asked(pryv_sandbox, returnURL=pryv_sandbox.url + return_path)
    page.open(asked.auth_url)
    page.sign_in(account)
    page.wait_for("What it asks for")
    page.click("Accept")
    parameters = returned_to(page, pryv_sandbox)
    assert parameters.pop("mine", ["1"]) == ["1"]
    poll = [f"{pryv_sandbox.url}reg/access/{asked.key}"]
    assert parameters == {"prYvkey": [asked.key], "prYvstatus": ["ACCEPTED"], "prYvpoll": poll}


@pytest.mark.parametrize(("answer", "outcome"), [("Accept", "code"), ("Refuse", "error")])
def test_the_browser_goes_back_with_the_state_of_an_oauth_app(
    page: Page, pryv_sandbox: Sandbox, account: Account, answer: str, outcome: str
) -> None:
    asked = Asked(pryv_sandbox, returnURL=pryv_sandbox.url, oauthState="st&te")
    page.open(asked.auth_url)
    page.sign_in(account)
    page.wait_for("What it asks for")
    page.click(answer)
    values = {"code": asked.key, "error": "access_denied"}
    assert returned_to(page, pryv_sandbox) == {"state": ["st&te"], outcome: [values[outcome]]}


def test_the_browser_runs_no_script_to_go_back(page: Page, pryv_sandbox: Sandbox) -> None:
    page.open(Asked(pryv_sandbox, returnURL="javascript:document.title='ran'//").auth_url)
    page.click("Refuse")
    page.wait_for("You can close this window.")


def test_what_an_app_says_is_shown_as_text(page: Page, pryv_sandbox: Sandbox, account: Account) -> None:
    markup = "</script><img src=x onerror=alert(1)>"
    description = {"app-web-auth:description": {"type": "note/txt", "content": markup}}
    permission = {"streamId": "diary", "defaultName": markup, "level": "read"}
    asked = Asked(pryv_sandbox, requestingAppId=markup, clientData=description, requestedPermissions=[permission])
    page.open(asked.auth_url)
    page.sign_in(account)
    page.wait_for("What it asks for")
    assert page.text.count(markup) == 3


def test_by_keyboard_alone(page: Page, pryv_sandbox: Sandbox, account: Account) -> None:
    asked = Asked(pryv_sandbox)
    page.open(asked.auth_url)
    page.press(account.username, Keys.TAB, account.password, Keys.ENTER)
    page.wait_for("What it asks for")
    assert page.focused == "What it asks for"
    page.press(Keys.TAB, Keys.ENTER)
    page.wait_for("Access given")
    assert asked.poll()[0] == 200


def test_a_request_that_is_no_longer_open(page: Page, pryv_sandbox: Sandbox) -> None:
    asked = Asked(pryv_sandbox)
    page.open(asked.auth_url)
    pryv_sandbox.faults.skew = 3601
    page.click("Refuse")
    page.wait_for("This request is no longer open")
    page.open(asked.auth_url)
    page.wait_for("This request is no longer open")


def test_a_request_that_was_answered(page: Page, pryv_sandbox: Sandbox) -> None:
    asked = Asked(pryv_sandbox)
    page.open(asked.auth_url)
    page.click("Refuse")
    page.wait_for("Access refused")
    page.open(asked.auth_url)
    page.wait_for("This request has been answered")


def test_a_platform_that_cannot_be_reached(page: Page, pryv_sandbox: Sandbox, account: Account) -> None:
    page.open(Asked(pryv_sandbox).auth_url)
    with pryv_sandbox.faults.refuse():
        page.sign_in(account)
        page.wait_for("The platform cannot be reached.")
    page.sign_in(account)
    page.wait_for("What it asks for")


def test_fits_a_phone(page: Page, driver: Chrome, pryv_sandbox: Sandbox) -> None:
    size = driver.get_window_size()
    driver.set_window_size(500, 800)
    try:
        page.open(Asked(pryv_sandbox, requestingAppId="a" * 200).auth_url)
        overflow = driver.execute_script("return document.documentElement.scrollWidth - window.innerWidth")
    finally:
        driver.set_window_size(**size)
    assert overflow <= 0


# ---- OAuth 2

HEALTH = {"streamId": "health", "level": "read", "mandatory": True}
NOTES = {"streamId": "notes", "level": "contribute"}
CALLBACK = "http://127.0.0.1:9/cb"


def authorization_url(sandbox: Sandbox, offer: Any, **query: str) -> str:
    """The URL to which a client sends the browser."""
    sandbox.register_oauth_client("study-app", redirect_uris=[CALLBACK], offers={"offer": offer})
    asked = {
        "response_type": "code",
        "client_id": "study-app",
        "redirect_uri": CALLBACK,
        "scope": "cmc:offer",
        "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
        "code_challenge_method": "S256",
        "state": "some-state",
        **query,
    }
    return f"{sandbox.url}oauth2/authorize?{urlencode(asked)}"


def taken_back(page: Page) -> dict[str, list[str]]:
    """The parameters with which the browser goes back to the client, where nobody listens."""
    wait_for(lambda: page.url.startswith(CALLBACK))
    return parse_qs(urlsplit(page.url).query)


def test_accept_a_part_for_oauth(page: Page, pryv_sandbox: Sandbox, account: Account) -> None:
    owner = Caller(pryv_sandbox.url, account.username, account.token)
    owner.add_streams("health", "notes")
    page.open(authorization_url(pryv_sandbox, ([HEALTH, NOTES], True), login_hint=account.username))
    assert "study-app asks for access to your data" in page.text
    page.fill("sign-in", password=account.password)
    page.wait_for("What it asks for")
    for text in (account.username, "Stream health", "Stream notes", "See its entries"):
        assert text in page.text
    page.toggle("keep-0")  # it is mandatory
    page.toggle("keep-1")
    page.click("Accept")
    answer = taken_back(page)
    assert (answer["state"], answer["iss"]) == (["some-state"], [pryv_sandbox.url.rstrip("/")])
    assert answer["code"]
    accesses = owner.get("accesses")["accesses"]
    (session,) = (access for access in accesses if access["name"] == "oauth:study-app")
    assert [entry["streamId"] for entry in session["permissions"] if "streamId" in entry] == ["health"]


def test_refuse_for_oauth(page: Page, pryv_sandbox: Sandbox) -> None:
    page.open(authorization_url(pryv_sandbox, [NOTES]))
    page.click("Refuse")
    assert taken_back(page)["error"] == ["access_denied"]


def test_an_authorization_that_is_not_open(page: Page, pryv_sandbox: Sandbox) -> None:
    page.open(f"{pryv_sandbox.url}oauth.html?state=nonsense")
    page.wait_for("This request is no longer open")
