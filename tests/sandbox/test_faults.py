"""What can be made to go wrong, seen by a real client."""

from __future__ import annotations

import http.client
import secrets
import socket
import time
from collections.abc import Iterator
from contextlib import closing
from urllib.parse import urlsplit

import pytest
import requests
from tests.waiting import wait_for
from urllib3.exceptions import ProtocolError

from pryv_sandbox import Account, Faults, Sandbox


@pytest.fixture
def faults(pryv_sandbox: Sandbox) -> Faults:
    return pryv_sandbox.faults


@pytest.fixture(scope="module")
def account(pryv_sandbox: Sandbox) -> Account:
    return pryv_sandbox.create_account()


class Client:
    """Talks to one account as its owner."""

    def __init__(self, url: str, account: Account) -> None:
        self.url = f"{url}{account.username}/"
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.headers["Authorization"] = account.token

    def get(self, path: str, **options: object) -> requests.Response:
        return self.session.get(self.url + path, timeout=5, allow_redirects=False, **options)  # type: ignore[arg-type]

    def create_event(self) -> requests.Response:
        event = {"streamIds": ["notes"], "type": "note/txt", "content": secrets.token_hex(8)}
        return self.session.post(self.url + "events", json=event, timeout=5)

    def count_events(self) -> int:
        return len(self.get("events?limit=100000").json()["events"])


@pytest.fixture
def client(pryv_sandbox: Sandbox, account: Account) -> Iterator[Client]:
    client = Client(pryv_sandbox.url, account)
    client.session.post(client.url + "streams", json={"id": "notes", "name": "Notes"}, timeout=5)
    with client.session:
        yield client


def test_a_status_for_the_next_requests(faults: Faults, client: Client) -> None:
    faults.status(503, times=2, retry_after=7)
    faults.status(500, path="/nowhere")
    assert faults.armed == 3
    before = [client.get("access-info"), client.create_event()]
    assert faults.armed == 1
    assert [answer.status_code for answer in before] == [503, 503]
    assert before[0].headers["Retry-After"] == "7"
    assert before[0].json()["error"]["id"] == "unexpected-error"
    assert client.get("access-info").status_code == 200


def test_a_status_with_a_body_of_ones_own(faults: Faults, client: Client) -> None:
    faults.status(429, body={"error": {"id": "slow-down", "message": "Later."}})
    faults.status(502, body=b"<html>Bad gateway</html>")
    assert client.get("access-info").json() == {"error": {"id": "slow-down", "message": "Later."}}
    assert client.get("access-info").content == b"<html>Bad gateway</html>"


def test_filters_by_verb_and_path(faults: Faults, client: Client) -> None:
    faults.status(500, method="POST", path="/events$")
    assert client.get("access-info").status_code == 200
    assert client.get("events").status_code == 200
    assert client.create_event().status_code == 500
    assert client.create_event().status_code == 201


def test_the_fault_armed_first_comes_first(faults: Faults, client: Client) -> None:
    faults.status(500)
    faults.status(503)
    assert [client.get("access-info").status_code for _ in range(3)] == [500, 503, 200]


def test_cleared_faults_are_gone(faults: Faults, client: Client) -> None:
    faults.status(500, times=100)
    faults.skew = 100
    faults.clear()
    assert client.get("access-info").status_code == 200
    assert faults.skew == 0


def test_cut_before_the_answer_of_an_executed_request(faults: Faults, client: Client) -> None:
    count = client.count_events()
    faults.cut(method="POST")
    with pytest.raises(requests.ConnectionError, match="reset"):
        client.create_event()
    assert client.count_events() == count + 1


def test_cut_before_the_request_is_executed(faults: Faults, client: Client) -> None:
    count = client.count_events()
    faults.cut(executed=False)
    with pytest.raises(requests.ConnectionError, match="reset"):
        client.create_event()
    assert client.count_events() == count


def test_what_is_not_executed_has_no_body_to_cut(faults: Faults) -> None:
    with pytest.raises(ValueError, match="not executed"):
        faults.cut(after_bytes=10, executed=False)


def read_until_cut(client: Client, path: str) -> bytes:
    """What arrives of a body that is cut."""
    chunks: list[bytes] = []
    with client.get(path, stream=True) as answer, pytest.raises(ProtocolError):
        chunks.extend(iter(lambda: answer.raw.read1(65536), b""))
    return b"".join(chunks)


@pytest.mark.parametrize("after_bytes", [0, 1, 100])
def test_cut_within_a_plain_answer(faults: Faults, client: Client, after_bytes: int) -> None:
    body = client.get("access-info").content
    faults.cut(after_bytes=after_bytes)
    received = read_until_cut(client, "access-info")
    assert len(received) == after_bytes
    assert body[:20].startswith(received[:20])


