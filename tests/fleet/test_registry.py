"""Accounts are added, their tokens encrypted, and forgotten."""

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest
from tests.accounts import Account
from tests.fleet.persons import access_to, note

from pryv_fleet import Fleet, FleetError, Pacing, PostgresMirror, generate_key
from pryv_fleet.accounts import name_of, platform_of
from pryv_fleet.secrets import TokenCipher

TABLES = ("platforms", "accounts", "events", "deletions", "streams", "forgotten")


def dump(fleet: Fleet) -> str:
    """Return the text of all rows of all tables."""
    return "\n".join(
        str(row[0]) for table in TABLES for row in fleet._database.execute(f"SELECT t::text FROM {{schema}}.{table} t")
    )


@pytest.mark.parametrize(
    ("endpoint", "name", "platform"),
    [
        ("https://alice.pryv.me/", "alice", "https://pryv.me/"),
        ("https://host.example.org/alice/", "alice", "https://host.example.org/"),
        ("https://host.example.org/pryv/alice/", "alice", "https://host.example.org/pryv"),
        ("http://127.0.0.1:3000/alice/", "alice", "http://127.0.0.1:3000/"),
        ("http://127.0.0.1:3000/", "127", "http://127.0.0.1:3000/"),
        ("https://localhost/", "localhost", "https://localhost/"),
    ],
)
def test_endpoints_have_a_name_and_a_platform(endpoint: str, name: str, platform: str) -> None:
    assert (name_of(endpoint), platform_of(endpoint)) == (name, platform)


def test_adding_again_changes_nothing_and_another_token_is_refused(fleet: Fleet) -> None:
    endpoint = "https://token@alice.pryv.me/"
    account = fleet.add(endpoint, interval=60, scope={"streams": ["diary"]})
    assert fleet.add(endpoint) == account
    assert fleet.add_many([endpoint, ("other", endpoint)])[1].name == "other"
    with pytest.raises(ValueError, match="alice is in the fleet with another token: resume it"):
        fleet.add("https://another@alice.pryv.me/")
    with pytest.raises(ValueError, match="another account has the name alice"):
        fleet.add("https://token@bob.pryv.me/", name="alice")
    with pytest.raises(ValueError, match="two accounts have the name carol"):
        fleet.add_many([("carol", "https://a@carol.pryv.me/"), ("carol", "https://b@carol.pryv.me/")])
    assert [account.name for account in fleet.accounts()] == ["alice", "other"]


def test_a_wrong_endpoint_is_named_by_its_number_and_not_shown(fleet: Fleet) -> None:
    for endpoint in ("https://alice.pryv.me/", "secret-token", "https://secret-token@ /"):
        with pytest.raises(ValueError, match=r"^account 1: ") as raised:
            fleet.add_many(["https://token@alice.pryv.me/", endpoint])
        assert "secret-token" not in str(raised.value)
    assert list(fleet.accounts()) == []


def test_arguments_that_are_not_lists_of_accounts_are_refused(fleet: Fleet) -> None:
    with pytest.raises(TypeError, match="iterable of API endpoints"):
        fleet.add_many("https://token@alice.pryv.me/")
    for wrong in (None, 1, ("alice",), {"alice": "https://token@alice.pryv.me/"}):
        with pytest.raises(TypeError, match="account 0: an API endpoint is a text, or a pair"):
            fleet.add_many([wrong])  # type: ignore[list-item]
    assert list(fleet.accounts()) == []


def test_many_accounts_are_added_lazily_with_progress(fleet: Fleet) -> None:
    seen: list[tuple[int | None, int]] = []
    endpoints = [(f"person-{number}", f"https://token{number}@p{number}.pryv.me/") for number in range(1200)]
    fleet.add_many(iter(endpoints), lambda percent, accounts: seen.append((percent, len(accounts))))
    assert seen == [(None, 500), (None, 1000), (None, 1200)]
    fleet.add_many(endpoints, lambda percent, accounts: seen.append((percent, len(accounts))))
    assert seen[3:] == [(42, 500), (83, 1000), (100, 1200)]
    assert sum(1 for _ in fleet.accounts("active")) == 1200
    assert fleet.status().platforms[0].accounts == 1200
    with pytest.raises(ValueError, match="state is one of"):
        fleet.accounts("gone")  # type: ignore[arg-type]


