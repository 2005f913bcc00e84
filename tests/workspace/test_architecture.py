import ast
from collections.abc import Iterator
from importlib.util import resolve_name
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CORE = ROOT / "packages" / "pryv" / "src" / "pryv"
LAYERS: list[set[str]] = [
    {"errors", "types", "utils", "_text", "_version"},
    {"_transport"},
    set(),
    {"connection"},
    {"service", "addons"},
    {"auth"},
    {"cli"},
]
FEATURES = 2  # every module that has no layer of its own


def imports(file: Path, at_start_only: bool = False) -> Iterator[str]:
    """The absolute names of what a file imports, anywhere or only when it is itself imported."""
    tree = ast.parse(file.read_text())
    package = ".".join(file.parts[file.parts.index("src") + 1 : -1])
    for node in tree.body if at_start_only else ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = resolve_name("." * node.level + (node.module or ""), package)
            yield from (f"{module}.{alias.name}" for alias in node.names)


def imports_of(directory: Path, package: str) -> list[str]:
    """What the files of a directory import from a package."""
    names = [name for file in directory.rglob("src/**/*.py") for name in imports(file)]
    return [name for name in names if name.split(".")[0] == package]


def layer(name: str) -> int:
    """The layer of a module of the core, by the first part of its name inside the package."""
    return next((number for number, names in enumerate(LAYERS) if name in names), FEATURES)


def test_modules_of_the_core_import_from_their_layer_and_below() -> None:
    checked = 0
    for file in CORE.rglob("*.py"):
        name = file.relative_to(CORE).with_suffix("").parts[0]
        if name == "__init__":
            continue
        for imported in imports(file, at_start_only=True):
            package, _, inside = imported.partition(".")
            if package == "pryv":
                assert layer(inside.partition(".")[0]) <= layer(name), f"{file.name} imports {imported}"
                checked += 1
    assert checked


def test_add_ons_use_nothing_private_of_the_core() -> None:
    for package in ("pryv-socket-io", "pryv-monitor"):
        used = imports_of(ROOT / "packages" / package, "pryv")
        assert used
        assert not [name for name in used if "._" in name.removesuffix(".__version__")]


def test_sdk_and_sandbox_know_nothing_of_each_other() -> None:
    assert imports_of(ROOT / "packages", "pryv_sandbox") == []
    assert imports_of(ROOT / "sandbox", "pryv") == []
    assert imports_of(ROOT / "sandbox", "pryv_sandbox")
