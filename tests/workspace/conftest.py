"""A clone of this repository, and programs that run without the measurement of coverage."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.workspace.clones import Clone


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    return Clone.of_the_repository(tmp_path / "clone")


@pytest.fixture(scope="module", autouse=True)
def programs_are_not_measured() -> Iterator[None]:
    """Coverage would double the time of small programs, and each package is covered by its own tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("COVERAGE_PROCESS_CONFIG", raising=False)
        yield
