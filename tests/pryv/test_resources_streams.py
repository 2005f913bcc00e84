"""The resource `streams`: the tree is listed, changed, and created by several processes at once."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from subprocess import PIPE, Popen
from typing import Any, Literal

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.accounts import Account
from tests.pryv.wire import Wire, error_reply, reply

from pryv import (
    ApiError,
    Connection,
    ForbiddenError,
    InvalidParametersError,
    ItemAlreadyExistsError,
    PryvConnectionError,
    PryvProtocolError,
    ServerError,
    UnknownResourceError,
)
from pryv import _ensure as looking
from pryv._transport.retry import RetryPolicy
from pryv.types import StreamTree
from pryv.utils import new_event_id
from pryv_sandbox import Sandbox

HEALTH: StreamTree = {
    "id": "health",
    "name": "Health",
    "children": [
        {"id": "heart", "name": "Heart", "clientData": {"app:key": 1}},
        {"id": "sleep", "name": "Sleep", "children": [{"id": "dreams", "name": "Dreams"}]},
    ],
}


@pytest.fixture
def account(new_account: Callable[[], Account]) -> Connection:
    """The owner of a fresh account."""
    return new_account()[2]


@pytest.fixture
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reads the streams again without waiting."""
    monkeypatch.setattr(looking, "_WAITS", RetryPolicy(attempts=4, backoff=0.001))


def ids(streams: list[Any]) -> list[str]:
    return [stream["id"] for stream in streams]


def shape(streams: list[Any]) -> dict[str, Any]:
    """The tree as dicts by id, without the platform's own streams and members."""
    return {stream["id"]: shape(stream["children"]) for stream in streams if not stream["id"].startswith(":")}


# ---- one stream


def test_a_stream_from_its_creation_to_its_end(account: Connection) -> None:
    streams = account.streams
    stream = streams.create({"id": "diary", "name": "Diary"})
    assert (stream["id"], stream["name"], stream["parentId"]) == ("diary", "Diary", None)
    streams.create({"id": "dreams", "name": "Dreams", "parentId": "diary"})
    assert shape(streams.list()) == {"diary": {"dreams": {}}}
    assert ids(streams.list({"parentId": "diary"})) == ["dreams"]
    assert streams.update("dreams", {"name": "At night", "parentId": None})["name"] == "At night"
    assert streams.delete("dreams")["trashed"] is True
    assert shape(streams.list()) == {"diary": {}}
    assert shape(streams.list({"state": "all"})) == {"diary": {}, "dreams": {}}
    assert streams.delete("dreams", permanently=True)["id"] == "dreams"
    assert "dreams" in ids(streams.list({"includeDeletionsSince": 0}))
    with pytest.raises(UnknownResourceError, match=r"^streams\.delete: "):
        streams.delete("dreams", permanently=True)


def test_delete_moves_a_stream_to_the_trash(account: Connection) -> None:
    account.streams.create({"id": "diary", "name": "Diary"})
    for _ in range(3):
        assert account.streams.delete("diary")["trashed"] is True
    assert "trashed" not in account.streams.update("diary", {"trashed": False})


def test_an_app_moves_its_stream_to_the_trash(account: Connection) -> None:
    account.streams.ensure(HEALTH)
    asked: dict[str, Any] = {"name": "an-app", "permissions": [{"streamId": "sleep", "level": "manage"}], "type": "app"}
    with Connection(account.accesses.create(asked)["apiEndpoint"]) as app:
        for _ in range(3):
            assert app.streams.delete("sleep")["trashed"] is True
        with pytest.raises(ForbiddenError):
            app.streams.delete("heart")
        assert app.streams.delete("sleep", permanently=True)["id"] == "sleep"
    assert shape(account.streams.list({"state": "all"})) == {"health": {"heart": {}}}


@pytest.mark.parametrize("found", [[], [5], [None]])
def test_a_stream_that_may_be_in_the_trash_is_not_deleted(wire: Wire, connection: Connection, found: list[Any]) -> None:
    wire.replies += [error_reply(403, "forbidden"), reply({"streams": found})]
    with pytest.raises(PryvProtocolError, match="no 'stream'"):
        connection.streams.delete("sleep")
    assert [request.method for request in wire.requests] == ["PUT", "GET"]


def test_a_new_name_is_compared_with_the_root_unless_the_parent_is_given(account: Connection) -> None:
    account.streams.ensure([{"id": "a", "name": "A", "children": [{"id": "b", "name": "B"}]}, {"id": "c", "name": "C"}])
    with pytest.raises(ItemAlreadyExistsError):
        account.streams.update("b", {"name": "C"})
    assert account.streams.update("b", {"name": "C", "parentId": "a"})["name"] == "C"
    with pytest.raises(ItemAlreadyExistsError):
        account.streams.update("c", {"name": "A"})


