"""Webhooks wake accounts."""

import socket
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest
import requests
from tests.accounts import Account
from tests.fleet.persons import access_to, contents, note
from tests.waiting import wait_for

from pryv import Connection
from pryv_fleet import Fleet
from pryv_fleet._server import receiving
from pryv_sandbox import Sandbox


@pytest.fixture
def receiver_url(fleet: Fleet) -> Iterator[str]:
    with receiving(fleet, "127.0.0.1", 0) as url:
        yield f"{url}pryv/"


def test_a_change_wakes_its_account_only(fleet: Fleet, receiver_url: str, new_account: Callable[[], Account]) -> None:
    one, two = new_account(), new_account()
    fleet.add_many([access_to(one), access_to(two)], interval=3600)
    fleet.sync_due()
    assert fleet.register_webhooks(receiver_url).registered == 2
    report = fleet.register_webhooks(receiver_url)
    assert (report.registered, dict(report.failed)) == (2, {})
    assert len(one[2].webhooks.list()) == 1
    assert fleet.status().due == 0
    note(one[2], "news")
    wait_for(lambda: fleet.status().due == 1)
    report_of_pass = fleet.sync_due()
    assert (report_of_pass.passes, report_of_pass.changed) == (1, 1)
    assert contents(fleet, one[0]) == ["news"]


def test_a_webhook_that_the_platform_deactivated_is_activated(fleet: Fleet, new_account: Callable[[], Account]) -> None:
    endpoint = access_to(new_account())
    fleet.add(endpoint)
    fleet.register_webhooks("https://hooks.example.org/")
    webhooks = Connection(endpoint).webhooks
    (webhook,) = webhooks.list()
    webhooks.update(webhook["id"], {"state": "inactive"})
    assert fleet.register_webhooks("https://hooks.example.org/").registered == 1
    assert [(each["id"], each["state"]) for each in webhooks.list()] == [(webhook["id"], "active")]


def test_a_platform_whose_webhooks_are_malformed_fails_no_other_account(
    fleet: Fleet, new_account: Callable[[], Account], sandbox: Sandbox
) -> None:
    one, two = new_account(), new_account()
    fleet.add_many([access_to(one), access_to(two)])
    sandbox.faults.status(200, body=b'{"webhooks": [5], "meta": {}}', path=f"/{one[0]}/webhooks")
    report = fleet.register_webhooks("https://hooks.example.org/")
    sandbox.faults.clear()
    assert (report.registered, list(report.failed)) == (1, [one[0]])


def has_ipv6() -> bool:
    with suppress(OSError), socket.create_server(("::1", 0), family=socket.AF_INET6):
        return True
    return False


@pytest.mark.skipif(not has_ipv6(), reason="needs an address of IPv6")
def test_the_receiver_listens_on_an_address_of_ipv6_too(fleet: Fleet) -> None:
    with receiving(fleet, "::1", 0) as url:
        assert url.startswith("http://[::1]:")
        assert requests.post(f"{url}unknown", timeout=5).status_code == 404


def test_requests_that_are_not_webhooks_are_refused(fleet: Fleet, receiver_url: str) -> None:
    fleet.add("https://token@alice.pryv.me/")
    fleet._database.execute("UPDATE {schema}.accounts SET wake_id = 'known', due = now() + interval '1 hour'")
    assert requests.post(receiver_url + "unknown", timeout=5).status_code == 404
    assert requests.get(receiver_url + "known", timeout=5).status_code == 405
    assert fleet.status().due == 0
    assert requests.post(receiver_url + "known", timeout=5, json={"messages": ["eventsChanged"]}).status_code == 204
    assert requests.post(receiver_url + "known", timeout=5).status_code == 204
    assert fleet.status().due == 1


def test_the_receiver_is_unavailable_while_postgresql_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pryv_fleet.webhooks._WAIT", 0.2)
    responses: list[str] = []
    environment = {"REQUEST_METHOD": "POST", "PATH_INFO": "/known"}
    with Fleet("postgresql://user@127.0.0.1:1/nobody?connect_timeout=1") as fleet:
        fleet.receiver()(environment, lambda status, _: responses.append(status))
    assert responses == ["503 Service Unavailable"]


@pytest.mark.parametrize("length", ["9000000", "-1", "x", "9" * 5000])
def test_the_body_of_a_notification_is_read_before_the_response(fleet: Fleet, receiver_url: str, length: str) -> None:
    """A platform may send it after the header; and a hostile one may send anything."""
    port = int(receiver_url.split(":")[2].partition("/")[0])
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        client.sendall(f"POST /pryv/unknown HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n".encode())
        for _ in range(int(length) // 100_000 if length == "9000000" else 0):
            client.sendall(b"x" * 100_000)
        with client.makefile("rb") as response:
            assert response.readline().split()[1] == b"404"


def test_an_account_whose_webhook_fails_is_named(fleet: Fleet, new_account: Callable[[], Account]) -> None:
    account = new_account()
    fleet.add(access_to(account).replace("//", "//wrong"))
    report = fleet.register_webhooks("https://hooks.example.org/")
    assert list(report.failed) == [account[0]]
    with pytest.raises(ValueError, match="url"):
        fleet.register_webhooks("hooks.example.org")


def test_a_registration_keeps_and_records_the_pause_of_a_platform(
    fleet: Fleet, new_account: Callable[[], Account], sandbox: Sandbox
) -> None:
    one, two = new_account(), new_account()
    fleet.add_many([access_to(one), access_to(two)])
    sandbox.faults.status(429, retry_after=30)
    with Fleet(fleet._database._dsn, threads=1) as worker:
        failed = worker.register_webhooks("https://hooks.example.org/").failed
    assert "asked not to be called now" in failed[two[0]]
    (platform,) = fleet.status().platforms
    assert platform.not_before is not None
    assert fleet.register_webhooks("https://hooks.example.org/").registered == 0


def test_a_registration_keeps_the_pause_that_was_asked_for_an_account(
    fleet: Fleet, new_account: Callable[[], Account], sandbox: Sandbox
) -> None:
    one, two = new_account(), new_account()
    fleet.add_many([access_to(one), access_to(two)])
    fleet._database.execute(
        "UPDATE {schema}.accounts SET not_before = now() + interval '1 hour' WHERE name = %s", (one[0],)
    )
    report = fleet.register_webhooks("https://hooks.example.org/")
    assert (report.registered, list(report.failed)) == (1, [one[0]])
    assert (len(one[2].webhooks.list()), len(two[2].webhooks.list())) == (0, 1)
