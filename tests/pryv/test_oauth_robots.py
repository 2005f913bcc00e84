"""Clients with a private key and an account of their own, on a platform that verifies each assertion."""

from __future__ import annotations

import secrets
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from tests.waiting import wait_for

from pryv import OAuthError
from pryv.oauth import DPoPKey, OAuthClient
from pryv.oauth._es256 import key_from_pem
from pryv_sandbox import Sandbox

Keys = dict[str, Any]


def registered(sandbox: Sandbox, **keys: Keys) -> str:
    """The id of a robot whose public keys have these names."""
    client_id = f"robot-{secrets.token_hex(4)}"
    sandbox.create_account(client_id)
    jwks = {"keys": [{**jwk, "kid": name} for name, jwk in keys.items()]}
    sandbox.register_oauth_client(client_id, redirect_uris=[], grant_types=["client_credentials"], jwks=jwks)
    return client_id


def test_a_robot_signs_in_with_its_key_and_renews_its_tokens(expiring: Sandbox) -> None:
    key = DPoPKey.generate()
    robot = OAuthClient(
        expiring.url, registered(expiring, a=key.to_jwk()), private_key=key.to_jwk(private=True), key_id="a"
    )
    with robot.client_credentials() as connection:
        connection.streams.ensure({"id": "measurements", "name": "Measurements"})
        first = connection.token
        wait_for(lambda: connection.streams.list() and connection.token != first)
        assert "measurements" in [stream["id"] for stream in connection.streams.list()]


def test_a_key_may_be_a_pem_and_need_no_name(sandbox: Sandbox) -> None:
    private = generate_private_key(SECP256R1())
    form = serialization.PrivateFormat.PKCS8
    pem = private.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
    client_id = registered(sandbox, a=DPoPKey.generate().to_jwk(), b=key_from_pem(pem).public_jwk)
    for text in (pem.decode(), pem):
        with OAuthClient(sandbox.url, client_id, private_key=text).client_credentials() as connection:
            assert connection.username() == client_id


@pytest.mark.parametrize("skew", [600, -600])
def test_a_robot_s_clock_may_be_wrong(sandbox: Sandbox, skew: int) -> None:
    key = DPoPKey.generate()
    client_id = registered(sandbox, a=key.to_jwk())
    sandbox.faults.skew = skew
    try:
        robot = OAuthClient(sandbox.url, client_id, private_key=key.to_jwk(private=True))
        with robot.client_credentials() as connection:
            assert connection.username() == client_id
    finally:
        sandbox.faults.skew = 0


def test_another_key_is_refused_without_saying_why(sandbox: Sandbox) -> None:
    key, other = DPoPKey.generate(), DPoPKey.generate()
    client_id = registered(sandbox, a=key.to_jwk(), b=other.to_jwk())
    stranger = DPoPKey.generate().to_jwk(private=True)
    for jwk, name in ((stranger, None), (stranger, "a"), (key.to_jwk(private=True), "b")):
        robot = OAuthClient(sandbox.url, client_id, private_key=jwk, key_id=name)
        with pytest.raises(OAuthError, match="invalid_client") as caught:
            robot.client_credentials()
        assert caught.value.status == 401
        assert "eyJ" not in str(caught.value)
