"""Shared secrets: each can be read once; nothing is sent twice, and no key or secret is shown."""

from __future__ import annotations

import copy
import json
import logging
import pickle
import secrets
import shutil
import socket
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest
from tests.accounts import Account
from tests.peers.javascript import Node, Peer
from tests.pryv.wire import FAST, Reply, Wire, error_reply, reply
from tests.waiting import wait_for

from pryv import (
    Connection,
    ForbiddenError,
    InvalidParametersError,
    PryvConnectionError,
    PryvError,
    PryvProtocolError,
    SharedSecretUnavailableError,
    UnknownResourceError,
    shared_secrets,
)
from pryv.shared_secrets import SharedSecret, create, parse_key, retrieve, status
from pryv.utils import build_api_endpoint

TESTS = Path(__file__).resolve().parents[1]
VECTORS = json.loads((TESTS / "vectors" / "shared-secrets.json").read_text(encoding="utf-8"))
RANDOM = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYX"
NEW: dict[str, Any] = {"ttl": 60, "title": "A key", "message": "It was read before."}
PROOFS: dict[str, dict[str, Any]] = {
    "none": {},
    "passphrase": {"passphrase": "öffne dich, Sesam ✓"},
    "verifier": {"verifier_secret": "prüfe mich ✓"},
}
SECRETS: list[Any] = ["ckv2x0a000000", {"a": [1, "é ✓ \u2028", None]}, False, 0, "", [], "x" * 4094]
ON_CONSUMED = {"message": "message", "return_url": "returnUrl"}
SHARED = {
    "id": "id1",
    "title": "t",
    "status": "pending",
    "statusHistory": [{"status": "pending", "time": 1}],
    "onConsumed": {"message": "m"},
    "expires": 61,
    "key": f"id1.{RANDOM}",
}


@pytest.fixture(scope="module")
def account(module_account: Account) -> Connection:
    return module_account[2]


@pytest.fixture
def fixed_random(monkeypatch: pytest.MonkeyPatch) -> None:
    """The random part of the vectors: the bytes 0 to 23."""
    monkeypatch.setattr(secrets, "token_bytes", lambda size: bytes(range(size)))


# ---- once


@pytest.mark.parametrize("proof", PROOFS.values(), ids=PROOFS)
@pytest.mark.parametrize("secret", SECRETS, ids=str)
def test_a_secret_can_be_read_once(account: Connection, secret: Any, proof: dict[str, Any]) -> None:
    shared = create(account, secret, return_url="https://example.org/back", **NEW, **proof)
    expected = {"passphrase": "secret", "verifier_secret": "hmac-sha256"}.get(next(iter(proof), ""))
    assert (shared.title, shared.status, shared.signature_type) == ("A key", "pending", expected)
    assert (shared.message, shared.return_url) == ("It was read before.", "https://example.org/back")
    assert shared.expires == pytest.approx(shared.status_history[0]["time"] + 60, abs=1)
    assert parse_key(shared.key)[0] == shared.id
    assert status(account, shared.key) == shared

    assert retrieve(account.endpoint, shared.key, **proof) == secret
    with pytest.raises(SharedSecretUnavailableError) as gone:
        retrieve(account.endpoint, shared.key, **proof)
    assert (gone.value.message, gone.value.return_url) == ("It was read before.", "https://example.org/back")
    assert gone.value.status == 403
    assert not gone.value.retryable
    assert [step["status"] for step in status(account, shared.key).status_history] == ["pending", "consumed"]


def test_one_of_many_threads_gets_it(account: Connection) -> None:
    key = create(account, "token", **NEW).key

    def attempt(_: int) -> Any:
        try:
            return retrieve(account.endpoint, key)
        except SharedSecretUnavailableError as error:
            return error.message

    with ThreadPoolExecutor(4) as threads:
        results = list(threads.map(attempt, range(8)))
    assert sorted(results) == [*["It was read before."] * 7, "token"]


@pytest.mark.parametrize("name", ["passphrase", "verifier_secret"])
def test_a_wrong_proof_discards_it_and_a_missing_one_does_not(account: Connection, name: str) -> None:
    right: dict[str, Any] = {name: "right words"}
    kept, lost = (create(account, "token", **NEW, **right).key for _ in range(2))
    with pytest.raises(SharedSecretUnavailableError):
        retrieve(account.endpoint, kept)
    assert retrieve(account.endpoint, kept, **right) == "token"

    wrong: dict[str, Any] = {name: "wrong words"}
    with pytest.raises(SharedSecretUnavailableError):
        retrieve(account.endpoint, lost, **wrong)
    with pytest.raises(SharedSecretUnavailableError):
        retrieve(account.endpoint, lost, **right)
    assert status(account, lost).status == "discarded"


