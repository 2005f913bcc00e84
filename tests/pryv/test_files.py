"""Files attached to events: uploads, downloads, and their limits."""

from __future__ import annotations

import base64
import email
import errno
import gzip
import hashlib
import io
import json
import mimetypes
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from email.message import Message
from email.policy import HTTP
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.accounts import Account
from tests.memory import traced_memory
from tests.pryv.wire import FAST, Reply, Wire, chunked, error_reply, interrupted_once_asked, reply
from tests.waiting import wait_for

from pryv import (
    Connection,
    ForbiddenError,
    IntegrityError,
    ItemAlreadyExistsError,
    Limits,
    PryvConnectionError,
    PryvTimeoutError,
    ResponseTooLargeError,
    ServerError,
    UnknownResourceError,
)
from pryv.utils import new_event_id

if TYPE_CHECKING:
    from pryv_sandbox import Sandbox

CONTENT = bytes(range(256)) * 300
EVENT: dict[str, Any] = {"streamIds": ["diary"], "type": "picture/attached"}
ATTACHED = {"id": "file1", "fileName": "a.bin", "type": "application/octet-stream", "size": len(CONTENT)}
REFUSED = error_reply(403, "forbidden")
MIB = 1 << 20


@pytest.fixture(scope="module")
def account(module_account: Account) -> Connection:
    """A connection to an account with the stream `diary`."""
    connection = module_account[2]
    connection.post("streams", {"id": "diary", "name": "Diary"})
    return connection


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A file on disk."""
    path = tmp_path / "Été 1.png"
    path.write_bytes(CONTENT)
    return path


def sri(content: bytes, algorithm: str = "sha256") -> str:
    return f"{algorithm}-{base64.b64encode(hashlib.new(algorithm, content).digest()).decode()}"


def attachment_of(answer: dict[str, Any]) -> dict[str, Any]:
    attachment: dict[str, Any] = answer["event"]["attachments"][-1]
    return attachment


def parts_of(body: bytes, content_type: str) -> list[Message]:
    """Return the parts of a form as a mail parser understands it."""
    form = email.message_from_bytes(f"Content-Type: {content_type}\r\n\r\n".encode() + body, policy=HTTP)
    parts = form.get_payload()
    assert isinstance(parts, list)
    return cast("list[Message]", parts)


# ---- sending


def test_a_file_comes_with_its_event(account: Connection, photo: Path) -> None:
    event = account.create_event_with_file({**EVENT, "description": "über"}, photo)["event"]
    assert (event["type"], event["description"]) == ("picture/attached", "über")
    (attachment,) = event["attachments"]
    assert attachment["fileName"] == "Été 1.png"
    assert attachment["type"] == "image/png"
    assert attachment["size"] == len(CONTENT)
    assert account.download_attachment(event["id"], attachment) == CONTENT


def test_a_path_may_be_a_string(account: Connection, photo: Path) -> None:
    assert attachment_of(account.create_event_with_file(EVENT, str(photo)))["size"] == len(CONTENT)


class OneByOne(io.RawIOBase):
    """A file that cannot seek and returns a single byte at a time."""

    def __init__(self, content: bytes) -> None:
        self._content = io.BytesIO(content)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not len(buffer):
            return 0
        return self._content.readinto(memoryview(buffer)[:1])


class Reader:
    """No more of a file than what is needed to read it."""

    def __init__(self, content: bytes) -> None:
        self.read = io.BytesIO(content).read


def at_position_3() -> BinaryIO:
    file = io.BytesIO(b"..." + CONTENT)
    file.seek(3)
    return file


@pytest.mark.parametrize(
    "source",
    [
        lambda: CONTENT,
        lambda: bytearray(CONTENT),
        lambda: memoryview(CONTENT),
        lambda: io.BytesIO(CONTENT),
        at_position_3,
        lambda: OneByOne(CONTENT),
        lambda: Reader(CONTENT),
    ],
    ids=["bytes", "bytearray", "memoryview", "file", "from-where-it-stands", "cannot-seek", "can-only-read"],
)
def test_files_in_memory(account: Connection, source: Callable[[], Any]) -> None:
    for answer in (
        account.create_event_with_file_from_buffer(EVENT, source(), "a.csv"),
        account.add_attachment(account.post("events", EVENT)["event"]["id"], source(), "a.csv"),
    ):
        attachment = attachment_of(answer)
        assert (attachment["fileName"], attachment["type"]) == ("a.csv", "text/csv")
        assert account.download_attachment(answer["event"]["id"], attachment["id"]) == CONTENT


SMALL_BUT_LONG = ["/proc/self/status", "/proc/self/maps", "/sys/kernel/mm/transparent_hugepage/enabled"]


@pytest.mark.parametrize("path", [path for path in SMALL_BUT_LONG if os.path.exists(path)])
def test_files_of_proc_are_sent_whole(account: Connection, path: str) -> None:
    answer = account.create_event_with_file({**EVENT, "id": new_event_id()}, path)
    with open(path, "rb") as file:
        for answer in (answer, account.add_attachment(answer["event"]["id"], file)):  # noqa: B020
            content = account.download_attachment(answer["event"]["id"], attachment_of(answer))
            assert content.split()[0] == Path(path).read_bytes().split()[0]
            assert attachment_of(answer)["size"] == len(content) > 0


class Lying(io.FileIO):
    """A file that says to have no more bytes than `length`, or that it cannot tell."""

    def __init__(self, path: Path, length: int | None) -> None:
        super().__init__(path)
        self._length = length

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        if whence == os.SEEK_END and self._length is None:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        return self._length if whence == os.SEEK_END and self._length is not None else super().seek(offset, whence)


@pytest.mark.parametrize("length", [0, 4096, None])
@pytest.mark.parametrize("size", [10, 4096, 3 * MIB])
def test_a_file_with_a_wrong_size_is_sent_whole(
    wire: Wire, connection: Connection, tmp_path: Path, length: int, size: int
) -> None:
    path, content = tmp_path / "a.bin", bytes(range(250)) * (size // 250 + 1)
    path.write_bytes(content)
    with Lying(path, length) as file:
        file.seek(5)
        connection.add_attachment("event1", cast("BinaryIO", file), "a.bin")
    (request,) = wire.requests
    (part,) = parts_of(request.body, request.headers["content-type"])
    assert part.get_payload(decode=True) == content[5:]


def test_several_files_come_with_one_event(account: Connection, photo: Path, tmp_path: Path) -> None:
    large = tmp_path / "large.bin"
    large.write_bytes(bytes(range(256)) * 4096)
    files: list[Any] = [photo, str(large), ('é "1".txt', b"one"), ("empty", io.BytesIO())]
    event = account.create_event_with_files({**EVENT, "description": "four"}, iter(files))["event"]
    assert event["description"] == "four"
    names = ["Été 1.png", "large.bin", event["attachments"][2]["fileName"], "empty"]
    assert [attachment["fileName"] for attachment in event["attachments"]] == names
    contents = [account.download_attachment(event["id"], attachment) for attachment in event["attachments"]]
    assert contents == [photo.read_bytes(), large.read_bytes(), b"one", b""]


def test_a_form_has_a_part_for_each_file(wire: Wire, connection: Connection, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"--picture--\r\n")
    connection.create_event_with_files(EVENT, [tmp_path / "a.png", ("b.txt", b"text"), ("b.txt", b"other")])
    (request,) = wire.requests
    assert int(request.headers["content-length"]) == len(request.body)
    parts = parts_of(request.body, request.headers["content-type"])
    assert [part.get_param("name", header="content-disposition") for part in parts] == ["event", *["file"] * 3]
    assert [part.get_filename() for part in parts] == [None, "a.png", "b.txt", "b.txt"]
    assert [part.get_content_type() for part in parts[1:]] == ["image/png", "text/plain", "text/plain"]
    assert [part.get_payload(decode=True) for part in parts[1:]] == [b"--picture--\r\n", b"text", b"other"]


@pytest.mark.parametrize(
    ("files", "error"),
    [
        ([], ValueError),
        ("a.txt", TypeError),
        (b"a.txt", TypeError),
        ({"a.txt": b"x"}, TypeError),
        (None, TypeError),
        ([b"a.txt"], TypeError),
        ([("a.txt",)], TypeError),
        ([("a.txt", b"x", "text/plain")], TypeError),
        ([["a.txt", b"x"]], TypeError),
        ([("a.txt", "text")], TypeError),
        ([("a.txt", io.StringIO("text"))], TypeError),
        ([(5, b"x")], TypeError),
        ([("", b"x")], ValueError),
        ([("..", b"x")], ValueError),
        ([("a.txt", b"x"), "/no such file"], FileNotFoundError),
        (["/"], ValueError),
    ],
)
def test_files_that_cannot_be_sent(wire: Wire, connection: Connection, files: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        connection.create_event_with_files(EVENT, files)
    assert wire.requests == []


@pytest.mark.parametrize(
    ("sizes", "found"), [([3, 1], True), ([3], False), ([3, 2], False), ([3, 1, 1], False), (None, False)]
)
def test_an_event_with_files_is_sent_again_and_found(
    wire: Wire, connection: Connection, sizes: list[int] | None, found: bool
) -> None:
    event: dict[str, Any] = {"id": "a", "type": "file/attached"}
    there = event if sizes is None else {**event, "attachments": [{"size": size} for size in sizes]}
    wire.replies.extend([Reply(b"", "reset"), error_reply(409, "item-already-exists"), reply({"event": there})])
    files: list[Any] = [("a", b"123"), ("b", io.BytesIO(b"1"))]
    if found:
        assert connection.create_event_with_files(event, files)["event"] == there
    else:
        with pytest.raises(ItemAlreadyExistsError):
            connection.create_event_with_files(event, files)
    assert wire.requests[0].body[-200:].count(b"123") == wire.requests[1].body[-200:].count(b"123")
    assert [len(request.body) for request in wire.requests[:2]] == [len(wire.requests[0].body)] * 2


def test_an_empty_file(account: Connection) -> None:
    answer = account.create_event_with_file_from_buffer(EVENT, b"", "empty")
    assert attachment_of(answer)["size"] == 0
    assert account.download_attachment(answer["event"]["id"], attachment_of(answer)) == b""


def test_a_file_that_is_attached_has_its_own_name_unless_another_is_given(account: Connection, photo: Path) -> None:
    event_id = account.post("events", EVENT)["event"]["id"]
    with photo.open("rb") as file:
        assert attachment_of(account.add_attachment(event_id, file))["fileName"] == "Été 1.png"
        assert not file.closed
    assert attachment_of(account.add_attachment(event_id, photo))["fileName"] == "Été 1.png"
    answer = account.add_attachment(event_id, photo, "other.txt")
    assert attachment_of(answer)["fileName"] == "other.txt"
    assert len(answer["event"]["attachments"]) == 3


def test_an_attachment_is_deleted(account: Connection) -> None:
    event = account.create_event_with_file_from_buffer(EVENT, b"1", "1.txt")["event"]
    event = account.add_attachment(event["id"], b"2", "2.txt")["event"]
    first, second = event["attachments"]
    left = account.delete_attachment(event["id"], first["id"])["event"]["attachments"]
    assert [item["id"] for item in left] == [second["id"]]
    with pytest.raises(UnknownResourceError):
        account.delete_attachment(event["id"], first["id"])
    assert "attachments" not in account.delete_attachment(event["id"], second["id"])["event"]
    with pytest.raises(ServerError):
        account.delete_attachment(event["id"], second["id"])
    with pytest.raises(UnknownResourceError):
        account.download_attachment(event["id"], first)
    with pytest.raises(UnknownResourceError):
        account.download_attachment(event["id"], first["id"])


PRINTABLE = st.characters(exclude_categories=("Cs", "Cc"), exclude_characters='"/\\;')


@settings(max_examples=60)
@given(
    name=st.text(PRINTABLE, min_size=1, max_size=60).filter(lambda name: name not in (".", "..")), content=st.binary()
)
@example(name="a;b=c.txt", content=b"\r\n--\r\n")
@example(name="%22 .txt ", content=b"")
def test_any_name_and_content_arrive_as_they_are(account: Connection, name: str, content: bytes) -> None:
    answer = account.create_event_with_file_from_buffer({**EVENT, "id": new_event_id()}, content, name)
    assert attachment_of(answer)["fileName"] == name
    assert account.download_attachment(answer["event"]["id"], attachment_of(answer)) == content


@settings(max_examples=40)
@given(name=st.text(st.sampled_from('a"\r\n\0\x1f\x7f/\\: '), min_size=1))
@example(name='x"\r\nContent-Type: text/html\r\n\r\n<html>')
@example(name="data:text/html\r\nX-Injected: 1,")
@example(name="../../etc/passwd")
@example(name="\udcff.bin")
def test_a_file_name_cannot_break_out_of_the_form(account: Connection, name: str) -> None:
    event = {**EVENT, "id": new_event_id()}
    attachment = attachment_of(account.create_event_with_file_from_buffer(event, b"content", name))
    assert not set(attachment["fileName"]) & set('"\r\n\0/\\')
    assert attachment["size"] == 7
    assert attachment["type"] == "application/octet-stream"


def test_the_form_is_one_that_others_can_read(wire: Wire, connection: Connection) -> None:
    content: dict[str, Any] = {"content": "é\r\n--"}
    connection.create_event_with_file_from_buffer(content, CONTENT, 'Été "1".png')
    (request,) = wire.requests
    assert (request.method, request.target) == ("POST", "/user/events")
    assert request.headers["content-length"] == str(len(request.body))
    assert "transfer-encoding" not in request.headers
    event, file = parts_of(request.body, request.headers["content-type"])
    assert event.get_param("name", header="content-disposition") == "event"
    payload = event.get_payload(decode=True)
    assert isinstance(payload, bytes)
    assert json.loads(payload) == {"content": "é\r\n--"}
    assert file.get_param("name", header="content-disposition") == "file"
    assert file.get_content_type() == "image/png"
    assert 'filename="Été %221%22.png"'.encode() in request.body
    assert CONTENT in request.body


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("a.PNG", "image/png"),
        ("a.json", "application/json"),
        ("a.fit", "application/vnd.ant.fit"),
        ("a.webp", "image/webp"),
        ("a.HEIC", "image/heic"),
        ("a.dcm", "application/dicom"),
        ("a.edf", "application/edf"),
        ("a.csv", "text/csv"),
        ("a.csv.gz", "application/octet-stream"),
        ("a.tgz", "application/octet-stream"),
        ("a", "application/octet-stream"),
        (".png", "application/octet-stream"),
    ],
)
def test_the_extension_decides_on_the_type(account: Connection, name: str, media_type: str) -> None:
    """And not the machine's own table, such as `/etc/mime.types`."""
    mimetypes.add_type("image/of-the-machine", f".{name.lower().rpartition('.')[2]}")
    try:
        assert attachment_of(account.create_event_with_file_from_buffer(EVENT, b"", name))["type"] == media_type
    finally:
        mimetypes.init()


