"""Imports run one way: between the packages, between the layers of a package, and between its modules."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from importlib.util import resolve_name
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = {
    "pryv": ROOT / "packages" / "pryv" / "src" / "pryv",
    "pryv_socket_io": ROOT / "packages" / "pryv-socket-io" / "src" / "pryv_socket_io",
    "pryv_monitor": ROOT / "packages" / "pryv-monitor" / "src" / "pryv_monitor",
    "pryv_encryption": ROOT / "packages" / "pryv-encryption" / "src" / "pryv_encryption",
    "pryv_backup": ROOT / "packages" / "pryv-backup" / "src" / "pryv_backup",
    "pryv_fleet": ROOT / "packages" / "pryv-fleet" / "src" / "pryv_fleet",
    "pryv_sandbox": ROOT / "packages" / "pryv-sandbox" / "src" / "pryv_sandbox",
}

Layers = list[set[str]]
"""The parts of a package, from the bottom; in the one that is empty are all parts that are in no other."""

CORE: Layers = [
    {"errors", "types", "utils", "_arguments", "_display", "_signals", "_spelling", "_text", "_tracebacks", "_version"},
    {"_transport"},
    set(),
    {"resources"},
    {"connection"},
    {"service", "addons", "shared_secrets"},
    {"auth"},
    {"oauth"},
    {"cli"},
    {"__main__"},
]
SANDBOX: Layers = [
    {"libraries", "model"},
    {"state"},
    {"methods"},
    {"http"},
    {"consent", "faults", "sockets"},
    {"sandbox"},
    set(),
]
UPWARD = {
    ("pryv.connection", "pryv.service"),  # the API's own circle: a connection has a service, which makes connections
}
"""The known imports against the direction: module and what it imports."""


def imports(file: Path, source: Path) -> Iterator[str]:
    """The absolute names of what a file imports, inside functions and for type checkers too."""
    package = ".".join(file.relative_to(source.parent).parts[:-1])
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = resolve_name("." * node.level + (node.module or ""), package)
            yield from (f"{module}.{alias.name}" for alias in node.names)


def imported(user: str, used: str) -> list[str]:
    """The names that a package imports from another."""
    names = [name for file in SOURCES[user].rglob("*.py") for name in imports(file, SOURCES[user])]
    return [name for name in names if name.split(".")[0] == used]


def graph(package: str) -> dict[str, set[str]]:
    """The modules of a package, each with those it imports."""
    source = SOURCES[package]
    files = {module_name(file, source): file for file in source.rglob("*.py")}
    return {
        module: {name for name in (nearest(found, files) for found in imports(file, source)) if name} - {module}
        for module, file in files.items()
    }


def module_name(file: Path, source: Path) -> str:
    return ".".join(file.relative_to(source.parent).with_suffix("").parts).removesuffix(".__init__")


def nearest(name: str, modules: dict[str, Path]) -> str | None:
    """The module that an imported name is, or is in."""
    while name and name not in modules:
        name = name.rpartition(".")[0]
    return name or None


def layer(module: str, layers: Layers) -> int:
    """The number of a module's layer, by the first part of its name inside the package."""
    part = module.split(".")[1]
    return next((number for number, parts in enumerate(layers) if part in parts), layers.index(set()))


@pytest.mark.parametrize(("package", "layers"), [("pryv", CORE), ("pryv_sandbox", SANDBOX)])
def test_modules_import_from_their_layer_and_below(package: str, layers: Layers) -> None:
    found = graph(package)
    named = {part for parts in layers for part in parts}
    assert named <= {module.split(".")[1] for module in found if "." in module}
    checked = [(user, used) for user in found for used in found[user] if "." in user and "." in used]
    assert len(checked) > len(found)
    upward = {(user, used) for user, used in checked if layer(used, layers) > layer(user, layers)}
    assert upward - UPWARD == set()


@pytest.mark.parametrize("package", SOURCES)
def test_no_modules_import_each_other_in_a_circle(package: str) -> None:
    found = graph(package)
    known = {(user, used) for user, used in UPWARD if user in found}
    for user, used in known:
        assert used in found[user], f"{user} no longer imports {used}: remove it from UPWARD"
        found[user].remove(used)
    try:
        TopologicalSorter(found).prepare()
    except CycleError as error:
        pytest.fail(f"a circle: {' <- '.join(error.args[1])}")


@pytest.mark.parametrize("add_on", ["pryv_socket_io", "pryv_monitor", "pryv_encryption", "pryv_backup", "pryv_fleet"])
def test_add_ons_use_nothing_private_of_the_core(add_on: str) -> None:
    used = imported(add_on, "pryv")
    assert used
    assert not [name for name in used if "._" in name.removesuffix(".__version__")]


def test_sdk_and_sandbox_do_not_import_each_other() -> None:
    sdk = [package for package in SOURCES if package != "pryv_sandbox"]
    assert [name for package in sdk for name in imported(package, "pryv_sandbox")] == []
    assert [name for package in sdk for name in imported("pryv_sandbox", package)] == []
    assert imported("pryv_sandbox", "pryv_sandbox")


def test_no_test_imports_from_a_conftest() -> None:
    tests = ROOT / "tests"
    files = {file.relative_to(tests).as_posix(): file for file in tests.rglob("*.py")}
    found = {name: [used for used in imports(file, tests) if "conftest" in used] for name, file in files.items()}
    assert {"monitor/conftest.py", "workspace/test_architecture.py"} < found.keys()
    assert {name: names for name, names in found.items() if names} == {}


def test_every_directory_of_tests_is_run(pytestconfig: pytest.Config) -> None:
    directories = {"tests/" + file.relative_to(ROOT / "tests").parts[0] for file in ROOT.glob("tests/**/test_*.py")}
    assert directories == set(pytestconfig.getini("testpaths"))
