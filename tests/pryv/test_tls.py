"""TLS contexts are shared by connections, and each trusts only its CA bundle."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.peers.network import Proxy
from tests.pryv.wire import Wire

from pryv import PryvTlsError
from pryv._transport.tls import shared_context


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The CA bundles loaded by any context since the test began."""
    bundles: list[str] = []
    load = ssl.SSLContext.load_verify_locations

    def note(self: ssl.SSLContext, cafile: Any = None, capath: Any = None, cadata: Any = None) -> None:
        bundles.append(cafile or capath)
        load(self, cafile, capath, cadata)

    monkeypatch.setattr(ssl.SSLContext, "load_verify_locations", note)
    return bundles


def test_a_bundle_is_loaded_once(
    secure_wire: Wire, authority_file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, loaded: list[str]
) -> None:
    bundle = str(shutil.copy(authority_file, tmp_path))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", bundle)
    for _ in range(3):
        with secure_wire.connection() as connection:
            connection.get("streams")
    assert secure_wire.connections == 3
    assert loaded == [bundle]


def test_a_bundle_through_a_tunnel_is_loaded_once(
    proxy: Proxy,
    secure_wire: Wire,
    authority_file: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    loaded: list[str],
) -> None:
    bundle = str(shutil.copy(authority_file, tmp_path))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", bundle)
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
    for _ in range(2):
        with secure_wire.connection() as connection:
            connection.get("streams")
    assert len(proxy.asked) == 2
    assert loaded == [bundle]


def test_a_bundle_that_was_replaced_counts_from_the_next_connection_on(
    secure_wire: Wire, authority: Any, authority_file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = tmp_path / "bundle.pem"
    type(authority)().cert_pem.write_to_path(str(bundle))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
    with secure_wire.connection() as connection, pytest.raises(PryvTlsError):
        connection.get("streams")
    renewed = Path(shutil.copy(authority_file, tmp_path / "renewed.pem"))
    renewed.replace(bundle)
    with secure_wire.connection() as connection:
        assert connection.get("streams")


def test_a_directory_of_certificates_is_used(
    secure_wire: Wire, authority_file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path))
    with secure_wire.connection() as connection, pytest.raises(PryvTlsError):
        connection.get("streams")
    (tmp_path / f"{subject_hash(authority_file)}.0").symlink_to(authority_file)
    with secure_wire.connection() as connection:
        assert connection.get("streams")


def subject_hash(certificate: str) -> str:
    """Returns the name that OpenSSL looks for in a directory."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not installed")
    command = [openssl, "x509", "-noout", "-subject_hash", "-in", certificate]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def test_the_usual_bundle_is_shared_too() -> None:
    assert shared_context(True) is shared_context(True)
    assert shared_context(True).verify_mode is ssl.CERT_REQUIRED