def test_memory_does_not_grow_with_the_file(account: Connection, tmp_path: Path) -> None:
    large = tmp_path / "large.bin"
    with large.open("wb") as file:
        file.truncate(64 * MIB)
    with traced_memory() as memory:
        answer = account.create_event_with_file(EVENT, large)
        account.download_attachment(answer["event"]["id"], attachment_of(answer), tmp_path / "copy.bin")
        _, peak = memory()
    assert (tmp_path / "copy.bin").stat().st_size == 64 * MIB
    assert peak < 16 * MIB


# ---- files that cannot be sent


def test_a_file_that_cannot_be_opened_is_an_error_before_any_request(
    wire: Wire, connection: Connection, tmp_path: Path
) -> None:
    with pytest.raises(FileNotFoundError):
        connection.create_event_with_file(EVENT, tmp_path / "missing")
    with pytest.raises(FileNotFoundError):
        connection.add_attachment("event1", tmp_path / "missing")
    with pytest.raises(IsADirectoryError):
        connection.create_event_with_file(EVENT, str(tmp_path))
    with pytest.raises(IsADirectoryError):
        connection.add_attachment("event1", str(tmp_path))
    assert wire.requests == []


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may read every file")
def test_a_file_that_may_not_be_read(wire: Wire, connection: Connection, photo: Path) -> None:
    photo.chmod(0)
    with pytest.raises(PermissionError):
        connection.create_event_with_file(EVENT, photo)
    assert wire.requests == []


