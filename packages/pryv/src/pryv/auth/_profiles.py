"""Profiles of a credential store: the credentials of one person on one machine, one for each platform and app."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Collection, Iterable

from pryv._display import with_secrets
from pryv.auth._stores import AuthorizationData, CredentialStore, FileStore, check_writable
from pryv.errors import PryvError
from pryv.utils import extract_token_and_api_endpoint

DEFAULT = "default"

_NAME = re.compile(r"[\w.@+-]{1,64}", re.ASCII)
_NAME_BEFORE_PROFILES = "command-line"
"""Under this name `pryv login` kept its credentials when there were no profiles: the default profile has them."""


class Profile:
    """The credentials that a store keeps under a profile's name.

    They are one document. The first credentials are those that the commands use; the others are a list in it.

    Raises:
        TypeError: the name is not a string.
        ValueError: the name is empty, too long, or has characters other than letters, digits and `._@+-`.
    """

    def __init__(self, store: CredentialStore, name: str = DEFAULT) -> None:
        if not isinstance(name, str):
            raise TypeError(f"profile is a string, not {type(name).__name__}")
        if not _NAME.fullmatch(name):
            raise ValueError(f"not the name of a profile: {name!r}; expected up to 64 of A-Z a-z 0-9 . _ @ + -")
        self.store = store
        self.name = name

    def credentials(self) -> list[AuthorizationData]:
        """Return the credentials, those that the commands use first.

        Raises:
            PryvError: the store does not give them, or gives something else.
            OSError: the store cannot be read.
        """
        document = self.store.get(self.name)
        if document is None and self.name == DEFAULT:
            document = self.store.get(_NAME_BEFORE_PROFILES)
        if document is None:
            return []
        others = document.get("others", [])
        if not isinstance(others, list) or not all(map(_are_credentials, others)):
            raise PryvError(f"the profile {self.name} in {self.store} is damaged; sign in again under another name")
        first = document.copy()
        first.pop("others", None)
        return [with_secrets(credentials) for credentials in (first, *others)]

    def keep(self, new: AuthorizationData, replaced: Collection[AuthorizationData] = ()) -> None:
        """Keep credentials in place of others, or behind all that are there.

        Args:
            new: The credentials.
            replaced: Those that they replace.

        Raises:
            PryvError: the store does not take them.
            OSError: the store cannot be written to.
        """
        with self._locked():
            kept = self.credentials()
            place = next((index for index, credentials in enumerate(kept) if credentials in replaced), len(kept))
            kept.insert(place, new)
            self._write(credentials for credentials in kept if credentials is new or credentials not in replaced)

    def use(self, chosen: AuthorizationData) -> None:
        """Put credentials in front, so that the commands use them.

        Args:
            chosen: The credentials.

        Raises:
            PryvError: the store does not take them.
            OSError: the store cannot be written to.
        """
        with self._locked():
            self._write([chosen, *(credentials for credentials in self.credentials() if credentials != chosen)])

    def forget(self, credentials: AuthorizationData) -> None:
        """Remove credentials; any that another process kept in their place stay.

        Args:
            credentials: The credentials.

        Raises:
            PryvError: the store does not let them go.
            OSError: the store cannot be written to.
        """
        with self._locked():
            self._write(kept for kept in self.credentials() if kept != credentials)

    def check_writable(self) -> None:
        """Make sure that credentials can be kept; leaves nothing behind.

        Raises:
            PryvError: the store would not take them.
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
    return True
