"""OAuth sessions whose tokens are bound to a key, which is kept with them."""

from __future__ import annotations

import json
import logging
import pickle
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import pytest
from tests.accounts import Account
from tests.pryv.authorization_server import AuthorizationServer

from pryv import Connection, OAuthLoginRequiredError, PryvError, PryvProtocolError
from pryv.oauth import DPoPKey, FileTokenStore, MemoryTokenStore, OAuthClient, SignedConnection, TokenStore
from pryv_sandbox import Sandbox

if TYPE_CHECKING:
    from pryv.oauth import OAuthTokens

CALLBACK = "http://127.0.0.1/callback"


@pytest.fixture
def store(tmp_path: Path) -> FileTokenStore:
    return FileTokenStore(tmp_path / "study.tokens")


def client_of(server: AuthorizationServer, store: TokenStore, **options: Any) -> OAuthClient:
    return OAuthClient(server.url, server.client_id, scope="cmc:study-A", store=store, timeout=2, **options)


def log_in(server: AuthorizationServer, store: TokenStore) -> Connection:
    client = client_of(server, store, dpop=True)
    request = client.authorization_request()
    return client.handle_callback(server.consent(request.url), request)


def stored(store: TokenStore) -> OAuthTokens:
    tokens = store.load()
    assert tokens is not None
    return tokens


def test_a_new_session_is_bound_and_its_connection_signs(server: AuthorizationServer, store: FileTokenStore) -> None:
    with log_in(server, store) as connection:
        assert isinstance(connection, SignedConnection)
        connection.get("streams")
        connection.with_options(timeout=5).post("events", {})
        pickle.loads(pickle.dumps(connection)).get("streams")
    tokens = stored(store)
    assert (tokens.token_type, isinstance(tokens.key, DPoPKey)) == ("DPoP", True)
    assert server.seen["account"] == 3


def test_sockets_and_series_are_refused_before_a_request(server: AuthorizationServer, store: FileTokenStore) -> None:
    with log_in(server, store) as connection:
        for use in (lambda: connection.socket, lambda: connection.get_hf_points("x")):
            with pytest.raises(PryvError, match="not with a DPoP token"):
                use()
    assert not server.seen["account"]


def test_the_key_is_kept_with_the_tokens_and_used_after_a_restart(
    server: AuthorizationServer, store: FileTokenStore, tmp_path: Path
) -> None:
    log_in(server, store).close()
    key = stored(store).key
    assert key is not None
    for dpop in (True, False, True):
        client = client_of(server, FileTokenStore(tmp_path / "study.tokens"), dpop=dpop)
        with client.refresh() as connection:
            connection.get("streams")
        assert stored(store).key == key
    assert set(server.keys.values()) == {key.thumbprint}
    assert stat.S_IMODE((tmp_path / "study.tokens").stat().st_mode) == 0o600


def test_the_tokens_of_a_bound_session_without_its_key_are_not_sent(
    server: AuthorizationServer, store: FileTokenStore, tmp_path: Path
) -> None:
    log_in(server, store).close()
    path = tmp_path / "study.tokens"
    path.write_text(json.dumps({**json.loads(path.read_text()), "key": None}))
    before = server.seen["token"]
    for client in (client_of(server, store), client_of(server, store, dpop=True)):
        with pytest.raises(OAuthLoginRequiredError, match="key"):
            client.refresh()
    server.skew = 4000
    with pytest.raises(OAuthLoginRequiredError, match="key"):
        client_of(server, store).connection()
    assert server.seen["token"] == before
    assert [grant.uses for grant in server.grants.values()] == [1, 0]


def test_a_server_without_dpop_gives_a_plain_session(
    server: AuthorizationServer, store: FileTokenStore, caplog: pytest.LogCaptureFixture
) -> None:
    server.supports_dpop = False
    with log_in(server, store) as connection:
        assert type(connection) is Connection
        connection.get("streams")
    assert "does not support DPoP" in caplog.text
    assert stored(store).key is None
    with client_of(server, store, dpop=True).refresh() as connection:
        assert type(connection) is Connection
        connection.get("streams")


def test_a_plain_token_for_a_bound_session_is_refused(server: AuthorizationServer, store: FileTokenStore) -> None:
    log_in(server, store).close()
    server.tokens = {"token_type": "Bearer"}
    with pytest.raises(PryvProtocolError, match="is not bound"):
        client_of(server, store).refresh()


def test_a_bound_token_that_was_not_requested_is_refused(server: AuthorizationServer) -> None:
    server.tokens = {"token_type": "DPoP"}
    client = client_of(server, MemoryTokenStore())
    request = client.authorization_request()
    with pytest.raises(PryvProtocolError, match="is bound"):
        client.handle_callback(server.consent(request.url), request)


