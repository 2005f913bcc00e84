"""A platform's responses, recorded once and replayed many times, each time with one of them changed."""

from __future__ import annotations

import contextlib
import copy
import io
import json
import random
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from tests.commands import exit_code

from pryv_sandbox import Sandbox

ODD: list[Any] = [
    None,
    True,
    False,
    0,
    -1,
    5,
    0.5,
    1e308,
    -1e308,
    10**30,
    "",
    " ",
    "5",
    "../x",
    "http://[",
    "https://127.0.0.1:9/x/",
    "\x1b]52;c;eA==\x07\r\n",
    "\x00",
    "\ud800",
    "x" * 10_000,
    [],
    [None],
    [[]],
    {},
    {"id": None},
    {"message": 5},
]
"""What hardly any member of an answer ever is."""

STATUSES = (200, 201, 202, 204, 206, 301, 302, 307, 400, 401, 403, 404, 409, 410, 413, 421, 429, 500, 503)
HEADERS: dict[str, list[str]] = {
    "Content-Type": ["text/html", "", "application/json; charset=latin-1", "x" * 1000],
    "Location": ["", "http://[", "//127.0.0.1:9/", "ftp://x/", "/\x7f", "javascript:alert(1)"],
    "Retry-After": ["99999999999999999999", "-1", "soon", "1e400", "Wed, 01 Jan 9999 00:00:00 GMT", "nan"],
    "Date": ["", "yesterday", "Wed, 01 Jan 9999 00:00:00 GMT"],
}


@dataclass(frozen=True)
class Exchange:
    """A request and its response."""

    method: str
    path: str
    status: int
    headers: dict[str, str]
    body: bytes = field(repr=False)


class Playback:
    """A server that forwards requests to a platform and records the responses, or replays them.

    Attributes:
        exchanges: What was recorded, or is to be played back, in order.
        recording: Whether it passes on.
    """

    def __init__(self, platform: str) -> None:
        self.exchanges: list[Exchange] = []
        self._platform = platform.rstrip("/")
        self.recording = False
        self._left: list[Exchange] = []
        self._lock = threading.Lock()
        self._session = requests.Session()
        playback = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def handle_any(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                exchange = playback._answer(self.command, self.path, dict(self.headers), body)
                self.send_response_only(exchange.status)
                for name, value in exchange.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(exchange.body)))
                self.end_headers()
                self.wfile.write(exchange.body)

            def log_message(self, *_: Any) -> None: ...

        for method in ("GET", "POST", "PUT", "DELETE"):
            setattr(Handler, f"do_{method}", Handler.handle_any)

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: Any) -> None: ...

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def here(self, url: str) -> str:
        """Return a URL of the platform as one of this server."""
        return url.replace(urlsplit(self._platform).netloc, urlsplit(self.url).netloc)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._session.close()

    def record(self, use: Callable[[], Any]) -> list[Exchange]:
        """Return the responses of the platform while it is used."""
        self.exchanges, self.recording = [], True
        try:
            use()
        finally:
            self.recording = False
        return self.exchanges

    def play(self, exchanges: Sequence[Exchange]) -> None:
        """Replay the recorded responses from now on."""
        with self._lock:
            self._left = list(exchanges)
            self.exchanges = list(exchanges)

    def _answer(self, method: str, target: str, headers: dict[str, str], body: bytes) -> Exchange:
        path = urlsplit(target).path
        if self.recording:
            exchange = self._passed_on(method, target, headers, body)
            self.exchanges.append(exchange)
            return exchange
        with self._lock:
            for exchanges in (self._left, self.exchanges):  # one that was asked for before is asked for again
                for exchange in exchanges:
                    if (exchange.method, exchange.path) == (method, path):
                        with contextlib.suppress(ValueError):
                            self._left.remove(exchange)
                        return exchange
        nothing = b'{"error":{"id":"unknown-resource","message":"Unknown"},"meta":{"serverTime":1}}'
        return Exchange(method, path, 404, {"Content-Type": "application/json"}, nothing)

    def _passed_on(self, method: str, target: str, headers: dict[str, str], body: bytes) -> Exchange:
        headers = {name: value for name, value in headers.items() if name.lower() not in ("host", "accept-encoding")}
        answer = self._session.request(
            method, self._platform + target, headers=headers, data=body, allow_redirects=False, timeout=10
        )
        kept = {name: answer.headers[name] for name in ("Content-Type", "Location") if name in answer.headers}
        told = answer.content.replace(self._platform.encode(), self.url.encode())
        return Exchange(method, urlsplit(target).path, answer.status_code, kept, told)


