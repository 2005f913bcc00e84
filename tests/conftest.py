"""The platform and the accounts that the tests of all packages work on."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from tests.accounts import PLATFORM_VARIABLE, Account, Accounts

from pryv_sandbox import OAuthSettings, Sandbox

from .peers.browser import driver, page
from .peers.certificates import authority, authority_file
from .peers.javascript import node
from .peers.mutations import playback
from .peers.network import proxy

__all__ = ["authority", "authority_file", "driver", "node", "page", "playback", "proxy"]

settings.register_profile(
    "same",
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.register_profile("random", settings.get_profile("same"), derandomize=False)
settings.load_profile("same")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A job that a shell starts in the background ignores it, and so do all of its children:
    # https://pubs.opengroup.org/onlinepubs/9699919799/utilities/V3_chap02.html#tag_18_11
    signal.signal(signal.SIGINT, signal.default_int_handler)


LEFT: pytest.StashKey[dict[str, str]] = pytest.StashKey()
"""The names of accounts that could not be deleted, each with the reason."""


@pytest.fixture(scope="session")
def platform_url(request: pytest.FixtureRequest) -> str:
    """The service info URL of the platform under test: the one the environment names, or the session's sandbox."""
    named = os.environ.get(PLATFORM_VARIABLE)
    if named:
        return named
    sandbox: Sandbox = request.getfixturevalue("pryv_sandbox")
    return sandbox.service_info_url


@pytest.fixture
def sandbox(request: pytest.FixtureRequest) -> Sandbox:
    """The session's sandbox, for tests that need its faults or its clock."""
    if os.environ.get(PLATFORM_VARIABLE):
        pytest.skip(f"needs the sandbox; {PLATFORM_VARIABLE} names another platform")
    sandbox: Sandbox = request.getfixturevalue("pryv_sandbox")
    return sandbox


@pytest.fixture
def expiring() -> Iterator[Sandbox]:
    """A platform whose OAuth access tokens live for a second."""
    with Sandbox(oauth=OAuthSettings(access_lifetime=1)) as sandbox:
        yield sandbox


@pytest.fixture(scope="session")
def accounts(platform_url: str, pytestconfig: pytest.Config) -> Iterator[Accounts]:
    """Registers accounts on the platform under test, and deletes them at the end."""
    accounts = Accounts(platform_url)
    yield accounts
    pytestconfig.stash[LEFT] = accounts.delete()


@pytest.fixture
def new_account(accounts: Accounts) -> Iterator[Callable[[], Account]]:
    """Registers accounts, each a fresh one."""
    with ExitStack() as connections:
        yield lambda: accounts.register(connections)


@pytest.fixture(scope="module")
def module_account(accounts: Accounts) -> Iterator[Account]:
    """One account for a whole module."""
    with ExitStack() as connections:
        yield accounts.register(connections)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Report the accounts that are left to the process that started this one, if pytest-xdist did."""
    output = getattr(session.config, "workeroutput", {})
    output["accounts left"] = session.config.stash.get(LEFT, {})


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take over what a process of pytest-xdist reports."""
    left = getattr(node, "workeroutput", {}).get("accounts left", {})
    node.config.stash[LEFT] = {**node.config.stash.get(LEFT, {}), **left}


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Show the accounts that are left; that is no failure of a test."""
    left = config.stash.get(LEFT, {})
    if left:
        terminalreporter.section("accounts that are left on the platform")
        for username, reason in left.items():
            terminalreporter.write_line(f"{username}: {reason}")
