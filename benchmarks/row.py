"""The rows of the table: a subject is compared with references by one figure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Literal

import attrs

Figure = Literal["cpu", "wall", "memory"]


@attrs.frozen
class Reply:
    """A response of the static server: `chunks`, with a pause in seconds before each."""

    chunks: Iterable[bytes]
    size: int | None = None
    pause: float = 0

    @classmethod
    def of(cls, body: bytes) -> Reply:
        """Return a reply sent at once."""
        return cls([body], len(body))


Site = Mapping[str, Reply]
"""Replies by method and path, such as `GET /events`; with the name of a parameter, to requests that have it."""


@attrs.frozen
class Function:
    """Python code that runs in its own process.

    `name` is a function in the row's module: it takes the server's URL and the size, gets ready (imports included) and
    returns the function to measure, which returns the number of items.
    """

    name: str


@attrs.frozen
class Command:
    """A process measured from its start to its end; `{url}`, `{size}` and `{here}` are filled in.

    A command that `reports` prints its own figures as JSON, as the processes of functions do.
    """

    arguments: list[str]
    reports: bool = False


Contender = Function | Command


@attrs.frozen
class Row:
    """A row of the table.

    Attributes:
        name: Its name on the command line.
        what: What it does, for people.
        figure: What is compared.
        subject: What this SDK does.
        references: What it is compared with, by name; without any, the figure itself counts.
        reach: The limit of the ratio to a reference, or under the empty name, of the figure itself; a reference without
            a limit is shown for comparison.
        size: The numbers of items, full and tiny.
        site: Makes what the server sends, from the size.
        rounds: The number of rounds.
    """

    name: str
    what: str
    figure: Figure
    subject: Contender
    references: Mapping[str, Contender] = attrs.field(factory=dict)
    reach: Mapping[str, float] = attrs.field(factory=dict)
    size: tuple[int, int] = (0, 0)
    site: Callable[[int], Site] | None = None
    rounds: int = 7


@attrs.frozen
class Finding:
    """A line of a script in the table.

    Attributes:
        what: What was measured, for people.
        figure: What is compared, for people.
        key: Its key in the script's JSON.
        reference: What it is a ratio to; without one, it is the figure itself.
        reach: Its limit; `None` if it is shown for comparison.
    """

    what: str
    figure: str
    key: str
    reference: str = ""
    reach: float | None = None


@attrs.frozen
class Script:
    """A row that a script measures: it takes its size and prints JSON.

    Attributes:
        name: Its name on the command line, and that of the script's file.
        findings: Its lines in the table.
        size: The sizes, full and tiny.
    """

    name: str
    findings: list[Finding]
    size: tuple[int, int]
