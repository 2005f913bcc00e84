"""Signing in from a terminal."""

from __future__ import annotations

import contextlib
import io
import itertools
import os
import sys
import threading
from typing import TextIO

from pryv._arguments import require_methods
from pryv._signals import SignalSafeEvent
from pryv._spelling import web_url
from pryv._text import printable
from pryv.auth._browser import PageInBrowser
from pryv.auth._settings import AuthSettings, require_sign_in
from pryv.auth._states import AuthState, AuthStates
from pryv.auth._stores import AuthorizationData, CredentialStore, default_store
from pryv.service import Service

_ERASE_LINE = "\r\x1b[K"


class TerminalLogin:
    """Prints the URL of the sign-in page, opens it in a browser, shows a spinner, and stores the credentials.

    Args:
        settings: The settings; the credentials are stored under its app id.
        service: The platform; the credentials are stored under its name.
        store: The credential store; by default the system's keyring, or files that only their owner can read.
        open_browser: Whether to open the page. A browser that runs in the terminal is not used, and a program that was
            frozen into one file opens none. The browser opens a temporary file that redirects to the page.
        file: The file to print to; by default standard error, if it is open. Only a terminal shows the spinner.

    Raises:
        TypeError: an argument has the wrong type.
    """

    def __init__(
        self,
        settings: AuthSettings,
        service: Service,
        *,
        store: CredentialStore | None = None,
        open_browser: bool = True,
        file: TextIO | None = None,
    ) -> None:
        require_sign_in(settings, service)
        if store is not None:
            require_methods(store, "store", "a CredentialStore", "get", "save", "delete")
        self._app_id = settings.auth_request["requestingAppId"]
        self._service = service
        self._store = default_store() if store is None else store
        self._open_browser = open_browser
        self._file = file or sys.stderr or io.StringIO()  # standard error may be closed
        self._spinner = _Spinner(self._file)
        self._page = PageInBrowser()

    def on_state_change(self, state: AuthState) -> None:
        """Print a state for the user. The exception of an `ERROR` is not printed, as the caller gets it.

        Args:
            state: The state.
        """
        self._spinner.stop()
        self._page.close()
        if state.status == AuthStates.NEED_SIGNIN:
            self._show_page(state.auth_url)
            self._spinner.start()
        elif state.status == AuthStates.AUTHORIZED:
            self._print(printable(f"Signed in as {state.username}.") if state.username else "Access was given.")
        elif state.status == AuthStates.REFUSED:
            self._print("Access was refused.")
        elif state.status == AuthStates.SIGNOUT:
            self._print("Signed out.")
        elif state.status == AuthStates.ERROR and state.error is None:
            self._print(printable(f"Signing in failed: {state.message}"))

    def get_authorization_data(self) -> AuthorizationData | None:
        """Return the credentials stored for this app and platform, `None` if there are none.

        Raises:
            PryvError: the service info cannot be read, or the store failed.
            OSError: the store cannot be read.
        """
        return self._store.get(self._name())

    def save_authorization_data(self, data: AuthorizationData) -> None:
        """Store credentials for this app and platform.

        Args:
            data: The credentials.

        Raises:
            PryvError: the service info cannot be read, or the store failed.
            OSError: the store cannot be written to.
        """
        self._store.save(self._name(), data)

    def delete_authorization_data(self) -> None:
        """Delete the credentials stored for this app and platform.

        Raises:
            PryvError: the service info cannot be read, or the store failed.
            OSError: the store cannot be written to.
        """
        self._store.delete(self._name())

    def _show_page(self, auth_url: str | None) -> None:
        try:
            url = web_url(auth_url or "")
        except ValueError:
            self._print("The platform returned no sign-in page.")
            return
        self._print(f"To sign in, and to accept or refuse, open this page:\n\n    {url}\n")
        if self._open_browser:
            self._page.open(url)

    def _name(self) -> str:
        return f"{self._app_id} {self._service.info().register}"

    def _print(self, text: str) -> None:
        with contextlib.suppress(OSError):  # nobody can read it
            print(text, file=self._file, flush=True)


class _Spinner:
    """A spinner on a terminal; nothing elsewhere."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._stopped = SignalSafeEvent()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the spinner."""
        if self._file.isatty() and os.environ.get("TERM") != "dumb":  # which cannot erase a line
            self._stopped = SignalSafeEvent()
            self._thread = threading.Thread(target=self._spin, args=(self._stopped,), daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Stop it and clear the line."""
        self._stopped.set()
        thread, self._thread = self._thread, None
        if thread is not None and thread.is_alive():
            thread.join()

    def _spin(self, stopped: SignalSafeEvent) -> None:
        for frame in itertools.cycle("|/-\\"):
            self._file.write(f"\r{frame} Waiting for the answer")
            self._file.flush()
            if stopped.wait(0.1):
                break
        self._file.write(_ERASE_LINE)
        self._file.flush()
