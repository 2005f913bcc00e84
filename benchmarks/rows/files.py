"""Files sent and received."""

from __future__ import annotations

import base64
import hashlib
import itertools
import os
import random
import tempfile
from collections.abc import Callable, Iterator

from bodies import META, encoded
from row import Command, Function, Reply, Row, Site

_MIB = 1 << 20
_BLOCK = random.Random(3).randbytes(_MIB)
_CHUNK = 1 << 16
_BOUNDARY = "0123456789abcdef0123456789abcdef"


def site(size: int) -> Site:
    """Return an account with a file of some MiB."""
    return {
        "GET /events/e/f": Reply([_BLOCK] * size, size * _MIB),
        "POST /events/e": Reply.of(encoded({"meta": META, "event": {"id": "e"}})),
    }


def integrity(size: int) -> str:
    """Return the checksum that the platform announces."""
    whole = hashlib.sha256()
    for _ in range(size):
        whole.update(_BLOCK)
    return "sha256-" + base64.b64encode(whole.digest()).decode()


def download(url: str, size: int) -> Callable[[], int]:
    """Receive the file with `download_attachment`."""
    from pryv import Connection

    connection = Connection(url)
    attachment = {"id": "f", "size": size * _MIB, "integrity": integrity(size)}

    def run() -> int:
        with tempfile.TemporaryDirectory() as folder:
            path = connection.download_attachment("e", attachment, os.path.join(folder, "file"))
            return os.path.getsize(path)

    return run


def download_by_hand(url: str, size: int) -> Callable[[], int]:
    """Receive the file with requests, and check it."""
    import requests

    expected = integrity(size)

    def run() -> int:
        received, checksum = 0, hashlib.sha256()
        with (
            tempfile.TemporaryFile() as file,
            requests.get(f"{url}events/e/f", stream=True, timeout=60) as response,
        ):
            response.raise_for_status()
            for chunk in response.iter_content(_CHUNK):
                received += len(chunk)
                checksum.update(chunk)
                file.write(chunk)
        if (received, "sha256-" + base64.b64encode(checksum.digest()).decode()) != (size * _MIB, expected):
            raise ValueError("not the file")
        return received

    return run


def upload(url: str, size: int) -> Callable[[], int]:
    """Send a file with `add_attachment`."""
    from pryv import Connection

    connection, file = Connection(url), new_file(size)

    def run() -> int:
        connection.add_attachment("e", file.name)
        return size * _MIB

    return run


def upload_by_hand(url: str, size: int) -> Callable[[], int]:
    """Send a file with requests, as a form that is read while it is sent."""
    import requests

    file = new_file(size)

    def run() -> int:
        headers = {"Content-Type": f"multipart/form-data; boundary={_BOUNDARY}"}
        response = requests.post(f"{url}events/e", data=Form(file.name), headers=headers, timeout=60)
        response.raise_for_status()
        return len(response.json()["event"]) * size * _MIB

    return run


class Form:
    """A form with one file, read in blocks while it is sent."""

    def __init__(self, path: str) -> None:
        place = f'name="file"; filename="{os.path.basename(path)}"\r\nContent-Type: application/octet-stream'
        self._head = f"--{_BOUNDARY}\r\nContent-Disposition: form-data; {place}\r\n\r\n".encode()
        self._tail = f"\r\n--{_BOUNDARY}--\r\n".encode()
        self._path = path

    def __len__(self) -> int:
        return len(self._head) + os.path.getsize(self._path) + len(self._tail)

    def __iter__(self) -> Iterator[bytes]:
        yield self._head
        with open(self._path, "rb") as file:
            while block := file.read(_CHUNK):
                yield block
        yield self._tail


def new_file(size: int) -> tempfile._TemporaryFileWrapper[bytes]:
    """Return a file of some MiB that vanishes with the process."""
    file = tempfile.NamedTemporaryFile()  # noqa: SIM115
    file.writelines(itertools.repeat(_BLOCK, size))
    file.flush()
    return file


_RECEIVE = ["curl", "--silent", "--output", "/dev/null", "{url}events/e/f"]

ROWS = [
    Row(
        "download",
        "`download_attachment`, 512 MiB",
        "cpu",
        Function("download"),
        {"requests, by hand": Function("download_by_hand"), "curl (keeps and checks nothing)": Command(_RECEIVE)},
        {"requests, by hand": 1.1},
        size=(512, 2),
        site=site,
        rounds=5,
    ),
    Row(
        "download-memory",
        "`download_attachment`, 512 MiB",
        "memory",
        Function("download"),
        reach={"": 16},
        size=(512, 2),
        site=site,
        rounds=3,
    ),
    Row(
        "upload",
        "`add_attachment`, 512 MiB",
        "cpu",
        Function("upload"),
        {"requests, by hand": Function("upload_by_hand")},
        {"requests, by hand": 1.1},
        size=(512, 2),
        site=site,
        rounds=31,
    ),
    Row(
        "upload-memory",
        "`add_attachment`, 512 MiB",
        "memory",
        Function("upload"),
        reach={"": 16},
        size=(512, 2),
        site=site,
        rounds=3,
    ),
]