def test_an_expired_secret_is_discarded(account: Connection) -> None:
    key = create(account, "token", **{**NEW, "ttl": 0.05}).key
    wait_for(lambda: status(account, key).status == "discarded")
    with pytest.raises(SharedSecretUnavailableError):
        retrieve(account.endpoint, key)


def test_a_key_that_the_platform_does_not_know(account: Connection) -> None:
    shared = create(account, "token", **NEW)
    for key in (f"{shared.id}.{RANDOM}", f"{'c' * 25}.{RANDOM}"):
        for call in (lambda key=key: retrieve(account.endpoint, key), lambda key=key: status(account, key)):
            with pytest.raises(UnknownResourceError):
                call()
    assert retrieve(account.endpoint, shared.key) == "token"


def test_only_its_creator_and_a_personal_token_see_its_status(account: Connection) -> None:
    account.streams.ensure({"id": "diary", "name": "Diary"})
    permissions: list[Any] = [{"streamId": "diary", "level": "read"}]
    access = account.accesses.create({"name": "a job", "permissions": permissions})
    forbidden = account.accesses.create(
        {"name": "none", "permissions": [*permissions, {"feature": "secretSharing", "setting": "forbidden"}]}
    )
    with Connection(str(access["apiEndpoint"])) as job, Connection(str(forbidden["apiEndpoint"])) as other:
        key = create(job, "token", **NEW).key
        assert status(job, key).status == status(account, key).status == "pending"
        with pytest.raises(UnknownResourceError):
            status(other, key)
        with pytest.raises(ForbiddenError, match="may not create"):
            create(other, "token", **NEW)


def test_errors_in_a_batch_have_the_same_type(account: Connection) -> None:
    key = create(account, "token", **NEW).key
    assert account.api_one("sharedSecrets.retrieve", {"key": key}, "secret") == "token"
    with pytest.raises(SharedSecretUnavailableError):
        account.api_one("sharedSecrets.retrieve", {"key": key})


# ---- what is sent


@pytest.mark.usefixtures("fixed_random")
@pytest.mark.parametrize(
    ("name", "proof"),
    [
        ("create", {}),
        ("create with passphrase", {"passphrase": "open sesame"}),
        ("create with a verifier", {"verifier_secret": "verifier secret"}),
    ],
)
def test_new_secrets_are_sent_as_by_the_javascript_client(
    wire: Wire, connection: Connection, name: str, proof: dict[str, Any]
) -> None:
    (vector,) = (client for client in VECTORS["client"] if client["name"] == name)
    answer = {**SHARED}
    if "verifier_secret" in proof:
        del answer["key"]
    wire.always = reply({"sharedSecret": answer}, 201)
    shared = create(connection, {"a": 1}, ttl=60, title="t", message="m", **proof)
    (request,) = wire.requests
    assert request.body == json.dumps(vector["calls"][0]["body"], separators=(",", ":")).encode()
    assert request.target == "/user/shared-secrets"
    assert {"id": shared.id, "key": shared.key} == vector["result"]


@pytest.mark.parametrize(
    ("name", "proof"),
    [
        ("retrieve", {}),
        ("retrieve with passphrase", {"passphrase": "open sesame"}),
        ("retrieve with a verifier", {"verifier_secret": "verifier secret"}),
    ],
)
def test_keys_are_sent_as_by_the_javascript_client(wire: Wire, name: str, proof: dict[str, Any]) -> None:
    (vector,) = (client for client in VECTORS["client"] if client["name"] == name)
    wire.always = reply({"secret": {"a": 1}})
    assert retrieve(wire.api_endpoint, f"id1.{RANDOM}", **proof) == vector["result"]["secret"]
    (request,) = wire.requests
    assert request.body == vector["calls"][0]["body"].encode()
    assert request.target == "/user/shared-secrets/retrieve"
    assert "authorization" not in request.headers  # the token in the endpoint is left out
    assert wire.token not in str(request.headers)


