"""A clone of this repository."""

from pathlib import Path

import pytest
from tests.workspace.clones import Clone


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    return Clone.of_the_repository(tmp_path / "clone")
