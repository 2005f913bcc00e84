"""Fixtures for the sandbox's tests."""

from __future__ import annotations

import pytest

from pryv_sandbox import Sandbox

from .caller import Caller


@pytest.fixture
def owner(pryv_sandbox: Sandbox) -> Caller:
    """The owner of a fresh account."""
    return Caller.of(pryv_sandbox)
