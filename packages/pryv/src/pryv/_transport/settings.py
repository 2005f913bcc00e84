"""The proxy, CA bundle and client certificate for a URL, and errors that name the one that cannot be used."""

from __future__ import annotations

import contextlib
import errno
import importlib.util
import os
import pathlib
import re
import ssl
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

import requests
from urllib3.util import parse_url

from pryv.errors import PryvConnectionError, PryvTlsError

from .failures import is_plain_proxy_error
from .libraries import DEFAULT_CA_BUNDLE_PATH, get_auth_from_url, prepend_scheme_if_needed, select_proxy

PROXY_SCHEMES: Final = ("http", "https", "socks4", "socks4a", "socks5", "socks5h")

_HOST = re.compile(r"[\w.-]+|\[[0-9A-Fa-f:.]+(%[\w.-]+)?\]")
_HASHED = re.compile(r"[0-9a-f]{8}\.\d+")
"""The names of certificates in a directory: https://docs.openssl.org/master/man1/openssl-rehash/."""
_BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


def settings_of(session: requests.Session, url: str) -> Mapping[str, Any]:
    """Return the `proxies`, `verify` and `cert` of a session for a URL, including those of the environment."""
    verify = None if session.verify is True else session.verify
    return session.merge_environment_settings(url, dict(session.proxies), None, verify, None)


def setting_error(
    label: str,
    session: requests.Session,
    url: str,
    failure: BaseException | None = None,
    proxy_schemes: Collection[str] = PROXY_SCHEMES,
) -> PryvConnectionError | None:
    """Return the error that names a session's setting which prevents a connection to a URL; `None` if there is none.

    Such an error is not retried, and nothing was sent.

    Args:
        label: The name of the request in messages.
        session: The session.
        url: The URL.
        failure: The exception of a failed request.
        proxy_schemes: The supported schemes of proxy URLs.
    """
    settings = settings_of(session, url)
    wrong = _wrong_proxy(session, url, failure, proxy_schemes)
    if wrong is not None:
        error = PryvConnectionError(f"{label}: {wrong}", sent=False)
        error.retryable = False
        return error
    if not url.lower().startswith("https:"):
        return None
    wrong = _wrong_authorities(session, settings["verify"]) or _wrong_certificate(settings["cert"]) or wrong_key_log()
    return None if wrong is None else PryvTlsError(f"{label}: {wrong}", sent=False)


def proxy_of(session: requests.Session, url: str) -> tuple[str, str] | None:
    """Return the proxy of a session for a URL, and the name of the setting it comes from; `None` without a proxy.

    The URL of the proxy may contain a password; the name of the setting does not.
    """
    proxies = settings_of(session, url)["proxies"]
    proxy = select_proxy(url, dict(proxies))
    if not proxy:
        return None
    for key in (key for key, value in proxies.items() if select_proxy(url, {key: value}) == proxy):
        if session.proxies.get(key) == proxy:
            return proxy, f"proxies[{key!r}] of the session"
        for variable, value in os.environ.items():
            if variable.lower() == f"{key}_proxy" and value == proxy:
                return proxy, variable
    return proxy, "the system's proxy setting"


def _wrong_proxy(
    session: requests.Session, url: str, failure: BaseException | None, schemes: Collection[str]
) -> str | None:
    found = proxy_of(session, url)
    if found is None:
        return None
    proxy, name = found
    try:
        parts = parse_url(prepend_scheme_if_needed(proxy, "http"))  # type: ignore[no-untyped-call]
    except (ValueError, TypeError):  # the latter for `user@`
        parts = None
    if parts is None or not _HOST.fullmatch(parts.host or ""):
        return f"{name} is not the URL of a proxy, such as http://host:3128"
    scheme = str(parts.scheme).lower()
    if scheme not in schemes:
        supported = ", ".join(f"{scheme}://" for scheme in schemes)
        return f"{name} names a proxy with {scheme}://, which is not supported; supported are {supported}"
    if scheme.startswith("socks") and importlib.util.find_spec("socks") is None:
        return f'{name} names a SOCKS proxy, which needs PySocks: pip install "requests[socks]"'
    if not scheme.startswith("socks") and not _is_latin1("".join(get_auth_from_url(str(parts)))):
        return f"{name} has credentials that cannot be sent: an HTTP proxy gets characters of Latin-1 only"
    if scheme == "https" and failure is not None and is_plain_proxy_error(failure):
        return f"{name} begins with https://, but the proxy does not speak TLS: most proxies need http://"
    return None


def _is_latin1(text: str) -> bool:
    try:
        text.encode("latin-1")
    except UnicodeEncodeError:
        return False
    return True


def _wrong_authorities(session: requests.Session, verify: Any) -> str | None:
    if verify is False:
        return None
    path = DEFAULT_CA_BUNDLE_PATH if verify in (True, None) else os.fspath(verify)
    name = "verify of the session"
    if session.verify is True:
        name = next((name for name in _BUNDLES if os.environ.get(name) == path), "certifi")
    return _problem_with_files(f"{name} names {path!r}", "certificates", (path,), _load_authorities)


def _wrong_certificate(cert: Any) -> str | None:
    if cert is None:
        return None
    paths = (cert,) if isinstance(cert, (str, os.PathLike)) else tuple(cert)
    named = " and ".join(repr(os.fspath(path)) for path in paths)
    return _problem_with_files(
        f"cert of the session names {named}", "a certificate and its key", paths, _load_certificate
    )


def wrong_key_log() -> str | None:
    """Return the problem with the file to which TLS keys are written, for debugging; `None` if there is none.

    See https://github.com/urllib3/urllib3/blob/2.8.0/src/urllib3/util/ssl_.py#L321.
    """
    path = os.path.expandvars(os.environ.get("SSLKEYLOGFILE", ""))
    if not path:
        return None
    return _problem_with_files(f"SSLKEYLOGFILE names {path!r}", "keys", (path,), _open_to_append)


def _problem_with_files(setting: str, what: str, paths: Collection[Any], use: Callable[..., object]) -> str | None:
    """Return the problem with files, `None` if they can be used. A pipe is not read, as it can be read only once."""
    try:
        if not any(pathlib.Path(path).is_fifo() for path in paths):
            use(*paths)
    except ssl.SSLError:
        return f"{setting}, which does not contain {what} in PEM form"
    except OSError as error:
        return f"{setting}, which cannot be used: {error.strerror}"
    return None


def _load_authorities(path: str) -> None:
    if not os.path.isdir(path):
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    elif not any(map(_HASHED.fullmatch, os.listdir(path))):
        raise OSError(errno.EISDIR, "the directory has no certificates named by their hash")


def _load_certificate(certificate: str, key: str | None = None) -> None:
    with contextlib.suppress(_PassphraseError):  # OpenSSL asks for it when it connects
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(certificate, key, _passphrase)


def _open_to_append(path: str) -> None:
    with open(path, "ab"):
        pass


class _PassphraseError(Exception):
    """A key needs a passphrase."""


def _passphrase() -> str:
    raise _PassphraseError
