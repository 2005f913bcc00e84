"""Accesses that are changed while they are used: versions, history, deletion."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.pryv.wire import Reply, Wire, error_reply, reply

from pryv import (
    ApiError,
    Connection,
    ForbiddenError,
    InvalidAccessTokenError,
    PryvConnectionError,
    PryvProtocolError,
    StaleAccessIdError,
    UnknownResourceError,
)
from pryv.utils import parse_access_ref

Account = tuple[str, str, Connection]
PERMISSIONS = [{"streamId": "diary", "level": "manage"}]


@pytest.fixture
def owner(new_account: Callable[[], Account]) -> Connection:
    """The owner of a fresh account with a diary."""
    owner = new_account()[2]
    owner.api_one("streams.create", {"id": "diary", "name": "Diary"})
    return owner


@pytest.fixture
def app(owner: Connection) -> Iterator[Connection]:
    """An app's connection to the diary."""
    asked = {"type": "app", "name": "app", "permissions": PERMISSIONS}
    access = owner.api_one("accesses.create", asked, "access")
    with Connection(access["apiEndpoint"]) as app:
        yield app


def current_id(owner: Connection, app: Connection) -> str:
    """Return the current id of the app's access."""
    accesses = owner.api_one("accesses.get", expected_key="accesses")
    return str(next(access["id"] for access in accesses if access.get("token") == app.token))


def test_each_update_is_a_version(owner: Connection, app: Connection) -> None:
    base = parse_access_ref(current_id(owner, app)).base
    serials = []
    for name in ("first", "second"):
        access = owner.update_access(current_id(owner, app), {"name": name})
        assert access["name"] == name
        serials.append(parse_access_ref(access["id"]).serial)
    assert parse_access_ref(current_id(owner, app)).base == base
    assert None not in serials
    assert serials[0] != serials[1]


def test_a_former_id_is_stale(owner: Connection, app: Connection) -> None:
    former = current_id(owner, app)
    current = owner.update_access(former, {"name": "changed"})["id"]
    current = owner.update_access(current, {"name": "changed again"})["id"]
    with pytest.raises(StaleAccessIdError) as caught:
        owner.update_access(former, {"name": "too late"})
    assert caught.value.provided == former
    assert caught.value.current_serial == parse_access_ref(current).serial


def test_the_history_has_the_former_versions(owner: Connection, app: Connection) -> None:
    for name in ("second", "third"):
        owner.update_access(current_id(owner, app), {"name": name})
    told = owner.get_access_with_history(current_id(owner, app))
    assert told["access"]["name"] == "third"
    assert [version["name"] for version in told["history"]] == ["app", "second"]


@pytest.mark.parametrize("ref", ["", ".", "..", ":1", "a:", "a:0", "a:x", "a:1:2"])
def test_invalid_ids_are_refused_before_any_request(wire: Wire, connection: Connection, ref: str) -> None:
    with pytest.raises(ValueError, match="not an access reference"):
        connection.update_access(ref, {})
    with pytest.raises(ValueError, match="not an access reference"):
        connection.get_access_with_history(ref)
    assert wire.requests == []


def test_an_unknown_access_is_an_error(owner: Connection) -> None:
    with pytest.raises(UnknownResourceError):
        owner.update_access("c" * 25, {"name": "x"})
    with pytest.raises(UnknownResourceError):
        owner.get_access_with_history("c" * 25)


def test_a_connection_revokes_its_own_access(app: Connection) -> None:
    answer = app.revoke()
    assert answer is not None
    assert answer["accessDeletion"]["id"]
    with pytest.raises(InvalidAccessTokenError):
        app.access_info(force_refresh=True)


@pytest.mark.parametrize("known", [True, False])
def test_revoking_twice_returns_none(app: Connection, owner: Connection, known: bool) -> None:
    with Connection(app.api_endpoint) as same:
        if known:
            same.access_info()
        app.revoke()
        assert same.revoke() is None
        assert same.revoke(using=owner) is None


def test_an_updated_access_is_revoked(app: Connection, owner: Connection) -> None:
    owner.update_access(current_id(owner, app), {"name": "changed"})
    answer = app.revoke(using=owner)
    assert answer is not None
    assert answer["accessDeletion"]["id"] == app.access_info()["id"]


def test_an_access_may_be_revoked_by_another(app: Connection, owner: Connection) -> None:
    asked = {"type": "shared", "name": "friend", "permissions": [{"streamId": "diary", "level": "read"}]}
    with Connection(app.api_one("accesses.create", asked, "access")["apiEndpoint"]) as friend:
        assert friend.revoke(using=app) is not None
        with pytest.raises(InvalidAccessTokenError):
            friend.access_info(force_refresh=True)


FAILURES: list[tuple[Reply, type[Exception]]] = [
    (error_reply(403, "forbidden"), ForbiddenError),
    (error_reply(409, "stale-resource"), StaleAccessIdError),
    (error_reply(400, "x"), ApiError),
    (Reply(b"", "close"), PryvConnectionError),
]


@pytest.mark.parametrize(("failure", "kind"), FAILURES)
def test_a_revocation_that_fails(wire: Wire, connection: Connection, failure: Reply, kind: type[Exception]) -> None:
    wire.replies += [reply({"id": "a"}), failure, failure]
    with pytest.raises(kind):
        connection.revoke()
    assert connection.revoke(throw_on_fail=False) is None
    assert len(wire.requests) == 3


def test_a_stale_serial_is_retried_once(wire: Wire, connection: Connection) -> None:
    def stale(serial: int) -> Reply:
        error: dict[str, Any] = {"id": "stale-resource", "message": "x", "data": {"currentSerial": serial}}
        return reply({"results": [{"error": error}]})

    wire.replies += [reply({"id": "a"}), stale(3), stale(4)]
    with pytest.raises(StaleAccessIdError):
        connection.revoke()
    assert [request.json()[0]["params"]["id"] for request in wire.requests[1:]] == ["a", "a:3"]


def test_an_access_without_an_id(wire: Wire, connection: Connection) -> None:
    with pytest.raises(PryvProtocolError, match="no id"):
        connection.revoke()
    assert connection.revoke(throw_on_fail=False) is None
    assert len(wire.requests) == 1


def test_an_invalid_token_of_another_connection_is_an_error(wire: Wire, connection: Connection) -> None:
    wire.replies += [reply({"id": "a"}), error_reply(401, "invalid-access-token")]
    with Connection(wire.api_endpoint.replace(wire.token, "another")) as other, pytest.raises(InvalidAccessTokenError):
        connection.revoke(using=other)
