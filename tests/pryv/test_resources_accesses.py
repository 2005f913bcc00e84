"""The resource `accesses`: accesses are created, listed, changed, deleted, and compared with a request."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tests.accounts import Account
from tests.pryv.wire import Wire, error_reply, reply

from pryv import (
    Connection,
    ForbiddenError,
    InvalidAccessTokenError,
    ItemAlreadyExistsError,
    StaleAccessIdError,
    UnknownResourceError,
)
from pryv.types import AccessCreate, AppCheckRequest
from pryv.utils import parse_access_ref

SHARED: AccessCreate = {"name": "For a friend", "permissions": [{"streamId": "diary", "level": "read"}]}


@pytest.fixture
def owner(new_account: Callable[[], Account]) -> Connection:
    """The owner of a fresh account with a diary."""
    owner = new_account()[2]
    owner.streams.ensure({"id": "diary", "name": "Diary"})
    return owner


def test_an_access_from_its_creation_to_its_end(owner: Connection) -> None:
    access = owner.accesses.create({**SHARED, "expireAfter": 3600, "clientData": {"for": "a friend"}})
    assert (access["type"], access["name"]) == ("shared", "For a friend")
    assert access["permissions"] == [{"streamId": "diary", "level": "read"}]
    assert access["expires"] - access["created"] == pytest.approx(3600, abs=1)
    with Connection(access["apiEndpoint"]) as friend:
        assert friend.access_info()["name"] == "For a friend"
        assert owner.accesses.get(access["id"])["token"] == friend.token
        changed = owner.accesses.update(access["id"], {"name": "For my sister", "expires": None})
        assert (changed["name"], "expires" in changed) == ("For my sister", False)
        assert parse_access_ref(changed["id"]).base == access["id"]
        with pytest.raises(StaleAccessIdError):
            owner.accesses.update(access["id"], {"name": "Again"})
        with pytest.raises(StaleAccessIdError):
            owner.accesses.delete(access["id"])
        history = owner.accesses.get_with_history(changed["id"])
        assert [version["name"] for version in history["history"]] == ["For a friend"]
        assert owner.accesses.delete(changed["id"])["id"] == access["id"]
        with pytest.raises(InvalidAccessTokenError):
            friend.access_info(force_refresh=True)
    with pytest.raises(UnknownResourceError):
        owner.accesses.delete(changed["id"])


def test_deleted_and_expired_accesses_are_listed_if_asked_for(owner: Connection) -> None:
    def names(params: Any = None) -> list[str]:
        return [access["name"] for access in owner.accesses.list(params) if access["type"] == "shared"]

    kept = owner.accesses.create(SHARED)
    owner.accesses.delete(owner.accesses.create({**SHARED, "name": "deleted"})["id"])
    owner.accesses.create({**SHARED, "name": "expired", "expireAfter": 0})
    assert names() == names({"includeDeletions": False, "includeExpired": False}) == [kept["name"]]
    assert sorted(names({"includeExpired": True})) == [kept["name"], "expired"]
    assert names({"includeDeletions": True}) == [kept["name"], "deleted"]
    (deleted,) = [access for access in owner.accesses.list({"includeDeletions": True}) if "deleted" in access]
    assert deleted["name"] == "deleted"


def test_a_taken_name_is_an_error(owner: Connection) -> None:
    owner.accesses.create(SHARED)
    with pytest.raises(ItemAlreadyExistsError):
        owner.accesses.create(SHARED)


def test_a_shared_access_manages_none(owner: Connection) -> None:
    with Connection(owner.accesses.create(SHARED)["apiEndpoint"]) as friend:
        for call in (friend.accesses.list, lambda: friend.accesses.create({**SHARED, "name": "x"})):
            with pytest.raises(ForbiddenError):
                call()


@pytest.mark.parametrize("method", ["accesses.create", "accesses.checkApp", "account.update", "webhooks.create"])
def test_who_may_not_call_is_refused_before_the_parameters_are(owner: Connection, method: str) -> None:
    with Connection(owner.accesses.create(SHARED)["apiEndpoint"]) as friend:
        caller = owner if method == "webhooks.create" else friend
        with pytest.raises(ForbiddenError, match=f"cannot access {method} resource"):
            caller.api_one(method, {"unknown": 1})


def test_an_access_has_no_device_any_more(owner: Connection) -> None:
    app = owner.accesses.create({**SHARED, "type": "app", "deviceName": "Phone"})
    assert "deviceName" not in owner.accesses.update(app["id"], {"deviceName": None})


def test_an_app_checks_an_existing_access(owner: Connection) -> None:
    asked: AppCheckRequest = {
        "requestingAppId": "my-notebook",
        "requestedPermissions": [{"streamId": "diary", "level": "read", "defaultName": "Diary"}],
    }
    check = owner.accesses.check_app(asked)
    assert check["checkedPermissions"] == [{"streamId": "diary", "level": "read", "name": "Diary"}]
    made = owner.accesses.create({"type": "app", "name": "my-notebook", "permissions": check["checkedPermissions"]})
    assert owner.accesses.check_app(asked)["matchingAccess"]["id"] == made["id"]


def test_a_check_reports_a_taken_name_in_its_result(owner: Connection) -> None:
    check = owner.accesses.check_app(
        {
            "requestingAppId": "my-notebook",
            "requestedPermissions": [{"streamId": "other", "level": "read", "defaultName": "Diary"}],
        }
    )
    assert check["error"]["id"] == "item-already-exists"
    assert check["checkedPermissions"][0]["defaultName"] != "Diary"


def test_a_check_is_sent_again(wire: Wire, connection: Connection) -> None:
    wire.replies += [error_reply(503, "x"), reply({"checkedPermissions": []})]
    connection.accesses.check_app({"requestingAppId": "my-notebook", "requestedPermissions": []})
    assert len(wire.requests) == 2


def test_creations_changes_and_deletions_are_sent_once(wire: Wire, connection: Connection) -> None:
    calls: list[Callable[[], Any]] = [
        lambda: connection.accesses.create(SHARED),
        lambda: connection.accesses.update("a", {"name": "x"}),
        lambda: connection.accesses.delete("a"),
    ]
    wire.always = error_reply(503, "x")
    for call in calls:
        with pytest.raises(Exception, match="HTTP 503"):
            call()
    assert [(request.method, request.target) for request in wire.requests] == [
        ("POST", "/user/accesses"),
        ("PUT", "/user/accesses/a"),
        ("DELETE", "/user/accesses/a"),
    ]


@pytest.mark.parametrize("odd", ["", ".", "..", "a:b", ":1"])
def test_an_id_is_that_of_an_access(wire: Wire, connection: Connection, odd: str) -> None:
    calls: list[Callable[[], Any]] = [
        lambda: connection.accesses.get(odd),
        lambda: connection.accesses.get_with_history(odd),
        lambda: connection.accesses.update(odd, {}),
        lambda: connection.accesses.delete(odd),
    ]
    for call in calls:
        with pytest.raises(ValueError, match=r"\bid\b|access"):
            call()
    assert wire.requests == []
