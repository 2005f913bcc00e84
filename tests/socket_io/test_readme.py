"""The README's programs do what they say."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from pryv import Connection

from .conftest import DIARY, eventually

README = Path(__file__).parents[2] / "packages" / "pryv-socket-io" / "README.md"
ITERATOR, CALLBACKS, SCOPES = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)


def run(program: str, connection: Connection, **names: Any) -> dict[str, Any]:
    exec(compile(program.replace("https://TOKEN@alice.pryv.me/", connection.api_endpoint), "README.md", "exec"), names)
    return names


def test_the_one_with_callbacks(connection: Connection, capsys: pytest.CaptureFixture[str]) -> None:
    with run(CALLBACKS, connection)["connection"].socket:
        connection.post("events", DIARY)
        eventually(lambda: "last 2 events: [{'events': [{" in capsys.readouterr().out)


def test_the_one_with_scopes(connection: Connection, capsys: pytest.CaptureFixture[str]) -> None:
    with connection.socket as socket:
        run(SCOPES, connection, socket=socket)
        connection.post("events", DIARY)
        eventually(lambda: "changed: ['diary']" in capsys.readouterr().out)


def test_the_one_with_an_iterator(connection: Connection, capsys: pytest.CaptureFixture[str]) -> None:
    once = ITERATOR.replace(
        "socket.notifications()", "(connection.post('events', event), *socket.notifications(0.5))[1:]"
    )
    run(once, connection, event=DIARY)
    assert "[{'events': [{" in capsys.readouterr().out
