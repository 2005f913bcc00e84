"""Stores that keep credentials between runs of a program."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import stat
import tempfile
from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypedDict
from urllib.parse import quote

from pryv._files import locked, replacing
from pryv._transport.redact import redact
from pryv.errors import MissingAddonError, PryvError
from pryv.utils import extract_token_and_api_endpoint

if TYPE_CHECKING:
    from types import ModuleType


_PROBE = "write check"
_SIZE = 4096
"""Bytes that are written to check that the disk has room for credentials."""


class _AuthorizationRequired(TypedDict):
    apiEndpoint: str


class OAuthSessionData(TypedDict):
    """The OAuth session that `pryv oauth-login` began; its tokens are in a store of their own."""

    authorizationServer: str
    clientId: str
    scope: str


class AuthorizationData(_AuthorizationRequired, total=False):
    """Credentials, with their platform and app. They contain the token: keep them out of logs.

    The credentials of a profile (see `sign_in`) may contain `others`, for other platforms and apps. Those of an OAuth
    session have `oauth`, and no token in `apiEndpoint`.
    """

    username: str
    serviceInfoUrl: str
    appId: str
    oauth: OAuthSessionData
    others: list[AuthorizationData]


class CredentialStore(Protocol):
    """Keeps credentials by name, such as the name of an app and its platform."""

    def get(self, name: str, /) -> AuthorizationData | None:
        """Return the credentials stored under a name, `None` if there are none.

        Args:
            name: The name.

        Raises:
            PryvError: the store fails, or the data under the name are not credentials.
            OSError: the data cannot be read.
        """

    def save(self, name: str, data: AuthorizationData, /) -> None:
        """Store credentials under a name; they replace those stored under it before.

        Args:
            name: The name.
            data: The credentials.

        Raises:
            PryvError: the store fails.
            OSError: they cannot be written.
        """

    def delete(self, name: str, /) -> None:
        """Delete the credentials stored under a name, if there are any.

        Args:
            name: The name.

        Raises:
            PryvError: the store fails.
            OSError: they cannot be removed.
        """


class MemoryStore:
    """Keeps credentials in memory."""

    def __init__(self) -> None:
        self._kept: dict[str, AuthorizationData] = {}

    def __repr__(self) -> str:
        return f"<MemoryStore with {len(self._kept)} credentials>"

    def get(self, name: str) -> AuthorizationData | None:
        """Return the credentials stored under a name, `None` if there are none.

        Args:
            name: The name.
        """
        return self._kept.get(name)

    def save(self, name: str, data: AuthorizationData) -> None:
        """Store credentials under a name; they replace those stored under it before.

        Args:
            name: The name.
            data: The credentials.
        """
        self._kept[name] = data

    def delete(self, name: str) -> None:
        """Delete the credentials stored under a name, if there are any.

        Args:
            name: The name.
        """
        self._kept.pop(name, None)

    def check_writable(self) -> None:
        """Do nothing: memory is always writable."""


class FileStore:
    """Keeps credentials in files that only their owner can read, one for each name.

    Args:
        directory: The directory; by default `pryv` in the user's configuration directory (`XDG_CONFIG_HOME`). It is
            made when it is needed.
    """

    def __init__(self, directory: str | os.PathLike[str] | None = None) -> None:
        self._directory = settings_directory() if directory is None else Path(directory).absolute()

    def __repr__(self) -> str:
        return f"FileStore({str(self)!r})"

    def __str__(self) -> str:
        return str(self._directory or "no directory")

    def get(self, name: str) -> AuthorizationData | None:
        """Return the credentials stored under a name, `None` if there are none.

        Args:
            name: The name.

        Raises:
            PryvError: the path is not that of a file, or the file does not contain credentials.
            PermissionError: other users can read the file, or the current user cannot.
            OSError: the file cannot be read.
        """
        try:
            path = self.path_of(name)
            with open(path, "rb", opener=open_private_file) as file:
                text = file.read()
        except (FileNotFoundError, NotADirectoryError):
            return None
        return _parsed(text, str(path))

    def save(self, name: str, data: AuthorizationData) -> None:
        """Store credentials under a name; they replace those stored under it before.

        Args:
            name: The name.
            data: The credentials.

        Raises:
            OSError: the file cannot be written.
        """
        path = self.path_of(name)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with replacing(str(path), private=True) as file:
            file.write(json.dumps(data).encode())

    def delete(self, name: str) -> None:
        """Delete the credentials stored under a name, if there are any.

        Args:
            name: The name.

        Raises:
            OSError: the file cannot be removed.
        """
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            self.path_of(name).unlink()

    @contextlib.contextmanager
    def _lock(self) -> Iterator[None]:
        """Keep other processes from changing credentials, between reading and saving some.

        Raises:
            OSError: the directory cannot be made or opened.
        """
        directory = self.path_of("").parent
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        with locked(str(directory)):
            yield

    def check_writable(self) -> None:
        """Check that credentials can be stored, before the user is asked for them; this leaves no file behind.

        Raises:
            OSError: the directory is not writable, or the disk is full.
        """
        directory = self.path_of("").parent
        existing = next(path for path in (directory, *directory.parents) if path.exists())
        try:
            with tempfile.TemporaryFile(dir=existing) as file:
                file.write(bytes(_SIZE))
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(directory)) from None

    def path_of(self, name: str) -> Path:
        """Return the path of the file for a name.

        Args:
            name: The name.

        Raises:
            OSError: the user has no home directory.
        """
        if self._directory is None:
            raise FileNotFoundError(errno.ENOENT, "no home directory; set HOME or XDG_CONFIG_HOME", "credentials")
        return self._directory / f"{quote(name, safe='')}.json"


class KeyringStore:
    """Keeps credentials in the system's keyring. Needs `pip install "pryv[keyring]"`.

    Raises:
        MissingAddonError: the package `keyring` is not installed.
        PryvError: it cannot be imported.
    """

    def __init__(self) -> None:
        self._keyring = import_keyring()

    def __repr__(self) -> str:
        return "<KeyringStore>"

    def __str__(self) -> str:
        return "the system's keyring"

    @property
    def is_usable(self) -> bool:
        """Whether this system has a keyring that can store secrets."""
        try:
            return bool(call_keyring(lambda: self._keyring.get_keyring().priority >= 1))
        except PryvError:
            return False

    def get(self, name: str) -> AuthorizationData | None:
        """Return the credentials stored under a name, `None` if there are none.

        Args:
            name: The name.

        Raises:
            PryvError: the keyring fails, or the data under the name are not credentials.
        """
        text = call_keyring(self._keyring.get_password, "pryv", name)
        return None if text is None else _parsed(text, str(self))

    def save(self, name: str, data: AuthorizationData) -> None:
        """Store credentials under a name; they replace those stored under it before.

        Args:
            name: The name.
            data: The credentials.

        Raises:
            PryvError: the keyring fails.
        """
        call_keyring(self._keyring.set_password, "pryv", name, json.dumps(data))

    def delete(self, name: str) -> None:
        """Delete the credentials stored under a name, if there are any.

        Args:
            name: The name.

        Raises:
            PryvError: the keyring fails.
        """
        if call_keyring(self._keyring.get_password, "pryv", name) is not None:
            call_keyring(self._keyring.delete_password, "pryv", name)

    def check_writable(self) -> None:
        """Check that credentials can be stored, before the user is asked for them; this leaves no entry behind.

        Raises:
            PryvError: the keyring fails.
        """
        _save_and_delete(self)


def check_writable(store: CredentialStore) -> None:
    """Check that a store can save credentials; leave nothing in it.

    Raises:
        PryvError: the store fails.
        OSError: it cannot be written to.
    """
    if isinstance(store, (MemoryStore, FileStore, KeyringStore)):
        store.check_writable()
    else:
        _save_and_delete(store)


def _save_and_delete(store: CredentialStore) -> None:
    store.save(_PROBE, AuthorizationData(apiEndpoint="https://localhost/"))
    store.delete(_PROBE)


def default_store() -> FileStore | KeyringStore:
    """Return the system's keyring if there is one, otherwise files that only their owner can read."""
    try:
        keyring = KeyringStore()
    except PryvError:
        return FileStore()
    return keyring if keyring.is_usable else FileStore()


