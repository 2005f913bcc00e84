"""Lists the public names that were removed or changed since the last tagged version."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from griffe import Alias, Object, find_breaking_changes, load, load_git

from distributions import PACKAGES

ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    """Print the differences; fail if there are any."""
    last = last_version()
    if not last:
        print("No version is tagged yet: there is nothing to compare with.")
        return
    found = [difference for package in PACKAGES for difference in differences(package, last)]
    print(*found or [f"Nothing that {last} has is removed or changed."], sep="\n")
    sys.exit(bool(found))


def last_version() -> str:
    """Return the tag of the last version before this commit, "" if there is none."""
    command = ["git", "describe", "--tags", "--abbrev=0", "--match=v*"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()


def differences(package: str, tag: str) -> Iterator[str]:
    """Return which public names of a package differ from those at a tag."""
    module, sources = package.replace("-", "_"), f"packages/{package}/src"
    former = load_git(module, ref=tag, repo=ROOT, search_paths=[sources])
    present = load(module, search_paths=[ROOT / sources])
    for name in sorted({*exported(former)} - {*exported(present)}):
        yield f"{name}: is no longer exported"
    for change in find_breaking_changes(former, present):
        yield f"{change.obj.path}: {change.kind.value}"


def exported(module: Object | Alias) -> Iterator[str]:
    """Yield the names that a module, and each module in it, exports."""
    yield from (f"{module.path}.{name}" for name in module.exports or ())
    for inner in module.modules.values():
        yield from exported(inner)


if __name__ == "__main__":
    main()