def test_what_is_not_a_file_is_refused_before_any_request(wire: Wire, connection: Connection, photo: Path) -> None:
    anything = cast("Any", connection)
    with photo.open(encoding="latin-1") as text:
        for source in (text, io.StringIO("text"), 5, None, object(), ["rows"]):
            with pytest.raises(TypeError):
                anything.create_event_with_file_from_buffer(EVENT, source, "a.txt")
            with pytest.raises(TypeError):
                anything.add_attachment("event1", source, "a.txt")
            with pytest.raises(TypeError):
                anything.create_event_with_file(EVENT, source)
    with pytest.raises(TypeError):
        anything.create_event_with_file_from_buffer(EVENT, str(photo), "a.txt")
    with pytest.raises(TypeError):
        anything.create_event_with_file_from_buffer(EVENT, CONTENT, b"a.txt")
    with pytest.raises(TypeError):
        anything.create_event_with_file([EVENT], photo)
    with pytest.raises(ValueError, match="content: nan"):
        connection.create_event_with_file({**EVENT, "content": float("nan")}, photo)
    assert wire.requests == []


def test_a_name_is_needed(wire: Wire, connection: Connection) -> None:
    for name in ("", ".", ".."):
        with pytest.raises(ValueError, match="not a file name"):
            connection.create_event_with_file_from_buffer(EVENT, b"", name)
    with pytest.raises(ValueError, match="filename is needed"):
        connection.add_attachment("event1", CONTENT)
    with pytest.raises(ValueError, match="filename is needed"):
        connection.add_attachment("event1", io.BytesIO(CONTENT))
    assert wire.requests == []


