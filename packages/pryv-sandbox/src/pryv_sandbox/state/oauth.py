"""The clients, codes and refresh tokens of OAuth 2, and the proofs that were used."""

from __future__ import annotations

import json
import secrets
from dataclasses import asdict, dataclass, field
from typing import Any

from pryv_sandbox.state.platform import Platform

_PROOFS_KEPT = 480.0
"""Seconds; no proof is valid for longer."""


@dataclass(frozen=True)
class Client:
    """A client that an operator has registered.

    Attributes:
        client_id: its name; with the grant ``client_credentials``, the username of its own account.
        redirect_uris: the URLs to which codes may be sent.
        offers: the permissions that it may request, by name, and whether people may choose among them; or the
            capability URL of a consent request.
        grant_types: the grant types that it may use.
        secret: its secret, if it has one.
        jwks: its public keys, if it has any.
    """

    client_id: str
    redirect_uris: list[str]
    offers: dict[str, Any]
    grant_types: list[str]
    secret: str | None = field(default=None, repr=False)
    jwks: list[dict[str, Any]] = field(default_factory=list)


def save_client(platform: Platform, client: Client) -> None:
    """Register a client, or replace one."""
    doc = json.dumps(asdict(client))
    platform.db.execute("INSERT OR REPLACE INTO oauth_clients VALUES (?, ?)", (client.client_id, doc))


def find_client(platform: Platform, client_id: str) -> Client | None:
    """The client with this id."""
    row = platform.db.execute("SELECT doc FROM oauth_clients WHERE client_id = ?", (client_id,)).fetchone()
    return Client(**json.loads(row[0])) if row else None


# ---- codes and refresh tokens: each can be used once


@dataclass(frozen=True)
class Grant:
    """The data of a code or a refresh token.

    Attributes:
        access_id: the access that a code is exchanged for.
        consent_id: the access of the user's consent.
        key: the thumbprint of the key to which the tokens are bound.
        until: the time at which the last of the refresh tokens expires.
    """

    client_id: str
    user: int
    scope: str
    permissions: list[dict[str, Any]]
    consent_id: str
    access_id: str = ""
    redirect_uri: str = ""
    code_challenge: str = ""
    key: str | None = None
    until: float = 0.0


@dataclass(frozen=True)
class Used:
    """A token that was used before."""

    grant: Grant
    at: float


def issue(platform: Platform, grant: Grant, expires: float) -> str:
    """A new code or refresh token."""
    token = secrets.token_urlsafe(32)
    row = (token, grant.user, expires, json.dumps(asdict(grant)))
    platform.db.execute("INSERT INTO oauth_tokens (token, user, expires, doc) VALUES (?, ?, ?, ?)", row)
    return token


def use(platform: Platform, token: str) -> Grant | Used | None:
    """The data of a token, which is marked as used; ``None`` if it is unknown or has expired."""
    now = platform.clock.now()
    row = platform.db.execute(
        "SELECT doc, used FROM oauth_tokens WHERE token = ? AND expires > ?", (token, now)
    ).fetchone()
    if row is None:
        return None
    grant = Grant(**json.loads(row[0]))
    if row[1] is not None:
        return Used(grant, row[1])
    platform.db.execute("UPDATE oauth_tokens SET used = ? WHERE token = ?", (now, token))
    return grant


# ---- proofs


def use_proof(platform: Platform, owner: str, proof_id: str) -> bool:
    """Whether a proof of this owner was not used before; it then is."""
    now = platform.clock.now()
    platform.db.execute("DELETE FROM used_proofs WHERE until < ?", (now,))
    cursor = platform.db.execute(
        "INSERT OR IGNORE INTO used_proofs VALUES (?, ?, ?)",
        (owner, json.dumps(proof_id), now + _PROOFS_KEPT),  # SQLite stores no lone surrogates, JSON escapes them
    )
    return cursor.rowcount == 1


def revoke_key(platform: Platform, key: str) -> None:
    """Refuse all proofs by the key with this thumbprint."""
    platform.db.execute("INSERT OR IGNORE INTO revoked_keys VALUES (?)", (key,))


def is_revoked(platform: Platform, key: str) -> bool:
    """Whether proofs by this key are refused."""
    return platform.db.execute("SELECT 1 FROM revoked_keys WHERE key = ?", (key,)).fetchone() is not None
