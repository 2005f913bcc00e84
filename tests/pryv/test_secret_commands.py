"""The commands `pryv secret put` and `pryv secret get`, each time as a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Protocol

import pytest
from tests.accounts import Account
from tests.peers.terminal import shown
from tests.pryv.wire import Reply, Wire, reply

from pryv import Connection, SharedSecretUnavailableError
from pryv.shared_secrets import create, retrieve

PRYV = Path(sys.executable).with_name("pryv")
OPTIONS = ["--ttl", "60", "--title", "An export — ½", "--message", "It was read before."]
NEW: dict[str, Any] = {"ttl": 60, "title": "An export", "message": "It was read before."}


class Run(Protocol):
    def __call__(self, *arguments: object, stdin: str | bytes = b"") -> subprocess.CompletedProcess[bytes]: ...


@pytest.fixture(scope="module")
def account(module_account: Account) -> Connection:
    return module_account[2]


@pytest.fixture
def environment(account: Connection, tmp_path: Path) -> dict[str, str]:
    return {"HOME": str(tmp_path), "PATH": os.defpath, "PRYV_API_ENDPOINT": account.api_endpoint, "LC_ALL": "C"}


@pytest.fixture
def secret(environment: dict[str, str], tmp_path: Path) -> Run:
    """Runs `pryv secret`."""

    def run(*arguments: object, stdin: str | bytes = b"") -> subprocess.CompletedProcess[bytes]:
        given = stdin.encode() if isinstance(stdin, str) else stdin
        command = [str(PRYV), "secret", *map(str, arguments)]
        return subprocess.run(command, input=given, env=environment, cwd=tmp_path, capture_output=True, check=False)

    return run


@pytest.mark.parametrize(
    ("given", "kept"),
    [("token", "token"), ("token\n", "token"), ("token\r\n", "token"), ("é ✓\n\n", "é ✓\n"), (" a\r", " a\r")],
)
def test_a_secret_can_be_put_and_retrieved_once(secret: Run, account: Connection, given: str, kept: str) -> None:
    put = secret("put", *OPTIONS, stdin=given)
    assert put.returncode == 0, put.stderr
    assert b"can be read once, until " in put.stderr
    assert retrieve(account.endpoint, put.stdout.decode().removesuffix("\n")) == kept

    key = create(account, kept, **NEW).key
    got = secret("get", account.endpoint, stdin=f"{key}\n")
    assert (got.returncode, got.stdout.decode(), got.stderr) == (0, f"{kept}\n", b"")


@pytest.mark.parametrize(
    ("option", "name"), [("--passphrase-file", "passphrase"), ("--verifier-secret-file", "verifier_secret")]
)
def test_a_proof_is_read_from_a_file(secret: Run, account: Connection, tmp_path: Path, option: str, name: str) -> None:
    (tmp_path / "proof").write_text("öffne dich\n", encoding="utf-8")
    (tmp_path / "wrong").write_text("open\n")
    put = secret("put", *OPTIONS, "--return-url", "https://example.org/", option, "proof", stdin="token")
    missing = secret("get", account.endpoint, stdin=put.stdout)
    assert (missing.returncode, missing.stdout) == (77, b"")
    assert b"It was read before." in missing.stderr
    assert secret("get", account.endpoint, option, "proof", stdin=put.stdout).stdout == b"token\n"

    proof: dict[str, Any] = {name: "öffne dich"}
    key = create(account, "token", **NEW, **proof).key
    assert secret("get", account.endpoint, option, "wrong", stdin=key).returncode == 77
    with pytest.raises(SharedSecretUnavailableError):
        retrieve(account.endpoint, key, **proof)


@pytest.mark.parametrize(
    ("value", "printed"),
    [
        ({"é": [1]}, '{\n  "é": [\n    1\n  ]\n}\n'),
        (False, "false\n"),
        ("a \ud800", "a \\ud800\n"),
        ("\x1b[2J", "\x1b[2J\n"),
    ],
)
def test_secrets_of_several_lines_are_printed(secret: Run, wire: Wire, value: Any, printed: str) -> None:
    wire.always = reply({"secret": value})
    assert secret("get", wire.url, stdin=b"id." + b"x" * 32).stdout.decode() == printed


def test_a_secret_does_not_control_a_terminal(account: Connection, environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "key").write_text(create(account, "\x1b]0;x\x07é\n", **NEW).key)
    command = ["sh", "-c", f"{PRYV} secret get {account.endpoint} < {tmp_path / 'key'}"]
    assert "\\x1b]0;x\\x07é" in shown(command, {**environment, "LC_ALL": "C.UTF-8"})


@pytest.mark.parametrize(
    ("arguments", "stdin"),
    [
        ([], b""),
        (["put"], b"token"),
        (["put", *OPTIONS[2:]], b"token"),
        (["put", *OPTIONS], b""),
        (["put", *OPTIONS], b"\n"),
        (["put", *OPTIONS], b"canary \xff"),
        (["put", *OPTIONS, "--ttl", "0"], b"token"),
        (["put", *OPTIONS, "--ttl", "nan"], b"token"),
        (["put", *OPTIONS, "--title", " "], b"token"),
        (["put", *OPTIONS, "--return-url", "javascript:1"], b"token"),
        (["put", *OPTIONS, "--passphrase-file", "a", "--verifier-secret-file", "b"], b"token"),
        (["get"], b""),
        (["get", "https://host/"], b"canary"),
        (["get", "https://host/"], b""),
        (["get", "ftp://canary@host/"], b"id." + b"x" * 32),
    ],
)
def test_mistakes_of_usage(secret: Run, arguments: list[str], stdin: bytes) -> None:
    said = secret(*arguments, stdin=stdin)
    assert said.returncode == 2
    assert said.stdout == b""
    assert b"Traceback" not in said.stderr
    assert b"canary" not in said.stderr


def test_a_missing_file_is_named(secret: Run, account: Connection) -> None:
    said = secret("get", account.endpoint, "--passphrase-file", "none", stdin=b"id." + b"x" * 32)
    assert (said.returncode, said.stderr) == (1, b"pryv: none: No such file or directory\n")


def test_a_secret_is_not_retrieved_if_standard_output_is_closed(
    account: Connection, environment: dict[str, str], tmp_path: Path
) -> None:
    key = create(account, "token", **NEW).key
    (tmp_path / "key").write_text(key)
    command = f"{PRYV} secret get {account.endpoint} < {tmp_path / 'key'} >&-"
    done = subprocess.run(["sh", "-c", command], env=environment, capture_output=True, check=False)
    assert done.returncode == 1
    assert retrieve(account.endpoint, key) == "token"


def test_a_key_that_is_unknown_or_a_platform_out_of_reach(secret: Run, account: Connection, wire: Wire) -> None:
    assert secret("get", account.endpoint, stdin=b"id." + b"x" * 32).returncode == 1
    wire.always = Reply(b"", "reset")
    said = secret("get", wire.url, stdin=b"id." + b"canary" * 6)
    assert said.returncode == 69
    assert b"the secret may be spent" in said.stderr
    assert b"canary" not in said.stderr
