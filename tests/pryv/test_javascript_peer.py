"""The published JavaScript client and the SDK: each reads the data that the other writes."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import attrs
import pytest
import requests
from tests.accounts import Account
from tests.peers.javascript import Node, Peer

from pryv import AccessRefusedError, Call, Connection, Service
from pryv.utils import new_event_id

SCRIPT = Path(__file__).parent / "js" / "peer.cjs"
APP_ID = "pryv-peer-tests"
STREAM = {"id": "shared", "name": "Shared"}
PERMISSION = {"streamId": "shared", "level": "read"}
ASKED = {"requestingAppId": APP_ID, "requestedPermissions": [PERMISSION]}

CONTENTS: list[Any] = [
    "Zürich, 東京, Ελλάδα, שלום, e\u0301 beside é, 👩\u200d⚕️, \u2028\u2029\ufeff",
    'a "quoted" back\\slash,\n\t\u007f </script> %20 +&=',
    "",
    0,
    -1,
    72.5,
    0.1,
    1e-7,
    5e-324,
    1.7976931348623157e308,
    2**53 - 1,
    10**20,
    1e21,
    True,
    False,
    None,
    [],
    {},
    {"é": {"": [1, [2.5, [None, {"深": "い"}]]]}, "empty": [{}, [], ""], "a.b/c": False},
]
EVENTS: list[dict[str, Any]] = [
    {"type": "peer/content", "time": 1385046854.282, "content": content} for content in CONTENTS
] + [
    # a platform may keep the end of a period in place of its duration: these are exact either way
    {"type": "activity/plain", "time": 1385046854, "duration": 3600.25},
    {"type": "activity/plain", "time": 0, "duration": 0.5},
    {
        "type": "mass/kg",
        "time": 4102444800,
        "content": 61.2,
        "description": "später",
        "clientData": {"app:é": [{}, 1.5]},
    },
]
FILES = [
    ("every byte.bin", bytes(range(256)) * 300),
    ("Zürich 東京 👩\u200d⚕️.txt", "Grüezi\r\n".encode()),
    ("it's; a %22 & + .png", b"\x89PNG\r\n\x1a\n\r\n--boundary--\r\n"),
    ("empty.txt", b""),
]
POINTS = [[0, 60], [0.001, 61.5], [0.3, -1e-7], [86400, 2**53 - 1]]


class Side(Protocol):
    """What both clients do, each in its own way."""

    def write(self, events: list[dict[str, Any]]) -> list[dict[str, Any]]: ...

    def read(self, stream_id: str) -> list[dict[str, Any]]: ...

    def attach(self, event: dict[str, Any], data: bytes, filename: str) -> dict[str, Any]: ...

    def download(self, event: dict[str, Any]) -> bytes: ...

    def add_points(self, event_id: str, fields: list[str], points: list[Any]) -> None: ...

    def points(self, event_id: str) -> dict[str, Any]: ...

    def ask(self, request: dict[str, Any]) -> str: ...

    def connect(self, key: str) -> Any: ...


@attrs.frozen
class Python:
    """The SDK."""

    connection: Connection
    service: Service

    def write(self, events: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [result["event"] for result in self.connection.api([Call("events.create", event) for event in events])]

    def read(self, stream_id: str) -> list[dict[str, Any]]:
        return [dict(event) for event in self.connection.iter_events({"streams": [stream_id], "sortAscending": True})]

    def attach(self, event: dict[str, Any], data: bytes, filename: str) -> dict[str, Any]:
        created: dict[str, Any] = self.connection.create_event_with_file_from_buffer(event, data, filename)["event"]
        return created

    def download(self, event: dict[str, Any]) -> bytes:
        return self.connection.download_attachment(event["id"], event["attachments"][0])

    def add_points(self, event_id: str, fields: list[str], points: list[Any]) -> None:
        assert self.connection.add_points_to_hf_event(event_id, fields, points) == len(points)

    def points(self, event_id: str) -> dict[str, Any]:
        series = self.connection.get_hf_points(event_id)
        return {"fields": list(series.fields), "points": list(series.points)}

    def ask(self, request: dict[str, Any]) -> str:
        return self.service.start_access_request(request).key

    def connect(self, key: str) -> Any:
        try:
            with self.service.connect_from_key(key) as connection:
                return connection.access_info()
        except AccessRefusedError:
            return "REFUSED"


@attrs.frozen
class JavaScript:
    """The published client, in a process of its own."""

    peer: Peer

    def do(self, name: str, *arguments: Any) -> Any:
        self.peer.say([name, *arguments])
        return self.peer.hear()

    def write(self, events: list[dict[str, Any]]) -> Any:
        return self.do("write", events)

    def read(self, stream_id: str) -> Any:
        return self.do("read", stream_id)

    def attach(self, event: dict[str, Any], data: bytes, filename: str) -> Any:
        return self.do("attach", event, base64.b64encode(data).decode(), filename)

    def download(self, event: dict[str, Any]) -> bytes:
        return base64.b64decode(self.do("download", event))

    def add_points(self, event_id: str, fields: list[str], points: list[Any]) -> None:
        self.do("addPoints", event_id, fields, points)

    def points(self, event_id: str) -> Any:
        return self.do("points", event_id)

    def ask(self, request: dict[str, Any]) -> Any:
        return self.do("ask", request)

    def connect(self, key: str) -> Any:
        return self.do("connect", key)


@pytest.fixture(scope="module")
def owner(module_account: Account) -> Connection:
    """The owner of the account both sides work on."""
    connection = module_account[2]
    connection.post("streams", STREAM)
    return connection


@pytest.fixture(scope="module")
def service(platform_url: str) -> Iterator[Service]:
    with Service(platform_url) as service:
        yield service


@pytest.fixture(scope="module")
def python(owner: Connection, service: Service) -> Side:
    return Python(owner, service)


@pytest.fixture(scope="module")
def javascript(owner: Connection, platform_url: str, node: Node) -> Iterator[Side]:
    with node.peer(SCRIPT, platform_url, owner.api_endpoint) as peer:
        yield JavaScript(peer)


@pytest.fixture(params=["python", "javascript"])
def writer(request: pytest.FixtureRequest, python: Side, javascript: Side) -> Side:
    return python if request.param == "python" else javascript


@pytest.fixture
def reader(writer: Side, python: Side, javascript: Side) -> Side:
    """The side that does not write."""
    return javascript if writer is python else python


@pytest.fixture
def stream(owner: Connection) -> str:
    """A fresh stream."""
    created: str = owner.post("streams", {"name": new_event_id(), "parentId": "shared"})["stream"]["id"]
    return created


def new_event(stream: str, **values: Any) -> dict[str, Any]:
    return {"streamIds": [stream], "time": 1385046854.282, **values}


def answer(service: Service, key: str, **answer: Any) -> None:
    """Answer an access request, as the platform's page does."""
    requests.post(f"{service.info().access}{key}", json=answer, timeout=10)