def mutated(rng: random.Random, exchanges: Sequence[Exchange]) -> tuple[str, list[Exchange]]:
    """Return what was changed, and the exchanges with one answer changed."""
    index = rng.randrange(len(exchanges))
    exchange = exchanges[index]
    kind = rng.random()
    if kind < 0.08:
        what, changed = _other_text(rng, exchange)
    elif kind < 0.16:
        what, changed = _other_head(rng, exchange)
    else:
        try:
            data = json.loads(exchange.body)
        except ValueError:
            what, changed = _other_text(rng, exchange)
        else:
            what, data = _other_data(rng, data)
            changed = replace(exchange, body=json.dumps(data).encode())
    return f"{exchange.method} {exchange.path}: {what}", [*exchanges[:index], changed, *exchanges[index + 1 :]]


def _other_head(rng: random.Random, exchange: Exchange) -> tuple[str, Exchange]:
    status = rng.choice(STATUSES)
    name = rng.choice(list(HEADERS))
    value = rng.choice(HEADERS[name])
    headers = {**exchange.headers, name: value} if rng.random() < 0.7 else exchange.headers
    body = exchange.body if rng.random() < 0.7 and status != 204 else b""
    return f"HTTP {status}, {headers}", replace(exchange, status=status, headers=headers, body=body)


def _other_text(rng: random.Random, exchange: Exchange) -> tuple[str, Exchange]:
    body = exchange.body
    place = rng.randrange(len(body) + 1)
    name, text = rng.choice(
        [
            ("nothing", b""),
            ("cut", body[:place]),
            ("a byte more", body[:place] + bytes([rng.randrange(256)]) + body[place:]),
            ("a byte less", body[:place] + body[place + 1 :]),
            ("twice", body * 2),
            ("a page", b"<html>sign in</html>"),
            ("in a list", b"[%b]" % body),
            ("NaN", body.replace(b":", b":NaN,", 1)),
            ("a BOM", b"\xef\xbb\xbf" + body),
            ("very deep", b"[" * 100_000 + b"]" * 100_000),
        ]
    )
    return f"{name} at {place}", replace(exchange, body=text)


def _other_data(rng: random.Random, data: Any) -> tuple[str, Any]:
    data = {"": copy.deepcopy(data)}
    places = list(_places(data))
    weights = [1 + 4 / (1 + depth) for _, _, depth in places]  # what is at the top decides on more
    ((holder, key, _),) = rng.choices(places, weights)
    value = holder[key]
    ways: list[Callable[[], str]] = [
        lambda: _put(holder, key, rng.choice(ODD)),
        lambda: _put(holder, key, rng.choice(ODD)),
        lambda: _put(holder, key, [value]),
        lambda: _put(holder, key, {"x": value}),
        lambda: _put(holder, key, str(value)),
        lambda: _put(holder, key, _nested(rng.choice((5, 60, 400)))),
    ]
    if key != "":
        ways += [lambda: _left_out(holder, key)] * 2
    if isinstance(holder, dict) and key != "":
        ways.append(lambda: _put(holder, f"{key}x", holder.pop(key)))
    if isinstance(holder, list):
        ways.append(lambda: _more(holder, value))
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        ways += [lambda: _put(holder, key, -value), lambda: _put(holder, key, value * 1e6)]
    other, other_key, _ = rng.choice(places)
    ways.append(lambda: _put(holder, key, copy.deepcopy(other[other_key])))
    what = rng.choice(ways)()
    return what, data[""]


