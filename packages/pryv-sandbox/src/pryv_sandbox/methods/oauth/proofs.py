"""DPoP proofs: each can be used once."""

from __future__ import annotations

from pryv_sandbox.model.proofs import ProofError, check_dpop
from pryv_sandbox.state.oauth import is_revoked, use_proof
from pryv_sandbox.state.platform import Platform


def check_proof(platform: Platform, proof: str, method: str, url: str, access_token: str | None = None) -> str:
    """The thumbprint of the key of a DPoP proof, which is then used.

    Raises:
        ProofError: it is not valid, or was used before.
    """
    key, proof_id = check_dpop(proof, method, url, platform.clock.now(), access_token)
    if is_revoked(platform, key) or not use_proof(platform, key, proof_id):
        raise ProofError
    return key