@pytest.mark.parametrize("after_bytes", [0, 1000, 500_000])
def test_cut_within_a_streamed_answer(faults: Faults, client: Client, after_bytes: int) -> None:
    calls = [
        {"method": "events.create", "params": {"streamIds": ["notes"], "type": "note/txt", "content": "x" * 500}}
    ] * 1000
    assert client.session.post(client.url, json=calls, timeout=20).status_code == 200
    faults.cut(after_bytes=after_bytes)
    assert len(read_until_cut(client, "events?limit=1000")) == after_bytes


def test_cut_within_a_file(faults: Faults, client: Client) -> None:
    event = {"streamIds": ["notes"], "type": "file/attached"}
    created = client.session.post(client.url + "events", json=event, timeout=5).json()["event"]
    content = secrets.token_bytes(1_000_000)
    attached = client.session.post(f"{client.url}events/{created['id']}", files={"file": ("a.bin", content)}, timeout=5)
    path = f"events/{created['id']}/{attached.json()['event']['attachments'][0]['id']}"
    faults.cut(after_bytes=654_321)
    assert read_until_cut(client, path) == content[:654_321]
    assert client.get(path).content == content


def test_an_answer_shorter_than_the_cut_arrives_whole(faults: Faults, client: Client) -> None:
    faults.cut(after_bytes=1_000_000)
    assert client.get("access-info").json()["type"] == "personal"


def test_delay(faults: Faults, client: Client) -> None:
    faults.delay(0.3)
    began = time.monotonic()
    assert client.get("access-info").status_code == 200
    assert time.monotonic() - began >= 0.3


def test_a_delayed_request_has_been_executed(faults: Faults, client: Client) -> None:
    count = client.count_events()
    faults.delay(10, method="POST")
    with pytest.raises(requests.ReadTimeout):
        client.session.post(
            client.url + "events", json={"streamIds": ["notes"], "type": "note/txt", "content": ""}, timeout=0.3
        )
    wait_for(lambda: client.count_events() == count + 1)


def test_stall(faults: Faults, client: Client) -> None:
    faults.stall()
    with pytest.raises(requests.ReadTimeout):
        client.session.get(client.url + "access-info", timeout=0.3)
    assert client.get("access-info").status_code == 200


def test_drip(faults: Faults, client: Client) -> None:
    whole = client.get("access-info").json()
    faults.drip(chunk=50, interval=0.02)
    began = time.monotonic()
    answer = client.get("access-info")
    assert answer.json()["id"] == whole["id"]
    assert time.monotonic() - began >= 0.02 * (len(answer.content) // 50)


def test_wrong_core(faults: Faults, client: Client) -> None:
    faults.wrong_core("http://other.example/")
    answer = client.get("access-info")
    assert answer.status_code == 421
    error = answer.json()["error"]
    assert (error["id"], error["data"]) == ("wrong-core", {"coreUrl": "http://other.example/"})


def test_relocated(faults: Faults, client: Client) -> None:
    faults.relocated("http://other.example/")
    answer = client.get("access-info?x=1")
    place = f"http://other.example{urlsplit(client.url).path}access-info?x=1"
    assert answer.status_code == 301
    assert answer.headers["Location"] == place
    error = answer.json()["error"]
    assert (error["id"], error["data"]) == ("user-account-relocated", {"url": place})


def test_refuse_resets_what_is_open_and_takes_nothing_new(
    faults: Faults, client: Client, pryv_sandbox: Sandbox
) -> None:
    place = urlsplit(pryv_sandbox.url)
    with closing(http.client.HTTPConnection(place.hostname or "", place.port, timeout=5)) as kept_alive:

        def ask() -> None:
            kept_alive.request("GET", "/")
            kept_alive.getresponse().read()

        ask()
        with faults.refuse():
            with pytest.raises(ConnectionError):
                ask()
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection((place.hostname or "", place.port or 0), timeout=5)
    assert client.get("access-info").status_code == 200


def test_skew(faults: Faults, client: Client) -> None:
    faults.skew = 3600
    assert 3590 < client.get("access-info").json()["meta"]["serverTime"] - time.time() < 3610


def test_a_fault_befalls_sockets_too(faults: Faults, pryv_sandbox: Sandbox, account: Account) -> None:
    faults.status(503, path="^/socket.io/")
    handshake = f"{pryv_sandbox.url}socket.io/?EIO=4&transport=websocket&auth={account.token}"
    assert requests.get(handshake, timeout=5).status_code == 503