def test_without_a_key_no_token_is_stored(new_database: Callable[[], str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PRYV_FLEET_KEY")
    with Fleet(new_database()) as fleet:
        fleet.create_tables()
        with pytest.raises(FleetError, match="pryv-fleet key"):
            fleet.add("https://token@alice.pryv.me/")
        assert list(fleet.accounts()) == []


@pytest.mark.parametrize("key", ["short", "x" * 44, "é" * 44])
def test_a_malformed_key_is_refused_and_not_shown(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRYV_FLEET_KEY", key)
    with pytest.raises(ValueError, match="PRYV_FLEET_KEY") as raised:
        TokenCipher.from_environment()
    assert key not in str(raised.value)


def test_keys_are_rotated(fleet: Fleet, key: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    dsn = fleet._database._dsn
    fleet.add_many([("alice", "https://token@alice.pryv.me/"), ("bob", "https://token@bob.pryv.me/")])
    new = generate_key()
    file = tmp_path / "keys"
    file.write_text(f"{new}\n{key}\n")
    monkeypatch.delenv("PRYV_FLEET_KEY")
    monkeypatch.setenv("PRYV_FLEET_KEY_FILE", str(file))
    with Fleet(dsn) as fleet:
        assert fleet.rotate_secrets() == 2
    file.write_text(new)
    with Fleet(dsn) as fleet:
        assert fleet.add("https://token@alice.pryv.me/").name == "alice"
        assert fleet.rotate_secrets() == 2
    file.write_text(key)
    with Fleet(dsn) as fleet, pytest.raises(FleetError, match="no key that fits"):
        fleet.rotate_secrets()


class Vault:
    """A store of tokens beside the tables."""

    def __init__(self) -> None:
        self.tokens: dict[str, str] = {}

    def load(self, name: str) -> str:
        return self.tokens[name]

    def save(self, name: str, token: str) -> None:
        self.tokens[name] = token

    def delete(self, name: str) -> None:
        self.tokens.pop(name, None)


def test_a_given_store_has_the_tokens(new_database: Callable[[], str], new_account: Callable[[], Account]) -> None:
    vault, account = Vault(), new_account()
    with Fleet(new_database(), secrets=vault) as fleet:
        fleet.create_tables()
        endpoint = access_to(account)
        fleet.add(endpoint)
        assert list(vault.tokens) == [account[0]]
        assert fleet.sync_due().passes == 1
        assert fleet.add(endpoint).name == account[0]
        assert vault.tokens[account[0]] not in dump(fleet)
        fleet.forget(account[0])
        assert vault.tokens == {}


@pytest.fixture
def passed(fleet: Fleet, new_account: Callable[[], Account]) -> Account:
    account = new_account()
    fleet.add(access_to(account))
    note(account[2], "private")
    fleet.sync_due()
    return account


def test_a_forgotten_account_leaves_no_data(
    fleet: Fleet, passed: Account, key: str, caplog: pytest.LogCaptureFixture
) -> None:
    name = passed[0]
    assert name in dump(fleet)
    assert "private" in dump(fleet)
    with caplog.at_level(logging.DEBUG):
        fleet.forget(name)
    text = dump(fleet)
    assert name not in text
    assert "private" not in text
    assert name not in caplog.text
    ((name_hash, events),) = fleet._database.execute("SELECT name_hash, events FROM {schema}.forgotten")
    assert name_hash == TokenCipher([key]).hash_of(name) != TokenCipher([generate_key()]).hash_of(name)
    assert events > 0
    assert fleet.status().forgotten == 1


def test_a_platform_without_an_account_is_forgotten_too(fleet: Fleet) -> None:
    """Its host may be the name of a person."""
    fleet.add_many([f"https://token@{host}/" for host in ("alice.example", "bob.pryv.me", "carol.pryv.me")])
    for name in ("alice", "bob"):
        fleet.forget(name)
        assert name not in dump(fleet)
    assert [platform.url for platform in fleet.status().platforms] == ["https://pryv.me/"]


def test_an_account_is_resumed_on_another_platform(fleet: Fleet) -> None:
    fleet.add("https://token@alice.pryv.me/")
    fleet.resume("alice", "https://other@alice.pryv.example/")
    account = fleet.account("alice")
    assert (account.endpoint, account.platform) == ("https://alice.pryv.example/", "https://pryv.example/")


def test_accounts_are_added_while_others_on_their_platform_are_forgotten(fleet: Fleet) -> None:
    def add_and_forget(number: int) -> None:
        with Fleet(fleet._database._dsn) as other:
            for _ in range(20):
                assert other.add(f"https://token@{number}.pryv.me/").platform == "https://pryv.me/"
                other.forget(str(number))

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(add_and_forget, range(3)))
    assert fleet.status().platforms == ()


def test_one_of_two_processes_that_add_different_accounts_by_one_name_is_refused(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Fleet(fleet._database._dsn) as other:
        insert = fleet._registry._insert
        added: list[object] = []

        def insert_later(*arguments: Any) -> int:
            if not added:
                added.append(other.add("https://token@bob.pryv.me/", name="alice"))
            return insert(*arguments)

        monkeypatch.setattr(fleet._registry, "_insert", insert_later)
        with pytest.raises(ValueError, match="another account has the name alice"):
            fleet.add("https://token@alice.pryv.me/")


def test_a_pass_during_which_an_account_is_forgotten_writes_nothing(fleet: Fleet, passed: Account) -> None:
    name, _, connection = passed
    note(connection, "late")
    claim = fleet._leases.claim_one(name)
    assert claim
    fleet.forget(name)
    outcome = fleet._passes.make(claim)
    assert outcome.result == "contended"
    assert outcome.finish
    fleet._leases.finish([outcome.finish])
    assert name not in dump(fleet)
    assert "late" not in dump(fleet)


def test_tokens_are_in_no_table_log_or_repr(
    fleet: Fleet, passed: Account, caplog: pytest.LogCaptureFixture, new_account: Callable[[], Account]
) -> None:
    endpoint = access_to(new_account())
    token = endpoint.partition("://")[2].partition("@")[0]
    with caplog.at_level(logging.DEBUG):
        account = fleet.add(endpoint)
        fleet.sync_due()
        claim = fleet._leases.claim_one(account.name)
    for text in (dump(fleet), caplog.text, repr(fleet), repr(account), repr(claim), repr(fleet._database)):
        assert token not in text


@pytest.mark.parametrize(
    "arguments",
    [
        {"interval": 0},
        {"interval": float("inf")},
        {"interval": 1e10},
        {"lease": 1e10},
        {"lease": -1},
        {"overlap": -1},
        {"threads": 0},
        {"schema": ""},
        {"schema": "é" * 32},
        {"schema": "100%"},
        {"schema": "nul\0"},
        {"scope": {"limit": 3}},
    ],
)
def test_arguments_out_of_range_are_refused(arguments: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(arguments))):
        Fleet("postgresql://user@host/database", **arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "arguments",
    [
        {"timeout": [5, 5]},
        {"interval": "1"},
        {"lease": True},
        {"overlap": None},
        {"threads": True},
        {"threads": 1.5},
        {"secrets": 5},
        {"pacing": 16},
        {"scope": []},
        {"schema": 1},
        {"scope": {"streams": {object()}}},
    ],
)
def test_arguments_of_another_type_are_refused(arguments: dict[str, object]) -> None:
    with pytest.raises(TypeError):
        Fleet("postgresql://user@host/database", **arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize("scope", [{"stream": ["diary"]}, {"fromTime": "2026-01-01"}, {"skip": 1}])
def test_a_scope_that_no_monitor_accepts_is_refused(scope: dict[str, Any], fleet: Fleet, passed: Account) -> None:
    name = passed[0]
    for use in (
        lambda: Fleet("postgresql://user@host/database", scope=scope),
        lambda: fleet.add(access_to(passed), name="another", scope=scope),
        lambda: fleet.resume(name, scope=scope),
    ):
        with pytest.raises(ValueError, match=next(iter(scope))):
            use()
    assert [(account.name, account.scope) for account in fleet.accounts()] == [(name, None)]


def test_arguments_of_methods_are_checked(fleet: Fleet) -> None:
    wrong: Any = 5
    with pytest.raises(TypeError, match="stop"):
        fleet.run(wrong)
    for arguments in ({"stop": wrong}, {"platform": wrong}):
        with pytest.raises(TypeError, match=next(iter(arguments))):
            fleet.sync_due(**arguments)
    with pytest.raises(ValueError, match="wait"):
        fleet.status(wait=-1)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"connections": 0}, ValueError),
        ({"rate": 0}, ValueError),
        ({"rate": float("inf")}, ValueError),
        ({"connections": "1"}, TypeError),
        ({"connections": True}, TypeError),
        ({"rate": "1"}, TypeError),
    ],
)
def test_pacing_is_checked(arguments: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error, match=next(iter(arguments))):
        Pacing(**arguments)


