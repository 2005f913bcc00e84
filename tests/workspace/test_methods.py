"""The page of the API's methods has each method that a platform has, with its path and with names that exist."""

from __future__ import annotations

import re
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple

import pytest

from pryv import Connection, Service, resources, shared_secrets
from pryv_sandbox.http import attachment_routes, method_routes, series_routes
from pryv_sandbox.methods.dispatch import METHODS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "methods.md"
LEFT_OUT = {
    *("GET /auth/who-am-i", "POST /events/start", "POST /events/stop"),  # they respond with `gone`
    "GET /events/{id}/{fileId}/{name}",  # the same as without a name
}


OF_PLATFORMS = {"auth.register", "auth.delete"}
"""Methods that are not called below the path of an account."""


class Row(NamedTuple):
    method: str
    paths: list[str]
    called_by: str


def rows() -> list[Row]:
    cells = [line.strip("|").split("|") for line in PAGE.read_text(encoding="utf-8").splitlines() if line[:1] == "|"]
    return [
        Row(method.strip(" `"), re.findall(r"`([^`]+)`", paths), called_by.strip())
        for method, paths, called_by in cells
        if "`" in paths
    ]


ROWS = rows()


def test_each_method_is_in_the_table_once() -> None:
    assert sorted(row.method for row in ROWS if row.method) == sorted({*METHODS, *OF_PLATFORMS})


def test_each_path_is_in_the_table_once() -> None:
    routes = [*method_routes.routes, *attachment_routes.routes, *series_routes.routes]
    paths = {f"{route.method} {path_of(route.path)}" for route in routes if route.method != "*"}
    of_accounts = [path for row in ROWS for path in row.paths if not re.search(" /(reg|users)/", path)]
    assert sorted(of_accounts) == sorted(paths - LEFT_OUT)


def path_of(pattern: str) -> str:
    """The path below the account that a route matches, as the page writes it."""
    return pattern.removeprefix("/{username}").removesuffix("{_:/?}").replace("file_id", "fileId") or "/"


@pytest.mark.parametrize("row", ROWS, ids=[row.method or row.paths[0] for row in ROWS])
def test_the_names_that_call_a_method_exist(row: Row) -> None:
    names = re.findall(r"`([\w.]+)\(\)`", row.called_by)
    assert names
    objects = {"service": Service, "connection": Connection, "shared_secrets": shared_secrets, **kinds()}
    for name in names:
        place, _, member = name.rpartition(".")
        assert callable(attrgetter(member)(objects[place]))


def kinds() -> dict[str, type]:
    return {f"connection.{name.lower()}": getattr(resources, name) for name in resources.__all__}