@pytest.mark.parametrize("item_id", ["", ".", ".."])
def test_an_id_cannot_change_the_url(wire: Wire, connection: Connection, item_id: str) -> None:
    for call in (
        lambda: connection.add_attachment(item_id, b"", "a"),
        lambda: connection.delete_attachment(item_id, "file1"),
        lambda: connection.delete_attachment("event1", item_id),
        lambda: connection.download_attachment(item_id, "file1"),
        lambda: connection.download_attachment("event1", item_id),
        lambda: connection.download_attachment("event1", {"id": item_id}),
    ):
        with pytest.raises(ValueError, match="not an id"):
            call()
    assert wire.requests == []


def test_ids_are_one_segment_each(wire: Wire, connection: Connection) -> None:
    connection.add_attachment("a/b?c", b"", "a")
    connection.delete_attachment("a/b", "#\r\n")
    wire.replies.append(reply(b""))
    connection.download_attachment("../x", {"id": "é", "size": 0})
    assert [request.target for request in wire.requests] == [
        "/user/events/a%2Fb%3Fc",
        "/user/events/a%2Fb/%23%0D%0A",
        "/user/events/..%2Fx/%C3%A9",
    ]


class Failing(io.BytesIO):
    """A file that cannot be read past its middle."""

    def __init__(self, error: OSError) -> None:
        super().__init__(bytes(MIB))
        self._error = error

    def read(self, size: int | None = -1, /) -> bytes:
        if self.tell() >= MIB // 2:
            raise self._error
        return super().read(size)


@pytest.mark.parametrize("number", [errno.EIO, errno.EPIPE, errno.ECONNRESET])
def test_an_error_of_the_file_passes_through(account: Connection, number: int) -> None:
    error = OSError(number, os.strerror(number))
    event_id = new_event_id()
    with pytest.raises(OSError, match=os.strerror(number)) as caught:
        account.create_event_with_file_from_buffer({**EVENT, "id": event_id}, Failing(error), "a.bin")
    assert caught.value is error
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    with pytest.raises(UnknownResourceError):
        account.get(f"events/{event_id}")


class Changing(io.FileIO):
    """A file on disk that gets another length once its reading has begun."""

    def __init__(self, path: Path, length: int) -> None:
        super().__init__(path)
        self._path = path
        self._length = length

    def read(self, size: int | None = -1, /) -> bytes | None:  # type: ignore[override]
        if size:
            os.truncate(self._path, self._length)
        return super().read(size)


@pytest.mark.parametrize(("length", "message"), [(1000, "shorter"), (MIB + 1, "longer")])
def test_a_file_that_changes_its_length_is_not_sent(
    account: Connection, tmp_path: Path, length: int, message: str
) -> None:
    path = tmp_path / "log.txt"
    path.write_bytes(bytes(MIB))
    event_id = new_event_id()
    with Changing(path, length) as file, pytest.raises(OSError, match=message):
        account.create_event_with_file_from_buffer({**EVENT, "id": event_id}, cast("BinaryIO", file), "log.txt")
    with pytest.raises(UnknownResourceError):
        account.get(f"events/{event_id}")


# ---- sending again


def slow_to_give_up(account: Connection) -> Connection:
    return Connection(account.api_endpoint, retry=FAST)


def test_an_event_with_an_id_is_sent_again_whole(account: Connection, sandbox: Sandbox, photo: Path) -> None:
    event = {**EVENT, "id": new_event_id()}
    sandbox.faults.cut(executed=False, method="POST", path="/events$")
    with slow_to_give_up(account) as connection:
        answer = connection.create_event_with_file(event, photo)
    assert attachment_of(answer)["integrity"] == sri(CONTENT)


def test_an_upload_whose_response_was_lost_is_found(account: Connection, sandbox: Sandbox, photo: Path) -> None:
    event = {**EVENT, "id": new_event_id()}
    sandbox.faults.cut(method="POST", path="/events$")
    with slow_to_give_up(account) as connection:
        answer = connection.create_event_with_file(event, photo)
    assert answer["event"]["id"] == event["id"]
    assert [item["size"] for item in answer["event"]["attachments"]] == [len(CONTENT)]