def _places(data: Any, depth: int = 0) -> Iterator[tuple[Any, Any, int]]:
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in items:
        yield data, key, depth
        yield from _places(value, depth + 1)


def _put(holder: Any, key: Any, value: Any) -> str:
    holder[key] = value
    return f"{key!r} is {str(value)[:60]!r}"


def _left_out(holder: Any, key: Any) -> str:
    del holder[key]
    return f"{key!r} is left out"


def _more(holder: list[Any], value: Any) -> str:
    holder.append(value)
    return f"{str(value)[:60]!r} is there twice"


def _nested(depth: int) -> Any:
    value: Any = 1
    for level in range(depth):
        value = {"x": value} if level % 2 else [value]
    return value


@pytest.fixture
def playback(sandbox: Sandbox) -> Iterator[Playback]:
    """A server that replays responses of the session's sandbox."""
    with contextlib.closing(Playback(sandbox.url)) as playback:
        yield playback


@dataclass(frozen=True)
class Use:
    """A way to use a package: it runs, and what it returns is checked where nothing was raised."""

    run: Callable[[], Any]
    is_right: Callable[[Any], bool] = lambda result: True


def fuzz(
    playback: Playback,
    uses: dict[str, Use],
    count: int,
    expected: tuple[type[BaseException], ...],
    *,
    prepare: Callable[[], object] = lambda: None,
    slow: float = 15,
    seed: int = 0,
) -> None:
    """Run each use as recorded, then `count` times in all with an answer changed: it ends as expected, or rightly.

    `prepare` is called before each run.
    """
    recorded = {}
    for name, use in uses.items():
        prepare()
        recorded[name] = playback.record(use.run)
        assert recorded[name], f"{name} asks for nothing"
        prepare()
        playback.play(recorded[name])
        assert use.is_right(use.run()), f"{name} is wrong as it was recorded"
    found: dict[tuple[str, str], str] = {}
    for number in range(count):
        name = list(uses)[number % len(uses)]
        what, exchanges = mutated(random.Random(f"{seed} {number}"), recorded[name])
        prepare()
        playback.play(exchanges)
        begin = time.monotonic()
        problem = _problem(uses[name], expected)
        if problem is None and time.monotonic() - begin > slow:
            problem = "slow", f"it took {time.monotonic() - begin:.1f} s"
        if problem is not None:
            kind, text = problem
            found.setdefault((name, kind), f"{name}, {what}\n{text}")
    if found:
        pytest.fail(f"{len(found)} kinds of failure\n\n" + "\n\n".join(list(found.values())[:20]), pytrace=False)


def run_command(main: Callable[[Sequence[str]], int], arguments: Sequence[str]) -> int:
    """Run a command in this process, without its output, and return its exit code."""
    streams = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (io.TextIOWrapper(io.BytesIO(), "utf-8") for _ in streams)
    try:
        return exit_code(main, arguments)
    finally:
        sys.stdout, sys.stderr = streams


def _problem(use: Use, expected: tuple[type[BaseException], ...]) -> tuple[str, str] | None:
    try:
        result = use.run()
        is_right = use.is_right(result)
    except expected:
        return None
    except Exception as error:  # noqa: BLE001
        frames = traceback.extract_tb(error.__traceback__)
        inside = [frame for frame in frames if "/packages/" in frame.filename] or frames
        place = f"{urlsplit(inside[-1].filename).path.rpartition('/src/')[2]}:{inside[-1].lineno}"
        return f"{type(error).__name__} {place}", f"{type(error).__name__}: {str(error)[:200]}, at {place}"
    return None if is_right else ("wrong", f"it returned {result!r:.200}")
