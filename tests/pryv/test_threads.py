"""One connection, sixteen threads."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
import requests
from tests.pryv.wire import Wire, reply

from pryv import Call, Connection

if TYPE_CHECKING:
    from tests.accounts import Account


@pytest.mark.parametrize("given", [True, False])
def test_each_thread_gets_its_own_responses(module_account: Account, given: bool) -> None:
    _, _, owner = module_account
    root = f"threads-{given}".lower()
    owner.post("streams", {"id": root, "name": root})
    for number in range(16):
        owner.post("streams", {"id": f"{root}-{number}", "name": f"{root}-{number}", "parentId": root})

    with requests.Session() as session, Connection(owner.api_endpoint, session=session if given else None) as shared:

        def work(number: int) -> None:
            stream = f"{root}-{number}"
            mine = list(range(number * 100, number * 100 + 20))
            event = {"streamIds": [stream], "type": "count/generic"}
            results = shared.api([Call("events.create", {**event, "content": value}) for value in mine])
            assert [result["event"]["content"] for result in results] == mine
            for _ in range(5):
                with shared.iter_events({"streams": [stream], "sortAscending": True}) as found:
                    contents = [event["content"] for event in found]
                assert sorted(contents) == mine
                assert shared.username() == module_account[0]

        with ThreadPoolExecutor(16) as pool:
            assert list(pool.map(work, range(16))) == [None] * 16
        assert abs(shared.delta_time) < 60


def test_all_threads_get_the_same_socket() -> None:
    pytest.importorskip("pryv_socket_io")
    start = threading.Barrier(16)
    with Connection("https://token@host/user/") as shared:

        def work(_: int) -> int:
            start.wait()
            return id(shared.socket)

        with ThreadPoolExecutor(16) as pool:
            assert set(pool.map(work, range(16))) == {id(shared.socket)}


def test_a_value_that_another_thread_drops_meanwhile_is_returned(wire: Wire) -> None:
    wire.always = reply({"user": {"username": "alice"}})
    with wire.connection() as shared:
        state = shared._account.state

        class Token(str):
            __slots__ = ()
            __hash__ = str.__hash__

            def __ne__(self, other: object) -> bool:
                state.access_info = None  # as `change_username` does in another thread
                return str.__ne__(self, other)

        shared.username()
        state.access_token = Token(state.access_token)
        assert shared.username() == "alice"
        assert (len(wire.requests), state.access_info) == (1, None)
