"""The tree of streams."""

from __future__ import annotations

from typing import Any

import pytest

from .caller import Caller


def ids(streams: list[dict[str, Any]]) -> list[Any]:
    """The ids of a tree, children as nested lists; what every account has left out."""
    return [
        [stream["id"], *ids(stream["children"])] if stream["children"] else stream["id"]
        for stream in streams
        if not stream["id"].startswith(":")
    ]


@pytest.fixture
def tree(owner: Caller) -> Caller:
    """An owner with the streams a > b > c and d, an event in each, and one in b and d."""
    owner.add_streams("a", "d")
    owner.add_streams("b", under="a")
    owner.add_streams("c", under="b")
    for stream_id in "abcd":
        owner.add_event(stream_id, content=stream_id)
    owner.add_event("b", "d", content="bd")
    return owner


def trash_and_delete(owner: Caller, stream_id: str, **params: Any) -> Any:
    owner.delete(f"streams/{stream_id}")
    return owner.delete(f"streams/{stream_id}", **params)


def test_lists_siblings_by_name(owner: Caller) -> None:
    for stream_id, name in (("1", "b"), ("2", "C"), ("3", "a")):
        owner.post("streams", {"id": stream_id, "name": name})
    assert ids(owner.get("streams")["streams"]) == ["2", "3", "1"]


def test_gives_the_children_of_a_stream_or_the_stream_itself(tree: Caller) -> None:
    assert ids(tree.get("streams", parentId="a")["streams"]) == [["b", "c"]]
    assert ids(tree.get("streams", id="b")["streams"]) == [["b", "c"]]
    assert tree.get("streams", 400, parentId="zz")["error"]["id"] == "unknown-referenced-resource"


def test_hides_a_trashed_branch_until_it_is_restored(tree: Caller) -> None:
    tree.delete("streams/b")
    assert ids(tree.get("streams")["streams"]) == ["a", "d"]
    assert ids(tree.get("streams", state="all")["streams"]) == [["a", ["b", "c"]], "d"]
    assert {event["content"] for event in tree.get("events", streams="a")["events"]} == {"a"}
    assert tree.add_event("b", expect=400) is None
    assert "trashed" not in tree.put("streams/b", {"trashed": False})["stream"]
    assert ids(tree.get("streams")["streams"]) == [["a", ["b", "c"]], "d"]


def test_moves_a_branch_but_never_below_itself(tree: Caller) -> None:
    tree.put("streams/b", {"parentId": "d"})
    assert ids(tree.get("streams")["streams"]) == ["a", ["d", ["b", "c"]]]
    assert {event["content"] for event in tree.get("events", streams="d")["events"]} == {"b", "c", "d", "bd"}
    for parent in ("b", "c"):
        assert tree.put("streams/b", {"parentId": parent}, 400)["error"]["id"] == "invalid-operation"


def test_refuses_a_sibling_with_the_same_name(tree: Caller) -> None:
    body = {"id": "other", "name": "Stream b", "parentId": "a"}
    assert tree.post("streams", body, 409)["error"]["data"] == {"name": "Stream b"}
    tree.post("streams", {**body, "parentId": "d"})
    assert tree.put("streams/other", {"parentId": "a"}, 409)["error"]["id"] == "item-already-exists"


@pytest.mark.parametrize("field", ["id", "created", "modified", "createdBy", "modifiedBy"])
def test_protects_what_is_not_the_callers(tree: Caller, field: str) -> None:
    value = "x" if field in ("id", "createdBy", "modifiedBy") else 1
    assert tree.put("streams/a", {field: value}, 403)["error"]["id"] == "forbidden"


@pytest.mark.parametrize(
    ("asked", "made"), [("Plain-1", "Plain-1"), ("Été à Zürich", "Ete-a-Zurich"), ("a_b.c", "a_b.c")]
)
def test_makes_an_id_that_fits_a_path(owner: Caller, asked: str, made: str) -> None:
    assert owner.post("streams", {"id": asked, "name": "name"})["stream"]["id"] == made


@pytest.mark.parametrize("stream_id", ["null", "undefined", "*"])
def test_refuses_reserved_ids(owner: Caller, stream_id: str) -> None:
    assert owner.post("streams", {"id": stream_id, "name": "name"}, 400)["error"]["id"] == "invalid-item-id"


