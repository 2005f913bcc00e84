"""Stores that keep the tokens of an OAuth session between runs of a program."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, NoReturn, Protocol

import attrs

from pryv._arguments import require
from pryv._display import SecretText
from pryv._files import replacing
from pryv.auth._stores import call_keyring, import_keyring, open_private_file, settings_directory
from pryv.errors import OAuthError, PryvError
from pryv.oauth._dpop import DPoPKey
from pryv.oauth._tokens import OAuthTokens

if sys.platform != "win32":
    import fcntl

_SERVICE = "pryv-oauth"
_PAUSE = 0.02
"""Seconds between two attempts to lock a file: `flock` has no time limit."""


class TokenStore(Protocol):
    """Keeps the tokens of one OAuth session.

    Several threads and processes may use one store. `OAuthClient` holds its lock from reading tokens, over their
    refresh, to saving the new ones, so that a refresh token is used once.
    """

    def load(self) -> OAuthTokens | None:
        """Return the tokens, `None` if there are none.

        Raises:
            PryvError: the store fails, or what it has are not tokens.
            OSError: they cannot be read.
        """

    def save(self, tokens: OAuthTokens, /) -> None:
        """Replace the tokens: a crash leaves the old ones or the new ones. When this returns, they are on the disk.

        Args:
            tokens: The tokens.

        Raises:
            PryvError: the store fails.
            OSError: they cannot be written.
        """

    def delete(self) -> None:
        """Delete the tokens, if there are any.

        Raises:
            PryvError: the store fails.
            OSError: they cannot be removed.
        """

    def lock(self, timeout: float, /) -> AbstractContextManager[object]:
        """Lock the store against other threads and processes.

        Args:
            timeout: Seconds to wait for the lock.

        Raises:
            OAuthError: others have it for longer than that.
        """


class MemoryTokenStore:
    """Keeps tokens in memory: the session ends with the process. It cannot be pickled.

    After a fork, the refresh token stays with the parent while it lives: the server would delete the consent if both
    processes used it. The child has the access token until it expires.
    """

    def __init__(self) -> None:
        self._tokens: OAuthTokens | None = None
        self._owner = os.getpid()
        self._new_lock()

    def _new_lock(self) -> None:
        self._lock, self._pid = threading.Lock(), os.getpid()

    def __repr__(self) -> str:
        return "<MemoryTokenStore>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a MemoryTokenStore cannot be pickled: give OAuthClient a FileTokenStore or KeyringTokenStore")

    def load(self) -> OAuthTokens | None:
        """Return the tokens, `None` if there are none."""
        if self._tokens is None or os.getppid() != self._owner:
            return self._tokens
        return attrs.evolve(self._tokens, refresh_token=None)

    def save(self, tokens: OAuthTokens) -> None:
        """Replace the tokens.

        Args:
            tokens: The tokens.
        """
        self._tokens, self._owner = tokens, os.getpid()

    def delete(self) -> None:
        """Delete the tokens, if there are any."""
        self._tokens = None

    @contextlib.contextmanager
    def lock(self, timeout: float) -> Iterator[None]:
        """Lock the store against other threads.

        Args:
            timeout: Seconds to wait for the lock.

        Raises:
            OAuthError: another thread has it for longer than that.
        """
        if self._pid != os.getpid():  # a thread that had the lock at the fork is not here to release it
            self._new_lock()
        if not self._lock.acquire(timeout=timeout):
            raise _locked("the tokens in memory")
        try:
            yield
        finally:
            self._lock.release()


class FileTokenStore:
    """Keeps tokens in a file that only its owner can read.

    A second file, `PATH.lock`, is locked while tokens are refreshed; it stays. Both must be on a local disk or another
    file system with `flock`. On Windows there is no such lock: only one process may use the store there.

    If the path is a symbolic link, the link is replaced, and the file behind it keeps tokens that were used: name the
    file itself.

    Args:
        path: The file. Its directory is made when it is needed.

    Raises:
        TypeError: `path` is not a path.
        ValueError: `path` is empty.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        name = os.fspath(path)
        require(path=name)
        self._path = Path(name).absolute()

    def __repr__(self) -> str:
        return f"FileTokenStore({str(self._path)!r})"

    def __str__(self) -> str:
        return str(self._path)

    def load(self) -> OAuthTokens | None:
        """Return the tokens, `None` if there are none.

        Raises:
            PryvError: the path is not that of a file, or the file does not contain tokens.
            PermissionError: other users can read the file, or the current user cannot.
            OSError: the file cannot be read.
        """
        try:
            with open(self._path, "rb", opener=open_private_file) as file:
                return _parsed(file.read(), str(self))
        except (FileNotFoundError, NotADirectoryError):
            return None

    def save(self, tokens: OAuthTokens) -> None:
        """Replace the tokens.

        Args:
            tokens: The tokens.

        Raises:
            OSError: the file cannot be written; the old tokens are still in it.
        """
        self._make_directory()
        with replacing(str(self._path), private=True) as file:
            file.write(_text_of(tokens).encode())

    def delete(self) -> None:
        """Delete the tokens, if there are any.

        Raises:
            OSError: the file cannot be removed.
        """
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            self._path.unlink()

    def lock(self, timeout: float) -> AbstractContextManager[None]:
        """Lock the store against other threads and processes.

        Args:
            timeout: Seconds to wait for the lock.

        Raises:
            OAuthError: others have it for longer than that.
            OSError: the file cannot be made.
        """
        self._make_directory()
        return _locked_file(f"{self._path}.lock", timeout)

    def _make_directory(self) -> None:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)


