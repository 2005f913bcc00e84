"""Users who answer access requests."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs
import requests

from pryv import Connection, Service
from pryv.auth import AuthorizationData, AuthState, AuthStates

APP_ID = "pryv-auth-tests"
PERMISSIONS: list[dict[str, Any]] = [{"streamId": "diary", "defaultName": "Diary", "level": "read"}]


@attrs.define
class Person:
    """Answers access requests, as the page does when its user has signed in."""

    service: Service
    username: str
    connection: Connection

    def accept(self, key: str, permissions: Sequence[Mapping[str, Any]] = PERMISSIONS, **members: Any) -> str:
        """Give access, by default to the diary, and return the token."""
        granted = [{name: item[name] for name in item if name != "defaultName"} for item in permissions]
        access = {"type": "app", "name": f"{APP_ID} {key}", "permissions": granted, **members}
        calls = [
            {"method": "streams.create", "params": {"id": "diary", "name": "Diary"}},
            {"method": "accesses.create", "params": access},
        ]
        token = str(self.connection.api(calls)[1]["access"]["token"])
        endpoint = self.service.api_endpoint_for(self.username, token)
        self.answer(key, status="ACCEPTED", username=self.username, token=token, apiEndpoint=endpoint)
        return token

    def refuse(self, key: str) -> None:
        self.answer(key, status="REFUSED", reasonId="REFUSED_BY_USER", message="No.")

    def answer(self, key: str, **answer: str) -> None:
        requests.post(f"{self.service.info().access}{key}", json=answer, timeout=10)


class Interface:
    """A login interface that records the states; `at_signin` is the action of its user on the page."""

    def __init__(self, at_signin: Callable[[str], object] = lambda key: None) -> None:
        self.at_signin = at_signin
        self.states: list[AuthState] = []
        self.kept: AuthorizationData | None = None

    def on_state_change(self, state: AuthState) -> None:
        self.states.append(state)
        if state.status == AuthStates.NEED_SIGNIN:
            self.at_signin(state["key"])

    def get_authorization_data(self) -> AuthorizationData | None:
        return self.kept

    def save_authorization_data(self, data: AuthorizationData) -> None:
        self.kept = data

    def delete_authorization_data(self) -> None:
        self.kept = None

    @property
    def statuses(self) -> list[str]:
        return [state.status for state in self.states]
