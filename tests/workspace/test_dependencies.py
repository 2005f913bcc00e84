import sys
from pathlib import Path

import pytest

from dependency_tree import dependency_tree, documented_tree
from environments import Environment

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    "package",
    ["pryv", "pryv-socket-io", "pryv-monitor", "pryv-encryption", "pryv-backup", "pryv-fleet", "pryv-sandbox"],
)
def test_readmes_name_the_dependencies_of_a_package(package: str) -> None:
    assert documented_tree(ROOT / "packages" / package / "README.md") == dependency_tree(
        Environment(Path(sys.prefix)), package
    )
