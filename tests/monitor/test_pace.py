"""A platform that sends too slowly to finish does not block a monitor and its lock for ever."""

import contextlib
from pathlib import Path

import pytest
from tests.pryv.wire import Reply, Wire, reply

from pryv import PryvStreamError
from pryv_monitor import Monitor, SQLiteMirror

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n"


def test_a_response_sent_byte_by_byte_ends_the_pass_and_unlocks_the_mirror(tmp_path: Path) -> None:
    with contextlib.closing(Wire()) as wire:
        wire.replies.append(reply({"streams": []}))
        wire.always = Reply(b" " * 90_000, interval=0.1, at_once=HEAD + b'{"events":[')
        mirror = SQLiteMirror(tmp_path / "mirror.db")
        with (
            wire.connection(timeout=(5, 1), retry=None) as connection,
            pytest.raises(PryvStreamError, match=r"Limits\.rate"),
        ):
            Monitor(connection, mirror=mirror).sync()
        with mirror.lock():
            assert mirror.load() is not None