@pytest.mark.parametrize("vector", VECTORS["hmac"])
def test_proofs_are_those_of_the_vectors(wire: Wire, vector: dict[str, str]) -> None:
    wire.always = reply({"secret": 1})
    retrieve(wire.url, f"id.{vector['randomPart']}", verifier_secret=vector["verifierSecret"])
    assert wire.requests[0].json()["signature"] == {"type": "hmac-sha256", "payload": vector["hmac"]}


@pytest.mark.parametrize("vector", VECTORS["keys"], ids=lambda vector: vector["key"][:12])
def test_keys_are_those_of_the_platform(wire: Wire, vector: dict[str, Any]) -> None:
    key, expected = vector["key"], vector["server"]
    if expected is not None:
        assert parse_key(key) == (expected["eventId"], expected["randomPart"])
        return
    for call in (lambda: parse_key(key), lambda: retrieve(wire.url, key), lambda: status(wire.connection(), key)):
        with pytest.raises(ValueError) as refused:  # noqa: PT011
            call()
        assert len(key) < 10 or key not in str(refused.value)
    assert wire.requests == []


@pytest.mark.parametrize("vector", VECTORS["validation"], ids=lambda vector: vector["name"])
def test_keys_and_proofs_are_checked_as_on_the_platform(
    account: Connection, connection: Connection, wire: Wire, vector: dict[str, Any]
) -> None:
    params, refusal = vector["params"], vector["server"] and {"id": vector["server"]["id"]}
    if "keyHash" in params or params.get("signature", {}).get("type") == "rsa":  # `create` cannot send this
        if refusal is None:
            assert account.post("shared-secrets", params)["sharedSecret"]["status"] == "pending"
            return
        with pytest.raises(InvalidParametersError) as refused:
            account.post("shared-secrets", params)
        assert refused.value.data == refusal
        return
    consumed = params.get("onConsumed", {})
    given = {name: params[name] for name in ("secret", "ttl", "title") if name in params}
    given |= {python: consumed[name] for python, name in ON_CONSUMED.items() if name in consumed}
    given |= {"passphrase": params["signature"]["value"]} if "signature" in params else {}
    if refusal is None:
        key = create(account, **given).key
        assert retrieve(account.endpoint, key, passphrase=given.get("passphrase")) == params["secret"]
    elif refusal["id"] in ("shared-secret-ttl-too-long", "shared-secret-too-large"):
        with pytest.raises(InvalidParametersError) as refused:  # the limits are settings of the platform
            create(account, **given)
        assert refused.value.data == refusal
    else:
        with pytest.raises((TypeError, ValueError)):
            create(connection, **given)
        assert wire.requests == []


@pytest.mark.parametrize("connection", [None, "https://TOKEN@alice.pryv.me/"])
def test_arguments_that_are_not_connections_are_refused(connection: Any) -> None:
    with pytest.raises(TypeError, match=r"pryv\.Connection"):
        create(connection, "token", **NEW)
    with pytest.raises(TypeError, match=r"pryv\.Connection"):
        status(connection, f"{'c' * 25}.{RANDOM}")


@pytest.mark.parametrize(
    ("change", "error", "said"),
    [
        ({"secret": None}, ValueError, "secret is None"),
        ({"secret": {"x": float("nan")}}, ValueError, r"secret\.x: nan"),
        ({"secret": {"x": [object()]}}, TypeError, r"secret\.x\[0\]"),
        ({"secret": {"decryptedFrom": {}}}, ValueError, "decryptedFrom"),
        ({"ttl": 0}, ValueError, "ttl"),
        ({"ttl": -1}, ValueError, "ttl"),
        ({"ttl": float("nan")}, ValueError, "ttl"),
        ({"ttl": float("inf")}, ValueError, "ttl"),
        ({"ttl": True}, TypeError, "ttl"),
        ({"ttl": "60"}, TypeError, "ttl"),
        ({"title": ""}, ValueError, "title"),
        ({"title": " \t"}, ValueError, "title"),
        ({"title": 1}, TypeError, "title"),
        ({"message": ""}, ValueError, "message"),
        ({"message": None}, TypeError, "message"),
        ({"return_url": ""}, ValueError, "return_url"),
        ({"return_url": "javascript:alert(1)"}, ValueError, "return_url"),
        ({"return_url": "https://a b"}, ValueError, "return_url"),
        ({"return_url": "//host/"}, ValueError, "return_url"),
        ({"passphrase": ""}, ValueError, "passphrase is empty"),
        ({"verifier_secret": ""}, ValueError, "verifier_secret is empty"),
        ({"passphrase": b"x"}, TypeError, "passphrase"),
        ({"verifier_secret": "canary \ud800"}, ValueError, "verifier_secret: a lone surrogate"),
        ({"passphrase": "x", "verifier_secret": "y"}, ValueError, "exclude each other"),
        ({"timeout": 0}, ValueError, "timeout"),
    ],
)
def test_invalid_arguments_are_refused_before_any_request(
    wire: Wire, connection: Connection, change: dict[str, Any], error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said) as refused:
        create(connection, **{"secret": "token", **NEW, **change})
    assert "canary" not in str(refused.value)
    if change.keys() <= {"passphrase", "verifier_secret", "timeout"}:
        with pytest.raises(error, match=said):
            retrieve(wire.url, f"id1.{RANDOM}", **change)
    assert wire.requests == []