class KeyringTokenStore:
    """Keeps tokens in the system's keyring. Needs `pip install "pryv[keyring]"`.

    A file in the user's configuration directory is locked while they are refreshed.

    Args:
        name: The name of the entry, such as that of the program.

    Raises:
        TypeError: `name` is not a string.
        ValueError: `name` is empty.
        MissingAddonError: the package `keyring` is not installed.
        PryvError: it cannot be imported.
    """

    def __init__(self, name: str) -> None:
        require(name=name)
        self._name = name
        self._keyring = import_keyring()

    def __repr__(self) -> str:
        return f"KeyringTokenStore({self._name!r})"

    def __str__(self) -> str:
        return f"the system's keyring ({self._name})"

    def __reduce__(self) -> tuple[Any, ...]:
        return KeyringTokenStore, (self._name,)

    def load(self) -> OAuthTokens | None:
        """Return the tokens, `None` if there are none.

        Raises:
            PryvError: the keyring fails, or the entry does not contain tokens.
        """
        text = call_keyring(self._keyring.get_password, _SERVICE, self._name)
        return None if text is None else _parsed(text, str(self))

    def save(self, tokens: OAuthTokens) -> None:
        """Replace the tokens.

        Args:
            tokens: The tokens.

        Raises:
            PryvError: the keyring fails.
        """
        call_keyring(self._keyring.set_password, _SERVICE, self._name, _text_of(tokens))

    def delete(self) -> None:
        """Delete the tokens, if there are any.

        Raises:
            PryvError: the keyring fails.
        """
        if call_keyring(self._keyring.get_password, _SERVICE, self._name) is not None:
            call_keyring(self._keyring.delete_password, _SERVICE, self._name)

    def lock(self, timeout: float) -> AbstractContextManager[None]:
        """Lock the store against other threads and processes.

        Args:
            timeout: Seconds to wait for the lock.

        Raises:
            OAuthError: others have it for longer than that.
            OSError: the file cannot be made.
        """
        directory = settings_directory()
        if directory is None:
            raise FileNotFoundError(errno.ENOENT, "no home directory; set HOME or XDG_CONFIG_HOME", "lock")
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        digest = hashlib.sha256(self._name.encode()).hexdigest()[:32]
        return _locked_file(str(directory / f"oauth-{digest}.lock"), timeout)


@contextlib.contextmanager
def _locked_file(path: str, timeout: float) -> Iterator[None]:
    """Lock a file, which is made if it is missing.

    It is unlocked explicitly: a process that was forked in between has the file open too, and would keep the lock. That
    process does not unlock it.
    """
    process = os.getpid()
    handle = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)
    try:
        if sys.platform == "win32":
            yield
            return
        end = time.monotonic() + timeout
        while not _try_lock(handle):
            if time.monotonic() >= end:
                raise _locked(path)
            time.sleep(_PAUSE)
        try:
            yield
        finally:
            if os.getpid() == process:
                fcntl.flock(handle, fcntl.LOCK_UN)
    finally:
        os.close(handle)


def _try_lock(handle: int) -> bool:
    if sys.platform == "win32":
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _locked(what: str) -> OAuthError:
    error = OAuthError("locked", f"another thread or process has locked {what}")
    error.retryable = True
    return error


def _text_of(tokens: OAuthTokens) -> SecretText:
    """Return tokens as JSON, with the private key that they are bound to.

    Raises:
        TypeError: they are not `OAuthTokens`.
    """
    if not isinstance(tokens, OAuthTokens):
        raise TypeError(f"tokens are OAuthTokens, not {type(tokens).__name__}")
    key = None if tokens.key is None else tokens.key.to_jwk(private=True)
    return SecretText(json.dumps({**attrs.asdict(tokens, recurse=False), "key": key}))


def _parsed(text: str | bytes, source: str) -> OAuthTokens:
    """Return the tokens in a text; members of later versions are ignored.

    Raises:
        PryvError: the text contains no tokens.
    """
    with contextlib.suppress(ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return _tokens_in(json.loads(text))
    del text
    raise PryvError(f"the tokens in {source} are malformed; delete them and log in again")


def _tokens_in(record: Mapping[str, Any]) -> OAuthTokens:
    known = {field.name: record[field.name] for field in attrs.fields(OAuthTokens) if field.name in record}
    if known.get("key") is not None:
        known["key"] = DPoPKey.from_jwk(known["key"])
    return OAuthTokens(**known)
