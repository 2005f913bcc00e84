"""Read the results of a batch as they arrive, in constant memory."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Generator, Sequence
from typing import Any

from pryv import _resend
from pryv._batch import Call, encode_calls
from pryv._transport import json
from pryv._transport.account import Account, server_time_of
from pryv._transport.http import Response
from pryv._transport.members import MalformedError, Members, TooLargeError
from pryv._transport.redact import redact_error
from pryv._transport.results import error_among, error_of
from pryv._transport.timeouts import CallTimeout
from pryv.errors import PryvConnectionError, PryvError, PryvProtocolError, PryvStreamError, ResponseTooLargeError

_LABEL = "callBatch"
_OBJECTS = {dict}

Part = tuple[int, str, list[tuple[Any, str]]]
"""The number of a call, the name of a member of its result, and values with their JSON texts."""


class BatchStream:
    """The results of a batch of calls that only read, yielded as they arrive.

    It yields the number of a call, from 0, the name of a member of its result, and that member with its JSON text. The
    items of an array in `streamed`, objects, are yielded some at a time, after an empty list at its beginning.

    Attributes:
        server_time: The platform's time, in seconds, in the response; `None` until the last part was yielded. The
            platform may take it when the last call has ended.
    """

    def __init__(
        self, account: Account, calls: Sequence[Call], streamed: Collection[str], timeout: CallTimeout
    ) -> None:
        self._account = account
        self._calls = calls
        self._body = encode_calls([call.to_wire() for call in calls])
        self._streamed = streamed
        self._timeout = timeout
        self.server_time: float | None = None
        if not _resend.is_idempotent("callBatch", [call.to_wire() for call in calls]):
            raise ValueError("a batch that is streamed has calls that only read")

    def __iter__(self) -> Generator[Part, None, None]:
        """Send the batch and yield the parts of its response.

        Raises:
            ApiError: the platform refused the batch as a whole.
            PryvStreamError: the connection broke before the response was complete.
            ResponseTooLargeError: a member of a result, or an item of an array, is larger than `Limits.event`.
            PryvProtocolError: the response is not one of the API, or was cut short.
            PryvConnectionError: there is no response.
        """
        account = self._account
        response = account.send(
            "POST",
            "",
            label=_LABEL,
            headers=json.HEADERS,
            body=self._body,
            idempotent=True,
            stream=True,
            timeout=self._timeout,
        )
        if response.status != 200:
            raise account.failed(error_of(response, *account.secrets, sent=[call.params for call in self._calls]))
        failure: PryvError | None = None
        try:
            yield from self._parts(response)
        except PryvConnectionError as error:
            failure = PryvStreamError(str(error))
        except (MalformedError, UnicodeDecodeError):
            failure = PryvProtocolError(f"{_LABEL}: the response is not one of the API, or was cut short")
        except TooLargeError:
            failure = ResponseTooLargeError(
                f"{_LABEL}: a value is larger than {account.http.limits.event} bytes (Limits.event)"
            )
        if failure is not None:
            raise account.failed(failure)
        account.keep_endpoint(response.moved_to)

    def _parts(self, response: Response) -> Generator[Part, None, None]:
        account = self._account
        body: dict[str, Any] = {}
        with contextlib.closing(response.chunks()) as chunks:
            members = Members(chunks, self._streamed, account.http.limits.event)
            for number, key, values in members.results():
                if number is None:
                    body[key] = values.pop()
                elif number >= len(self._calls) or (key in self._streamed and not set(map(type, values)) <= _OBJECTS):
                    raise MalformedError
                elif key == "error":
                    error = values.pop()
                    yield number, key, [(self._redacted(error, number), members.text)]
                else:
                    yield number, key, members.with_texts(values)
        reported = error_among(body, response, *account.secrets, sent=[call.params for call in self._calls])
        if reported is not None:
            raise account.failed(reported)
        self.server_time = server_time_of(body, _LABEL)
        ahead = self.server_time - response.received
        account.state.delta_time.add(ahead)
        account.credentials.observe_clock(ahead)

    def _redacted(self, error: Any, number: int) -> Any:
        if not isinstance(error, dict):
            raise MalformedError
        return redact_error(error, *self._account.secrets, sent=self._calls[number].params)