@pytest.mark.parametrize("key", [None, b"id1." + RANDOM.encode(), 5])
def test_a_key_is_a_string(wire: Wire, connection: Connection, key: Any) -> None:
    for call in (lambda: parse_key(key), lambda: retrieve(wire.url, key), lambda: status(connection, key)):
        with pytest.raises(TypeError):
            call()
    assert wire.requests == []


def test_numbers_of_other_libraries_are_seconds(account: Connection) -> None:
    shared = create(account, np.float32(0.5), **{**NEW, "ttl": np.int64(60)})
    assert retrieve(account.endpoint, shared.key) == 0.5


# ---- never twice


DOUBTFUL: dict[str, Reply] = {
    "reset": Reply(b"", "reset"),
    "closed": Reply(b"", "close"),
    "cut": Reply(reply({"secret": "token", "sharedSecret": SHARED}).data[:-9], "close"),
    "silent": Reply(b"", "hang"),
    "a proxy's page": reply("<html>", 502),
    "no JSON": reply("<html>"),
    "an empty object": reply({}),
    "a failure": error_reply(500, "unexpected-error"),
    "a member of another type": reply({"secret": None, "sharedSecret": []}),
}


@pytest.mark.parametrize("answer", DOUBTFUL)
def test_a_response_cut_short_is_not_retried_and_leaves_the_outcome_unknown(wire: Wire, answer: str) -> None:
    wire.always = DOUBTFUL[answer]
    timeout = 0.1 if answer == "silent" else 5
    with wire.connection(timeout=timeout, retry=FAST) as connection:
        with pytest.raises(PryvError, match="the shared secret may have been created") as failed:
            create(connection, "token", **NEW)
        assert len(wire.requests) == 1
        copied = pickle.loads(pickle.dumps(failed.value))
        assert str(copied) == str(failed.value)
    with pytest.raises(PryvError, match="the secret may be spent"):
        retrieve(wire.url, f"id1.{RANDOM}", timeout=timeout)
    assert len(wire.requests) == 2


def test_the_outcome_of_a_refusal_is_known(wire: Wire, connection: Connection) -> None:
    wire.always = error_reply(403, "forbidden", data={"id": "shared-secret-unavailable"})
    for call in (lambda: create(connection, "token", **NEW), lambda: retrieve(wire.url, f"id1.{RANDOM}")):
        with pytest.raises(SharedSecretUnavailableError) as refused:
            call()
        assert "may" not in str(refused.value)


def test_the_outcome_is_known_if_nothing_was_sent() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # nothing listens
        endpoint = "http://{}:{}/".format(*unused.getsockname())
        with pytest.raises(PryvConnectionError) as failed:
            retrieve(endpoint, f"id1.{RANDOM}")
    assert "may be spent" not in str(failed.value)
    assert not failed.value.sent


def test_a_status_is_retried(wire: Wire, connection: Connection) -> None:
    wire.replies.append(error_reply(503, "api-unavailable"))
    wire.always = reply({"sharedSecret": SHARED})
    assert status(connection, f"id1.{RANDOM}").status == "pending"
    assert len(wire.requests) == 2


@pytest.mark.parametrize(
    "change",
    [
        {"id": None},
        {"key": None},
        {"key": "nodot"},
        {"status": 1},
        {"statusHistory": {}},
        {"expires": "soon"},
        {"onConsumed": None},
        {"onConsumed": {}},
    ],
)
def test_a_malformed_response_is_refused(wire: Wire, connection: Connection, change: dict[str, Any]) -> None:
    wire.always = reply({"sharedSecret": {**SHARED, **change}}, 201)
    with pytest.raises(PryvProtocolError):
        create(connection, "token", **NEW)


