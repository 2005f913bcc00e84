"""The dependencies of a package: those that are installed, and those that its README shows."""

import re
from pathlib import Path

from environments import Environment

_BACKPORT = r"(?m)^.*── (async-timeout|typing-extensions)\n"
"""Dependencies for some versions of Python only; the trees leave them out."""


def dependency_tree(environment: Environment, package: str) -> str:
    """Return the dependencies of a package that is installed, as a tree of names."""
    tree = environment.uv_pip("tree", "--package", package)
    names = re.sub(r"(?m) v\S+( \(\*\))?$", "", tree.partition("(*) ")[0])
    return redrawn(re.sub(_BACKPORT, "", names).strip())


def redrawn(tree: str) -> str:
    """Return a tree, from which lines were removed, with branches that fit the others."""
    lines: list[str] = []
    open_below: set[int] = set()
    for line in reversed(tree.splitlines()):
        branches, _, name = line.rpartition("── ")
        if branches:
            depth = len(branches) // 4
            trunk = "".join("│   " if level in open_below else "    " for level in range(depth))
            lines.append(f"{trunk}{'├' if depth in open_below else '└'}── {name}")
            open_below = {level for level in open_below if level < depth} | {depth}
        else:
            lines.append(line)
    return "\n".join(reversed(lines))


def documented_tree(readme: Path) -> str:
    """Return the tree in a README's section "Dependencies"."""
    section = readme.read_text().partition("\n## Dependencies\n")[2]
    tree = re.search(r"```text\n(.*?)\n```", section, re.DOTALL)
    return tree[1] if tree else ""
