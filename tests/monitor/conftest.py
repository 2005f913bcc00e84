"""Accounts to follow, and mirrors of them."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests
from tests.accounts import Account
from tests.monitor.subject import Subject, Traffic

from pryv import Connection, RetryPolicy
from pryv_monitor import SQLiteMirror, _tolerance, update_methods


@pytest.fixture
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """A failed pass is tried again at once, and so is a socket that could not be opened."""
    for module in (_tolerance, update_methods):
        monkeypatch.setattr(module, "_BACKOFF", RetryPolicy(backoff=0.01))


@pytest.fixture
def subject(new_account: Callable[[], Account]) -> Subject:
    """A fresh account."""
    return Subject(new_account()[2])


@pytest.fixture
def counted(subject: Subject) -> Iterator[tuple[Connection, Traffic]]:
    """Another connection to the account, and what comes over it."""
    with requests.Session() as session:
        yield Connection(subject.connection.api_endpoint, session=session), Traffic(session)


@pytest.fixture
def mirror(tmp_path: Path) -> SQLiteMirror:
    """A mirror not yet made."""
    return SQLiteMirror(tmp_path / "mirror.db")