def test_client_data_are_merged(account: Connection) -> None:
    streams = account.streams
    assert "clientData" not in streams.create({"id": "other", "name": "Other", "clientData": None})
    assert "clientData" not in streams.update("other", {"clientData": {}})
    assert streams.create({"id": "diary", "name": "Diary", "clientData": {"a": 1}})["clientData"] == {"a": 1}
    assert streams.update("diary", {"clientData": {}})["clientData"] == {"a": 1}
    assert streams.update("diary", {"clientData": {"a": None, "b": 2}})["clientData"] == {"b": 2}
    assert streams.update("diary", {"clientData": {"b": None}})["clientData"] == {}
    assert "clientData" not in streams.update("diary", {"clientData": None})


def test_the_platform_s_own_streams_are_around_the_account_s(account: Connection) -> None:
    account.streams.create({"id": "first", "name": "*"})
    account.streams.create({"id": "last", "name": "~"})
    everything: Any = {"name": "A", "permissions": [{"streamId": "*", "level": "read"}]}
    with Connection(account.accesses.create(everything)["apiEndpoint"]) as reader:
        for connection in (account, reader):
            roots = ids(connection.streams.list())
            assert roots[:2] == [":_audit:", "first"]
            assert roots[-2:] == ["last", ":_system:account"]


def test_a_granted_stream_below_one_that_is_not_listed(account: Connection) -> None:
    account.streams.ensure([{"id": "a", "name": "A", "children": [{"id": "b", "name": "B"}]}, {"id": "c", "name": "C"}])
    read = [{"streamId": "b", "level": "read"}, {"streamId": "c", "level": "read"}]
    hidden = [{"streamId": "a", "level": "none"}, *read]

    def listed(permissions: Any, state: Literal["default", "all"] = "default") -> dict[str, Any]:
        access: Any = {"name": new_event_id(), "permissions": permissions}
        with Connection(account.accesses.create(access)["apiEndpoint"]) as reader:
            assert shape(reader.streams.list({"id": "b"})) == {"b": {}}
            return shape(reader.streams.list({"state": state}))

    assert listed(read) == {"b": {}, "c": {}}
    assert listed(hidden) == {"c": {}}
    account.streams.delete("a")
    assert listed(read) == {"c": {}}
    assert listed(read, "all") == {"b": {}, "c": {}}


def test_events_of_a_deleted_stream(account: Connection) -> None:
    account.streams.ensure(HEALTH)
    kept = account.events.create({"streamIds": ["dreams"], "type": "note/txt", "content": "kept"})
    with pytest.raises(InvalidParametersError, match="mergeEventsWithParent"):
        account.streams.delete("dreams", permanently=True)
    account.streams.delete("dreams", permanently=True, merge_events_with_parent=True)
    assert account.events.get(kept["id"])["streamIds"] == ["sleep"]
    account.streams.delete("sleep", permanently=True, merge_events_with_parent=False)
    assert "deleted" in account.events.get(kept["id"])


@pytest.mark.parametrize("odd", ["", ".", ".."])
def test_an_id_is_one_segment(wire: Wire, connection: Connection, odd: str) -> None:
    calls: list[Callable[[], Any]] = [
        lambda: connection.streams.update(odd, {}),
        lambda: connection.streams.delete(odd),
        lambda: connection.streams.delete(odd, permanently=True),
    ]
    for call in calls:
        with pytest.raises(ValueError, match="id"):
            call()
    assert wire.requests == []


# ---- a tree


def test_missing_streams_are_created_and_existing_ones_are_left(account: Connection) -> None:
    made = account.streams.ensure(HEALTH)
    assert ids(made) == ["health", "heart", "sleep", "dreams"]
    assert made[1]["clientData"] == {"app:key": 1}
    assert shape(account.streams.list()) == {"health": {"heart": {}, "sleep": {"dreams": {}}}}
    account.streams.update("heart", {"name": "My heart", "parentId": None})
    account.streams.delete("dreams")
    before = account.streams.list({"state": "all"})
    assert account.streams.ensure([HEALTH]) == []
    assert account.streams.list({"state": "all"}) == before