def test_an_event_with_another_file_is_not_the_uploaded_one(wire: Wire, connection: Connection) -> None:
    event = {**EVENT, "id": new_event_id()}
    taken = error_reply(409, "item-already-exists")
    for attachments in ([], [{**ATTACHED, "size": 1}], [ATTACHED, ATTACHED]):
        wire.replies.extend([Reply(then="reset"), taken, reply({"event": {**event, "attachments": attachments}})])
        with pytest.raises(ItemAlreadyExistsError):
            connection.create_event_with_file_from_buffer(event, CONTENT, "a.bin")
    wire.replies.extend([Reply(then="reset"), taken, reply({"event": {**event, "attachments": [ATTACHED]}})])
    assert attachment_of(connection.create_event_with_file_from_buffer(event, CONTENT, "a.bin")) == ATTACHED


def test_uploads_without_an_event_id_are_sent_once(account: Connection, sandbox: Sandbox, photo: Path) -> None:
    event_id = account.post("events", {**EVENT, "description": "sent once"})["event"]["id"]
    with slow_to_give_up(account) as connection:
        sandbox.faults.cut(method="POST", path="/events/")
        with pytest.raises(PryvConnectionError):
            connection.add_attachment(event_id, photo)
        sandbox.faults.cut(method="POST", path="/events$")
        with pytest.raises(PryvConnectionError):
            connection.create_event_with_file({**EVENT, "description": "sent once"}, photo)
        sent = [event for event in connection.iter_events() if event.get("description") == "sent once"]
    assert [len(event["attachments"]) for event in sent] == [1, 1]


def test_a_file_follows_its_account(wire: Wire, other_wire: Wire, connection: Connection) -> None:
    wire.replies.append(error_reply(421, "wrong-core", data={"coreUrl": other_wire.url}))
    connection.add_attachment("event1", CONTENT, "a.bin")
    assert wire.requests[0].body == other_wire.requests[0].body
    assert CONTENT in other_wire.requests[0].body


def test_an_upload_that_is_not_read_is_a_timeout(wire: Wire) -> None:
    wire.replies.append(Reply(then="hang"))
    with wire.connection(timeout=0.3) as connection, pytest.raises(PryvTimeoutError):
        connection.add_attachment("event1", CONTENT, "a.bin")


# ---- receiving


@pytest.fixture(scope="module")
def stored(account: Connection) -> tuple[str, dict[str, Any]]:
    """An event's id and its attachment."""
    answer = account.create_event_with_file_from_buffer(EVENT, CONTENT, "../../escaped.bin")
    return answer["event"]["id"], attachment_of(answer)


def test_the_destinations_of_a_download(
    account: Connection, stored: tuple[str, dict[str, Any]], tmp_path: Path
) -> None:
    event_id, attachment = stored
    for item in (attachment, attachment["id"]):
        assert account.download_attachment(event_id, item) == CONTENT
        path = tmp_path / "path.bin"
        assert account.download_attachment(event_id, item, path) is path
        assert path.read_bytes() == CONTENT
        name = str(tmp_path / "name.bin")
        assert account.download_attachment(event_id, item, name) is name
        assert Path(name).read_bytes() == CONTENT
        file = io.BytesIO()
        assert account.download_attachment(event_id, item, file) is file
        assert file.getvalue() == CONTENT
    assert sorted(item.name for item in tmp_path.iterdir()) == ["name.bin", "path.bin"]


def test_a_download_replaces_a_file(account: Connection, stored: tuple[str, dict[str, Any]], tmp_path: Path) -> None:
    target, link = tmp_path / "target.bin", tmp_path / "link.bin"
    target.write_bytes(b"before")
    link.symlink_to(target)
    account.download_attachment(*stored, link)
    assert link.is_symlink()
    assert target.read_bytes() == CONTENT
    target.chmod(0o600)
    account.download_attachment(*stored, target)
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    fresh, ordinary = tmp_path / "fresh", tmp_path / "ordinary"
    account.download_attachment(*stored, fresh)
    ordinary.touch()
    assert fresh.stat().st_mode == ordinary.stat().st_mode


def test_an_invalid_destination_is_an_error_before_any_request(
    wire: Wire, connection: Connection, tmp_path: Path
) -> None:
    def download(destination: Any) -> None:
        connection.download_attachment("event1", "file1", destination)

    for directory in (tmp_path, str(tmp_path), f"{tmp_path}/new/", ""):
        with pytest.raises(IsADirectoryError):
            download(directory)
    with pytest.raises(FileNotFoundError) as failed:
        download(tmp_path / "missing" / "a.bin")
    assert failed.value.filename == str(tmp_path / "missing" / "a.bin")
    with (tmp_path / "text").open("w") as text:
        for destination in (text, io.StringIO(), 5, b"bytes"):
            with pytest.raises(TypeError):
                download(destination)
    with (tmp_path / "text").open("rb") as reader, pytest.raises(io.UnsupportedOperation):
        download(reader)
    for attachment in (5, None, {}, {"id": 5}):
        with pytest.raises((TypeError, ValueError)):
            connection.download_attachment("event1", cast("Any", attachment))
    assert wire.requests == []
    assert sorted(item.name for item in tmp_path.iterdir()) == ["text"]


