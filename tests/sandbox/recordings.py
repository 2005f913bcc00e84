"""The recorded exchanges with the real platform, and the comparison of another platform's responses with them."""

from __future__ import annotations

import base64
import json
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import requests

from .proofs import Proofs

DIRECTORY = Path(__file__).parents[1] / "recordings"
Edit = Callable[[str], str]
Ask = Callable[[dict[str, Any]], dict[str, str]]
"""What is asked outside of the API: what a person reads on a telephone or in a mail."""

_LATE = 1.7e9  # times beyond this one are those of the recording itself
_TOLERANCE = 200  # seconds; recording took less
_IMAGE = b"\x89PNG\r\n\x1a\nfake"
_FILES = {"Y é.png": _IMAGE, "a.png": _IMAGE, "b.txt": b"hello"}

_ID = "[a-z0-9]{24}"
_UUID = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_FORMS = {
    "integrity": r"sha256-[\w+/]{43}=",
    "read_token": rf"{_ID}-[\w-]{{27}}",
    "id": _ID,
    "key": r"[\w-]{16}",
    "sid": r"[\w-]{20}",
    "uuid": _UUID,
    "secret": r"[\w-]{32}",
    "digest": "[0-9a-f]{64}",
    "code": r"[\w-]{43}",
    "capability": r"[\w-]{22}",
    "moment": r"\d{10}(?:\.\d{1,3})?",
}
"""What a platform makes anew each time: digests of items, ids and tokens, keys of access requests, ids of sockets,
tokens and recovery codes of second factors, the halves and digests of keys of shared secrets, times in texts, codes
and refresh tokens, ids of consent requests."""
_MADE = re.compile(
    rf"(?<=:0:)(?P<integrity>{_FORMS['integrity']})|(?P<read_token>{_FORMS['read_token']})|(?P<uuid>{_UUID})"
    r"|(?:(?<=\?code=)|^)(?P<code>[\w-]{43})(?=&|$)|^(?P<capability>(?=.*[A-Z])(?=.*[a-z])[\w-]{22})$"
    rf"|(?<=[a-z0-9]\.)(?P<secret>[\w-]{{32}})$|(?P<digest>[0-9a-f]{{64}})|(?<=[a-z0-9]:)(?P<moment>1795\d{{6}}(?:\.\d+)?)$"
    rf"|(?<![a-z0-9])(?P<id>{_ID})(?![a-z0-9])"
    r"|(?:(?<![\w-])|(?<=%2F))(?:(?P<key>(?=[\w-]*[A-Z])(?=[\w-]*\d)[\w-]{16})|(?P<sid>[\w-]{16}AA[A-Z]{2}))(?![\w-])"
)

_TYPE_ONLY = (".home", ".support", ".terms", ".storageUsed.attachedFiles")
"""Members of which only the type is compared: a platform's own pages, and a size that the recorded one gives as -12."""

_PARSER_MESSAGE = ("create invalid json", ".error.message:")
"""The exchange in which a member is not compared, and that member: it has the words of JavaScript's JSON parser."""


@dataclass(frozen=True)
class Exchange:
    """A request and the response of the real platform.

    Attributes:
        pause: seconds that passed before it.
        answer: the name of the answer, where the request is not one of the API.
        take: what later requests need of the response, by name: a parameter of a URL that is a member
            (``json.redirectTo?code``) or the header ``location`` (``location?state``).
    """

    name: str
    request: dict[str, Any]
    response: dict[str, Any]
    pause: float = 0
    answer: str = ""
    take: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Recording:
    """Exchanges that were recorded together: one uses what those before it have made."""

    directory: Path
    recorded_at: float
    topics: tuple[str, ...]

    def exchanges(self, topic: str, edit: Edit = str) -> list[Exchange]:
        """The recordings of a topic, parsed after an edit of their text."""
        return [
            Exchange(**{"answer" if key == "as" else key: value for key, value in recorded.items()})
            for recorded in load(self.directory / f"{topic}.json", edit)
        ]