def test_a_tree_grows(account: Connection) -> None:
    account.streams.ensure({"id": "health", "name": "Health"})
    assert ids(account.streams.ensure(HEALTH)) == ["heart", "sleep", "dreams"]
    mood: StreamTree = {"id": "mood", "name": "Mood", "parentId": "health"}
    assert ids(account.streams.ensure(iter([HEALTH, mood]))) == ["mood"]
    assert shape(account.streams.list())["health"].keys() == {"heart", "sleep", "mood"}


def test_a_name_of_another_stream_is_refused_before_any_is_created(account: Connection) -> None:
    account.streams.ensure({"id": "health", "name": "Health", "children": [{"id": "other", "name": "Sleep"}]})
    with pytest.raises(ItemAlreadyExistsError, match=r'^streams\.create: .*"Sleep"') as refused:
        account.streams.ensure(HEALTH)
    assert refused.value.data == {"name": "Sleep"}
    assert shape(account.streams.list()) == {"health": {"other": {}}}


def test_an_unknown_parent_is_refused(account: Connection) -> None:
    with pytest.raises(ApiError) as refused:
        account.streams.ensure({"id": "mood", "name": "Mood", "parentId": "nowhere"})
    assert refused.value.id == "unknown-referenced-resource"


MALFORMED: dict[str, tuple[Any, type[Exception]]] = {
    "no dict": ("x", TypeError),
    "none": (None, TypeError),
    "a list in it": ([[]], TypeError),
    "no id": ({"name": "X"}, TypeError),
    "no name": ({"id": "x"}, TypeError),
    "an empty name": ({"id": "x", "name": ""}, ValueError),
    "an id that is changed": ({"id": "My Diary!", "name": "X"}, ValueError),
    "an id that is shortened": ({"id": "a--b", "name": "X"}, ValueError),
    "an id with a dash at its end": ({"id": "a-", "name": "X"}, ValueError),
    "an id that no path can hold": ({"id": "..", "name": "X"}, ValueError),
    "an id with a colon": ({"id": "a:b", "name": "X"}, ValueError),
    "an id twice": ([{"id": "x", "name": "X"}, {"id": "x", "name": "Y"}], ValueError),
    "a name twice": ([{"id": "x", "name": "X"}, {"id": "y", "name": "X"}], ValueError),
    "children that are none": ({"id": "x", "name": "X", "children": 5}, TypeError),
    "another parent": ({"id": "x", "name": "X", "children": [{"id": "y", "name": "Y", "parentId": "z"}]}, ValueError),
    "no JSON": ({"id": "x", "name": "X", "clientData": {"a": {1, 2}}}, TypeError),
}