def test_leaves_the_systems_own_streams_alone(owner: Caller) -> None:
    owner.add_streams("a")
    for path in ("streams/:_system:account", "streams/:_system:language"):
        assert owner.put(path, {"name": "mine"}, 400)["error"]["id"] == "invalid-operation"
        assert owner.delete(path, 400)["error"]["id"] == "invalid-operation"
    for body in ({"id": ":x:y"}, {"id": "b", "parentId": ":_system:account"}):
        error = owner.post("streams", {"name": "mine", **body}, 400)["error"]
        assert (error["id"], error["data"]["name"]) == ("invalid-request-structure", "mine")
    moved = owner.put("streams/a", {"parentId": ":_system:account"}, 400)
    assert moved["error"]["id"] == "invalid-request-structure"


def test_merges_client_data_key_by_key(owner: Caller) -> None:
    owner.post("streams", {"id": "a", "name": "A", "clientData": {"x": 1, "y": 2}})
    changed = owner.put("streams/a", {"clientData": {"y": None, "z": 3}})["stream"]
    assert changed["clientData"] == {"x": 1, "z": 3}


def test_does_not_delete_streams_with_events_unasked(tree: Caller) -> None:
    tree.delete("streams/a")
    assert tree.delete("streams/a", 400)["error"]["id"] == "invalid-parameters-format"
    assert ids(tree.get("streams", state="all")["streams"]) == [["a", ["b", "c"]], "d"]


def test_deletes_a_branch_with_the_events_in_it_alone(tree: Caller) -> None:
    result = trash_and_delete(tree, "b", mergeEventsWithParent="false")
    assert result["streamDeletion"] == {"id": "b"}
    assert sorted(update["action"] for update in result["updatedEvents"]) == ["deleted", "deleted", "updatedStreamIds"]
    events = tree.get("events", limit=100, types="note/txt")["events"]
    assert {event["content"]: event["streamIds"] for event in events} == {"a": ["a"], "d": ["d"], "bd": ["d"]}
    deletions = tree.get("streams", includeDeletionsSince=0)["streamDeletions"]
    assert {deletion["id"] for deletion in deletions} == {"b", "c"}
    assert len(tree.get("events", modifiedSince=0, includeDeletions="true")["eventDeletions"]) == 2


def test_merges_the_events_of_a_deleted_branch_into_its_parent(tree: Caller) -> None:
    result = trash_and_delete(tree, "b", mergeEventsWithParent="true")
    assert {update["action"] for update in result["updatedEvents"]} == {"mergedToParent"}
    events = tree.get("events", limit=100, types="note/txt")["events"]
    kept = {event["content"]: set(event["streamIds"]) for event in events}
    assert kept == {"a": {"a"}, "b": {"a"}, "c": {"a"}, "d": {"d"}, "bd": {"a", "d"}}


@pytest.mark.parametrize("merge", ["true", "false"])
def test_a_deleted_branch_leaves_events_in_the_trash_alone(tree: Caller, merge: str) -> None:
    trashed = tree.add_event("c", content="trashed")
    tree.delete(f"events/{trashed['id']}")
    result = trash_and_delete(tree, "b", mergeEventsWithParent=merge)
    assert trashed["id"] not in {update["id"] for update in result["updatedEvents"]}
    assert tree.get(f"events/{trashed['id']}")["event"]["streamIds"] == ["c"]
    found = tree.get("events", state="all", limit=100, types="note/txt")["events"]
    assert "trashed" not in {event["content"] for event in found}
    tree.add_streams("c")
    assert [event["content"] for event in tree.get("events", state="trashed", streams="c")["events"]] == ["trashed"]


def test_deletes_a_stream_whose_events_are_all_in_the_trash(owner: Caller) -> None:
    owner.add_streams("a")
    owner.delete(f"events/{owner.add_event('a')['id']}")
    assert trash_and_delete(owner, "a")["updatedEvents"] == []


def test_has_nothing_to_merge_a_root_into(tree: Caller) -> None:
    tree.delete("streams/a")
    assert tree.delete("streams/a", 400, mergeEventsWithParent="true")["error"]["id"] == "invalid-operation"


def test_takes_the_id_of_a_deleted_stream_again(owner: Caller) -> None:
    owner.add_streams("a")
    trash_and_delete(owner, "a")
    owner.add_streams("a")
    assert ids(owner.get("streams")["streams"]) == ["a"]
