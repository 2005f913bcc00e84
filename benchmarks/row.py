"""What a row of the table is: a subject held against references, by one figure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Literal

import attrs

Figure = Literal["cpu", "wall", "memory"]


@attrs.frozen
class Reply:
    """What the static server answers: `chunks`, with a pause of some seconds before each."""

    chunks: Iterable[bytes]
    size: int | None = None
    pause: float = 0

    @classmethod
    def of(cls, body: bytes) -> Reply:
        """Return a reply sent in one go."""
        return cls([body], len(body))


Site = Mapping[str, Reply]
"""Replies by method and path, such as `GET /events`; with the name of a parameter, to requests that have it."""


@attrs.frozen
class Function:
    """Python code run in a process of its own.

    `name` is a function in the row's module: it takes the server's URL and the size, gets ready (imports included) and
    returns what is measured, which returns the number of items it dealt with.
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
        name: What it is asked for by.
        what: What it does, for people.
        figure: What is compared.
        subject: What this SDK does.
        references: What it is held against, by name; with none, the figure itself is what counts.
        reach: What the ratio to a reference should not exceed, or under the empty name, what the figure itself should
            not; a reference that is not in it is there for comparison.
        size: How many items there are, in full and at a tiny size.
        site: Makes what the server hands out, from the size.
        rounds: How often each contender runs.
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
    """A line that a script makes in the table.

    Attributes:
        what: What was measured, for people.
        figure: What is compared, for people.
        key: Under which key of the script's JSON it is.
        reference: What it is a ratio to; with none, it is the figure itself.
        reach: What it should not exceed; `None` where it is there for comparison.
    """

    what: str
    figure: str
    key: str
    reference: str = ""
    reach: float | None = None


@attrs.frozen
class Script:
    """A row that is a script of its own: it takes its size and prints JSON.

    Attributes:
        name: What it is asked for by, and the script's file.
        findings: What it finds out.
        size: In full and at a tiny size.
    """

    name: str
    findings: list[Finding]
    size: tuple[int, int]
