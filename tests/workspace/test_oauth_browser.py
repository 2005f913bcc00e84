"""A login by OAuth from start to end: the program, Chromium, the consent page, and the way back to the program."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Queue

import pytest
from tests.peers.browser import Page

from pryv import AccessRefusedError, Connection
from pryv.oauth import FileTokenStore, OAuthClient
from pryv_sandbox import Account, Sandbox


@pytest.fixture
def account(pryv_sandbox: Sandbox) -> Account:
    account = pryv_sandbox.create_account()
    with Connection(account.api_endpoint) as connection:
        connection.streams.ensure({"id": "diary", "name": "Diary"})
    return account


@pytest.fixture
def client(pryv_sandbox: Sandbox, account: Account, tmp_path: Path) -> OAuthClient:
    name, offers = f"study-{account.username}", {"diary": [{"streamId": "diary", "level": "manage"}]}
    pryv_sandbox.register_oauth_client(name, redirect_uris=["http://127.0.0.1/callback"], offers=dict(offers))
    return OAuthClient(pryv_sandbox.url, name, scope="cmc:diary", store=FileTokenStore(tmp_path / "study.tokens"))


@pytest.mark.parametrize("answer", ["Accept", "Refuse"])
def test_a_person_answers_in_a_browser(page: Page, client: OAuthClient, account: Account, answer: str) -> None:
    urls: Queue[str] = Queue()
    with ThreadPoolExecutor(1) as program:
        login = program.submit(client.login, open_browser=False, timeout=30, on_url=urls.put)
        page.open(urls.get(timeout=10))
        page.wait_for("asks for access to your data")
        page.sign_in(account)
        page.wait_for("What it asks for")
        page.click(answer)
        page.wait_for("You can close this page")
        assert page.url.startswith("http://127.0.0.1:")
        if answer == "Refuse":
            with pytest.raises(AccessRefusedError):
                login.result(timeout=10)
            return
        with login.result(timeout=10) as connection:
            assert connection.username() == account.username
            connection.events.create({"streamIds": ["diary"], "type": "note/txt", "content": "by OAuth"})
    with client.connection() as later:
        assert [event["content"] for event in later.iter_events()] == ["by OAuth"]
