"""An account with some of everything, and a folder for its backup."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.accounts import Account, Accounts

from pryv import Connection
from pryv_backup import backup

from .content import fill


@pytest.fixture(scope="module")
def full_account(accounts: Accounts) -> Iterator[Connection]:
    """An account with some of everything, which tests only read."""
    with ExitStack() as connections:
        connection = accounts.register(connections)[2]
        fill(connection)
        yield connection


@pytest.fixture(scope="module")
def made(full_account: Connection, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backup of that account, which tests only read."""
    folder = tmp_path_factory.mktemp("made") / "backup"
    backup(full_account, folder)
    return folder


@pytest.fixture
def account(new_account: Callable[[], Account]) -> Connection:
    """A fresh account, with the stream `diary`."""
    connection = new_account()[2]
    connection.streams.ensure({"id": "diary", "name": "Diary"})
    return connection


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of a backup, not yet made."""
    return tmp_path / "backup"
