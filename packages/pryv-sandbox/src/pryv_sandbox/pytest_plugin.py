"""Pytest fixtures: `pryv_sandbox` is a running platform."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pryv_sandbox import Sandbox

_SANDBOX: pytest.StashKey[Sandbox] = pytest.StashKey()


@pytest.fixture(scope="session")
def pryv_sandbox(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    """A running platform, shared by the tests of the session."""
    from pryv_sandbox import Sandbox

    with Sandbox() as sandbox:
        request.config.stash[_SANDBOX] = sandbox
        yield sandbox


def pytest_runtest_teardown(item: pytest.Item) -> None:
    """Clear the faults of a test when it ends."""
    sandbox = item.config.stash.get(_SANDBOX, None)
    if sandbox:
        sandbox.faults.clear()
