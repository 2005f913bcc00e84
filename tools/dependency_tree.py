"""What a package brings with it, as it is and as its README tells it."""

import re
from pathlib import Path

from environments import Environment

_BACKPORT = r"(?m)^.*── (async-timeout|typing-extensions)\n"
"""What packages need with some Pythons only; their trees leave them out."""


def dependency_tree(environment: Environment, package: str) -> str:
    """Returns the dependencies of a package that is installed, as a tree of names."""
    tree = environment.uv_pip("tree", "--package", package)
    names = re.sub(r"(?m) v\S+( \(\*\))?$", "", tree.partition("(*) ")[0])
    return redrawn(re.sub(_BACKPORT, "", names).strip())


def redrawn(tree: str) -> str:
    """Returns a tree with the branches that fit its lines, some of which may have been taken out."""
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
    """Returns the tree in a README's section "Dependencies"."""
    section = readme.read_text().partition("\n## Dependencies\n")[2]
    tree = re.search(r"```text\n(.*?)\n```", section, re.DOTALL)
    return tree[1] if tree else ""
