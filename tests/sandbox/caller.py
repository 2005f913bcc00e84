"""A caller of the API over plain HTTP."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any

import requests

from pryv_sandbox import Sandbox


@dataclass(frozen=True, repr=False)
class Caller:
    """Calls to one account with one token; each has an expected status."""

    url: str
    username: str
    token: str

    @classmethod
    def of(cls, sandbox: Sandbox) -> Caller:
        """The owner of a fresh account."""
        account = sandbox.create_account()
        return cls(sandbox.url, account.username, account.token)

    def call(self, verb: str, path: str, expect: int = 200, **options: Any) -> Any:
        options.setdefault("headers", {"Authorization": self.token})
        answer = requests.request(verb, f"{self.url}{self.username}/{path}", timeout=30, **options)
        assert answer.status_code == expect, answer.text
        return answer.json()

    def get(self, path: str, expect: int = 200, **params: Any) -> Any:
        return self.call("GET", path, expect, params=params)

    def post(self, path: str, body: Any, expect: int = 201) -> Any:
        return self.call("POST", path, expect, json=body)

    def put(self, path: str, body: Any, expect: int = 200) -> Any:
        return self.call("PUT", path, expect, json=body)

    def delete(self, path: str, expect: int = 200, **params: Any) -> Any:
        return self.call("DELETE", path, expect, params=params)

    def batch(self, *calls: tuple[str, Any]) -> list[Any]:
        body = [{"method": method, "params": params} for method, params in calls]
        results: list[Any] = self.call("POST", "", json=body)["results"]
        return results

    def add_streams(self, *ids: str, under: str | None = None) -> None:
        for stream_id in ids:
            self.post("streams", {"id": stream_id, "name": f"Stream {stream_id}", "parentId": under})

    def add_event(self, *streams: str, expect: int = 201, **event: Any) -> Any:
        body = {"streamIds": list(streams), "type": "note/txt", "content": "text", **event}
        return self.post("events", body, expect).get("event")

    def grant(self, access_type: str = "app", **levels: str) -> Caller:
        """A caller with an access to these streams only; ``every`` means all."""
        permissions = [
            {"streamId": "*" if stream == "every" else stream, "level": level} for stream, level in levels.items()
        ]
        body = {"type": access_type, "name": secrets.token_hex(6), "permissions": permissions}
        return Caller(self.url, self.username, self.post("accesses", body)["access"]["token"])
