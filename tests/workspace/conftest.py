"""A clone of this repository, and the documentation as it is published."""

from pathlib import Path

import pytest
from tests.workspace.clones import Clone
from tests.workspace.documentation import DOCS, build


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    return Clone.of_the_repository(tmp_path / "clone")


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("site")
    built = build(DOCS, target)
    assert built.returncode == 0, built.stderr
    return target
