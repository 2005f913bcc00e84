"""An authentication in one call."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from typing import Any

from pryv.auth._controller import AuthController, LoginUI
from pryv.auth._settings import AuthSettings
from pryv.auth._states import AuthStates
from pryv.auth._terminal import TerminalLogin
from pryv.auth._waiting import WAIT, check_wait
from pryv.service import Service


def setup_auth(
    settings: AuthSettings,
    service_info_url: str,
    customizations: Mapping[str, Any] | None = None,
    ui: LoginUI | Callable[[AuthSettings, Service], LoginUI] | None = TerminalLogin,
    *,
    timeout: float | None = WAIT,
) -> Service:
    """Sign in with stored credentials, or else by an access request, and return the service.

    It blocks until the user has answered. The UI and `settings.on_state_change` get the outcome: from an
    `AUTHORIZED` state, make the connection with `service.connect_from_key(state.key)` where it has a `key`, otherwise
    with `Connection(state.api_endpoint, service)`.

    See `Auth request <https://pryv.github.io/reference/#auth-request>`__ in the API reference.

    Args:
        settings: The access request, and the callback for each state.
        service_info_url: The URL of the platform's service info.
        customizations: Members of the service info that replace the platform's.
        ui: A `LoginUI`, or a callable that makes one from the settings and the service.
        timeout: Seconds to wait for the answer; `None` waits until the platform deletes the request.

    Raises:
        TypeError: an argument has the wrong type.
        ValueError: `service_info_url` is not a URL, or `timeout` is not above 0.
        AccessTimeoutError: the user did not answer in time, or the platform no longer knows the request.
        PryvError: a call failed; see *Errors and retries*. A refusal raises nothing: the state is then `REFUSED`.
    """
    check_wait(timeout)
    with contextlib.ExitStack() as failing:
        service = failing.enter_context(Service(service_info_url, customizations))
        controller = AuthController(settings, service, ui(settings, service) if callable(ui) else ui)
        controller.init()
        if controller.state.status != AuthStates.AUTHORIZED:
            controller.start_auth_request(timeout)
        failing.pop_all()
    return service
