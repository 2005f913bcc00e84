"""The suite deletes the accounts that it registers, and reports those that are left."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from tests.accounts import APP_ID, PLATFORM_VARIABLE, Accounts

from pryv import Service
from pryv_sandbox import Sandbox

from .documents import ROOT

TESTS = "tests/pryv/test_login.py::test_a_wrong_password", "tests/pryv/test_resources_account.py::test_profile_sets"


@pytest.fixture
def platform() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


def test_accounts_are_deleted(platform: Sandbox) -> None:
    accounts = Accounts(platform.service_info_url)
    with ExitStack() as connections, Service(platform.service_info_url) as service:
        (kept, _, _), (left, _, session), (gone, _, owner), (_, _, renamed), (changed, old, other) = (
            accounts.register(connections) for _ in range(5)
        )
        session.logout()
        service.delete_user(gone, owner.token or "")
        renamed.account.change_username("another-name")
        other.account.change_password(old, "another-one")
        other.logout()
        reasons = accounts.delete()
        assert [*reasons] == [changed]
        assert "invalid-credentials" in reasons[changed]
        assert not any(service.user_exists(name) for name in (kept, left, gone, "another-name"))
        assert service.user_exists(changed)
        assert accounts.delete() == {}
        service.login(changed, "another-one", APP_ID).close()


def test_a_platform_that_is_gone_is_not_waited_for(platform: Sandbox) -> None:
    accounts = Accounts(platform.service_info_url)
    with ExitStack() as connections:
        names = {accounts.register(connections)[0] for _ in range(3)}
    platform.stop()
    assert accounts.delete().keys() == names
    platform.start()


def run_tests(*options: str, service_info_url: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, PLATFORM_VARIABLE: service_info_url}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:cov", *options, *TESTS]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("options", [[], pytest.param(["-n", "2"], marks=pytest.mark.long)])
def test_a_session_deletes_its_accounts_and_reports_those_that_are_left(platform: Sandbox, options: list[str]) -> None:
    platform.faults.delay(0, method="DELETE")
    platform.faults.status(404, method="DELETE")
    done = run_tests(*options, service_info_url=platform.service_info_url)
    assert (done.returncode, platform.faults.armed) == (0, 0), done.stdout
    assert "accounts that are left on the platform" in done.stdout
    assert len(re.findall(r"^test[0-9a-f]{12}: auth\.delete: .*unknown-resource", done.stdout, re.MULTILINE)) == 1
