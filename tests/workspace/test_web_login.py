"""The web application, in a browser beside the sandbox's consent page."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import attrs
import pytest
import requests
from flask import Flask
from flask.sessions import SecureCookieSessionInterface

from pryv import Connection
from pryv_sandbox import Account, Sandbox

if TYPE_CHECKING:
    from selenium.webdriver import Chrome
    from tests.peers.browser import Page

WEB_LOGIN = Path(__file__).resolve().parents[2] / "examples" / "web_login"
NOTE = "Slept <b>well</b>, 8½ h"


@attrs.frozen
class Site:
    """The application as it runs."""

    url: str
    log: Path


@contextmanager
def served(log: Path, *options: str) -> Iterator[Site]:
    """The application in a process of its own."""
    command = [sys.executable, str(WEB_LOGIN), *options]
    with log.open("w") as stderr:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr, text=True)
    with process:
        try:
            assert process.stdout
            yield Site(process.stdout.readline().strip(), log)
        finally:
            process.terminate()
    assert process.returncode == 0


@pytest.fixture(scope="module")
def site(pryv_sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with served(tmp_path_factory.mktemp("site") / "log", "--platform", pryv_sandbox.service_info_url) as site:
        yield site


@pytest.fixture(scope="module")
def oauth_site(pryv_sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    offer: list[dict[str, Any]] = [{"streamId": "diary", "level": "read"}]
    pryv_sandbox.register_oauth_client("site", redirect_uris=["http://127.0.0.1/back"], offers={"diary": offer})
    options = ("--platform", pryv_sandbox.service_info_url, "--oauth", "--issuer", pryv_sandbox.url)
    with served(tmp_path_factory.mktemp("site") / "log", *options, "--client-id", "site") as site:
        yield site


@pytest.fixture
def account(pryv_sandbox: Sandbox) -> Account:
    """An account with a diary."""
    account = pryv_sandbox.create_account()
    with Connection(account.api_endpoint) as connection:
        connection.post("streams", {"id": "diary", "name": "Diary"})
        connection.post("events", {"streamIds": ["diary"], "type": "note/txt", "content": NOTE, "time": 1385046854})
        connection.post("events", {"streamIds": ["diary"], "type": "count/generic", "content": 4711})
    return account


@pytest.fixture(autouse=True)
def fresh_browser(driver: Chrome) -> None:
    driver.execute_cdp_cmd("Network.clearBrowserCookies", {})


def ask(page: Page, site: Site) -> str:
    """Begin to sign in; the key of the access request."""
    page.open(site.url)
    page.click("Sign in")
    page.wait_for("asks for access to your data")
    return parse_qs(urlsplit(page.url).query)["key"][0]


def sign_in(page: Page, site: Site, account: Account) -> str:
    key = ask(page, site)
    page.sign_in(account)
    page.wait_for("What it asks for")
    page.click("Accept")
    page.wait_for(f"Diary of {account.username}")
    return key


def token_of(sandbox: Sandbox, key: str) -> str:
    return str(requests.get(f"{sandbox.url}reg/access/{key}", timeout=10).json()["token"])


def readable(cookie: str) -> str:
    """What anyone can read in a cookie of Flask's."""
    app = Flask("reader")
    app.secret_key = "not the one it is signed with"
    serializer = SecureCookieSessionInterface().get_signing_serializer(app)
    assert serializer
    _, content = serializer.loads_unsafe(cookie)
    return str(content)


def test_accept(page: Page, site: Site, account: Account) -> None:
    sign_in(page, site, account)
    assert page.url == site.url
    assert "21 November 2013, 15:14 UTC · note/txt" in page.text
    assert page.text.index("4711") < page.text.index(NOTE)

    page.click("Sign out")
    page.wait_for("You are signed out.")
    page.open(site.url)
    page.wait_for("Sign in")
    assert NOTE not in page.text