FIRST = Recording(
    DIRECTORY,
    1795288768,
    (
        *("platform", "auth", "streams", "events", "batch", "attachments", "series", "accesses", "account", "webhooks"),
        *("shared-secrets", "oauth2"),
    ),
)
SECOND = Recording(DIRECTORY / "second", 1795721005, ("account", "mfa", "audit", "shared-secrets", "oauth2"))


def load(file: Path, edit: Edit = str) -> list[dict[str, Any]]:
    """The contents of a file, parsed after an edit of its text."""
    recorded: list[dict[str, Any]] = json.loads(edit(file.read_text(encoding="utf8")))
    return recorded


class Run:
    """The names and times of this run for the recorded ones."""

    def __init__(self, names: dict[str, str], recorded_at: float = FIRST.recorded_at) -> None:
        self._names = dict(names)
        self.shift = time.time() - recorded_at

    def learn(self, names: dict[str, str]) -> None:
        """Store the names of this run for recorded names."""
        self._names.update(names)

    def translated(self, recorded: Any) -> Any:
        """A recorded value with the names of this run."""
        if isinstance(recorded, str):
            for name in sorted(self._names, key=len, reverse=True):
                recorded = recorded.replace(name, self._names[name])
            return recorded
        return json.loads(self.translated(json.dumps(recorded, ensure_ascii=False)))

    def differences(self, recorded: Any, actual: Any, path: str = "") -> Iterator[str]:
        """The differences between a recorded JSON value and one of this run; stores new names."""
        if isinstance(recorded, dict) and isinstance(actual, dict):
            yield from (f"{path}.{key}: missing" for key in recorded if key not in actual)
            yield from (f"{path}.{key}: not in the recording" for key in actual if key not in recorded)
            for key in [key for key in recorded if key in actual]:
                yield from self.differences(recorded[key], actual[key], f"{path}.{key}")
        elif isinstance(recorded, list) and isinstance(actual, list) and len(recorded) == len(actual):
            for index, (expected, item) in enumerate(zip(recorded, actual, strict=True)):
                yield from self.differences(expected, item, f"{path}[{index}]")
        elif not self._is_same(recorded, actual, path):
            yield f"{path}: {self.translated(recorded)!r} expected, not {actual!r}"

    def _is_same(self, recorded: Any, actual: Any, path: str) -> bool:
        if type(recorded) is not type(actual):
            return False
        if path.endswith(_TYPE_ONLY):
            return True
        if isinstance(recorded, str):
            return self._is_same_text(recorded, actual)
        if isinstance(recorded, (float, int)) and recorded > _LATE:
            return bool(abs(recorded + self.shift - actual) < _TOLERANCE)
        return bool(recorded == actual)

    def _is_same_text(self, recorded: str, actual: str) -> bool:
        pattern, end, new = "", 0, []
        for made in _MADE.finditer(recorded):
            pattern += re.escape(self.translated(recorded[end : made.start()]))
            end = made.end()
            if made[0] in self._names:
                pattern += re.escape(self._names[made[0]])
            else:
                pattern += f"({_FORMS[str(made.lastgroup)]})"
                new.append(made[0])
        match = re.fullmatch(pattern + re.escape(self.translated(recorded[end:])), actual)
        if match is None:
            return False
        learnt = dict(zip(new, match.groups(), strict=True))
        self._names.update(learnt)
        return [learnt[name] for name in new] == list(match.groups())


