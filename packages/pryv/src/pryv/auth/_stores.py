"""Places that keep credentials from one run to the next."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypedDict
from urllib.parse import quote

from pryv.errors import MissingAddonError, PryvError
from pryv.utils import extract_token_and_api_endpoint

if TYPE_CHECKING:
    from types import ModuleType


class _AuthorizationRequired(TypedDict):
    apiEndpoint: str


class AuthorizationData(_AuthorizationRequired, total=False):
    """Credentials to be kept. Holds the token: keep it out of logs."""

    username: str


class CredentialStore(Protocol):
    """Keeps credentials, each under a name, such as that of an app and its platform."""

    def get(self, name: str, /) -> AuthorizationData | None:
        """Return the credentials kept under a name, `None` if there are none.

        Args:
            name: What they are kept under.

        Raises:
            PryvError: what is kept there are no credentials, or cannot be had.
            OSError: it cannot be read.
        """

    def save(self, name: str, data: AuthorizationData, /) -> None:
        """Keep credentials, in place of those kept under the same name.

        Args:
            name: What they are kept under.
            data: The credentials.

        Raises:
            PryvError: the place for them does not take them.
            OSError: they cannot be written.
        """

    def delete(self, name: str, /) -> None:
        """Forget the credentials kept under a name, if there are any.

        Args:
            name: What they are kept under.

        Raises:
            PryvError: the place they are kept in does not let them go.
            OSError: they cannot be removed.
        """


class MemoryStore:
    """Keeps credentials in memory."""

    def __init__(self) -> None:
        self._kept: dict[str, AuthorizationData] = {}

    def get(self, name: str) -> AuthorizationData | None:
        """Return the credentials kept under a name, `None` if there are none.

        Args:
            name: What they are kept under.
        """
        return self._kept.get(name)

    def save(self, name: str, data: AuthorizationData) -> None:
        """Keep credentials, in place of those kept under the same name.

        Args:
            name: What they are kept under.
            data: The credentials.
        """
        self._kept[name] = data

    def delete(self, name: str) -> None:
        """Forget the credentials kept under a name, if there are any.

        Args:
            name: What they are kept under.
        """
        self._kept.pop(name, None)


class FileStore:
    """Keeps credentials in files that their owner alone can read, one for each name.

    Args:
        directory: Where; by default `pryv` in the user's directory for settings (`XDG_CONFIG_HOME`). Made when needed.
    """

    def __init__(self, directory: str | os.PathLike[str] | None = None) -> None:
        self._directory = _settings_directory() if directory is None else Path(directory)

    def __str__(self) -> str:
        return str(self._directory)

    def get(self, name: str) -> AuthorizationData | None:
        """Return the credentials kept under a name, `None` if there are none.

        Args:
            name: What they are kept under.

        Raises:
            PryvError: the file does not hold credentials.
            PermissionError: others can read the file, or its user cannot.
            OSError: it cannot be read.
        """
        path = self._path(name)
        try:
            with path.open(encoding="utf-8") as file:
                _refuse_if_shared(file.fileno(), path)
                text = file.read()
        except FileNotFoundError:
            return None
        return _parsed(text, str(path))

    def save(self, name: str, data: AuthorizationData) -> None:
        """Keep credentials, in place of those kept under the same name.

        Args:
            name: What they are kept under.
            data: The credentials.

        Raises:
            OSError: they cannot be written.
        """
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=self._directory, prefix=".")  # readable by its owner alone
        try:
            with open(handle, "w", encoding="utf-8") as file:
                json.dump(data, file)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, self._path(name))
        except BaseException:
            os.unlink(temporary)
            raise

    def delete(self, name: str) -> None:
        """Forget the credentials kept under a name, if there are any.

        Args:
            name: What they are kept under.

        Raises:
            OSError: their file cannot be removed.
        """
        self._path(name).unlink(missing_ok=True)

    def _path(self, name: str) -> Path:
        return self._directory / f"{quote(name, safe='')}.json"


class KeyringStore:
    """Keeps credentials in the system's keyring. Needs `pip install 'pryv[keyring]'`.

    Raises:
        MissingAddonError: the package `keyring` is not installed.
    """

    def __init__(self) -> None:
        self._keyring = _import_keyring()

    def __str__(self) -> str:
        return "the system's keyring"

    @property
    def is_safe(self) -> bool:
        """Whether this system has a keyring that can keep secrets."""
        return bool(self._keyring.get_keyring().priority >= 1)

    def get(self, name: str) -> AuthorizationData | None:
        """Return the credentials kept under a name, `None` if there are none.

        Args:
            name: What they are kept under.

        Raises:
            PryvError: the keyring does not give them.
        """
        with self._failures():
            text = self._keyring.get_password("pryv", name)
        return None if text is None else _parsed(text, str(self))

    def save(self, name: str, data: AuthorizationData) -> None:
        """Keep credentials, in place of those kept under the same name.

        Args:
            name: What they are kept under.
            data: The credentials.

        Raises:
            PryvError: the keyring does not take them.
        """
        with self._failures():
            self._keyring.set_password("pryv", name, json.dumps(data))

    def delete(self, name: str) -> None:
        """Forget the credentials kept under a name, if there are any.

        Args:
            name: What they are kept under.

        Raises:
            PryvError: the keyring does not forget them.
        """
        with self._failures():
            if self._keyring.get_password("pryv", name) is not None:
                self._keyring.delete_password("pryv", name)

    @contextlib.contextmanager
    def _failures(self) -> Iterator[None]:
        try:
            yield
        except self._keyring.errors.KeyringError as error:
            problem = str(error) or type(error).__name__
        else:
            return
        raise PryvError(f"the system's keyring failed: {problem}")


def default_store() -> FileStore | KeyringStore:
    """Return the system's keyring where there is one, otherwise files that their owner alone can read."""
    try:
        keyring = KeyringStore()
    except MissingAddonError:
        return FileStore()
    return keyring if keyring.is_safe else FileStore()


def _import_keyring() -> ModuleType:
    try:
        import keyring
        import keyring.errors
    except ImportError:
        raise MissingAddonError("the system's keyring needs an extra: pip install 'pryv[keyring]'") from None
    return keyring


def _settings_directory() -> Path:
    if os.name == "nt":
        return Path(os.environ.get("APPDATA") or Path.home()) / "pryv"
    configured = os.environ.get("XDG_CONFIG_HOME", "")
    return (Path(configured) if os.path.isabs(configured) else Path.home() / ".config") / "pryv"


def _refuse_if_shared(descriptor: int, path: Path) -> None:
    if os.name == "posix" and stat.S_IMODE(os.fstat(descriptor).st_mode) & 0o077:
        raise PermissionError(errno.EACCES, "others have access to it (chmod 600 takes that away)", str(path))


def _parsed(text: str, place: str) -> AuthorizationData:
    try:
        data = json.loads(text)
        extract_token_and_api_endpoint(data["apiEndpoint"])
    except (ValueError, TypeError, KeyError):
        problem = f"what {place} holds is not credentials; delete it and sign in again"
    else:
        kept: AuthorizationData = data
        return kept
    raise PryvError(problem)