def test_key_and_token_stay_on_the_server(
    page: Page, driver: Chrome, site: Site, pryv_sandbox: Sandbox, account: Account
) -> None:
    key = sign_in(page, site, account)
    (cookie,) = driver.get_cookies()
    assert cookie["name"] == "web_login"
    log = site.log.read_text()
    assert "GET '/' 302" in log
    for secret in (key, token_of(pryv_sandbox, key)):
        assert secret not in readable(cookie["value"])
        assert secret not in driver.page_source
        assert secret not in log


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(site: Site) -> None:
    answer = requests.post(f"{site.url}sign-in", allow_redirects=False, timeout=10)
    assert {"HttpOnly", "SameSite=Lax"} <= set(answer.headers["Set-Cookie"].split("; "))


OTHER_SITE = """data:text/html,<form method=post action={action}><button>Win a prize</button></form>"""


@pytest.mark.parametrize("action", ["sign-in", "sign-out"])
def test_a_form_of_another_site_is_refused(page: Page, site: Site, account: Account, action: str) -> None:
    sign_in(page, site, account)
    page.open(OTHER_SITE.format(action=f"{site.url}{action}"))
    page.click("Win a prize")
    page.wait_for("Nothing has changed.")
    page.open(site.url)
    page.wait_for(f"Diary of {account.username}")


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1"])
@pytest.mark.parametrize("action", ["sign-in", "sign-out"])
def test_a_response_to_another_site_sets_no_cookie(site: Site, action: str, origin: str) -> None:
    answer = requests.post(f"{site.url}{action}", headers={"Origin": origin}, allow_redirects=False, timeout=10)
    assert answer.status_code == 400
    assert "Set-Cookie" not in answer.headers


def test_sign_out_needs_a_session(site: Site) -> None:
    answer = requests.post(f"{site.url}sign-out", allow_redirects=False, timeout=10)
    assert answer.status_code == 302
    assert "Set-Cookie" not in answer.headers


ODD_EVENTS: list[dict[str, Any]] = [
    {"time": 1e300},
    {"time": -1e15},
    {"time": 253402300800},
    {"type": "odd/type", "content": None},
    {"type": "odd/type", "content": {"a": [{}]}},
    {"type": "odd/type", "content": "\u202e\x1b"},
]


def test_an_odd_event_is_shown_with_the_others(page: Page, site: Site, account: Account) -> None:
    with Connection(account.api_endpoint) as connection:
        for odd in ODD_EVENTS:
            connection.post("events", {"streamIds": ["diary"], "type": "note/txt", "content": "odd", **odd})
    sign_in(page, site, account)
    assert "not a date of the calendar" in page.text
    assert NOTE in page.text


@pytest.mark.parametrize("path", ["", "none", "static/style.css", "sign-out", "?prYvkey=none"])
def test_every_response_has_security_headers(site: Site, path: str) -> None:
    headers = requests.get(f"{site.url}{path}", timeout=10).headers
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == headers["Cross-Origin-Opener-Policy"] == "same-origin"


@pytest.mark.parametrize(
    ("line", "status"),
    [
        (b"GET /?prYvkey=KEY&" + b"x" * 70_000 + b" HTTP/1.1", 414),
        (b"GET /?prYvkey=KEY a HTTP/1.1", 400),
        (b"GET /?prYvkey=KEY HTTP/9.9", 505),
        (b"\x16\x03\x01KEY", 400),
    ],
)
def test_an_invalid_request_is_not_repeated_in_the_response(site: Site, line: bytes, status: int) -> None:
    place = urlsplit(site.url)
    with socket.create_connection((place.hostname, place.port or 80), timeout=10) as connection:
        connection.sendall(line + b"\r\nHost: " + place.netloc.encode() + b"\r\n\r\n")
        with connection.makefile("rb") as answer:
            first = answer.readline() + answer.read()
    assert b"%d" % status in first
    log = site.log.read_text()
    assert "KEY" not in log
    assert "Traceback" not in log


@pytest.mark.parametrize("signed_in", [True, False])
def test_refuse(page: Page, site: Site, account: Account, signed_in: bool) -> None:
    ask(page, site)
    if signed_in:
        page.sign_in(account)
        page.wait_for("What it asks for")
    page.click("Refuse")
    page.wait_for("You did not give access.")
    assert page.url == site.url
    page.open(site.url)
    page.wait_for("Sign in")
    assert "You did not give access." not in page.text