def import_keyring() -> ModuleType:
    if find_spec("keyring") is None:
        raise MissingAddonError('the keyring of the system needs an extra: pip install "pryv[keyring]"')
    keyring: ModuleType = call_keyring(import_module, "keyring")
    return keyring


def call_keyring(function: Callable[..., Any], *arguments: str) -> Any:
    """Call a function of the keyring, and convert any exception to a `PryvError`.

    Its back ends let through errors of the libraries below them: https://github.com/jaraco/keyring/issues/520.
    A panic in a PyO3 library is not an `Exception`: https://docs.rs/pyo3/latest/pyo3/panic/struct.PanicException.html.
    """
    try:
        return function(*arguments)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # noqa: BLE001
        problem = redact(str(error)) or type(error).__name__
    raise PryvError(f"the system's keyring failed: {problem}")


def settings_directory() -> Path | None:
    """Return the directory for the user's settings; `None` for a user without a home, as in a container."""
    configured = os.environ.get("APPDATA" if os.name == "nt" else "XDG_CONFIG_HOME", "")
    if os.path.isabs(configured):
        return Path(configured) / "pryv"
    try:
        return Path.home() / ("" if os.name == "nt" else ".config") / "pryv"
    except RuntimeError:
        return None


def open_private_file(path: str, flags: int) -> int:
    """Open a file; raise if the path is not that of a file (a FIFO does not block), or other users have access."""
    descriptor = os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
    try:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            raise PryvError(f"{path} is not a file; remove it and sign in again")
        if os.name == "posix" and stat.S_IMODE(mode) & 0o077:
            raise PermissionError(errno.EACCES, "other users have access to it (chmod 600 removes it)", path)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _parsed(text: str | bytes, source: str) -> AuthorizationData:
    try:
        data = json.loads(text)
        extract_token_and_api_endpoint(data["apiEndpoint"])
    except (ValueError, TypeError, KeyError, RecursionError):
        problem = f"the credentials in {source} are malformed; delete them and sign in again"
    else:
        kept: AuthorizationData = data
        return kept
    raise PryvError(problem)