@pytest.mark.parametrize(("tree", "error"), MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_tree_is_refused_before_anything_is_created(
    wire: Wire, connection: Connection, tree: Any, error: type[Exception]
) -> None:
    wire.always = reply({"streams": []})
    with pytest.raises(error):
        connection.streams.ensure(tree)
    assert [request for request in wire.requests if request.method == "POST"] == []


def test_an_empty_tree_needs_no_request(wire: Wire, connection: Connection) -> None:
    assert connection.streams.ensure([]) == []
    assert wire.requests == []


# ---- several processes


PROGRAM = """
import json, sys
from pryv import Connection
with Connection(sys.argv[1]) as connection:
    connection.username()
    print("ready", flush=True)
    sys.stdin.readline()
    print(json.dumps([stream["id"] for stream in connection.streams.ensure(json.loads(sys.argv[2]))]))
"""


def wide_tree(width: int) -> list[StreamTree]:
    return [
        {
            "id": f"root{number}",
            "name": f"Root {number}",
            "children": [{"id": f"child{number}-{child}", "name": f"Child {child}"} for child in range(width)],
        }
        for number in range(width)
    ]


def together(processes: list[Popen[str]]) -> list[str]:
    """Let processes continue at the same moment, and return their output."""
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    return [process.communicate(timeout=60)[0] for process in processes]


def test_processes_make_each_stream_once(account: Connection) -> None:
    tree = wide_tree(4)
    command = [sys.executable, "-c", PROGRAM, account.api_endpoint, json.dumps(tree)]
    with ExitStack() as stack:
        processes = [stack.enter_context(Popen(command, stdin=PIPE, stdout=PIPE, text=True)) for _ in range(4)]
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        made = [json.loads(output) for output in together(processes)]
    assert sorted(stream_id for each in made for stream_id in each) == sorted(
        ids([*tree, *(child for root in tree for child in root["children"])])
    )
    assert {root: set(children) for root, children in shape(account.streams.list()).items()} == {
        root["id"]: set(ids(list(root["children"]))) for root in tree
    }


RACES = {
    "a duplicate key": error_reply(500, "unexpected-error", message="duplicate key value violates unique constraint"),
    "an id": error_reply(409, "item-already-exists", data={"id": "heart"}),
    "a name": error_reply(409, "item-already-exists", data={"name": "Heart"}),
    "a parent": error_reply(400, "unknown-referenced-resource", data={"parentId": "health"}),
    "a pause": error_reply(503, "x"),
}
NOTHING = reply({"streams": []})
TREE: StreamTree = {"id": "health", "name": "Health", "children": [{"id": "heart", "name": "Heart"}]}


def made(stream_id: str) -> Any:
    return reply({"stream": {"id": stream_id, "name": stream_id}})


def there(*stream_ids: str) -> Any:
    names = {"health": "Health", "heart": "Heart"}
    parents = {"health": None, "heart": "health"}
    return reply(
        {
            "streams": [
                {"id": each, "name": names[each], "parentId": parents[each], "children": []} for each in stream_ids
            ]
        }
    )


@pytest.mark.parametrize("race", RACES.values(), ids=RACES)
@pytest.mark.usefixtures("short_waits")
def test_streams_that_another_process_created_are_left(wire: Wire, connection: Connection, race: Any) -> None:
    wire.replies += [NOTHING, made("health"), race, there("health", "heart")]
    assert ids(connection.streams.ensure(TREE)) == ["health"]
    assert [request.method for request in wire.requests] == ["GET", "POST", "POST", "GET"]


@pytest.mark.parametrize("race", RACES.values(), ids=RACES)
@pytest.mark.usefixtures("short_waits")
def test_streams_that_are_not_visible_yet_are_read_again(wire: Wire, connection: Connection, race: Any) -> None:
    wire.replies += [NOTHING, race, NOTHING, race, there("health"), race, there("health"), made("heart")]
    assert ids(connection.streams.ensure(TREE)) == ["heart"]


@pytest.mark.parametrize("race", RACES.values(), ids=RACES)
@pytest.mark.usefixtures("short_waits")
def test_streams_that_never_become_visible_are_an_error(wire: Wire, connection: Connection, race: Any) -> None:
    for _ in range(10):
        wire.replies += [there("health"), race]
    with pytest.raises(ApiError):
        connection.streams.ensure(TREE)
    assert len(wire.requests) == 2 * looking._WAITS.attempts


@pytest.mark.parametrize("error", [error_reply(403, "forbidden"), error_reply(400, "invalid-operation")])
def test_any_other_error_is_raised_at_once(wire: Wire, connection: Connection, error: Any) -> None:
    wire.replies += [NOTHING, error]
    with pytest.raises(ApiError) as refused:
        connection.streams.ensure(TREE)
    assert not isinstance(refused.value, ServerError)
    assert len(wire.requests) == 2


def test_a_creation_is_not_sent_twice(wire: Wire, connection: Connection) -> None:
    wire.replies += [NOTHING]
    wire.always = wire.always.__class__(b"", "reset")
    with pytest.raises(PryvConnectionError):
        connection.streams.ensure(TREE)
    assert len(wire.requests) == 2


NODES: Any = st.deferred(lambda: st.lists(NODE, max_size=3))
NODE: Any = st.deferred(lambda: st.fixed_dictionaries({"children": NODES}))


def named(nodes: list[Any], prefix: str = "s") -> Iterator[StreamTree]:
    for number, node in enumerate(nodes):
        yield {
            "id": f"{prefix}-{number}",
            "name": f"{prefix}-{number}",
            "children": list(named(node["children"], f"{prefix}-{number}")),
        }


@settings(max_examples=30)
@given(forest=NODES)
def test_any_tree_is_created_completely_and_once(sandbox: Sandbox, forest: list[Any]) -> None:
    account = sandbox.create_account()
    tree = list(named(forest))
    wanted = shape(tree)
    with Connection(account.api_endpoint) as connection:
        made = connection.streams.ensure(tree)
        assert len(made) == len({stream["id"] for stream in made})
        assert shape(connection.streams.list()) == wanted
        assert connection.streams.ensure(tree) == []


@given(stream_id=st.from_regex(looking._UNCHANGED_ID, fullmatch=True).filter(lambda text: not text.startswith(":")))
def test_an_id_that_is_taken_is_not_changed(module_account: Account, stream_id: str) -> None:
    assume(stream_id not in (".", "..", "null", "undefined"))
    made = module_account[2].streams.create({"id": stream_id, "name": new_event_id()})
    assert made["id"] == stream_id
    module_account[2].streams.delete(stream_id, permanently=True)