def test_a_key_of_another_browser_is_refused(
    page: Page, driver: Chrome, site: Site, pryv_sandbox: Sandbox, account: Account
) -> None:
    foreign = sign_in(page, site, account)
    driver.execute_cdp_cmd("Network.clearBrowserCookies", {})
    for begin in (page.open, lambda _: ask(page, site)):
        begin(site.url)
        page.open(f"{site.url}?prYvkey={foreign}&prYvstatus=ACCEPTED")
        page.wait_for("Nothing has changed.")
        page.open(site.url)
        page.wait_for("Sign in")


def test_a_key_is_accepted_once(page: Page, site: Site, account: Account) -> None:
    key = sign_in(page, site, account)
    page.open(f"{site.url}?prYvkey={key}&prYvstatus=ACCEPTED")
    page.wait_for("Nothing has changed.")
    page.open(site.url)
    page.wait_for(f"Diary of {account.username}")


def test_an_access_that_was_deleted(page: Page, site: Site, pryv_sandbox: Sandbox, account: Account) -> None:
    key = sign_in(page, site, account)
    with Connection(account.api_endpoint.replace(account.token, token_of(pryv_sandbox, key))) as given:
        given.revoke()
    page.open(site.url)
    page.wait_for("The access you gave does not exist any more.")
    page.wait_for("Sign in")


def test_a_failing_platform(page: Page, site: Site, pryv_sandbox: Sandbox, account: Account) -> None:
    sign_in(page, site, account)
    pryv_sandbox.faults.status(403, path="/events")
    page.open(site.url)
    page.wait_for("That did not work")
    page.open(site.url)
    page.wait_for(f"Diary of {account.username}")


def sign_in_by_oauth(page: Page, site: Site, account: Account) -> None:
    page.open(site.url)
    page.click("Sign in")
    page.wait_for("asks for access to your data")
    page.sign_in(account)
    page.wait_for("What it asks for")
    page.click("Accept")
    page.wait_for(f"Diary of {account.username}")


def test_oauth(page: Page, oauth_site: Site, pryv_sandbox: Sandbox, account: Account) -> None:
    sign_in_by_oauth(page, oauth_site, account)
    assert page.url == oauth_site.url
    assert NOTE in page.text
    pryv_sandbox.faults.skew = 4000  # the token has expired
    try:
        page.open(oauth_site.url)
        page.wait_for(f"Diary of {account.username}")
    finally:
        pryv_sandbox.faults.skew = 0
    page.click("Sign out")
    page.wait_for("You are signed out.")
    with Connection(account.api_endpoint) as owner:
        names = [access["name"] for access in owner.accesses.list()]
    assert "GET '/back' 302" in oauth_site.log.read_text()
    assert "code=" not in oauth_site.log.read_text()
    assert names.count("oauth:site") <= 1  # the first one, whose time ran out on a clock that was set back


@pytest.mark.parametrize("query", ["", "?code=x&state=of+another+browser", "?error=access_denied&state=x"])
def test_an_oauth_callback_in_another_browser_is_refused(page: Page, oauth_site: Site, query: str) -> None:
    page.open(oauth_site.url)
    page.click("Sign in")
    page.wait_for("asks for access to your data")
    page.open(f"{oauth_site.url}back{query}")
    page.wait_for("Nothing has changed.")
    assert requests.get(f"{oauth_site.url}back{query}", timeout=10).status_code == 400


def test_oauth_is_refused(page: Page, oauth_site: Site) -> None:
    page.open(oauth_site.url)
    page.click("Sign in")
    page.wait_for("asks for access to your data")
    page.click("Refuse")
    page.wait_for("You did not give access.")


def test_starts_its_own_platform(page: Page, tmp_path: Path) -> None:
    with served(tmp_path / "log") as site:
        announced = re.search(r"Sign in as (\S+), password (\S+)\.", site.log.read_text())
        assert announced
        sign_in(page, site, Account(announced[1], announced[2], token="", api_endpoint=""))
        assert "Slept well." in page.text


def test_says_that_it_cannot_reach_the_platform(pryv_sandbox: Sandbox, tmp_path: Path) -> None:
    command = [sys.executable, str(WEB_LOGIN), "--platform", pryv_sandbox.service_info_url]
    with pryv_sandbox.faults.refuse():
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("web_login: ")
    assert "Traceback" not in done.stderr
