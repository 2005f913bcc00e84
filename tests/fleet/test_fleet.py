"""Accounts are added, passed and removed."""

from collections.abc import Callable

import pytest
from tests.accounts import Account
from tests.fleet.persons import access_to, contents, note

from pryv_fleet import Fleet, FleetError


def test_changes_of_accounts_arrive(fleet: Fleet, new_account: Callable[[], Account]) -> None:
    one, two = new_account(), new_account()
    names = [account.name for account in fleet.add_many([access_to(one), access_to(two)])]
    assert names == [one[0], two[0]]
    first, _ = note(one[2], "first"), note(two[2], "other")
    report = fleet.sync_due()
    assert (report.passes, report.changed, report.failed) == (2, 2, 0)
    assert contents(fleet, one[0]) == ["first"]
    assert contents(fleet, two[0]) == ["other"]

    one[2].events.update(first["id"], {"content": "changed"})
    two[2].events.delete(note(two[2], "gone")["id"], permanently=True)
    fleet.wake(one[0])
    fleet.wake(two[0])
    assert fleet.sync_due().passes == 2
    assert contents(fleet, one[0]) == ["changed"]
    assert contents(fleet, two[0]) == ["other"]


def test_an_unknown_account_is_an_error(fleet: Fleet) -> None:
    for method in (fleet.wake, fleet.pause, fleet.resume, fleet.forget, fleet.sync, fleet.account, fleet.mirror):
        with pytest.raises(FleetError, match="no account named nobody"):
            method("nobody")
