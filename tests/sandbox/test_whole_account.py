"""Addresses, names, second factor and deletion of an account: what the recordings do not show."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests
from tests.waiting import wait_for

from pryv_sandbox import Account, Sandbox

from .caller import Caller
from .raw_socket import RawSocket


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def account(sandbox: Sandbox) -> Account:
    return sandbox.create_account()


@pytest.fixture
def owner(sandbox: Sandbox, account: Account) -> Caller:
    return Caller(sandbox.url, account.username, account.token)


def verify(owner: Caller, token: str, expect: int = 200) -> None:
    owner.post("account/verify-email", {"appId": "pryv-sandbox", "token": token}, expect)


def change_emails(owner: Caller, expect: int = 200, **operations: Any) -> Any:
    return owner.put("account", {"emails": operations}, expect)


def test_mail_of_verification_is_sent_again_after_a_while_and_replaces_the_first(
    sandbox: Sandbox, owner: Caller
) -> None:
    change_emails(owner, add=["new@example.org"])
    change_emails(owner, 400, resend=["new@example.org"])
    sandbox.faults.skew = 301
    change_emails(owner, resend=["new@example.org"])
    first, second = sandbox.mails
    assert (second.to, second.template) == ("new@example.org", "verify-email")
    assert second.token not in repr(second)
    verify(owner, first.token, 401)
    verify(owner, second.token)


def test_token_of_a_mail_expires(sandbox: Sandbox, owner: Caller) -> None:
    change_emails(owner, add=["new@example.org"])
    sandbox.faults.skew = 24 * 3600 + 1
    verify(owner, sandbox.mails[0].token, 401)


def test_an_address_that_is_not_verified_leads_to_nobody_and_is_taken(sandbox: Sandbox, owner: Caller) -> None:
    change_emails(owner, add=["new@example.org"])
    assert requests.get(f"{sandbox.url}reg/new@example.org/uid", timeout=5).status_code == 404
    assert requests.get(f"{sandbox.url}reg/new@example.org/check_email", timeout=5).status_code == 409
    verify(owner, sandbox.mails[0].token)
    found = requests.get(f"{sandbox.url}reg/new@example.org/uid", timeout=5).json()
    assert found == {"uid": owner.username}


def test_operations_on_addresses_are_done_together_or_not(sandbox: Sandbox, owner: Caller) -> None:
    before = owner.get("account")["account"]
    change_emails(owner, 400, add=["new@example.org"], setPrimary="new@example.org")
    assert owner.get("account")["account"] == before
    assert sandbox.mails == []


def test_a_pending_address_that_becomes_the_primary_one_needs_no_mail(sandbox: Sandbox, owner: Caller) -> None:
    change_emails(owner, add=["new@example.org"])
    account = owner.put("account", {"email": "new@example.org"})["account"]
    assert account["email"] == "new@example.org"
    assert [(email["primary"], email["status"]) for email in account["emails"]] == [
        (True, "verified"),
        (False, "verified"),
    ]
    verify(owner, sandbox.mails[0].token, 401)


def test_password_reset_is_mailed(sandbox: Sandbox, account: Account, owner: Caller) -> None:
    owner.post("account/request-password-reset", {"appId": "pryv-sandbox"}, 200)
    (mail,) = sandbox.mails
    assert (mail.to, mail.template) == (f"{account.username}@example.org", "reset-password")
    assert mail.token == sandbox.reset_token(account.username)


def test_sockets_go_on_under_a_former_username(sandbox: Sandbox, account: Account, owner: Caller) -> None:
    with RawSocket(sandbox, account.username, account.token) as raw:
        raw.connect()
        owner.post("account/change-username", {"newUsername": f"new-{account.username}"}, 200)
        owner.add_streams("diary")
        assert raw.pending() == [["streamsChanged"]]


def test_a_former_username_is_nobody_elses(sandbox: Sandbox, account: Account, owner: Caller) -> None:
    owner.post("account/change-username", {"newUsername": f"new-{account.username}"}, 200)
    person = {"username": account.username, "password": "password", "email": "a@example.org", "appId": "pryv-sandbox"}
    assert requests.post(f"{sandbox.url}users", json=person, timeout=5).status_code == 409


def test_username_can_be_changed_twice(account: Account, owner: Caller) -> None:
    for expect, name in ((200, "first"), (200, "second"), (400, "third")):
        new = f"{name}-{account.username}"
        answer = owner.post("account/change-username", {"newUsername": new}, expect)
    assert answer["error"]["data"] == {"usernameChangesUsed": 2, "usernameChangesLimit": 2}


def test_a_code_is_for_its_own_session(sandbox: Sandbox, account: Account, owner: Caller) -> None:
    mfa_token = owner.call("POST", "mfa/activate", 302, json={"phone": "1"}, allow_redirects=False)["mfaToken"]
    activation: dict[str, Any] = {"headers": {"Authorization": mfa_token}}
    owner.call("POST", "mfa/verify", 401, json={"code": sandbox.text_messages[0].code}, **activation)
    owner.call("POST", "mfa/confirm", json={"code": sandbox.text_messages[0].code}, **activation)
    person = {"username": account.username, "password": account.password, "appId": "pryv-sandbox"}
    login: dict[str, Any] = {"headers": {"Authorization": owner.call("POST", "auth/login", json=person)["mfaToken"]}}
    owner.call("POST", "mfa/verify", 400, json={}, **login)
    owner.call("POST", "mfa/confirm", 401, json={"code": sandbox.text_messages[1].code}, **login)
    assert owner.call("POST", "mfa/verify", json={"code": sandbox.text_messages[1].code}, **login)["token"]


def test_a_second_factor_without_content_is_not_required(sandbox: Sandbox, account: Account, owner: Caller) -> None:
    activation = {"Authorization": owner.call("POST", "mfa/activate", 302, json={})["mfaToken"]}
    codes = owner.call("POST", "mfa/confirm", json={"code": sandbox.text_messages[0].code}, headers=activation)
    stored = owner.call("GET", "profile/private")["profile"]
    assert stored == {"mfa": {"content": {}, "recoveryCodes": codes["recoveryCodes"]}}
    person = {"username": account.username, "password": account.password, "appId": "pryv-sandbox"}
    assert "token" in owner.call("POST", "auth/login", json=person)
    recovery = {**person, "recoveryCode": codes["recoveryCodes"][0]}
    assert owner.call("POST", "mfa/recover", 400, json=recovery)["error"]["id"] == "invalid-operation"
    owner.call("POST", "mfa/deactivate", json={})
    assert owner.call("GET", "profile/private")["profile"] == {}


def test_a_login_sends_a_code_and_so_does_a_challenge(sandbox: Sandbox, account: Account, owner: Caller) -> None:
    activation = {"Authorization": owner.call("POST", "mfa/activate", 302, json={"phone": "1"})["mfaToken"]}
    owner.call("POST", "mfa/confirm", json={"code": sandbox.text_messages[0].code}, headers=activation)
    person = {"username": account.username, "password": account.password, "appId": "pryv-sandbox"}
    login = {"Authorization": owner.call("POST", "auth/login", json=person)["mfaToken"]}
    assert [text.to for text in sandbox.text_messages] == ["1", "1"]
    owner.call("POST", "mfa/challenge", json={}, headers=login)
    assert [text.to for text in sandbox.text_messages] == ["1", "1", "1"]
    assert owner.call("POST", "mfa/verify", json={"code": sandbox.text_messages[2].code}, headers=login)["token"]


def test_an_account_is_deleted_with_all_it_has(sandbox: Sandbox, account: Account, owner: Caller) -> None:
    other = Caller.of(sandbox)
    other.add_streams("diary")
    owner.add_streams("diary")
    owner.add_event("diary")
    files = {"event": (None, '{"streamIds": ["diary"], "type": "file/attached"}'), "file": ("a.txt", b"text")}
    attached = owner.call("POST", "events", 201, files=files)["event"]
    owner.grant(diary="contribute").post("webhooks", {"url": "http://127.0.0.1:1/"})
    change_emails(owner, add=["new@example.org"])
    owner.call("POST", "mfa/activate", 302, json={"phone": "1"}, allow_redirects=False)
    owner.post("account/change-username", {"newUsername": f"new-{account.username}"}, 200)
    owner.post("account/request-password-reset", {"appId": "pryv-sandbox"}, 200)
    owner.put("profile/private", {"theme": "dark"})
    platform = sandbox._platform
    user = platform.users.find(account.username)
    assert user
    with RawSocket(sandbox, account.username, account.token) as raw:
        raw.connect()
        assert requests.delete(f"{sandbox.url}users/{account.username}", headers={"Authorization": account.token}).ok
        wait_for(lambda: sandbox.sockets.count == 0)
    assert not platform.files.path(attached["attachments"][0]["id"]).exists()
    tables = [name for (name,) in platform.db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    of_users = [
        table
        for table in tables
        if "user" in [column for _, column, *_ in platform.db.execute(f"PRAGMA table_info({table})")]
    ]
    assert len(of_users) > 10
    for table in of_users:
        assert not platform.db.execute(f"SELECT 1 FROM {table} WHERE user = ?", (user.key,)).fetchall(), table
    (count,) = platform.db.execute("SELECT count(*) FROM event_versions").fetchone()
    assert count == 0
    assert other.get("streams")["streams"]
