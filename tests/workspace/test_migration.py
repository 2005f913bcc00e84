"""The guide for users of lib-js has each name that it exports, with one here or the reason why there is none."""

from __future__ import annotations

import importlib
import inspect
import json
import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[2]
GUIDE = ROOT / "docs" / "guides" / "lib-js.md"
NAMES: list[str] = json.loads((ROOT / "tests" / "vectors" / "lib-js-names.json").read_text())["names"]
"""What lib-js 3.10.0 exports, as `group.name`; the groups of a section's names follow."""
GROUPS = {
    "Auth": ("Auth", "AuthController"),
    "Encryption": ("encryption", "encryption.EventsCipher", "encryption.Keyring"),
}
MODULES = (
    *("pryv", "pryv.addons", "pryv.auth", "pryv.oauth", "pryv.shared_secrets", "pryv.types", "pryv.utils"),
    *("pryv_socket_io", "pryv_monitor", "pryv_encryption", "pryv_backup"),
)
HERE_ONLY = {"METHODS[name].encrypt", "METHODS[name].encrypt_bytes", "METHODS[name].decrypt_bytes"}
"""Members of values, which classes do not show."""


class Row(NamedTuple):
    section: str
    there: list[str]
    here: str
    test: str


def rows() -> Iterator[Row]:
    section = ""
    for line in GUIDE.read_text(encoding="utf-8").partition("## Names\n")[2].splitlines():
        if line.startswith("### "):
            section = line.removeprefix("### ")
        elif line.startswith("| ") and not line.startswith(("| lib-js", "| ---")):
            there, here, test = (cell.strip() for cell in line[1:].removesuffix("|").split(" | "))
            yield Row(section, [spelled(code) for code in codes(there)], here, test)


def codes(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def spelled(code: str) -> str:
    """A name without its arguments."""
    return re.sub(r"\(.*", "", code.removeprefix("new ")).replace("'", "")


ROWS = list(rows())


def stands_for(row: Row, name: str) -> bool:
    """Whether a row has a name, by itself or below one of its section's groups."""
    groups = GROUPS.get(row.section, (row.section,))
    return any(
        fnmatchcase(name, pattern.replace("[*]", "\0").replace("[", "[[]").replace("\0", "[[]*]"))
        for there in row.there
        for pattern in (there, *(f"{group}.{there}" for group in groups))
    )


def public_names() -> set[str]:
    """What is public here: names of modules, and of what classes and the values of classes have."""
    found: set[str] = set()
    for name in MODULES:
        module = importlib.import_module(name)
        for public in getattr(module, "__all__", dir(module)):
            value: Any = getattr(module, public)
            found.add(public)
            if inspect.isclass(value) and not isinstance(value, ModuleType):
                found |= {member for member in dir(value) if not member.startswith("_")}
                found |= set(getattr(value, "__annotations__", {}))
    return found


@pytest.mark.parametrize("name", NAMES)
def test_the_guide_has_each_name(name: str) -> None:
    assert [row for row in ROWS if stands_for(row, name)]


@pytest.mark.parametrize("row", ROWS, ids=[f"{row.section}: {row.there[0] if row.there else row.here}" for row in ROWS])
def test_a_name_exists_or_has_a_reason(row: Row) -> None:
    if row.here.startswith("none"):
        assert re.match(r"none: \w", row.here)
        return
    called = [code for code in codes(row.here) if re.fullmatch(r"[\w.\[\]]+(\(.*\))?", code)]
    names = {spelled(code) for code in called} - HERE_ONLY
    public = public_names()
    assert [name for name in names if name.rpartition(".")[2] not in public] == []


@pytest.mark.parametrize("test", [row.test for row in ROWS if row.test])
def test_the_test_of_a_name_exists(test: str) -> None:
    place, _, name = test.strip("`").partition("::")
    folder = ROOT / "tests" / ("" if "/" in place else "pryv")
    assert f"def {name}(" in (folder / place).read_text(encoding="utf-8")


def test_all_names_of_lib_js_are_covered() -> None:
    assert len(set(NAMES)) == 187