@pytest.mark.parametrize("dsn", ["postgresql://user:secret@host/x?nothing=1", "password='secret", "nothing"])
def test_a_malformed_connection_string_is_refused_and_not_shown(dsn: str) -> None:
    with pytest.raises(ValueError, match="dsn is not a connection string") as raised:
        Fleet(dsn)
    assert "secret" not in str(raised.value)


def test_the_name_of_an_account_is_checked(fleet: Fleet) -> None:
    for name in ("", " ", "nul\0", "half \ud83d", "long" * 60):
        with pytest.raises(ValueError, match="name of an account"):
            fleet.add("https://token@alice.pryv.me/", name=name)
        with pytest.raises(ValueError, match="name of an account"):
            PostgresMirror("postgresql://user@host/database", name)
    with pytest.raises(TypeError, match="name of an account"):
        PostgresMirror("postgresql://user@host/database", 1)  # type: ignore[arg-type]


def test_arguments_of_calls_are_checked(fleet: Fleet) -> None:
    calls: list[tuple[Callable[[], object], type[Exception], str]] = [
        (lambda: fleet.sync_due(limit=0), ValueError, "limit"),
        (lambda: fleet.sync_due(limit="1"), TypeError, "limit"),  # type: ignore[arg-type]
        (lambda: fleet.sync(5), TypeError, "name of an account"),  # type: ignore[arg-type]
        (lambda: fleet.add("https://token@alice.pryv.me/", interval=1e10), ValueError, "at most those of a year"),
        (lambda: fleet.on_outcome(None), TypeError, "callback"),  # type: ignore[arg-type]
        (lambda: fleet.on_response(None), TypeError, "callback"),  # type: ignore[arg-type]
    ]
    for call, error, text in calls:
        with pytest.raises(error, match=text):
            call()


def test_tables_are_made_once_by_several_and_a_later_version_is_refused(new_database: Callable[[], str]) -> None:
    dsn = new_database()
    fleets = [Fleet(dsn) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda fleet: fleet.create_tables(), fleets))
    with psycopg.connect(dsn) as connection:
        connection.execute("UPDATE pryv.pryv_fleet SET version = 99")
    with pytest.raises(FleetError, match="of version 99, this package knows version 1"):
        fleets[0].create_tables()
    for fleet in fleets:
        fleet.close()
