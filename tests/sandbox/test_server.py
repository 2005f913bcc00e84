"""The sandbox as an object and as a command."""

from __future__ import annotations

import errno
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from pryv_sandbox import Sandbox


def service_info_status(sandbox: Sandbox) -> int:
    return requests.get(sandbox.service_info_url, timeout=5).status_code


def test_answers_at_once_and_leaves_no_thread() -> None:
    threads = set(threading.enumerate())
    with Sandbox() as sandbox:
        assert service_info_status(sandbox) == 200
    assert not set(threading.enumerate()) - threads
    with pytest.raises(requests.ConnectionError):
        service_info_status(sandbox)


def test_keeps_its_port_and_its_data_when_started_again() -> None:
    sandbox = Sandbox()
    with sandbox:
        url, account = sandbox.url, sandbox.create_account()
    with sandbox:
        assert sandbox.url == url
        answer = requests.get(
            f"{url}{account.username}/access-info", headers={"Authorization": account.token}, timeout=5
        )
    assert answer.status_code == 200


def test_closes_a_connection_that_is_idle_for_5_seconds() -> None:
    with Sandbox() as sandbox, socket.create_connection(("127.0.0.1", urlsplit(sandbox.url).port or 0), 20) as client:
        client.sendall(b"GET /reg/service/info HTTP/1.1\r\nHost: localhost\r\n\r\n")
        received = client.recv(65536)
        assert b"\r\nKeep-Alive: timeout=5\r\n" in received
        begin = time.monotonic()
        while received:
            received = client.recv(65536)
        assert 4 < time.monotonic() - begin < 19


def test_nobody_else_gets_its_port_meanwhile() -> None:
    sandbox = Sandbox()
    with sandbox, sandbox.faults.refuse():
        assert is_taken(sandbox)
    assert is_taken(sandbox)
    with sandbox:
        assert service_info_status(sandbox) == 200


def is_taken(sandbox: Sandbox) -> bool:
    with socket.socket() as other:
        try:
            other.bind(("127.0.0.1", urlsplit(sandbox.url).port or 0))
        except OSError as error:
            return error.errno == errno.EADDRINUSE
    return False


def test_keeps_its_data_in_a_file(tmp_path: Path) -> None:
    file = str(tmp_path / "platform.db")
    with Sandbox(data=file) as sandbox:
        account = sandbox.create_account()
    with Sandbox(data=file) as sandbox:
        answer = requests.get(
            f"{sandbox.url}{account.username}/access-info", headers={"Authorization": account.token}, timeout=5
        )
    assert answer.status_code == 200


def test_an_account_takes_the_names_asked_for_and_hides_its_secrets(pryv_sandbox: Sandbox) -> None:
    account = pryv_sandbox.create_account("some-name", "some-password")
    assert account.api_endpoint == f"{pryv_sandbox.url.replace('//', f'//{account.token}@')}some-name/"
    login = requests.post(
        f"{pryv_sandbox.url}some-name/auth/login",
        json={"username": "some-name", "password": "some-password", "appId": "server-tests"},
        timeout=5,
    )
    assert login.status_code == 200
    assert account.token not in repr(account)
    assert account.password not in repr(account)


def test_says_that_the_port_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        sandbox = Sandbox(port=taken.getsockname()[1])
        with pytest.raises(OSError, match="address already in use"):
            sandbox.start()
    with sandbox:
        assert service_info_status(sandbox) == 200


def test_says_that_there_is_no_such_port() -> None:
    with pytest.raises(OverflowError, match="port"):
        Sandbox(port=99999).start()


def test_is_not_started_twice(pryv_sandbox: Sandbox) -> None:
    with pytest.raises(RuntimeError, match="runs already"):
        pryv_sandbox.start()


def test_stops_while_a_request_is_held() -> None:
    with Sandbox() as sandbox:
        sandbox.faults.stall()
        with socket.create_connection(("127.0.0.1", int(sandbox.url.rsplit(":", 1)[1].strip("/"))), 5) as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: sandbox\r\n\r\n")
            service_info_status(sandbox)
            began = time.monotonic()
            sandbox.stop()
            assert time.monotonic() - began < 10
            with pytest.raises(ConnectionResetError):
                client.recv(1)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_command_prints_where_clients_begin_and_ends_cleanly(number: signal.Signals, tmp_path: Path) -> None:
    command = [sys.executable, "-W", "error", "-m", "pryv_sandbox", "--data", str(tmp_path / "data.db")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            service_info_url = process.stdout.readline().strip()
            assert re.fullmatch(r"http://127\.0\.0\.1:\d+/reg/service/info", service_info_url)
            assert requests.get(service_info_url, timeout=5).json()["access"].endswith("/reg/access/")
            process.send_signal(number)
            output, errors = process.communicate(timeout=60)
        finally:
            process.kill()
    assert (process.returncode, output, errors) == (0, "", "")


def refusal(*options: str) -> str:
    """What the command says, and nothing else, when it cannot start."""
    command = [sys.executable, "-m", "pryv_sandbox", *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert "Traceback" not in done.stderr
    return done.stderr


def test_the_command_says_that_the_port_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert "address already in use" in refusal("--port", str(taken.getsockname()[1]))


def test_the_command_says_that_the_file_cannot_keep_data(tmp_path: Path) -> None:
    assert "unable to open database file" in refusal("--data", str(tmp_path / "missing" / "data.db"))
    (tmp_path / "other").write_bytes(b"no database" * 1000)
    assert "file is not a database" in refusal("--data", str(tmp_path / "other"))