def test_the_token_is_in_the_header_alone(wire: Wire, connection: Connection) -> None:
    wire.replies.append(reply(CONTENT))
    connection.download_attachment("event1", {**ATTACHED, "readToken": "read-token"})
    (request,) = wire.requests
    assert request.target == "/user/events/event1/file1"
    assert request.headers["authorization"] == wire.token


def test_a_name_from_the_platform_does_not_change_the_destination(
    wire: Wire, connection: Connection, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    headers = {"Content-Disposition": f"attachment; filename={outside}"}
    wire.replies.append(reply(CONTENT, headers=headers))
    (tmp_path / "in").mkdir()
    connection.download_attachment("event1", {**ATTACHED, "fileName": str(outside)}, tmp_path / "in" / "a.bin")
    assert sorted(item.name for item in tmp_path.rglob("*")) == ["a.bin", "in"]


WRONG = sri(b"something else")


@pytest.mark.parametrize(
    "announced",
    [
        {"size": len(CONTENT)},
        {"integrity": sri(CONTENT)},
        {"integrity": sri(CONTENT, "sha384")},
        {"integrity": sri(CONTENT, "sha512")},
        {"integrity": f"{WRONG} {sri(CONTENT)}"},
        {"integrity": f"{WRONG}  {sri(CONTENT, 'sha512')}?option"},
        {"integrity": "md5-unknown"},
        {"integrity": None, "size": None},
        {},
    ],
)
def test_a_file_of_the_announced_size_and_digest_is_accepted(
    wire: Wire, connection: Connection, announced: dict[str, Any]
) -> None:
    wire.replies.append(reply(CONTENT))
    assert connection.download_attachment("event1", {"id": "file1", **announced}) == CONTENT


@pytest.mark.parametrize(
    "announced",
    [
        {"size": len(CONTENT) - 1},
        {"size": len(CONTENT) + 1},
        {"size": 0},
        {"integrity": WRONG},
        {"integrity": sri(b"something else", "sha384")},
        {"integrity": f"{sri(CONTENT)} {sri(b'something else', 'sha512')}"},
        {"integrity": "sha256-"},
        {"integrity": sri(CONTENT).lower()},
    ],
)
def test_a_file_of_another_size_or_digest_leaves_the_destination_unchanged(
    wire: Wire, connection: Connection, tmp_path: Path, announced: dict[str, Any]
) -> None:
    target = tmp_path / "a.bin"
    target.write_bytes(b"before")
    for destination in (target, None, io.BytesIO()):
        wire.replies.append(reply(CONTENT))
        with pytest.raises(IntegrityError):
            connection.download_attachment("event1", {"id": "file1", **announced}, destination)
    assert target.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [target]
    assert connection.get("access-info")["meta"]


def test_a_download_by_id_is_checked_against_the_event(wire: Wire, connection: Connection) -> None:
    event = {"id": "event1", "attachments": [{**ATTACHED, "integrity": WRONG}]}
    wire.replies.extend([reply({"event": event}), reply(CONTENT)])
    with pytest.raises(IntegrityError):
        connection.download_attachment("event1", "file1")
    for without in ({"id": "event1"}, {"id": "event1", "attachments": []}):
        wire.replies.append(reply({"event": without}))
        with pytest.raises(UnknownResourceError, match="no such attachment"):
            connection.download_attachment("event1", "file1")


WHOLE = {"Content-Length": str(len(CONTENT))}


@pytest.mark.parametrize("then", ["close", "reset"])
def test_a_download_cut_short_leaves_the_destination_unchanged(wire: Wire, tmp_path: Path, then: str) -> None:
    target = tmp_path / "a.bin"
    with wire.connection(retry=None) as connection:
        for length in (0, 1, len(CONTENT) - 1):
            wire.replies.append(reply(CONTENT[:length], headers=WHOLE, then=then))
            with pytest.raises(PryvConnectionError):
                connection.download_attachment("event1", {"id": "file1"}, target)
        assert list(tmp_path.iterdir()) == []
        wire.replies.append(reply(CONTENT))
        connection.download_attachment("event1", ATTACHED, target)
    assert target.read_bytes() == CONTENT


@pytest.mark.parametrize("destination", [None, "path", "file"])
@pytest.mark.parametrize("lengths", [(0, 1), (1000, 10), (len(CONTENT) - 1, len(CONTENT) // 2)])
def test_a_download_cut_short_is_retried(
    wire: Wire, connection: Connection, tmp_path: Path, lengths: tuple[int, ...], destination: str | None
) -> None:
    target, file = tmp_path / "a.bin", io.BytesIO()
    wire.replies += [reply(CONTENT[:length], headers=WHOLE, then="close") for length in lengths]
    wire.replies.append(reply(CONTENT))
    if destination is None:
        assert connection.download_attachment("event1", ATTACHED) == CONTENT
    else:
        connection.download_attachment("event1", ATTACHED, target if destination == "path" else file)
        assert (target.read_bytes() if destination == "path" else file.getvalue()) == CONTENT
    assert len(wire.requests) == 3


def test_a_retried_download_is_checked_as_a_whole(wire: Wire, connection: Connection, tmp_path: Path) -> None:
    digest = base64.b64encode(hashlib.sha256(CONTENT).digest()).decode()
    attached = {**ATTACHED, "integrity": f"sha256-{digest}"}
    for second, is_same in ((CONTENT, True), (CONTENT[::-1], False)):
        wire.replies += [reply(CONTENT[:1000], headers=WHOLE, then="close"), reply(second)]
        if is_same:
            connection.download_attachment("event1", attached, tmp_path / "a.bin")
        else:
            with pytest.raises(IntegrityError, match="checksum"):
                connection.download_attachment("event1", attached, tmp_path / "b.bin")
    assert [path.name for path in tmp_path.iterdir()] == ["a.bin"]


def test_a_download_is_given_up_after_the_policy_s_attempts(wire: Wire, connection: Connection, tmp_path: Path) -> None:
    wire.always = reply(CONTENT[:1000], headers=WHOLE, then="close")
    with pytest.raises(PryvConnectionError, match="broke"):
        connection.download_attachment("event1", ATTACHED, tmp_path / "a.bin")
    assert len(wire.requests) == FAST.attempts
    assert list(tmp_path.iterdir()) == []


def test_a_silent_download_ends(wire: Wire, tmp_path: Path) -> None:
    wire.replies.append(reply(CONTENT[:100], headers=WHOLE, then="hang"))
    with wire.connection(timeout=0.3, retry=None) as connection, pytest.raises(PryvTimeoutError):
        connection.download_attachment("event1", ATTACHED, tmp_path / "a.bin")
    assert list(tmp_path.iterdir()) == []
    assert wire.wait_until_open(0)


def test_an_interrupted_download_leaves_nothing(wire: Wire, tmp_path: Path) -> None:
    wire.replies.append(reply(CONTENT[:100], headers=WHOLE, then="hang"))
    with wire.connection(timeout=30) as connection, interrupted_once_asked(wire):
        connection.download_attachment("event1", ATTACHED, tmp_path / "a.bin")
    assert list(tmp_path.iterdir()) == []


class Full(io.BytesIO):
    """A file on a disk that is full."""

    def write(self, data: Any, /) -> int:
        if len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return 0


class Stuck(io.RawIOBase):
    """A pipe that has no room and does not wait for any."""

    def write(self, data: Any, /) -> None:
        return None


class Partial(io.BytesIO):
    """A file that takes at most two bytes at a time, as an unbuffered one may."""

    def write(self, data: Any, /) -> int:
        return super().write(data[:2])


def test_a_destination_may_write_partially(wire: Wire, connection: Connection) -> None:
    wire.replies.append(reply(CONTENT))
    destination = Partial()
    connection.download_attachment("event1", ATTACHED, destination)
    assert destination.getvalue() == CONTENT


@pytest.mark.parametrize(("destination", "message"), [(Full, "No space left"), (Stuck, "did not accept all")])
def test_a_destination_that_writes_nothing_is_an_error(
    wire: Wire, connection: Connection, destination: Callable[[], BinaryIO], message: str
) -> None:
    wire.replies.append(reply(CONTENT))
    with pytest.raises(OSError, match=message):
        connection.download_attachment("event1", ATTACHED, destination())
    assert connection.get("access-info")["meta"]


def test_an_error_of_the_platform(wire: Wire, connection: Connection, tmp_path: Path) -> None:
    wire.replies.append(REFUSED)
    with pytest.raises(ForbiddenError):
        connection.download_attachment("event1", ATTACHED, tmp_path / "a.bin")
    wire.replies.append(REFUSED)
    with pytest.raises(ForbiddenError):
        connection.add_attachment("event1", CONTENT, "a.bin")
    wire.replies.append(REFUSED)
    with pytest.raises(ForbiddenError):
        connection.create_event_with_file_from_buffer(EVENT, CONTENT, "a.bin")
    assert list(tmp_path.iterdir()) == []


# ---- what a download writes, and where


@pytest.mark.parametrize("surplus", [1, 1000, 5 * MIB])
def test_no_more_is_written_than_was_announced(
    wire: Wire, connection: Connection, tmp_path: Path, surplus: int
) -> None:
    written = io.BytesIO()
    for destination in (written, tmp_path / "a.bin", None):
        wire.replies.append(reply(CONTENT + bytes(surplus)))
        with pytest.raises(IntegrityError):
            connection.download_attachment("event1", ATTACHED, destination)
    assert CONTENT.startswith(written.getvalue())
    assert list(tmp_path.iterdir()) == []
    assert connection.get("streams")


@pytest.mark.parametrize("announced", [{}, {"size": None}, {"size": 1001}])
def test_a_download_as_bytes_is_limited(wire: Wire, tmp_path: Path, announced: dict[str, Any]) -> None:
    path = tmp_path / "a.bin"
    wire.always = reply(bytes(1001))
    attachment = {"id": "file1", **announced}
    with wire.connection(limits=Limits(response=1000)) as connection:
        with pytest.raises(ResponseTooLargeError, match=r"1000 bytes \(Limits\.response\)"):
            connection.download_attachment("event1", attachment)
        assert len(wire.requests) == (0 if announced.get("size") else 1)
        connection.download_attachment("event1", attachment, path)
        wire.always = reply(bytes(1000))
        assert connection.download_attachment("event1", {"id": "file1", "size": 1000}) == bytes(1000)
    assert path.read_bytes() == bytes(1001)


COMPRESSED = gzip.compress(CONTENT)


@pytest.mark.parametrize(
    ("stored", "sent", "headers"),
    [
        (COMPRESSED, COMPRESSED, {"Content-Encoding": "gzip"}),
        (COMPRESSED, gzip.compress(COMPRESSED), {"Content-Encoding": "gzip"}),
        (COMPRESSED, COMPRESSED, {}),
        (CONTENT, COMPRESSED, {"Content-Encoding": "gzip"}),
        (CONTENT, CONTENT, {}),
    ],
    ids=["named after the file", "compressed once more", "a compressed file", "compressed all the same", "a file"],
)
def test_a_file_arrives_as_it_was_stored(
    wire: Wire, connection: Connection, stored: bytes, sent: bytes, headers: dict[str, str]
) -> None:
    wire.always = reply(sent, headers=headers)
    attachment = {"id": "file1", "size": len(stored), "integrity": sri(stored)}
    assert connection.download_attachment("event1", attachment) == stored
    assert wire.requests[0].headers["accept-encoding"] == "identity"


def killed_download(wire: Wire, target: Path) -> None:
    """Begin a download in another process and kill it."""
    wire.replies.append(reply(CONTENT[:70_000], headers={"Content-Length": str(len(CONTENT))}, then="hang"))
    code = (
        "import sys; from pryv import Connection\n"
        "Connection(sys.argv[1]).download_attachment('e', {'id': 'a'}, sys.argv[2])"
    )
    count = len(wire.requests) + 1
    running = subprocess.Popen([sys.executable, "-c", code, wire.api_endpoint, str(target)])
    wait_for(lambda: len(wire.requests) == count)
    wait_for(lambda: any(item.suffix == ".part" and item.stat().st_size for item in target.parent.iterdir()))
    running.kill()
    running.wait()


@pytest.mark.parametrize("name", ["a.bin", "n" * 255, "é" * 127, "a\nb"])
def test_what_a_killed_download_left_is_removed_by_the_next(
    wire: Wire, connection: Connection, tmp_path: Path, name: str
) -> None:
    target = tmp_path / name
    for _ in range(2):
        killed_download(wire, target)
        assert len(list(tmp_path.iterdir())) == 1
    wire.always = reply(CONTENT)
    connection.download_attachment("event1", ATTACHED, target)
    assert list(tmp_path.iterdir()) == [target]
    assert target.read_bytes() == CONTENT


def test_downloads_to_one_path_at_the_same_time(wire: Wire, tmp_path: Path) -> None:
    """None takes the file of another for one left behind; the last to end stays."""
    target = tmp_path / "a.bin"
    wire.always = chunked([CONTENT[start : start + 1000] for start in range(0, len(CONTENT), 1000)])

    def download(_: int) -> None:
        with wire.connection(timeout=30) as connection:
            connection.download_attachment("event1", ATTACHED, target)

    with ThreadPoolExecutor(12) as threads:
        list(threads.map(download, range(60)))
    assert list(tmp_path.iterdir()) == [target]
    assert target.read_bytes() == CONTENT


CLEANER = """
import fcntl, os, sys
print(flush=True)
while True:
    try:
        file = os.open(sys.argv[1], os.O_RDWR)
    except FileNotFoundError:
        continue
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(file), os.lstat(sys.argv[1])):
            os.unlink(sys.argv[1])
    except OSError:
        pass
    os.close(file)
"""


def test_a_download_that_begins_while_another_removes_leftovers(
    wire: Wire, connection: Connection, tmp_path: Path
) -> None:
    """Its temporary file may be gone before it is locked."""
    target = tmp_path / "a.bin"
    wire.always = reply(CONTENT)
    command = [sys.executable, "-c", CLEANER, str(tmp_path / ".a.bin.0.part")]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as cleaner:
        try:
            assert cleaner.stdout is not None
            cleaner.stdout.readline()
            for _ in range(300):
                connection.download_attachment("event1", ATTACHED, target)
        finally:
            cleaner.kill()
    assert list(tmp_path.iterdir()) == [target]


def test_a_download_writes_through_no_symlink(wire: Wire, connection: Connection, tmp_path: Path) -> None:
    """Not even one that waits under the name of its temporary file."""
    victim = tmp_path / "victim"
    victim.write_bytes(b"before")
    shared = tmp_path / "shared"
    shared.mkdir()
    for slot in range(10):
        (shared / f".a.bin.{slot}.part").symlink_to(victim)
    wire.always = reply(CONTENT)
    connection.download_attachment("event1", ATTACHED, shared / "a.bin")
    assert victim.read_bytes() == b"before"
    assert (shared / "a.bin").read_bytes() == CONTENT


def test_a_pipe_is_written_to(wire: Wire, connection: Connection, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    wire.always = reply(CONTENT[:1000])
    with open(os.open(pipe, os.O_RDONLY | os.O_NONBLOCK), "rb") as reader:
        assert connection.download_attachment("event1", {"id": "file1", "size": 1000}, pipe) is pipe
        assert reader.read() == CONTENT[:1000]
    assert pipe.is_fifo()
    assert list(tmp_path.iterdir()) == [pipe]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="the system has no such device")
def test_a_device_is_written_to(wire: Wire, connection: Connection) -> None:
    wire.always = reply(CONTENT)
    connection.download_attachment("event1", ATTACHED, os.devnull)
    with pytest.raises(OSError, match="No space left"):
        connection.download_attachment("event1", ATTACHED, "/dev/full")


@pytest.mark.skipif(not os.path.exists("/proc/self/fd"), reason="the system has no such paths")
def test_a_file_that_is_open_is_written_to_and_not_replaced(wire: Wire, connection: Connection, tmp_path: Path) -> None:
    """As `pryv download EVENT /dev/stdout >> FILE` has it."""
    path = tmp_path / "a.bin"
    path.write_bytes(b"before")
    wire.always = reply(CONTENT)
    with path.open("ab") as file:
        for place in ("/dev/fd", "/proc/self/fd", f"/proc/{os.getpid()}/fd"):
            connection.download_attachment("event1", ATTACHED, f"{place}/{file.fileno()}")
    assert path.read_bytes() == b"before" + CONTENT * 3
    assert list(tmp_path.iterdir()) == [path]
