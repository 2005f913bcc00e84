"""Certificates of an authority that no program trusts by default."""

from __future__ import annotations

import ssl
from typing import Any

import pytest


@pytest.fixture(scope="session")
def authority() -> Any:
    """An authority that issues certificates."""
    return pytest.importorskip("trustme").CA()


@pytest.fixture(scope="session")
def authority_file(authority: Any, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The authority's own certificate, as a file."""
    path = tmp_path_factory.mktemp("tls") / "authority.pem"
    authority.cert_pem.write_to_path(str(path))
    return str(path)


def server_context(authority: Any, name: str = "127.0.0.1") -> ssl.SSLContext:
    """Return the TLS settings of a server whose certificate has this name."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(name).configure_cert(context)
    return context
