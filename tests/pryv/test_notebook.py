"""The output of shells and notebooks: helpful reprs, completion of names, and no token."""

from __future__ import annotations

import copy
import io
import json
import pickle
import pprint
import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from rich.console import Console
from rich.pretty import pretty_repr
from rich.traceback import Traceback
from tests.pryv.wire import Wire, reply

import pryv
from pryv import Call, Connection, Series, Service

if TYPE_CHECKING:
    from tests.accounts import Account

TOKEN = "canary-token"
ENDPOINT = f"https://{TOKEN}@{'long-name.' * 10}org/"


@pytest.fixture
def access(wire: Wire, connection: Connection) -> Any:
    wire.always = reply({"type": "app", "token": TOKEN, "apiEndpoint": ENDPOINT, "user": {"username": "alice"}})
    return connection.access_info()


WAYS: list[Callable[[Any], str]] = [
    repr,
    str,
    "{}".format,
    "{!r}".format,
    lambda value: f"{value}",
    lambda value: "%s %r" % (value, value),  # noqa: UP031
    pprint.pformat,
    lambda value: pprint.pformat(value, width=1),
    pretty_repr,
    lambda value: pretty_repr(value, max_string=80),
    lambda value: repr([value]),
    lambda value: repr(copy.deepcopy(value)),
    lambda value: repr(value.copy()),
    lambda value: repr({**value}),
    lambda value: repr(pickle.loads(pickle.dumps(value))),
    lambda value: repr(value["token"]),
    lambda value: repr(value["apiEndpoint"][:80]),
    lambda value: f"{value['token']!r:>20}",
]


@pytest.mark.parametrize("way", range(len(WAYS)))
def test_the_access_in_use_is_shown_without_its_token(access: Any, way: int) -> None:
    shown = WAYS[way](access)
    assert TOKEN not in shown
    assert "***" in shown


def test_accesses_are_shown_without_their_tokens(wire: Wire, connection: Connection) -> None:
    access = {"id": "a", "token": TOKEN, "apiEndpoint": ENDPOINT, "clientData": {"a": [[[["x"]]]]}}
    wire.always = reply(
        {
            "access": access,
            "history": [access],
            "accesses": [access, access],
            "accessDeletions": [access],
            "matchingAccess": access,
            "mismatchingAccess": access,
        }
    )
    results = [
        connection.accesses.list(),
        connection.accesses.get("a"),
        connection.accesses.get_with_history("a"),
        connection.accesses.create({"name": "a", "permissions": []}),
        connection.accesses.update("a", {"name": "b"}),
        connection.accesses.check_app({"requestingAppId": "an-app", "requestedPermissions": []}),
    ]
    assert len(wire.requests) == len(results)
    for result in results:
        assert TOKEN not in repr(result)
        assert "***" in repr(result)
        assert TOKEN in json.dumps(result)
    assert results[1] == access
    assert connection.accesses.list()[0]["token"] == TOKEN


def test_the_token_of_an_access_is_a_string_as_others_are(access: Any) -> None:
    token = access["token"]
    assert (token, str(token), f"{token}", token[0]) == (TOKEN, TOKEN, TOKEN, "c")
    assert {TOKEN: 1}[token] == 1
    assert isinstance(token, str)
    assert json.loads(json.dumps(access)) == access
    assert json.loads(json.dumps(access))["token"] == TOKEN
    assert pickle.loads(pickle.dumps(access)) == access
    assert (token.encode(), token + "", token.upper()) == (TOKEN.encode(), TOKEN, TOKEN.upper())
    with Connection(access["apiEndpoint"]) as connection:
        assert connection.token == TOKEN


def test_a_traceback_with_variables_has_no_token(access: Any) -> None:
    def fails(info: Any) -> None:
        kept = [info]
        raise ZeroDivisionError(len(kept))

    with pytest.raises(ZeroDivisionError) as failed:
        fails(access)
    plain = traceback.TracebackException.from_exception(failed.value, capture_locals=True)
    assert "***" in repr([frame.locals for frame in plain.stack])
    shown = Console(width=200, record=True, file=io.StringIO())
    shown.print(Traceback.from_exception(type(failed.value), failed.value, failed.tb, show_locals=True))
    for text in ("".join(plain.format()), shown.export_text()):
        assert "kept = " in text
        assert TOKEN not in text.replace('TOKEN = "canary-token"', "").replace("TOKEN = 'canary-token'", "")


