"""API endpoints: the URL of an account, with a token in it."""

from __future__ import annotations


def api_endpoint(base_url: str, token: str, username: str) -> str:
    """The API endpoint of an account on the platform at ``base_url``."""
    scheme, _, rest = base_url.rstrip("/").partition("//")
    return f"{scheme}//{token}@{rest}/{username}/"
