"""What accesses may do, and how they are made, changed and deleted."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from pryv_sandbox import Sandbox

from .caller import Caller


@pytest.fixture
def tree(owner: Caller) -> Caller:
    """An owner with the streams a > b and d, and an event in each."""
    owner.add_streams("a", "d")
    owner.add_streams("b", under="a")
    for stream_id in "abd":
        owner.add_event(stream_id, content=stream_id)
    return owner


def contents(caller: Caller, **params: Any) -> set[str]:
    return {event["content"] for event in caller.get("events", limit=100, types="note/txt", **params)["events"]}


@pytest.mark.parametrize(
    ("level", "reads", "creates", "changes", "manages"),
    [
        ("read", True, False, False, False),
        ("contribute", True, True, True, False),
        ("manage", True, True, True, True),
        ("create-only", False, True, False, False),
        ("none", False, False, False, False),
    ],
)
@pytest.mark.parametrize("stream", ["a", "b"])
def test_a_level_holds_for_a_stream_and_all_below(
    tree: Caller, level: str, reads: bool, creates: bool, changes: bool, manages: bool, stream: str
) -> None:
    app = tree.grant(a=level)
    (event,) = tree.get("events", streams={"a": "a!", "b": "b"}[stream])["events"]
    assert contents(app) == ({"a", "b"} if reads else set())
    app.get("events", 200 if reads else 403, streams=stream)
    app.get(f"events/{event['id']}", 200 if reads else 403)
    app.add_event(stream, expect=201 if creates else 403)
    app.put(f"events/{event['id']}", {"content": "new"}, 200 if changes else 403)
    app.delete(f"events/{event['id']}", 200 if changes else 403)
    app.post("streams", {"id": "new", "name": "new", "parentId": stream}, 201 if manages else 403)
    app.delete(f"streams/{stream}", 200 if manages else 403)
    app.add_event("d", expect=403)


def test_a_nearer_permission_goes_before_one_further_up(tree: Caller) -> None:
    assert contents(tree.grant(a="read", b="none")) == {"a"}
    assert contents(tree.grant(every="read", a="none")) == {"d"}
    some = tree.grant(every="manage", a="none", b="read")
    assert (contents(some), contents(some, streams="b")) == ({"d"}, {"b"})
    assert contents(tree.grant(every="read", b="create-only")) == {"a", "d"}
    tree.grant(every="read", b="contribute").add_event("b")
    tree.grant(every="read", b="contribute").add_event("a", expect=403)


def test_shows_the_streams_that_may_be_seen_as_roots(tree: Caller) -> None:
    def visible(caller: Caller) -> list[tuple[str, Any]]:
        streams = caller.get("streams")["streams"]
        return [(stream["id"], stream["parentId"]) for stream in streams if not stream["id"].startswith(":")]

    assert visible(tree.grant(b="read")) == [("b", None)]
    assert visible(tree.grant(d="read", a="read")) == [("d", None), ("a", None)]
    assert visible(tree.grant(every="read", a="none")) == [("d", None)]
    assert tree.grant(b="read").get("streams", 403, parentId="a")["error"]["id"] == "forbidden"


def test_both_streams_of_an_event_count(tree: Caller) -> None:
    event = tree.add_event("a", "d", content="ad")
    app = tree.grant(a="contribute", d="read")
    assert "ad" in contents(app)
    app.put(f"events/{event['id']}", {"content": "new"})
    app.put(f"events/{event['id']}", {"streamIds": ["a"]}, 403)
    app.add_event("a", "d", expect=403)
    tree.grant(a="contribute", d="contribute").put(f"events/{event['id']}", {"streamIds": ["d"]})


def test_an_app_hands_on_what_it_has_and_no_more(tree: Caller) -> None:
    app = tree.grant(a="contribute")
    assert contents(app.grant("shared", a="read")) == {"a", "b"}
    for levels in ({"a": "manage"}, {"d": "read"}, {"every": "read"}):
        permissions = [{"streamId": key.replace("every", "*"), "level": level} for key, level in levels.items()]
        app.post("accesses", {"name": "more", "permissions": permissions}, 403)
    own = {"type": "app", "name": "other-app", "permissions": [{"streamId": "a", "level": "read"}]}
    app.post("accesses", own, 403)
    shared = app.grant("shared", a="read")
    shared.post("accesses", {**own, "type": "shared"}, 403)
    shared.get("accesses", 403)


def test_an_access_deletes_itself_unless_forbidden(tree: Caller) -> None:
    permissions: list[dict[str, Any]] = [{"streamId": "a", "level": "read"}]
    made = tree.post("accesses", {"type": "shared", "name": "one", "permissions": permissions})["access"]
    Caller(tree.url, tree.username, made["token"]).delete(f"accesses/{made['id']}")
    permissions.append({"feature": "selfRevoke", "setting": "forbidden"})
    made = tree.post("accesses", {"type": "shared", "name": "one", "permissions": permissions})["access"]
    Caller(tree.url, tree.username, made["token"]).delete(f"accesses/{made['id']}", 403)


def test_deleting_an_app_takes_along_what_it_made(tree: Caller) -> None:
    app = tree.grant(a="manage")
    shared = app.grant("shared", a="read")
    app_id, shared_id = (caller.get("access-info")["id"] for caller in (app, shared))
    result = tree.delete(f"accesses/{app_id}")
    assert result["relatedDeletions"] == [{"id": shared_id}]
    for caller in (app, shared):
        assert caller.get("access-info", 403)["error"]["id"] == "invalid-access-token"
    deletions = tree.get("accesses", includeDeletions="true")["accessDeletions"]
    assert {deletion["id"] for deletion in deletions} == {app_id, shared_id}


class TestVersions:
    """Each update gives an access a new reference, and makes the old ones stale."""

    @pytest.fixture
    def made(self, tree: Caller) -> Any:
        body = {"type": "shared", "name": "n0", "permissions": [{"streamId": "a", "level": "read"}]}
        return tree.post("accesses", body)["access"]

    def test_counts_the_updates(self, tree: Caller, made: Any) -> None:
        base = made["id"]
        assert tree.put(f"accesses/{base}", {"name": "n1"})["access"]["id"] == f"{base}:1"
        assert tree.put(f"accesses/{base}:1", {"name": "n2"})["access"]["id"] == f"{base}:2"
        for stale in (base, f"{base}:1", f"{base}:3"):
            error = tree.put(f"accesses/{stale}", {"name": "n3"}, 409)["error"]
            assert (error["id"], error["data"]) == ("stale-resource", {"provided": stale, "currentSerial": 2})
            tree.delete(f"accesses/{stale}", 409)
        assert tree.delete(f"accesses/{base}:2")["accessDeletion"] == {"id": base}

    def test_keeps_the_former_versions(self, tree: Caller, made: Any) -> None:
        base = made["id"]
        tree.put(f"accesses/{base}", {"name": "n1"})
        tree.put(f"accesses/{base}:1", {"name": "n2"})
        found = tree.get(f"accesses/{base}", includeHistory="true")
        assert [access["name"] for access in [*found["history"], found["access"]]] == ["n0", "n1", "n2"]
        former = tree.get(f"accesses/{base}:1")
        assert (former["access"]["name"], former["current"]) == ("n1", f"{base}:2")
        for unknown in (f"{base}:3", f"{base}:0", f"{base}:x", "unknown"):
            tree.get(f"accesses/{unknown}", 404)

    def test_its_own_info_bears_the_bare_id(self, tree: Caller, made: Any) -> None:
        tree.put(f"accesses/{made['id']}", {"name": "n1"})
        info = Caller(tree.url, tree.username, made["token"]).get("access-info")
        assert (info["id"], info["name"]) == (made["id"], "n1")

    def test_changed_permissions_hold_at_once(self, tree: Caller, made: Any) -> None:
        shared = Caller(tree.url, tree.username, made["token"])
        assert contents(shared) == {"a", "b"}
        tree.put(f"accesses/{made['id']}", {"permissions": [{"streamId": "d", "level": "read"}]})
        assert contents(shared) == {"d"}

    def test_an_app_is_not_narrowed_below_what_it_made(self, tree: Caller) -> None:
        app = tree.grant(a="manage")
        app.grant("shared", a="contribute")
        app_id = app.get("access-info")["id"]
        narrowed = {"permissions": [{"streamId": "a", "level": "read"}]}
        assert tree.put(f"accesses/{app_id}", narrowed, 400)["error"]["id"] == "invalid-operation"
        tree.put(f"accesses/{app_id}", {"permissions": [{"streamId": "a", "level": "contribute"}]})


def test_an_expired_access_is_refused_and_not_listed(pryv_sandbox: Sandbox, tree: Caller) -> None:
    body = {"type": "shared", "name": "brief", "permissions": [{"streamId": "a", "level": "read"}], "expireAfter": 60}
    made = tree.post("accesses", body)["access"]
    brief = Caller(tree.url, tree.username, made["token"])
    brief.get("events")
    pryv_sandbox.faults.skew = 61
    answer = requests.get(f"{brief.url}{brief.username}/events", headers={"Authorization": brief.token}, timeout=5)
    assert (answer.status_code, answer.json()["error"]["id"]) == (403, "forbidden")
    assert answer.headers["Pryv-Access-Id"] == made["id"]
    assert "brief" not in {access["name"] for access in tree.get("accesses")["accesses"]}
    assert "brief" in {access["name"] for access in tree.get("accesses", includeExpired="true")["accesses"]}


def test_what_an_access_made_does_not_outlive_it(tree: Caller) -> None:
    permissions = [{"streamId": "a", "level": "manage"}]
    body = {"type": "app", "name": "brief-app", "permissions": permissions, "expireAfter": 60}
    app = Caller(tree.url, tree.username, tree.post("accesses", body)["access"]["token"])
    app.post("accesses", {"name": "longer", "permissions": permissions, "expireAfter": 120}, 400)
    app.post("accesses", {"name": "shorter", "permissions": permissions, "expireAfter": 30})


def test_checks_what_an_app_asks_for(tree: Caller) -> None:
    def check(*permissions: dict[str, str], app: str = "asking-app") -> Any:
        body = {"requestingAppId": app, "requestedPermissions": list(permissions)}
        return tree.post("accesses/check-app", body, 200)

    known = {"streamId": "a", "level": "read", "defaultName": "Anything"}
    taken = {"streamId": "new", "level": "read", "defaultName": "Stream a"}
    found = check(known, taken)
    assert found["checkedPermissions"] == [
        {"streamId": "a", "level": "read", "name": "Stream a"},
        {"streamId": "new", "level": "read", "defaultName": "Stream a (1)"},
    ]
    assert found["error"]["id"] == "item-already-exists"
    body = {"type": "app", "name": "asking-app", "permissions": [{**known}]}
    made = tree.post("accesses", body)["access"]
    assert check(known)["matchingAccess"]["id"] == made["id"]
    other = check({**known, "level": "manage"})
    assert (other["mismatchingAccess"]["id"], "matchingAccess" in other) == (made["id"], False)


def test_makes_the_streams_an_app_needs(tree: Caller) -> None:
    permission = {"streamId": "brand-new", "level": "manage", "defaultName": "Brand new"}
    made = tree.post("accesses", {"type": "app", "name": "needy-app", "permissions": [permission]})["access"]
    assert made["permissions"] == [{"level": "manage", "streamId": "brand-new"}]
    (stream,) = tree.get("streams", id="brand-new")["streams"]
    assert stream["name"] == "Brand new"


def test_names_are_unique_by_type_and_device(tree: Caller) -> None:
    for keys, shown in (({}, {}), ({"deviceName": "phone"}, {}), ({"type": "shared"}, {"deviceName": None})):
        keys = {"type": "app", "name": "same-app", **keys}
        body = {**keys, "permissions": [{"streamId": "a", "level": "read"}]}
        tree.post("accesses", body)
        error = tree.post("accesses", body, 409)["error"]
        assert (error["id"], error["data"]) == ("item-already-exists", {**keys, **shown})


def test_lists_what_is_wrong_with_each_kind_of_access(tree: Caller) -> None:
    def problems(**body: Any) -> list[tuple[str, Any, str]]:
        data = tree.post("accesses", body, 400)["error"]["data"]
        return [(problem["code"], problem["params"], problem["path"]) for problem in data]

    missing, mismatch = "OBJECT_MISSING_REQUIRED_PROPERTY", "ENUM_MISMATCH"
    assert problems(name="no permissions") == [
        (mismatch, [["personal"]], "#/type"),
        (missing, ["permissions"], "#/"),
        (mismatch, [["app"]], "#/type"),
        (missing, ["permissions"], "#/"),
        ("ANY_OF_MISSING", [], "#"),
    ]
    assert [
        code for code, _, path in problems(name="x", permissions=[{"streamId": "a"}]) if path == "#/permissions/0"
    ] == [*("OBJECT_ADDITIONAL_PROPERTIES", "ONE_OF_MISSING") * 3]
    assert ("INVALID_TYPE", [["null"]], "#/deviceName") in problems(name="x", permissions=[], deviceName="phone")


def test_a_token_of_ones_own_is_made_to_fit_a_path(tree: Caller) -> None:
    made = tree.post("accesses", {"name": "named", "permissions": [], "token": "Ma clé à moi"})["access"]
    assert made["token"] == "Ma-cle-a-moi"


def test_an_update_merges_client_data_and_keeps_what_was(tree: Caller) -> None:
    made = tree.post("accesses", {"name": "noted", "permissions": [], "clientData": {"a": 1, "b": 1}})["access"]
    Caller(tree.url, tree.username, made["token"]).get("access-info")
    changed = tree.put(f"accesses/{made['id']}", {"clientData": {"a": None, "c": 2}})["access"]
    assert changed["clientData"] == {"b": 1, "c": 2}
    (former,) = tree.get(f"accesses/{made['id']}", includeHistory="true")["history"]
    assert former["clientData"] == {"a": 1, "b": 1}
    assert former["lastUsed"] > made["created"] - 1


def test_a_call_that_fails_does_not_count_as_use(tree: Caller) -> None:
    reader = tree.grant("shared", a="read")
    reader.post("accesses", {"name": "more", "permissions": []}, 403)
    assert "lastUsed" not in reader.get("access-info")


def test_refuses_a_token_of_another_account(pryv_sandbox: Sandbox, owner: Caller) -> None:
    other = Caller.of(pryv_sandbox)
    url = f"{owner.url}{owner.username}/events"
    answer = requests.get(url, headers={"Authorization": other.token}, timeout=5)
    assert (answer.status_code, answer.json()["error"]["id"]) == (403, "invalid-access-token")
    for header in ("", "Basic !!!", "Bearer unknown"):
        assert requests.get(url, headers={"Authorization": header}, timeout=5).status_code == 403
    for header in (f"Bearer {owner.token}", owner.token):
        assert requests.get(url, headers={"Authorization": header}, timeout=5).status_code == 200