def test_events(writer: Side, reader: Side, stream: str) -> None:
    sent = [{"streamIds": [stream], **event, "time": event["time"] + n} for n, event in enumerate(EVENTS)]
    written = writer.write(sent)
    for event, ours in zip(written, sent, strict=True):
        assert {key: event.get(key) for key in ours} == ours
    assert reader.read(stream) == sorted(written, key=lambda event: event["time"])


@pytest.mark.parametrize(("filename", "data"), FILES)
def test_attachments(writer: Side, reader: Side, stream: str, filename: str, data: bytes) -> None:
    event = writer.attach(new_event(stream, type="file/attached", description="größer"), data, filename)
    (read,) = reader.read(stream)
    (attachment,) = read["attachments"]
    assert (read["id"], read["description"]) == (event["id"], "größer")
    assert (attachment["fileName"], attachment["size"]) == (filename, len(data))
    assert reader.download(read) == data


def test_series(writer: Side, reader: Side, stream: str) -> None:
    (event,) = writer.write([new_event(stream, type="series:mass/kg")])
    writer.add_points(event["id"], ["deltaTime", "value"], POINTS)
    assert reader.points(event["id"]) == {"fields": ["deltaTime", "value"], "points": POINTS}


def test_an_accepted_access_request(writer: Side, reader: Side, owner: Connection, service: Service) -> None:
    key = writer.ask(ASKED)
    access = owner.post("accesses", {"type": "app", "name": key, "permissions": [PERMISSION]})["access"]
    username, token = owner.username(), access["token"]
    endpoint = service.api_endpoint_for(username, token)
    answer(service, key, status="ACCEPTED", username=username, token=token, apiEndpoint=endpoint)
    info = reader.connect(key)
    assert (info["type"], info["name"], info["user"]["username"]) == ("app", key, username)


def test_a_refused_access_request(writer: Side, reader: Side, service: Service) -> None:
    key = writer.ask(ASKED)
    answer(service, key, status="REFUSED", reasonId="REFUSED_BY_USER", message="No.")
    assert reader.connect(key) == "REFUSED"