class Replay:
    """Sends recorded requests to a platform, in order, and compares its responses."""

    def __init__(self, url: str, recording: Recording, ask: Ask) -> None:
        host = urlsplit(url).netloc
        self._url = url
        self._ask = ask
        self._proofs = Proofs()
        self._run = Run({"HOST": host, "STATIC": host, "%2FHOST": f"%2F{quote(host)}"}, recording.recorded_at)

    def differences(self, exchange: Exchange) -> list[str]:
        """The differences from the recorded response: status, headers, JSON, and the order of its members."""
        if exchange.answer:
            given = self._ask(self._run.translated(exchange.request["json"]))
            self._learn({f"{exchange.answer}.{name}": value for name, value in given.items()})
            return []
        recorded, response = exchange.response, self._send(exchange.request)
        found = [] if response.status_code == recorded["status"] else [f"status: {response.status_code}"]
        headers = {name: value for name, value in recorded["headers"].items() if name != "etag"}
        actual_headers = {name: response.headers[name] for name in headers if name in response.headers}
        if "location" in headers:
            found += self._other_place(headers.pop("location"), actual_headers.pop("location", ""))
        found += self._run.differences(headers, actual_headers, "headers")
        body = _body(response)
        self._learn({name: _taken(where, response) for name, where in exchange.take.items()})
        found += self._run.differences(recorded["json"], body)
        if list(body) != list(recorded["json"]):
            found.append(f"the order of the members: {list(body)}")
        name, member = _PARSER_MESSAGE
        return [problem for problem in found if exchange.name != name or not problem.startswith(member)]

    def _learn(self, values: dict[str, str]) -> None:
        self._run.learn({f"{{{{{name}}}}}": value for name, value in values.items()})

    def _other_place(self, recorded: str, actual: str) -> Iterator[str]:
        """The differences between two locations; of the consent page, only the URL of the platform is compared."""
        if "pryvApi=" in recorded:
            recorded, actual = (_parameter(url, "pryvApi") for url in (recorded, actual))
        yield from self._run.differences(recorded, actual, "location")

    def _send(self, recorded: dict[str, Any]) -> requests.Response:
        if "assertion" in recorded:
            self._learn({"assertion": self._proofs.assertion(self._run.translated(recorded["assertion"]))})
        request = self._run.translated(recorded)
        headers = dict(request["headers"])
        if "dpop" in recorded:
            url = self._url + request["path"]
            headers["DPoP"] = self._proofs.dpop(request["dpop"], request["method"], url)
        if recorded["headers"].get("Authorization", "").startswith("Basic "):
            headers["Authorization"] = self._basic(recorded["headers"]["Authorization"])
        return requests.request(
            request["method"],
            self._url + request["path"],
            params=self._query(request.get("query", {})),
            json=request.get("json"),
            data=request.get("raw") or request.get("form"),
            files={part: _file(value) for part, value in request.get("multipart", {}).items()},
            headers=headers,
            allow_redirects=False,
            timeout=5,
        )

    def _basic(self, recorded: str) -> str:
        credentials = base64.b64decode(recorded.removeprefix("Basic ")).decode()
        return "Basic " + base64.b64encode(self._run.translated(credentials).encode()).decode()

    def _query(self, query: dict[str, Any] | list[tuple[str, Any]]) -> list[tuple[str, Any]]:
        """The parameters of a request; a time of the recording becomes one of this run."""
        pairs = query.items() if isinstance(query, dict) else query
        return [
            (name, value + self._run.shift if isinstance(value, float) and _LATE < value < 8e9 else value)
            for name, value in pairs
        ]


def _taken(where: str, response: requests.Response) -> str:
    place, _, name = where.partition("?")
    url = response.headers.get("location", "") if place == "location" else response.json().get("redirectTo", "")
    return _parameter(url, name)


def _parameter(url: str, name: str) -> str:
    return parse_qs(urlsplit(url).query).get(name, [""])[0]


def _file(value: Any) -> tuple[str | None, bytes, str]:
    """A part of a form: a file by its name, or JSON."""
    if isinstance(value, str):
        return value, _FILES[value], "text/plain" if value.endswith(".txt") else "image/png"
    return None, json.dumps(value).encode(), "application/json"


def _body(response: requests.Response) -> dict[str, Any]:
    try:
        body: dict[str, Any] = response.json()
    except ValueError:
        return {"_text": response.content.decode("utf8", "replace")}
    return body
