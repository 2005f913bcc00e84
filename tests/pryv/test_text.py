"""Text from other sources: it cannot control a terminal or change the order of text."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import pickle
import unicodedata
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.pryv.wire import Wire, error_reply, reply

from pryv import ApiError, Connection, PryvError, PryvProtocolError, PryvStreamError, PryvTimeoutError, Service
from pryv._text import printable
from pryv.auth import AuthSettings, AuthState, AuthStates, MemoryStore, TerminalLogin
from pryv.cli import say, write_json, write_json_array, write_json_lines

BIDI = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
HOSTILE = "\x1b]52;c;cm0gLXJm\x07\x1b[2J\x9b31m\r\n\x85\u2028\u202egnp.exe\x7f\x00\ud800"


def acts(char: str) -> bool:
    """Whether a character has an effect on the display of other text."""
    kind = unicodedata.category(char)
    is_mark = char in "\u061c\u200e\u200f" or (kind == "Cf" and unicodedata.bidirectional(char) in BIDI)
    return kind in {"Cc", "Cs", "Zl", "Zp"} or is_mark


@given(st.text(st.characters()))
def test_printable_text_is_one_line_without_control_characters(text: str) -> None:
    shown = printable(text)
    assert not any(map(acts, shown))
    assert len(shown.splitlines()) <= 1
    assert printable(shown) == shown
    shown.encode()


@given(st.text(st.characters(exclude_categories=["Cc", "Cf", "Cs", "Zl", "Zp"])))
def test_text_without_control_characters_is_not_changed(text: str) -> None:
    assert printable(text) == text


def test_every_control_character_is_escaped() -> None:
    assert [char for char in map(chr, range(0x110000)) if acts(char) and printable(char) == char] == []
    assert printable("👩‍🔬 \u05d0 Grüezi 日本") == "👩‍🔬 \u05d0 Grüezi 日本"


@pytest.mark.parametrize(
    "error",
    [
        PryvError(HOSTILE),
        PryvTimeoutError(HOSTILE),
        PryvStreamError(HOSTILE, events_seen=1),
        ApiError(HOSTILE, id=HOSTILE, method=HOSTILE),
    ],
)
def test_no_message_has_control_characters(error: PryvError) -> None:
    for one in (error, pickle.loads(pickle.dumps(error))):
        assert not any(map(acts, str(one) + repr(one)))
        assert r"\x1b]52;c;" in str(one)


def test_messages_of_a_platform_have_no_control_characters(
    wire: Wire, connection: Connection, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "pryv")
    hostile = HOSTILE[:-1]  # a surrogate has no UTF-8 form
    wire.always = error_reply(400, hostile, message=hostile, data=hostile)
    with pytest.raises(ApiError) as refused:
        connection.get("events")
    assert refused.value.message == hostile
    wire.always = reply({"results": [{"error": {"id": hostile, "message": hostile}}]})
    with pytest.raises(ApiError) as refused_in_a_batch:
        connection.api_one("events.get")
    wire.always = reply("{}", 302, {"Location": "http://\x1b]0;x\x07\x9b/"})
    with pytest.raises(PryvProtocolError) as redirected:
        connection.get("events")
    said = [str(failed.value) for failed in (refused, refused_in_a_batch, redirected)]
    assert not any(map(acts, "".join(said) + "".join(record.getMessage() for record in caplog.records)))


@pytest.mark.parametrize(
    "state",
    [
        AuthState(AuthStates.AUTHORIZED, username=HOSTILE, api_endpoint="https://t@h/"),
        AuthState(AuthStates.ERROR, message=HOSTILE),
    ],
)
def test_a_sign_in_shows_no_control_characters(state: AuthState) -> None:
    shown = io.StringIO()
    asked = AuthSettings({"requestingAppId": "an-app", "requestedPermissions": []})
    TerminalLogin(asked, Service(), store=MemoryStore(), open_browser=False, file=shown).on_state_change(state)
    assert not any(map(acts, shown.getvalue().removesuffix("\n")))
    assert r"\x1b]52;c;" in shown.getvalue()


JSON = st.recursive(st.text() | st.integers(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner))


def written(write: Callable[[Any], None], value: Any) -> str:
    """The bytes written to standard output."""
    output = io.BytesIO()
    with contextlib.redirect_stdout(io.TextIOWrapper(output, "ascii", write_through=True)):
        write(value)
        return output.getvalue().decode()


@given(st.lists(JSON))
@example([HOSTILE])
def test_written_json_is_equal_and_has_no_control_characters(values: list[Any]) -> None:
    lines = written(write_json_lines, values).split("\n")
    assert [json.loads(line) for line in lines[:-1]] == values
    for text in (*lines, *(written(write, values) for write in (write_json, write_json_array))):
        assert not any(map(acts, text.replace("\n", "")))
    assert json.loads(written(write_json, values)) == json.loads(written(write_json_array, values)) == values


def test_messages_keep_their_lines_and_have_no_control_characters(capsys: pytest.CaptureFixture[str]) -> None:
    say("one\ntwo\x1b[2J\r")
    assert capsys.readouterr().err == "one\ntwo\\x1b[2J\\r\n"
