"""Pytest fixtures: a test that asks for `pryv_sandbox` gets a running platform."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pryv_sandbox import Sandbox


@pytest.fixture(scope="session")
def pryv_sandbox() -> Iterator[Sandbox]:
    """A running platform, shared by the tests of the session."""
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture(autouse=True)
def _end_faults(request: pytest.FixtureRequest) -> Iterator[None]:
    """A fault ends with the test that asked for it."""
    yield
    if "pryv_sandbox" in request.fixturenames:
        request.getfixturevalue("pryv_sandbox").faults.clear()
