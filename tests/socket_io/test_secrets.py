"""No token shows: not in logs at any level, nor in errors."""

from __future__ import annotations

import json
import logging
import pickle
import subprocess
import sys
import traceback
from collections.abc import Iterator

import pytest
import websocket
from tests.accounts import Account
from tests.peers.network import Relay

from pryv import Connection, InvalidAccessTokenError, PryvError
from pryv_socket_io import SocketIO

from .hostile import OPENING, Peer, platform
from .sockets import QUICK, Heard

SERVERS = ("engineio.server", "socketio.server", "aiohttp", "asyncio")
CANARY = "c4n4ryt0ken"


@pytest.fixture
def everything_logged(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """All loggers at their most talkative, websocket-client's tracing included."""
    caplog.set_level(1)
    websocket.enableTrace(True, logging.NullHandler())
    loggers = [logging.getLogger(name) for name in logging.root.manager.loggerDict]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(1)
    yield caplog
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)
    websocket.enableTrace(False)


def shown(caplog: pytest.LogCaptureFixture) -> str:
    """What the clients logged; a sandbox in this process logs what it likes."""
    formatter = logging.Formatter("%(name)s %(message)s")
    records = [record for record in caplog.records if not record.name.startswith(SERVERS)]
    return "\n".join(formatter.format(record) for record in records)


def shows(text: str) -> bool:
    return CANARY in text


def test_no_log_repr_or_error_shows_the_token(
    account: Account, relay: Relay, everything_logged: pytest.LogCaptureFixture
) -> None:
    username, _, personal = account
    access = personal.post(
        "accesses",
        {"name": "A", "token": CANARY, "permissions": [{"streamId": "diary", "level": "manage"}]},
    )["access"]
    assert access["token"] == CANARY
    errors: list[PryvError] = []
    with (
        Connection(f"http://{CANARY}@127.0.0.1:{relay.port}/{username}/") as connection,
        SocketIO(connection, reconnect=QUICK) as sio,
    ):
        heard = Heard(sio)
        results = sio.api([{"method": "getAccessInfo"}, {"method": CANARY}])
        assert shows(str(results))
        with pytest.raises(PryvError) as refused:
            sio.subscribe({"a": {"kind": CANARY, "query": {}}})
        errors.append(refused.value)
        relay.cut()
        heard.wait("reconnect")
        personal.delete(f"accesses/{access['id']}")
        errors.extend(heard.wait("error"))
        with pytest.raises(InvalidAccessTokenError) as ended:
            list(sio.notifications())
        errors.append(ended.value)
        assert not shows(repr(sio))
        relay.cut_after = 0
        again = SocketIO(connection)
        with pytest.raises(PryvError) as failed:
            again.open()
        errors.append(failed.value)
        assert not shows(str([vars(thing) for thing in (again._session, again) if thing]))
    for error in errors:
        assert not shows("".join(traceback.format_exception(error)))
        assert not shows(repr(error))
        assert not shows(str(pickle.dumps(error)))
        assert error.__cause__ is None
        assert error.__context__ is None
    log = shown(everything_logged)
    assert "connected to 127.0.0.1" in log
    assert not shows(log)


EVIL = "\x1b]52;c;ZXZpbA==\x07\x9b2J\r\nERROR forged \u202e"


@pytest.mark.parametrize("name", ["refusal", "error", "reason"])
def test_text_of_the_platform_has_no_control_characters(everything_logged: pytest.LogCaptureFixture, name: str) -> None:
    refusal = json.dumps({"message": EVIL})
    error = json.dumps([{"error": {"id": "forbidden", "message": EVIL}}])

    def script(peer: Peer) -> None:
        peer.let_in(f"0{json.dumps(OPENING)}")
        next(peer.calls())
        peer.send(f"43/alice,1{error}" if name == "error" else f"42/alice,{json.dumps(['disconnect', EVIL])}")

    def refuse(peer: Peer) -> None:
        peer.send(f"0{json.dumps(OPENING)}", f"44/alice,{refusal}")

    with platform(refuse if name == "refusal" else script) as connection:
        sio = SocketIO(connection, reconnect=None)
        heard = Heard(sio)
        with pytest.raises(PryvError) as failed, sio:
            sio.api([{"method": "events.get"}])
        assert str(failed.value).isprintable()
        assert "forged" not in str(failed.value) or name != "reason"
        for _, payload in heard.all:
            assert str(payload).isprintable()
    for line in shown(everything_logged).splitlines():
        assert line.isprintable()
        assert not line.startswith("ERROR")


def test_tracing_of_other_sockets_is_possible(
    connection: Connection, everything_logged: pytest.LogCaptureFixture
) -> None:
    url = f"{connection.endpoint.replace('http', 'ws', 1).partition('/test')[0]}/socket.io/?EIO=4&transport=websocket"
    with SocketIO(connection):
        websocket.create_connection(url).close()
    assert "GET /socket.io/?EIO=4&transport=websocket" in shown(everything_logged)


def test_logging_is_left_as_it_is(connection: Connection) -> None:
    code = """
import logging, sys
from pryv import Connection
import engineio, socketio, websocket

def settings():
    names = ["", "engineio", "engineio.client", "socketio", "socketio.client", "websocket", "pryv"]
    loggers = [logging.getLogger(name) for name in names]
    return [(logger.level, logger.handlers[:], logger.propagate, logger.disabled) for logger in loggers]

before = settings()
with Connection(sys.argv[1]).socket as socket:
    socket.api([{"method": "events.get"}])
assert settings() == before
"""
    command = [sys.executable, "-c", code, connection.api_endpoint]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stderr) == (0, "")
