import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CORE = ROOT / "packages" / "pryv" / "src" / "pryv"
LAYERS = [{"errors", "types", "utils", "_version"}, {"_transport"}, set[str](), {"connection"}, {"service", "addons"}]
FEATURES = 2  # every module that has no layer of its own


def imports(statements: list[ast.stmt]) -> Iterator[str]:
    """The modules that these statements import."""
    for statement in statements:
        if isinstance(statement, ast.Import):
            yield from (alias.name for alias in statement.names)
        elif isinstance(statement, ast.ImportFrom):
            assert statement.module
            yield from (f"{statement.module}.{alias.name}" for alias in statement.names)


def all_imports(package: Path) -> Iterator[str]:
    for file in package.rglob("*.py"):
        yield from imports([node for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.stmt)])


def layer(name: str) -> int:
    """The layer of a module of the core, by the first part of its name inside the package."""
    return next((number for number, names in enumerate(LAYERS) if name in names), FEATURES)


def test_modules_of_the_core_import_from_their_layer_and_below() -> None:
    checked = 0
    for file in CORE.rglob("*.py"):
        name = file.relative_to(CORE).with_suffix("").parts[0]
        if name == "__init__":
            continue
        for imported in imports(ast.parse(file.read_text()).body):
            package, _, inside = imported.partition(".")
            if package == "pryv":
                assert layer(inside.partition(".")[0]) <= layer(name), f"{file.name} imports {imported}"
                checked += 1
    assert checked


def test_add_ons_use_nothing_private_of_the_core() -> None:
    for package in ("pryv-socket-io", "pryv-monitor"):
        used = [name for name in all_imports(ROOT / "packages" / package / "src") if name.split(".")[0] == "pryv"]
        assert used
        assert not [
            name for name in used if any(part.startswith("_") and part != "__version__" for part in name.split("."))
        ]


def test_sdk_and_sandbox_know_nothing_of_each_other() -> None:
    assert not [name for name in all_imports(ROOT / "packages") if name.split(".")[0] == "pryv_sandbox"]
    assert not [name for name in all_imports(ROOT / "sandbox") if name.split(".")[0] == "pryv"]
