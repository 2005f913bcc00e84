"""Files attached to events."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import requests

from pryv_sandbox import Sandbox

from .caller import Caller

FILE = bytes(range(256)) * 1000


@pytest.fixture
def writer(owner: Caller) -> Caller:
    """An owner with a stream."""
    owner.add_streams("a")
    return owner


def attach(writer: Caller, name: str = "file.bin", content: bytes = FILE) -> Any:
    event = {"streamIds": ["a"], "type": "file/attached"}
    files = {"file": (name, content, "application/x-own")}
    return writer.call("POST", "events", 201, data={"event": json.dumps(event)}, files=files)["event"]


def download(writer: Caller, path: str, **options: Any) -> requests.Response:
    return requests.get(f"{writer.url}{writer.username}/events/{path}", timeout=10, **options)


def test_describes_a_file_and_gives_it_back(writer: Caller) -> None:
    event = attach(writer, "é ☕'.bin")
    (attachment,) = event["attachments"]
    digest = base64.b64encode(hashlib.sha256(FILE).digest()).decode()
    described = {key: attachment[key] for key in ("fileName", "type", "size", "integrity")}
    assert described == {
        "fileName": "é ☕'.bin", "type": "application/x-own", "size": len(FILE), "integrity": f"sha256-{digest}",
    }  # fmt: skip
    answer = download(writer, f"{event['id']}/{attachment['id']}", headers={"Authorization": writer.token})
    assert answer.content == FILE
    assert answer.headers["Content-Type"] == "application/x-own"
    assert answer.headers["Digest"] == f"SHA-256={digest}"
    assert answer.headers["Content-Disposition"] == "attachment; filename*=UTF-8''%C3%A9%20%E2%98%95%27.bin"
    assert writer.get("events", streams="a")["events"] == [event]


def test_a_read_token_opens_one_file(writer: Caller) -> None:
    first, second = attach(writer), attach(writer)
    ids = [f"{event['id']}/{event['attachments'][0]['id']}" for event in (first, second)]
    token = {"readToken": first["attachments"][0]["readToken"]}
    assert download(writer, ids[0], params=token).content == FILE
    assert download(writer, f"{ids[0]}/any.name", params=token).content == FILE
    assert download(writer, ids[1], params=token).status_code == 401
    assert download(writer, ids[0], params={"auth": writer.token}).status_code == 401
    assert download(writer, ids[0]).status_code == 401


def test_each_reader_gets_tokens_of_its_own(writer: Caller) -> None:
    event = attach(writer)
    reader = writer.grant(a="read")
    (seen,) = reader.get("events")["events"]
    token = seen["attachments"][0]["readToken"]
    assert token != event["attachments"][0]["readToken"]
    path = f"{event['id']}/{seen['attachments'][0]['id']}"
    assert download(writer, path, params={"readToken": token}).content == FILE
    writer.delete(f"accesses/{reader.get('access-info')['id']}")
    assert download(writer, path, params={"readToken": token}).status_code == 401


def test_files_are_added_and_removed(writer: Caller) -> None:
    event = attach(writer)
    place = f"events/{event['id']}"
    added = writer.call("POST", place, files={"one": ("1.txt", b"1"), "two": ("2.txt", b"22")})["event"]
    assert {attachment["type"] for attachment in added["attachments"][-2:]} == {"text/plain"}
    assert [item["fileName"] for item in added["attachments"]] == ["file.bin", "1.txt", "2.txt"]
    assert writer.get("account")["account"]["storageUsed"]["attachedFiles"] == len(FILE) + 3
    left = writer.delete(f"{place}/{added['attachments'][1]['id']}")["event"]
    assert [item["fileName"] for item in left["attachments"]] == ["file.bin", "2.txt"]
    assert download(writer, f"{event['id']}/{added['attachments'][1]['id']}").status_code == 401
    writer.delete(place)
    writer.delete(place)
    path = f"{event['id']}/{event['attachments'][0]['id']}"
    assert download(writer, path, headers={"Authorization": writer.token}).status_code == 500
    assert writer.get("account")["account"]["storageUsed"]["attachedFiles"] == 0


def test_a_file_may_be_larger_than_a_body(writer: Caller) -> None:
    content = FILE * 80
    event = attach(writer, content=content)
    path = f"{event['id']}/{event['attachments'][0]['id']}"
    assert download(writer, path, headers={"Authorization": writer.token}).content == content


@pytest.mark.parametrize(
    "form",
    [
        {"data": {"event": "{not json"}, "files": {"file": ("a", b"")}},
        {"data": {"event": "{}", "other": "{}"}, "files": {"file": ("a", b"")}},
    ],
)
def test_refuses_forms_without_one_event(writer: Caller, form: dict[str, Any]) -> None:
    assert writer.call("POST", "events", 400, **form)["error"]["id"] == "invalid-request-structure"


def test_files_stay_beside_a_data_file_and_go_with_their_event(tmp_path: Path) -> None:
    data = tmp_path / "platform.db"
    with Sandbox(data=data) as sandbox:
        writer = Caller.of(sandbox)
        writer.add_streams("a")
        event = attach(writer)
    directory = tmp_path / "platform.db-attachments"
    (file,) = directory.iterdir()
    assert file.read_bytes() == FILE
    with Sandbox(data=str(data)) as sandbox:
        again = Caller(sandbox.url, writer.username, writer.token)
        again.call("POST", "events", 400, data={"event": "{}"}, files={"file": ("a", b"refused")})
        again.delete(f"events/{event['id']}")
        again.delete(f"events/{event['id']}")
    assert list(directory.iterdir()) == []