def test_the_repr_of_a_query_has_its_parameters_and_progress(wire: Wire, connection: Connection) -> None:
    wire.always = reply({"events": [{"id": "a"}, {"id": "b"}], "eventDeletions": [{"id": "c"}]})
    events = connection.iter_events({"streams": ["diary"], "limit": 5})
    assert repr(events) == "<EventStream {'streams': ['diary'], 'limit': 5}: 0 events so far>"
    next(events)
    assert repr(events) == "<EventStream {'streams': ['diary'], 'limit': 5}: 1 events so far>"
    assert len(list(events)) == 1
    assert repr(events) == "<EventStream {'streams': ['diary'], 'limit': 5}: 2 events>"
    with connection.iter_events({"includeDeletions": True, "modifiedSince": 0}) as changes:
        assert len(list(changes)) == 3
        assert repr(changes).endswith(": 2 events and 1 deletions>")
    assert repr(connection.iter_events()) == "<EventStream {}: 0 events so far>"


def test_the_repr_of_a_query_is_short_and_without_token(wire: Wire, connection: Connection) -> None:
    shown = repr(connection.iter_events({"streams": [f"stream-{number}" for number in range(900)]}))
    assert len(shown) < 300
    assert wire.token not in repr(connection.iter_events({"streams": [wire.token]}))
    assert wire.requests == []


@pytest.mark.parametrize(
    ("points", "shown"),
    [
        ([[0, 61], [1, 62]], "<2 rows>"),
        (np.zeros((3_000_000, 2)), "<3,000,000 rows>"),
        (iter([[0, 61]]), "<list_iterator>"),
    ],
)
def test_a_series_shows_how_long_it_is(points: Any, shown: str) -> None:
    assert repr(Series(["deltaTime", "value"], points)) == f"Series(fields=['deltaTime', 'value'], points={shown})"


def test_a_series_that_was_read_shows_how_long_it_is(wire: Wire, connection: Connection) -> None:
    wire.always = reply({"fields": ["deltaTime", "value"], "points": [[0, 1.5], [1, 2.5]]})
    assert repr(connection.get_hf_points("e")) == "Series(fields=['deltaTime', 'value'], points=<2 rows>)"


def test_a_call_shows_no_password() -> None:
    call = Call("account.changePassword", {"oldPassword": "canary", "list": [{"newPassword": "canary"}], "a": 1})
    assert repr(call) == (
        "Call(method='account.changePassword', "
        "params={'oldPassword': '***', 'list': [{'newPassword': '***'}], 'a': 1}, handle_result=None)"
    )
    assert call.params["oldPassword"] == "canary"


def test_a_summary_shows_what_was_read(wire: Wire, connection: Connection) -> None:
    wire.always = reply({"events": [{"id": "a"}]})
    assert repr(connection.get_events_streamed({}, print)).startswith(
        "StreamedEvents(events_count=1, event_deletions_count=None, meta={"
    )


def test_completion_offers_public_names(module_account: Account) -> None:
    _, _, connection = module_account
    objects = [
        connection,
        connection.service,
        connection.service.info(),
        connection.iter_events(),
        connection.events,
        connection.accesses,
        Series(["value"], []),
        pryv,
        pryv.auth,
        pryv.utils,
    ]
    for shown in objects:
        names = {name for name in dir(shown) if not name.startswith("__")}
        assert {name for name in names if name.startswith("_")} == set()
        assert names
    assert {"api", "iter_events", "token", "close"} <= set(dir(connection))
    assert {"name", "event_types", "get"} <= set(dir(connection.service.info()))
    assert "info" in dir(connection.service)


def test_the_reprs_of_a_connection_and_a_service_have_their_urls(wire: Wire, connection: Connection) -> None:
    assert repr(connection) == f"<Connection {wire.url}user/>"
    with Service(wire.url) as service:
        assert repr(service) == f"<Service {wire.url}>"
