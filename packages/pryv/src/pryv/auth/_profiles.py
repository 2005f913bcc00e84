"""Profiles of a credential store: the credentials of one user on one machine, one for each platform and app."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Collection, Iterable

from pryv._arguments import require_methods
from pryv._display import with_secrets
from pryv.auth._stores import AuthorizationData, CredentialStore, FileStore, OAuthSessionData, check_writable
from pryv.errors import PryvError
from pryv.utils import extract_token_and_api_endpoint

DEFAULT = "default"

_NAME = re.compile(r"[\w.@+-]{1,64}", re.ASCII)
_NAME_BEFORE_PROFILES = "command-line"
"""The name of credentials stored by `pryv login` before there were profiles: they belong to the default profile."""


class Profile:
    """The credentials of a profile in a store.

    The store has one document for each profile: the credentials that the commands use, with a list of the others.

    Raises:
        TypeError: the name is not a string.
        ValueError: the name is empty, too long, or has characters other than letters, digits and `._@+-`.
    """

    def __init__(self, store: CredentialStore, name: str = DEFAULT) -> None:
        if not isinstance(name, str):
            raise TypeError(f"profile is a string, not {type(name).__name__}")
        if not _NAME.fullmatch(name):
            raise ValueError(f"not the name of a profile: {name!r}; expected up to 64 of A-Z a-z 0-9 . _ @ + -")
        require_methods(store, "store", "a CredentialStore", "get", "save", "delete")
        self.store = store
        self.name = name

    def credentials(self) -> list[AuthorizationData]:
        """Return the credentials; the commands use the first ones.

        Raises:
            PryvError: the store fails, or the data in it are not credentials.
            OSError: the store cannot be read.
        """
        document = self.store.get(self.name)
        if document is None and self.name == DEFAULT:
            document = self.store.get(_NAME_BEFORE_PROFILES)
        if document is None:
            return []
        first = document.copy()
        others = first.pop("others", [])
        if not isinstance(others, list) or not all(map(_are_credentials, (first, *others))):
            raise PryvError(f"the profile {self.name} in {self.store} is damaged; sign in again under another name")
        return [with_secrets(credentials) for credentials in (first, *others)]

    def keep(self, new: AuthorizationData, replaced: Collection[AuthorizationData] = ()) -> None:
        """Store credentials: they replace others, or are added at the end.

        Args:
            new: The credentials.
            replaced: The credentials that they replace.

        Raises:
            PryvError: the store fails.
            OSError: the store cannot be written to.
        """
        with self._locked():
            kept = self.credentials()
            gone = [new, *replaced]
            place = next((index for index, credentials in enumerate(kept) if credentials in gone), len(kept))
            kept.insert(place, new)
            self._write(credentials for credentials in kept if credentials is new or credentials not in gone)

    def use(self, chosen: AuthorizationData) -> None:
        """Put credentials first, so that the commands use them.

        Args:
            chosen: The credentials.

        Raises:
            PryvError: the store fails.
            OSError: the store cannot be written to.
        """
        with self._locked():
            self._write([chosen, *(credentials for credentials in self.credentials() if credentials != chosen)])

    def forget(self, credentials: AuthorizationData) -> None:
        """Remove credentials, unless another process has replaced them.

        Args:
            credentials: The credentials.

        Raises:
            PryvError: the store fails.
            OSError: the store cannot be written to.
        """
        with self._locked():
            self._write(kept for kept in self.credentials() if kept != credentials)

    def check_writable(self) -> None:
        """Check that credentials can be stored; this leaves no data behind.

        Raises:
            PryvError: the store fails.
            OSError: the store cannot be written to.
        """
        check_writable(self.store)

    def _locked(self) -> contextlib.AbstractContextManager[None]:
        return self.store._lock() if isinstance(self.store, FileStore) else contextlib.nullcontext()

    def _write(self, credentials: Iterable[AuthorizationData]) -> None:
        kept = list(credentials)
        if kept:
            document = kept[0].copy()
            if kept[1:]:
                document["others"] = kept[1:]
            self.store.save(self.name, document)
        else:
            self.store.delete(self.name)
        if self.name == DEFAULT:
            self.store.delete(_NAME_BEFORE_PROFILES)


def _are_credentials(data: object) -> bool:
    if not isinstance(data, dict):
        return False
    try:
        extract_token_and_api_endpoint(data.get("apiEndpoint", ""))
    except (TypeError, ValueError):
        return False
    return "oauth" not in data or _is_session(data["oauth"])


def _is_session(data: object) -> bool:
    return isinstance(data, dict) and all(isinstance(data.get(key), str) for key in OAuthSessionData.__required_keys__)
