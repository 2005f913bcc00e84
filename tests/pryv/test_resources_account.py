"""The resources `account` and `profile`, sessions that end, and accounts that are deleted."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import pytest
from tests.accounts import APP_ID, Account, Accounts
from tests.pryv.wire import Reply, Wire, error_reply, reply

from pryv import (
    ApiError,
    Connection,
    ForbiddenError,
    InvalidAccessTokenError,
    InvalidCredentialsError,
    InvalidParametersError,
    ItemAlreadyExistsError,
    PryvError,
    PryvProtocolError,
    Service,
    UnknownResourceError,
)
from pryv.types import AccessCreate
from pryv_sandbox import Sandbox

PERMISSIONS: AccessCreate = {"type": "app", "name": "diary", "permissions": [{"streamId": "*", "level": "manage"}]}


@pytest.fixture
def owner(module_account: Account) -> Connection:
    return module_account[2]


@pytest.fixture
def app(owner: Connection) -> Iterator[Connection]:
    with Connection(owner.accesses.create({**PERMISSIONS, "name": secrets.token_hex(8)})["apiEndpoint"]) as app:
        yield app


# ---- account


def test_the_data_of_an_account(module_account: Account) -> None:
    username, _, owner = module_account
    account = owner.account.get()
    assert (account["username"], account["email"]) == (username, f"{username}@example.org")
    assert [address["primary"] for address in account["emails"]] == [True]
    assert owner.account.update({"language": "fr"})["language"] == "fr"
    assert owner.account.get()["language"] == "fr"


def test_an_app_has_no_account(app: Connection) -> None:
    calls: list[Callable[[], object]] = [
        app.account.get,
        lambda: app.account.update({"language": "de"}),
        lambda: app.account.change_password("old-one", "new-one"),
        lambda: app.account.change_username("another-name"),
        app.account.username_changes,
    ]
    for call in calls:
        with pytest.raises(ForbiddenError):
            call()


def test_an_added_address_is_verified(sandbox: Sandbox) -> None:
    account = sandbox.create_account()
    address = f"more-{account.username}@example.org"
    with Service(sandbox.service_info_url) as service, Connection(account.api_endpoint) as owner:
        added = owner.account.update({"emails": {"add": [address]}})
        assert [item["status"] for item in added["emails"] if item["value"] == address] == ["pending"]
        with pytest.raises(InvalidAccessTokenError):
            service.verify_email(account.username, "never-sent", APP_ID)
        (token,) = (mail.token for mail in sandbox.mails if mail.to == address)
        assert service.verify_email(account.username, token, APP_ID) == address
        assert owner.account.update({"emails": {"setPrimary": address}})["email"] == address
        with pytest.raises(InvalidAccessTokenError):
            service.verify_email(account.username, token, APP_ID)


def test_a_password_is_changed(service: Service, accounts: Accounts, new_account: Callable[[], Account]) -> None:
    username, password, owner = new_account()
    with pytest.raises(InvalidParametersError) as refused:
        owner.account.change_password("not-the-password", "another-one")
    assert refused.value.id == "invalid-operation"
    owner.account.change_password(password, "another-one")
    assert owner.access_info(force_refresh=True)["type"] == "personal"
    with pytest.raises(InvalidCredentialsError):
        service.login(username, password, APP_ID)
    with service.login(username, "another-one", APP_ID) as session:
        accounts.add(username, "another-one", session.token or "none")


def test_a_username_is_changed(service: Service, accounts: Accounts, new_account: Callable[[], Account]) -> None:
    username, password, owner = new_account()
    new = f"new{secrets.token_hex(6)}"
    assert owner.username() == username
    endpoint, before = owner.endpoint, owner.account.username_changes()
    if not before["usernameChangesRemaining"]:
        pytest.skip("the platform allows no change")
    patient = owner.with_options(timeout=60)
    change = patient.account.change_username(new)
    assert change["account"]["username"] == new
    assert change["usernameChangesRemaining"] == before["usernameChangesRemaining"] - 1
    assert owner.account.username_changes()["usernameChangesUsed"] == before["usernameChangesUsed"] + 1
    assert (owner.username(), owner.endpoint) == (new, endpoint)
    with service.login(new, password, APP_ID) as session:
        accounts.add(new, password, session.token or "none")
        assert session.username() == new
    with pytest.raises(ApiError):
        service.login(username, password, APP_ID)


def test_a_username_that_is_taken_or_reserved(new_account: Callable[[], Account]) -> None:
    other, _, owner = new_account()[0], *new_account()[1:]
    with pytest.raises(ItemAlreadyExistsError):
        owner.account.change_username(other)
    with pytest.raises(InvalidParametersError):
        owner.account.change_username("admin")
    with pytest.raises(InvalidParametersError):
        owner.account.change_username("No Good!")


@pytest.mark.parametrize("response", [Reply(b"", "close"), Reply(reply({}).data[:-9], "close"), reply("{}", 502)])
def test_the_name_is_asked_for_again_after_a_change_without_a_response(wire: Wire, response: Reply) -> None:
    wire.always = reply({"id": "x", "user": {"username": "before"}})
    with wire.connection() as connection:
        assert connection.username() == "before"
        wire.replies.append(response)
        with pytest.raises(PryvError):
            connection.account.change_username("after")
        wire.always = reply({"id": "x", "user": {"username": "after"}})
        assert connection.username() == "after"


# ---- profile


def test_profile_sets(owner: Connection, app: Connection) -> None:
    assert owner.profile.get("private") == {}
    assert owner.profile.update("private", {"theme": "dark", "size": 1}) == {"theme": "dark", "size": 1}
    assert owner.profile.update("private", {"size": None, "ü": ["x"]}) == {"theme": "dark", "ü": ["x"]}
    assert owner.profile.get("private") == {"theme": "dark", "ü": ["x"]}
    owner.profile.update("public", {"nick": "Bob"})
    assert app.profile.get("public") == {"nick": "Bob"}
    assert app.profile.update("app", {"a": 1}) == app.profile.get("app") == {"a": 1}
    with pytest.raises(ForbiddenError):
        app.profile.get("private")
    with pytest.raises(ForbiddenError):
        app.profile.update("public", {})
    with pytest.raises(InvalidParametersError):
        owner.profile.get("app")


# ---- sessions and accounts that end


def test_a_session_ends(service: Service, new_account: Callable[[], Account]) -> None:
    username, password, _ = new_account()
    with service.login(username, password, APP_ID) as session:
        app = session.accesses.create(PERMISSIONS)
        session.access_info()
        session.logout()
        with pytest.raises(InvalidAccessTokenError):
            session.access_info()
        with pytest.raises(InvalidAccessTokenError):
            session.logout()
    with Connection(app["apiEndpoint"]) as connection:
        assert connection.access_info()["type"] == "app"


def test_an_account_is_deleted(sandbox: Sandbox) -> None:
    account, other = sandbox.create_account(), sandbox.create_account()
    with Service(sandbox.service_info_url) as service:
        with pytest.raises(InvalidAccessTokenError):
            service.delete_user(account.username, other.token)
        service.delete_user(account.username, account.token)
        assert not service.user_exists(account.username)
        assert service.user_exists(other.username)
        with pytest.raises(UnknownResourceError):
            service.delete_user(account.username, account.token)


@pytest.fixture
def served(wire: Wire) -> Iterator[Service]:
    info = wire.service_info(register=f"{wire.url}reg/")
    with Service(None, info, timeout=2) as service:
        yield service


def test_an_account_is_deleted_on_its_core(wire: Wire, other_wire: Wire, served: Service) -> None:
    wire.always = reply({"server": other_wire.url.rstrip("/")})
    other_wire.always = reply({"userDeletion": {"username": "alice"}})
    served.delete_user("alice", "admin-key")
    (asked,), (deleted,) = wire.requests, other_wire.requests
    assert (asked.method, asked.target) == ("POST", "/reg/alice/server")
    assert "authorization" not in asked.headers
    assert (deleted.method, deleted.target) == ("DELETE", "/users/alice")
    assert deleted.headers["authorization"] == "admin-key"


@pytest.mark.parametrize("server", ["ftp://host/", "//host", "http://a b/", "", None, 5])
def test_an_invalid_core_is_an_error(wire: Wire, served: Service, server: Any) -> None:
    wire.always = reply({"server": server})
    with pytest.raises(PryvProtocolError):
        served.delete_user("alice", "admin-key")
    assert all("authorization" not in request.headers for request in wire.requests)


@pytest.mark.parametrize("body", [None, "", "{}", "[]", '{"userDeletion": true}', "<html>", '{"meta": {}}'])
def test_a_deletion_that_the_platform_does_not_confirm(wire: Wire, served: Service, body: str | None) -> None:
    wire.replies += [reply({"server": wire.url}), reply(body)]
    with pytest.raises(PryvProtocolError):
        served.delete_user("alice", "admin-key")
    assert len(wire.requests) == 2


# ---- the core of an account

CALLS: dict[str, Callable[[Service, Connection], object]] = {
    "account.update": lambda _, connection: connection.account.update({"language": "fr"}),
    "account.change_password": lambda _, connection: connection.account.change_password("old-one", "new-one"),
    "account.change_username": lambda _, connection: connection.account.change_username("another-name"),
    "profile.update": lambda _, connection: connection.profile.update("private", {"x": 1}),
    "logout": lambda _, connection: connection.logout(),
    "mfa_activate": lambda service, connection: service.mfa_activate(connection, phone="1"),
    "mfa_confirm": lambda service, _: service.mfa_confirm("user", "token", "1234"),
    "mfa_deactivate": lambda service, connection: service.mfa_deactivate(connection),
    "mfa_recover": lambda service, _: service.mfa_recover("user", "see-you", "recovery-code"),
    "verify_email": lambda service, _: service.verify_email("user", "token", "app-id"),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
def test_a_call_follows_the_core_of_the_account_once(
    wire: Wire, other_wire: Wire, call: Callable[[Service, Connection], object]
) -> None:
    wrong_core = error_reply(421, "wrong-core", coreUrl=other_wire.url)
    wire.always = wrong_core
    info = wire.service_info(register=f"{wire.url}reg/")
    members = {"account": {}, "usernameChangesRemaining": 1, "profile": {}, "mfaToken": "t", "recoveryCodes": []}
    with Service(None, info) as service, wire.connection() as connection:
        other_wire.always = reply({**members, "email": "a@example.org"})
        call(service, connection)
        (first,), (second,) = wire.requests, other_wire.requests
        assert (first.method, first.target, first.body) == (second.method, second.target, second.body)
        assert first.headers.get("authorization") == second.headers.get("authorization")
    with Service(None, info) as service, wire.connection() as connection:
        other_wire.always = wrong_core
        with pytest.raises(ApiError, match="wrong-core"):
            call(service, connection)
        assert (len(wire.requests), len(other_wire.requests)) == (2, 2)


# ---- arguments


@pytest.mark.parametrize("name", ["a/b?c#d", "../users", "%2e%2e", "ü", "a b", "\r\nX: y"])
def test_a_username_is_one_segment_of_the_path(wire: Wire, served: Service, name: str) -> None:
    wire.always = reply({"server": wire.url, "userDeletion": {"username": name}})
    served.delete_user(name, "admin-key")
    assert [request.target for request in wire.requests] == [
        f"/reg/{quote(name, safe='')}/server",
        f"/users/{quote(name, safe='')}",
    ]


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../users", "ü", "a b", "a\nb", 5, None])
def test_invalid_usernames_are_refused(wire: Wire, served: Service, name: Any) -> None:
    calls: list[Callable[[], object]] = [
        lambda: served.mfa_confirm(name, "token", "1234"),
        lambda: served.mfa_recover(name, "see-you", "recovery-code"),
        lambda: served.verify_email(name, "token", "app-id"),
    ]
    if name in ("", ".", "..", 5, None):
        calls.append(lambda: served.delete_user(name, "token"))
    for call in calls:
        with pytest.raises((TypeError, ValueError)):
            call()
    assert wire.requests == []


@pytest.mark.parametrize("odd", [None, 5, b"x", ["x"], ""])
def test_arguments_of_a_service(wire: Wire, served: Service, odd: Any) -> None:
    good = {
        "mfa_confirm": ("alice", "token", "1234"),
        "mfa_recover": ("alice", "see-you", "recovery-code"),
        "verify_email": ("alice", "token", "app-id"),
        "delete_user": ("alice", "token"),
    }
    for name, arguments in good.items():
        for index in range(len(arguments)):
            wrong = [*arguments]
            wrong[index] = odd
            with pytest.raises((TypeError, ValueError)):
                getattr(served, name)(*wrong)
    assert wire.requests == []


@pytest.mark.parametrize("odd", [None, 5, b"x", ["x"]])
def test_arguments_of_the_wrong_type(wire: Wire, connection: Connection, odd: Any) -> None:
    calls: list[Callable[[], object]] = [
        lambda: connection.account.update(odd),
        lambda: connection.account.change_password(odd, "new-one"),
        lambda: connection.account.change_password("old-one", odd),
        lambda: connection.account.change_username(odd),
        lambda: connection.profile.update("public", odd),
    ]
    for call in calls:
        with pytest.raises(TypeError):
            call()
    assert wire.requests == []


@pytest.mark.parametrize("name", ["", "..", "private/x", "Public", "public ", None, 5, ["app"], {}])
def test_unknown_profile_sets_are_refused(wire: Wire, connection: Connection, name: Any) -> None:
    with pytest.raises(ValueError, match="a profile set is 'public', 'private' or 'app'"):
        connection.profile.get(name)
    with pytest.raises(ValueError, match="a profile set is 'public', 'private' or 'app'"):
        connection.profile.update(name, {})
    assert wire.requests == []


def test_empty_arguments(wire: Wire, connection: Connection) -> None:
    with pytest.raises(ValueError, match="old is empty"):
        connection.account.change_password("", "new-one")
    with pytest.raises(ValueError, match="new is empty"):
        connection.account.change_password("old-one", "")
    with pytest.raises(ValueError, match="new is empty"):
        connection.account.change_username("")
    assert wire.requests == []


def test_a_response_without_its_members(wire: Wire, connection: Connection) -> None:
    wire.always = reply({"account": "x", "profile": [], "usernameChangesUsed": "1"})
    calls: list[Callable[[], object]] = [
        connection.account.get,
        connection.account.username_changes,
        lambda: connection.account.update({}),
        lambda: connection.account.change_username("another-name"),
        lambda: connection.profile.get("public"),
    ]
    for call in calls:
        with pytest.raises(PryvProtocolError, match="the response has no"):
            call()
