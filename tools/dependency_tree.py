"""What a package brings with it, as it is and as its README tells it."""

import re
from pathlib import Path

from environments import Environment

_BACKPORT = r"(?m)^.*── typing-extensions\n"
"""What packages need with some Pythons only; their trees are told without."""


def dependency_tree(environment: Environment, package: str) -> str:
    """Returns the dependencies of a package that is installed, as a tree of names."""
    tree = environment.uv_pip("tree", "--package", package)
    names = re.sub(r"(?m) v\S+( \(\*\))?$", "", tree.partition("(*) ")[0])
    return re.sub(_BACKPORT, "", names).strip()


def told_tree(readme: Path) -> str:
    """Returns the tree in a README's section "Dependencies"."""
    section = readme.read_text().partition("\n## Dependencies\n")[2]
    tree = re.search(r"```text\n(.*?)\n```", section, re.DOTALL)
    return tree[1] if tree else ""
