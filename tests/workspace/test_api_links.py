"""Docstrings and pages link to the API reference, at headings that it has."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from pryv import auth, resources
from pryv.connection import Connection
from pryv.service import Service

from .documents import ROOT

HEADINGS: dict[str, list[str]] = json.loads(Path(__file__).with_name("api_reference.json").read_text())
"""The anchors of the headings of the reference by its page, as published on 2026-06-23."""

LINK = re.compile(r"(https://pryv\.github\.io/reference(?:-system)?/)#([\w-]+)")
WITHOUT_CALLS = {"close", "info_sync", "with_options"}


def texts() -> Iterator[tuple[str, str]]:
    for pattern in ("packages/*/src/**/*.py", "docs/**/*.md", "packages/*/README.md", "*.md", "examples/**/*.md"):
        for path in ROOT.glob(pattern):
            if "_build" not in path.parts:
                yield str(path.relative_to(ROOT)), path.read_text(encoding="utf-8")


def test_links_lead_to_headings_of_the_reference() -> None:
    found = [(where, *link) for where, text in texts() for link in LINK.findall(text)]
    assert len(found) > 80
    assert [(where, page, anchor) for where, page, anchor in found if anchor not in HEADINGS[page]] == []


def test_no_heading_is_named_without_a_link() -> None:
    assert [where for where, text in texts() if re.search(r"\bthe (?:system )?API's \*", text)] == []


def calls() -> list[object]:
    """Return the public functions and methods that send a request."""
    classes = [Connection, Service, *(value for value in vars(resources).values() if inspect.isclass(value))]
    members = [value for cls in classes for value in vars(cls).values() if inspect.isfunction(value)]
    members += [getattr(auth, name) for name in auth.__all__ if inspect.isfunction(getattr(auth, name))]
    return [
        member
        for member in members
        if "timeout" in inspect.signature(member).parameters
        and not member.__name__.startswith("_")
        and member.__name__ not in WITHOUT_CALLS
    ]


@pytest.mark.parametrize("member", calls(), ids=lambda member: member.__qualname__)
def test_each_call_links_to_its_part_of_the_reference(member: object) -> None:
    assert LINK.search(inspect.getdoc(member) or "")