@pytest.mark.parametrize("url", ["javascript:alert(1)", 5, None, "//host/"])
def test_a_return_url_that_is_not_http_is_left_out(wire: Wire, url: Any) -> None:
    wire.always = error_reply(403, "forbidden", data={"id": "shared-secret-unavailable", "returnUrl": url})
    with pytest.raises(SharedSecretUnavailableError) as gone:
        retrieve(wire.url, f"id1.{RANDOM}")
    assert gone.value.return_url is None


# ---- secrets


CANARY = "canary-9f2c7d"


def everything_shown(error: BaseException) -> str:
    """All that a program shows of an exception with the values of local variables; not the frames of this file."""
    report = traceback.TracebackException.from_exception(error, capture_locals=True)
    assert report.__cause__ is report.__context__ is None
    for frame in list(report.stack):
        if frame.filename == __file__:
            report.stack.remove(frame)
    return f"{error!r} {error} {error.__dict__} " + "".join(report.format())


@pytest.mark.parametrize("proof", ["passphrase", "verifier_secret"])
@pytest.mark.parametrize("answer", ["echo", *DOUBTFUL])
def test_nothing_secret_is_shown(wire: Wire, caplog: pytest.LogCaptureFixture, answer: str, proof: str) -> None:
    key = f"id1.{CANARY}{'x' * 32}"
    given: dict[str, Any] = {proof: f"{CANARY} words"}
    echo = f"no {key} {key[4:]} {CANARY} words {CANARY}"
    wire.always = error_reply(400, "x", data=[echo]) if answer == "echo" else DOUBTFUL[answer]
    timeout = 0.1 if answer == "silent" else 5
    calls: dict[str, Callable[[Connection], Any]] = {
        "create": lambda connection: create(connection, {"token": CANARY}, **NEW, **given),
        "retrieve": lambda _: retrieve(wire.api_endpoint, key, timeout=timeout, **given),
        "status": lambda connection: status(connection, key),
    }
    with caplog.at_level(logging.DEBUG), wire.connection(timeout=timeout, retry=FAST) as connection:
        for name, call in calls.items():
            with pytest.raises(PryvError) as failed:
                call(connection)
            shown = everything_shown(failed.value) + str(pickle.dumps(failed.value))
            known = {"create": [CANARY], "retrieve": [key, key[4:], given[proof]], "status": [key, key[4:]]}
            assert [secret for secret in (*known[name], wire.token) if secret in shown] == []
    assert CANARY not in caplog.text
    assert not [request.target for request in wire.requests if CANARY in request.target]


def test_a_shared_secret_does_not_show_its_key(account: Connection) -> None:
    shared = create(account, "token", **NEW)
    random_part = parse_key(shared.key)[1]
    for shown in (repr(shared), str(shared), repr([shared]), repr(shared.key), repr(vars(shared_secrets))):
        assert random_part not in shown
    assert "key=" not in repr(shared)
    for copier in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="cannot be pickled"):
            copier(shared)
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        shared.key = ""  # type: ignore[misc]
    assert isinstance(shared, SharedSecret)
    assert json.loads(json.dumps(shared.key)) == shared.key


# ---- the JavaScript client


@pytest.fixture(scope="module")
def javascript() -> Iterator[Peer]:
    path = shutil.which("node")
    if path is None:
        pytest.skip("needs node")
    with Node(path, Path()).peer(Path(__file__).parent / "js" / "shared_secrets.mjs") as peer:
        yield peer


def ask(peer: Peer, action: str, endpoint: str, proof: dict[str, Any], **request: Any) -> Any:
    in_javascript = {{"verifier_secret": "verifierSecret"}.get(name, name): value for name, value in proof.items()}
    peer.say({"action": action, "endpoint": endpoint, **in_javascript, **request})
    return peer.hear()


@pytest.mark.parametrize("proof", PROOFS.values(), ids=PROOFS)
def test_what_one_creates_the_other_retrieves(account: Connection, javascript: Peer, proof: dict[str, Any]) -> None:
    secret = {"é": ["✓", 1.5, None]}
    key = ask(javascript, "create", account.api_endpoint, proof, secret=secret)
    assert retrieve(build_api_endpoint(account.endpoint, None), key, **proof) == secret

    key = create(account, secret, **NEW, **proof).key
    assert ask(javascript, "retrieve", account.endpoint, proof, key=key) == secret
    with pytest.raises(SharedSecretUnavailableError):
        retrieve(account.endpoint, key, **proof)