def test_a_nonce_is_answered_once(server: AuthorizationServer, store: FileTokenStore) -> None:
    server.nonce, server.account_nonce = "n-1", "a-1"
    with log_in(server, store) as connection:
        connection.post("events", {})
        connection.post("events", {})
        assert server.seen["account"] == 3
        server.account_nonce = "a-2"
        connection.post("events", {})
        assert server.seen["account"] == 5
    assert (server.seen["token"], server.seen["nonce"]) == (2, 1)
    server.nonce = "n-2"
    client_of(server, store).refresh().close()
    assert (server.seen["token"], server.seen["nonce"]) == (4, 2)


def test_a_nonce_may_come_with_status_401(server: AuthorizationServer, store: FileTokenStore) -> None:
    server.nonce = "n-1"
    server.faults.append((401, {"error": "use_dpop_nonce"}, {"DPoP-Nonce": "n-1"}))
    log_in(server, store).close()
    assert server.seen["token"] == 2


def test_a_second_demand_for_a_nonce_is_an_error(server: AuthorizationServer, store: FileTokenStore) -> None:
    log_in(server, store).close()
    server.faults += [(400, {"error": "use_dpop_nonce"}, {"DPoP-Nonce": "n"}) for n in "ab"]
    with pytest.raises(PryvError, match="use_dpop_nonce"):
        client_of(server, store).refresh()
    assert server.seen["token"] == 3


@pytest.mark.parametrize("skew", [600, -600])
def test_proofs_are_valid_with_a_wrong_local_clock(
    server: AuthorizationServer, store: FileTokenStore, skew: float
) -> None:
    server.skew = skew
    log_in(server, store).close()
    server.lifetime = 0.2
    with client_of(server, store).refresh() as connection:
        connection.get("streams")
        time.sleep(0.2)
        connection.get("streams")
    with client_of(server, store).connection() as connection:
        connection.get("streams")
    assert server.seen["GET done"] == server.seen["account"] == 3


def test_the_date_of_a_cached_response_is_corrected_by_its_age(
    server: AuthorizationServer, store: FileTokenStore
) -> None:
    server.cached = 300
    log_in(server, store).close()
    with client_of(server, store).refresh() as connection:
        connection.get("streams")
    assert server.seen["token"] == 2


def test_neither_key_nor_proof_is_shown(
    server: AuthorizationServer, store: FileTokenStore, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with log_in(server, store) as connection:
        connection.get("streams")
        tokens = stored(store)
        assert tokens.key is not None
        private = tokens.key.to_jwk(private=True)["d"]
        shown = [repr(tokens), str(attrs.asdict(tokens)), repr(connection), caplog.text, repr(vars(store))]
    for text in shown:
        assert str(private) not in text
        assert tokens.access_token not in text
        assert "eyJ" not in text.replace(tokens.key._header, "")


def session_on(sandbox: Sandbox, username: str, store: TokenStore) -> OAuthClient:
    offers: Any = {"diary": [{"streamId": "diary", "level": "manage"}]}
    sandbox.register_oauth_client("study-app", redirect_uris=[CALLBACK], offers=offers)
    client = OAuthClient(sandbox.url, "study-app", scope="cmc:diary", store=store, dpop=True)
    request = client.authorization_request()
    client.handle_callback(sandbox.accept_oauth(request.url, username), request).close()
    return client


def test_a_read_over_several_lives_of_bound_tokens(expiring: Sandbox, store: FileTokenStore) -> None:
    account = expiring.create_account()
    with Connection(account.api_endpoint) as owner:
        owner.streams.ensure({"id": "diary", "name": "Diary"})
    client = session_on(expiring, account.username, store)
    seen: set[str | None] = set()
    count = 0
    with client.connection() as connection:
        while len(seen) < 3:
            connection.post("events", {"streamIds": ["diary"], "type": "note/txt", "content": "x"})
            seen.add(connection.token)
            count += 1
            time.sleep(0.1)
        assert len(list(connection.iter_events())) == count
    with client.refresh() as connection:
        assert type(connection) is SignedConnection


def test_a_key_that_an_operator_revoked_ends_the_session_without_a_loop(
    sandbox: Sandbox, new_account: Callable[[], Account]
) -> None:
    username, _, owner = new_account()
    owner.streams.ensure({"id": "diary", "name": "Diary"})
    client = session_on(sandbox, username, MemoryTokenStore())
    with client.connection() as connection:
        connection.get("events")
        assert client.tokens is not None
        key = client.tokens.key
        assert key is not None
        sandbox.revoke_key(key.thumbprint)
        with pytest.raises(PryvError, match="proof"):
            connection.get("events")
