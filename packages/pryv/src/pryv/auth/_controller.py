"""The flow of an authentication, from stored credentials or an access request to signing out."""

from __future__ import annotations

import logging
import threading
from typing import Protocol, runtime_checkable

from pryv._arguments import require_methods
from pryv._service_info import ServiceInfo
from pryv._signals import SignalSafeEvent
from pryv._transport.timeouts import DEFAULT, CallTimeout
from pryv.auth._settings import AuthSettings, require_sign_in
from pryv.auth._states import AuthState, AuthStates, notify
from pryv.auth._stores import AuthorizationData
from pryv.auth._waiting import WAIT, check_wait, follow_request
from pryv.service import Service

_UI_METHODS = ("on_state_change", "get_authorization_data", "save_authorization_data", "delete_authorization_data")
_log = logging.getLogger("pryv.auth")


@runtime_checkable
class LoginUI(Protocol):
    """The user interface of an authentication: it shows the states, and stores the credentials."""

    def on_state_change(self, state: AuthState, /) -> object:
        """Show a state; at `NEED_SIGNIN`, send the user to `state.auth_url`.

        Args:
            state: The state, with credentials. An exception is logged and changes nothing.
        """

    def get_authorization_data(self) -> AuthorizationData | None:
        """Return the stored credentials, `None` if there are none."""

    def save_authorization_data(self, data: AuthorizationData, /) -> object:
        """Store credentials.

        Args:
            data: The credentials; `get_authorization_data` returns them from now on. An exception is logged and
                changes nothing.
        """

    def delete_authorization_data(self) -> object:
        """Delete the stored credentials."""


class AuthController:
    """Runs an authentication; every step blocks until it is done.

    Args:
        settings: The access request, and the callback for each state.
        service: The platform.
        ui: The user interface, which also stores the credentials.

    Raises:
        TypeError: an argument has the wrong type.
    """

    def __init__(self, settings: AuthSettings, service: Service, ui: LoginUI | None = None) -> None:
        require_sign_in(settings, service)
        if ui is not None:
            require_methods(ui, "ui", "a LoginUI", *_UI_METHODS)
        self.settings = settings
        self.service = service
        self.ui = ui
        self._state = AuthState(AuthStates.LOADING)
        self._stopped = SignalSafeEvent()
        self._lock = threading.RLock()

    @property
    def state(self) -> AuthState:
        """The state of the authentication."""
        return self._state

    def init(self, *, timeout: CallTimeout = DEFAULT) -> Service:
        """Begin: `AUTHORIZED` with credentials that the UI has stored, `INITIALIZED` without. Return the service.

        Args:
            timeout: Replaces the service's timeout.

        Raises:
            PryvError: the service info or the stored credentials cannot be read.
        """
        self._change(AuthState(AuthStates.LOADING))
        try:
            info = self.service.info(timeout=timeout)
            stored = self.ui.get_authorization_data() if self.ui is not None else None
            state = _first_state(info, stored)
        except Exception as error:
            self._change(AuthState.failed(error))
            raise
        self._change(state)
        return self.service

    def start_auth_request(self, timeout: float | None = WAIT) -> None:
        """Ask for access and wait for the answer: `AUTHORIZED`, or `REFUSED` and then `INITIALIZED`.

        An earlier request that still waits is stopped. See
        `Auth request <https://pryv.github.io/reference/#auth-request>`__ in the API reference.

        Args:
            timeout: Seconds to wait for the answer; `None` waits until the platform deletes the request.

        Raises:
            TypeError: `timeout` is not a number.
            ValueError: `timeout` is not above 0.
            AccessTimeoutError: the user did not answer in time, or the platform no longer knows the request.
            PryvError: the request failed; see *Errors and retries*. The state is `ERROR` then.
        """
        check_wait(timeout)
        with self._lock:
            self._stopped.set()
            stopped = self._stopped = SignalSafeEvent()

        def report(state: AuthState) -> None:
            self._change(state, stopped)

        try:
            request = self.service.start_access_request(self.settings.auth_request)
        except Exception as error:
            report(AuthState.failed(error))
            raise
        state = follow_request(self.service, request, timeout, stopped, report)
        if state.status == AuthStates.REFUSED:
            report(AuthState(AuthStates.INITIALIZED, service_info=self.service.info()))

    def stop_auth_request(self, message: str) -> None:
        """Stop waiting for the answer to the access request, from any thread.

        Args:
            message: The reason; the state becomes `ERROR` with this message.
        """
        with self._lock:
            self._stopped.set()
        self._change(AuthState(AuthStates.ERROR, message=message))

    def handle_click(self, timeout: float | None = WAIT) -> None:
        """React to a click on a login button: sign in, show the page again during a request, or sign out.

        Args:
            timeout: Seconds to wait for the answer if this starts a request; see `start_auth_request`.

        Raises:
            ValueError: `timeout` is not above 0.
            PryvError: `start_auth_request` or `init` failed.
        """
        if self._state.status == AuthStates.AUTHORIZED:
            self._sign_out()
        elif self._state.status == AuthStates.NEED_SIGNIN:
            self._change(self._state)
        elif self._state.status != AuthStates.LOADING:
            self.start_auth_request(timeout)

    def _sign_out(self) -> None:
        if self.ui is not None:
            self.ui.delete_authorization_data()
        self._change(AuthState(AuthStates.SIGNOUT))
        if self.ui is not None:
            self.init()

    def _change(self, state: AuthState, stopped: SignalSafeEvent | None = None) -> None:
        with self._lock:
            if stopped is not None and stopped.is_set():
                return
            self._state = state
        if self.ui is not None:
            if state.status == AuthStates.AUTHORIZED and state.key is not None:
                self._save(self.ui, state)
            notify(self.ui.on_state_change, state)
        if self.settings.on_state_change is not None:
            notify(self.settings.on_state_change, state.without_credentials())

    @staticmethod
    def _save(ui: LoginUI, state: AuthState) -> None:
        data = AuthorizationData(apiEndpoint=state["apiEndpoint"])
        if state.username is not None:
            data["username"] = state.username
        try:
            ui.save_authorization_data(data)
        except Exception:  # noqa: BLE001  (the user's UI may raise anything)
            _log.exception("the credentials could not be stored")


def _first_state(info: ServiceInfo, stored: AuthorizationData | None) -> AuthState:
    if not stored:
        return AuthState(AuthStates.INITIALIZED, service_info=info)
    return AuthState(
        AuthStates.AUTHORIZED,
        username=stored.get("username"),
        api_endpoint=stored["apiEndpoint"],
        service_info=info,
    )
