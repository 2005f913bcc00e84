"""The connection to an account."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, overload

import requests

from pryv import _resend, resources
from pryv._accesses import access_info, own_access_id, revoke
from pryv._arguments import require_callback
from pryv._audit import audit_query
from pryv._batch import Call, CallLike, Progress, Result, checked_chunk_size, each_handled, encode_calls, iter_batch
from pryv._calls import HttpBatches, call_all, call_one
from pryv._content import latest_by_content
from pryv._display import public_names, safe_repr, secret
from pryv._downloads import DestinationT, download
from pryv._events import EventStream, StreamedEvents
from pryv._series import Series, add_batch, add_points, get_points
from pryv._spelling import API_ENDPOINT_FORM
from pryv._transport.account import Account
from pryv._transport.credentials import StaticToken
from pryv._transport.http import Http
from pryv._transport.limits import Limits
from pryv._transport.results import member
from pryv._transport.retry import RetryPolicy
from pryv._transport.timeouts import DEFAULT, DEFAULT_TIMEOUT, CallTimeout, Default, Timeout
from pryv._transport.urls import path_segment, query_pairs, relative_path
from pryv._uploads import Data, add_attachment, create_event_with_data, create_event_with_files, create_event_with_path
from pryv.errors import InvalidAccessTokenError, PryvError
from pryv.types import (
    Access,
    AccessInfo,
    AccessUpdate,
    AccessWithHistory,
    Attachment,
    Event,
    EventCreate,
    EventsParams,
    Untyped,
)
from pryv.utils import build_api_endpoint, extract_token_and_api_endpoint

if TYPE_CHECKING:
    from pryv.service import Service
    from pryv_socket_io import SocketIO  # a type checker takes it for Any if the add-on is not installed


class Connection:
    """An authenticated link to one account.

    It may be used from several threads, survives a fork, can be pickled, and is a context manager. A pickle holds
    the token; nothing else shows it.

    Args:
        api_endpoint: The account's API endpoint, `https://TOKEN@host/…`.
        service: The platform; without it, it is found by the endpoint when it is needed.
        timeout: Seconds for connecting, and for each step after it (sending a block, receiving the head of a response,
            receiving a piece of its body): one number for both or a pair; `None` is no limit.
        retry: How idempotent calls are retried; `None` turns it off.
        session: A session that sends every request, from all threads, with its own proxies, certificates and adapters.
            It is neither changed nor closed. Its adapters apply the connect timeout to sending too.
        chunk_size: The number of calls that `api` sends in one request; fewer if they take more than 8 MB.
        limits: The limits of responses in size and rate.

    Raises:
        TypeError: an argument has the wrong type.
        ValueError: `api_endpoint` is malformed or the URL of a service info, or a number is out of range.
    """

    def __init__(
        self,
        api_endpoint: str,
        service: Service | None = None,
        *,
        timeout: Timeout = DEFAULT_TIMEOUT,
        retry: RetryPolicy | None = RetryPolicy(),  # noqa: B008  (frozen)
        session: requests.Session | None = None,
        chunk_size: int = 1000,
        limits: Limits = Limits(),  # noqa: B008  (frozen)
    ) -> None:
        api_endpoint = secret(api_endpoint)
        found = extract_token_and_api_endpoint(api_endpoint)
        if found.token is None and found.endpoint.endswith("/service/info/"):
            raise ValueError(f"not an API endpoint, but the URL of a service info; expected {API_ENDPOINT_FORM}")
        if service is not None and not hasattr(service, "api_endpoint_for"):
            raise TypeError(f"service is a pryv.Service, not {type(service).__name__}")
        self._chunk_size = checked_chunk_size(chunk_size)
        self._account = Account(Http(retry, session, limits), found.endpoint, StaticToken(found.token), timeout)
        self._service = service
        self._service_is_own = service is None
        self._addons: dict[str, Any] = {}

    @safe_repr
    def __repr__(self) -> str:
        return f"<Connection {self.endpoint}>"

    __dir__ = public_names

    def __enter__(self) -> Connection:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_addons": {}}

    def with_options(
        self,
        *,
        timeout: CallTimeout = DEFAULT,
        retry: RetryPolicy | Default | None = DEFAULT,
    ) -> Connection:
        """Return a connection to the same account with other limits; this sends no request.

        The two share the token and the network connections. They also share what is known of the account:
        the access info, the endpoint after a move, and `delta_time`. Closing one does not close the other. Each has its
        own `socket`.

        Args:
            timeout: Replaces this connection's timeout.
            retry: Replaces this connection's policy; `None` turns retries off.

        Raises:
            TypeError: an argument has the wrong type.
            ValueError: a number in `timeout` is out of range.
        """
        other = copy.copy(self)
        other._account = self._account.with_options(timeout, retry)
        if self._service is not None and self._service_is_own:
            other._service = self._service._with_options(timeout, retry)
        return other

    def close(self) -> None:
        """Close the socket and the open network connections of all threads; a later call opens new ones.

        Network connections that are shared (see `with_options`) are closed with the last one that used them.
        """
        for addon in list(self._addons.values()):
            addon.close()
        self._account.http.close()
        if self._service is not None and self._service_is_own:
            self._service.close()

    @property
    def token(self) -> str | None:
        """The current access token; a secret."""
        return self._account.token

    @property
    def endpoint(self) -> str:
        """The URL that calls go to; it ends with `/` and has no token. It changes if the platform moves the account."""
        return self._account.endpoint

    @property
    def api_endpoint(self) -> str:
        """The endpoint with the token in it, as `Connection` takes it; a secret."""
        return build_api_endpoint(self.endpoint, self.token)

    @property
    def delta_time(self) -> float:
        """The running mean of server time minus local time, in seconds; 0 before the first call.

        `events.get` is left out, as the platform takes its time at the end of the response.
        """
        return self._account.state.delta_time.mean

    @property
    def service(self) -> Service:
        """The platform the account is on."""
        if self._service is None:
            from pryv.service import Service

            http = self._account.http
            self._service = Service(
                self.endpoint + "service/info",
                timeout=self._account.timeout,
                retry=http.retry,
                session=http.sessions.given,
                limits=http.limits,
            )
        return self._service

    @property
    def events(self) -> resources.Events:
        """Methods to create, read, change and delete events; `iter_events` searches them."""
        return resources.Events(self._account, self._chunk_size)

    @property
    def streams(self) -> resources.Streams:
        """Methods to create, list, change and delete streams."""
        return resources.Streams(self._account)

    @property
    def accesses(self) -> resources.Accesses:
        """Methods to create, list, change and delete accesses."""
        return resources.Accesses(self._account)

    @property
    def webhooks(self) -> resources.Webhooks:
        """Methods to create, list, change and delete webhooks."""
        return resources.Webhooks(self._account)

    @property
    def account(self) -> resources.Account:
        """Methods to read and change the user's data, password and name."""
        return resources.Account(self._account)

    @property
    def profile(self) -> resources.Profile:
        """Methods to read and change the profile sets."""
        return resources.Profile(self._account)

    def username(self, *, timeout: CallTimeout = DEFAULT) -> str:
        """Return the name of the account's user.

        See `Get current access info <https://pryv.github.io/reference/#access-info>`__ in the API reference.

        Args:
            timeout: Replaces the connection's timeout.

        Raises:
            PryvError: `access_info` failed or has no user.
        """
        label = "GET access-info"
        return member(member(self.access_info(timeout=timeout), "user", dict, label), "username", str, label)

    def access_info(self, force_refresh: bool = False, *, timeout: CallTimeout = DEFAULT) -> AccessInfo:
        """Return this connection's access: its name, type, permissions, user.

        See `Get current access info <https://pryv.github.io/reference/#access-info>`__ in the API reference.

        Args:
            force_refresh: Whether to fetch it again; otherwise it is fetched once. After a failure the old one is kept.
            timeout: Replaces the connection's timeout.

        Raises:
            InvalidAccessTokenError: the access does not exist any more.
            PryvError: the call failed; see *Errors and retries*.
        """
        return access_info(self._account, force_refresh, timeout)

    def api(
        self,
        calls: Iterable[CallLike],
        progress: Progress | None = None,
        *,
        raise_on_error: bool = False,
        timeout: CallTimeout = DEFAULT,
    ) -> list[Result]:
        """Send calls in batches and return one result per call, in order.

        An API error is the result of its call, `{"error": {…}}`, or is raised with `raise_on_error`. A batch with only
        idempotent calls (reads, and `events.create` with an `id`) is retried by the policy; others are not sent twice.

        See `Call batch <https://pryv.github.io/reference/#call-batch>`__ in the API reference.

        Args:
            calls: Instances of `Call`, or dicts with `method`, `params` and `handle_result`; any iterable, read lazily.
            progress: A callback after each chunk. It gets the percentage done (`None` if the number of calls is not
                known) and the results so far, or the percentage alone if it takes only one argument.
            raise_on_error: Whether the first error among the results is raised, once its chunk is done: nothing is sent
                after it. `handle_result` gets the other results of the chunk, and no errors.
            timeout: Replaces the connection's timeout.

        Raises:
            TypeError: something in `calls` is not a call, or a parameter has no JSON form.
            ValueError: a call has no method, or a parameter has no JSON form (a number that is not finite, a `datetime`
                without a time zone). The message has the call's number, from 0, and the field.
            ApiError: the platform refused a batch as a whole or, with `raise_on_error`, a call: its number is `index`.
            PryvError: the call failed; see *Errors and retries*. Any exception that stops it (of a handler too) has
                `results`: those received before.
        """
        return call_all(self._account, calls, self._chunk_size, progress, timeout, raise_on_error=raise_on_error)

    def iter_api(self, calls: Iterable[CallLike], *, timeout: CallTimeout = DEFAULT) -> Iterator[tuple[Call, Result]]:
        """Send calls as `api` does, lazily: yield each call with its result, with one chunk in memory at a time.

        See `Call batch <https://pryv.github.io/reference/#call-batch>`__ in the API reference.

        Args:
            calls: As in `api`.
            timeout: Replaces the connection's timeout.

        Raises:
            TypeError: something in `calls` is not a call, or a parameter has no JSON form.
            ValueError: a call has no method, or a parameter has no JSON form (a number that is not finite, a `datetime`
                without a time zone). The message has the call's number, from 0, and the field.
            PryvError: a request failed; see *Errors and retries*.
        """
        return each_handled(iter_batch(HttpBatches(self._account, timeout), calls, self._chunk_size))

    def api_one(
        self,
        method: str,
        params: Any = None,
        expected_key: str | None = None,
        *,
        timeout: CallTimeout = DEFAULT,
    ) -> Any:
        """Send one call and return its result, or the value of `expected_key` in it.

        See `Call batch <https://pryv.github.io/reference/#call-batch>`__ and
        `Method ids <https://pryv.github.io/reference/#method-ids>`__ in the API reference.

        Args:
            method: The API method's id, such as `events.get`.
            params: Its parameters.
            expected_key: The key to return, such as `events`.
            timeout: Replaces the connection's timeout.

        Raises:
            TypeError: an argument has the wrong type, or a parameter has no JSON form.
            ValueError: `method` or `expected_key` is empty, or a number is not finite.
            ApiError: the result is an error.
            PryvProtocolError: the result does not have `expected_key`.
            PryvError: the call failed; see *Errors and retries*.
        """
        return call_one(self._account, method, params, expected_key, timeout)

    def get(
        self, path: str, params: Mapping[str, Any] | None = None, *, timeout: CallTimeout = DEFAULT
    ) -> dict[str, Any]:
        """GET a path below the endpoint and return the decoded body.

        See `Call with HTTP <https://pryv.github.io/reference/#call-with-http>`__ in the API reference.

        Args:
            path: Such as `events`. An id in it must be one percent-encoded segment.
            params: Query parameters; lists of scalars become repeated keys; objects, lists of objects, and a list of
                `streams` with no item or more than 20 become JSON.
            timeout: Replaces the connection's timeout.

        Raises:
            TypeError: an argument has the wrong type.
            ValueError: the path would leave the endpoint, or a number is not finite.
            ApiError: the platform responded with an error.
            PryvError: the call failed; see *Errors and retries*.
        """
        return self._account.call(
            "GET", relative_path(path), query=query_pairs(params), idempotent=True, timeout=timeout
        )

    def post(self, path: str, data: Any = None, *, timeout: CallTimeout = DEFAULT) -> dict[str, Any]:
        """POST data as JSON to a path below the endpoint and return the decoded body.

        See `Call with HTTP <https://pryv.github.io/reference/#call-with-http>`__ in the API reference.

        Args:
            path: Such as `events`. An id in it must be one percent-encoded segment.
            data: The body; `None` means an empty object.
            timeout: Replaces the connection's timeout.

        Raises:
            TypeError: `data` has no JSON form.
            ValueError: the path would leave the endpoint, or `data` has no JSON form.
            ApiError: the platform responded with an error.
            PryvError: the call failed; see *Errors and retries*.
        """
        path = relative_path(path)
        if path == "" and isinstance(data, list):
            return _resend.post_batch(self._account, data, timeout, encode_calls(data))
        if path == "events" and _resend.creates_with_id("events.create", data):
            return _resend.post_event(self._account, data, timeout)
        return self._account.call("POST", path, data={} if data is None else data, timeout=timeout)

    def put(self, path: str, data: Any = None, *, timeout: CallTimeout = DEFAULT) -> dict[str, Any]:
        """PUT data as JSON to a path below the endpoint and return the decoded body.

        See `Call with HTTP <https://pryv.github.io/reference/#call-with-http>`__ in the API reference.

        Args:
            path: Such as `events/ID`. An id in it must be one percent-encoded segment.
            data: The body; `None` means an empty object.
            timeout: Replaces the connection's timeout.

        Raises:
            TypeError: `data` has no JSON form.
            ValueError: the path would leave the endpoint, or `data` has no JSON form.
            ApiError: the platform responded with an error.
            PryvError: the call failed; see *Errors and retries*.
        """
        return self._account.call("PUT", relative_path(path), data={} if data is None else data, timeout=timeout)

    def delete(
        self, path: str, params: Mapping[str, Any] | None = None, *, timeout: CallTimeout = DEFAULT
    ) -> dict[str, Any]:
        """DELETE a path below the endpoint and return the decoded body.

        See `Call with HTTP <https://pryv.github.io/reference/#call-with-http>`__ in the API reference.

        Args:
            path: Such as `events/ID`. An id in it must be one percent-encoded segment.
            params: Query parameters, as in `get`.
            timeout: Replaces the connection's timeout.

        Raises:
            TypeError: an argument has the wrong type.
            ValueError: the path would leave the endpoint, or a number is not finite.
            ApiError: the platform responded with an error.
            PryvError: the call failed; see *Errors and retries*.
        """
        return self._account.call("DELETE", relative_path(path), query=query_pairs(params), timeout=timeout)

    def iter_events(
        self, params: EventsParams | Untyped | None = None, *, timeout: CallTimeout = DEFAULT
    ) -> EventStream:
        """Return an iterator that yields events as they arrive, and then deletions if they were requested.

        Memory does not grow with their number. Without a `limit`, a missing `fromTime` or `toTime` is open: there is
        no default page, no window of 24 hours and no cut at the present. Lists of streams, types or values that are too
        long for one request are split into several requests, whose events are merged.

        See `Get events <https://pryv.github.io/reference/#get-events>`__ in the API reference.

        Args:
            params: Parameters of `events.get`.
            timeout: Replaces the connection's timeout. The read timeout bounds each silence, not the whole read.

        Returns:
            The iterator, to be used in a `with` block or a loop. Its `text` is the item yielded last, as it was sent;
            after the last item it has `events_count`, `event_deletions_count` (`None` if not requested) and `meta`. It
            raises `ApiError` before the first event, and `PryvStreamError` if the response is cut short or malformed.

        Raises:
            TypeError: `params` is not a dict, or a parameter has no JSON form.
            ValueError: a parameter has no JSON form, or is too long for a URL, of which 8,000 bytes are used.
        """
        return EventStream(self._account, params, timeout)

    def get_events_streamed(
        self,
        params: EventsParams | Untyped | None,
        for_each_event: Callable[[Event], object],
        *,
        timeout: CallTimeout = DEFAULT,
    ) -> StreamedEvents:
        """Call `for_each_event` with each event, and each requested deletion, as they arrive: see `iter_events`.

        See `Get events <https://pryv.github.io/reference/#get-events>`__ in the API reference.

        Args:
            params: Parameters of `events.get`.
            for_each_event: The callback; an exception in it ends the read and is raised.
            timeout: Replaces the connection's timeout. The read timeout bounds each silence, not the whole read.

        Returns:
            The counts, and the `meta` of the response.

        Raises:
            TypeError: `for_each_event` is not callable, or a parameter has no JSON form.
            ValueError: a number is not finite.
            ApiError: the platform responded with an error.
            PryvStreamError: the response was cut short or is malformed.
            PryvConnectionError: there is no response.
        """
        require_callback(for_each_event, "for_each_event")
        with self.iter_events(params, timeout=timeout) as events:
            for event in events:
                for_each_event(event)
        return events.summary()

    def audit(
        self,
        params: EventsParams | Untyped | None = None,
        *,
        access: str | None = None,
        action: str | None = None,
        timeout: CallTimeout = DEFAULT,
    ) -> EventStream:
        """Return an iterator over the audit log: an event for each call of the API, the latest first.

        An event has the type `audit-log/pryv-api`, or `audit-log/pryv-api-error` for a call that failed. Its `content`
        has the `action` (the API method), the `source` and the `query`, and for some methods `recordCount` and
        `scopedStreamIds`; for a failed call the `id` and `message` of the error. Its `streamIds` name the access:
        `:_audit:access-ID`.

        A personal token may read all of it; any other token the calls of its own access, with that `access`.
        open-pryv.io 2.0.0-pre.4 ignores `access` and `action` if its audit log is in PostgreSQL.

        See `Get events <https://pryv.github.io/reference/#get-events>`__ in the API reference.

        Args:
            params: Parameters of `events.get` but `streams`; without a `limit`, no event is left out, as in
                `iter_events`.
            access: The id of an access, for its calls only: `base` for all its versions, `base:serial` for one.
            action: The id of an API method, such as `events.get`, for its calls only.
            timeout: Replaces the connection's timeout. The read timeout bounds each silence, not the whole read.

        Returns:
            The iterator, as that of `iter_events`. It raises `ForbiddenError` if the token may not read these calls.

        Raises:
            TypeError: an argument has the wrong type.
            ValueError: `params` has `streams`, `access` is not an access id, or `action` is empty.
        """
        return self.iter_events(audit_query(params, access, action), timeout=timeout)

    def create_event_with_file(
        self,
        event: EventCreate | Untyped,
        path: str | os.PathLike[str],
        *,
        timeout: CallTimeout = DEFAULT,
    ) -> dict[str, Any]:
        """Create an event with a file attached, read from disk as it is sent.

        The file keeps its name on the platform; its extension decides the type. An event with its own `id` is retried
        by the policy; no other is sent twice.

        See `Create event <https://pryv.github.io/reference/#create-event>`__ in the API reference.

        Args:
            event: The event, as `events.create` takes it.
            path: The path of the file.
            timeout: Replaces the connection's timeout.

        Returns:
            The body of the response, with `event`.

        Raises:
            TypeError: an argument has the wrong type.
            ValueError: the path names no file, or a number in `event` is not finite.
            OSError: the file cannot be read, or its size changed during the request.
            ApiError: the platform responded with an error.
            PryvError: the call failed; see *Errors and retries*.
        """
        return create_event_with_path(self._account, event, path, timeout)

    def create_event_with_file_from_buffer(
        self,
        event: EventCreate | Untyped,
        data: Data,
        filename: str,
        *,
        timeout: CallTimeout = DEFAULT,
    ) -> dict[str, Any]:
        """Create an event with a file attached, from bytes or an open file: see `create_event_with_file`.

        See `Create event <https://pryv.github.io/reference/#create-event>`__ in the API reference.

        Args:
            event: The event, as `events.create` takes it.
            data: Bytes, or a binary file object: it is read from its position on and not closed. One that cannot seek,
                such as a pipe, is copied to a temporary file first.
            filename: The file's name on the platform; its extension decides the type.
            timeout: Replaces the connection's timeout.

        Returns:
            The body of the response, with `event`.

        Raises:
            TypeError: an argument has the wrong type, such as a file opened in text mode.
            ValueError: `filename` is empty.
            OSError: the file cannot be read, or its size changed during the request.
            ApiError: the platform responded with an error.
            PryvError: the call failed; see *Errors and retries*.
        """
        return create_event_with_data(self._account, event, data, filename, timeout)

    def create_event_with_files(
        self,
        event: EventCreate | Untyped,
        files: Iterable[str | os.PathLike[str] | tuple[str, Data]],
        *,
        timeout: CallTimeout = DEFAULT,
    ) -> dict[str, Any]:
        """Create an event with several files attached, in one request: see `create_event_with_file`.

        See `Create event <https://pryv.github.io/reference/#create-event>`__ in the API reference.

        Args:
            event: The event, as `events.create` takes it.
            files: Paths, or pairs of a file's name on the platform and its data (bytes, or a binary file object).
            timeout: Replaces the connection's timeout.

        Returns:
            The response, with `event`; its `attachments` are in the order of `files`.

        Raises:
            TypeError: an argument has the wrong type.
            ValueError: `files` is empty, a name is not a file name, or a number in `event` is not finite.
            OSError: a file cannot be read, or its size changed during the request.
            ApiError: the platform responded with an error.
            PryvError: it failed; see *Errors and retries*.
        """
        return create_event_with_files(self._account, event, files, timeout)

    def add_attachment(
        self,
        event_id: str,
        source: str | os.PathLike[str] | Data,
        filename: str | None = None,
        *,
        timeout: CallTimeout = DEFAULT,
    ) -> dict[str, Any]:
        """Attach a file to an event, read as it is sent.

        See `Add attachment(s) <https://pryv.github.io/reference/#add-attachments>`__ in the API reference.

        Args:
            event_id: The event.
            source: A path, bytes, or a binary file object, which is read from its position on and not closed.
            filename: The file's name on the platform; by default its name on disk.
            timeout: Replaces the connection's timeout.

        Returns:
            The body of the response, with `event`; the new attachment is its last.

        Raises:
            TypeError: an argument has the wrong type, such as a file opened in text mode.
            ValueError: `event_id` is not an id, or `filename` is missing or empty.
            OSError: the file cannot be read, or its size changed during the request.
            ApiError: the platform responded with an error.
            PryvError: the call failed; see *Errors and retries*.
        """
        return add_attachment(self._account, event_id, source, filename, timeout)

    def delete_attachment(self, event_id: str, file_id: str, *, timeout: CallTimeout = DEFAULT) -> dict[str, Any]:
        """Delete a file attached to an event, and return the response, with `event`.

        See `Delete attachment <https://pryv.github.io/reference/#delete-attachment>`__ in the API reference.

        Args:
            event_id: The event.
            file_id: The attachment.
            timeout: Replaces the connection's timeout.

        Raises:
            TypeError: an id is not a string.
            ValueError: an argument is not an id.
            UnknownResourceError: the event does not exist, or has other attachments only.
            ServerError: the event has no attachments; open-pryv.io responds with 500.
            PryvError: the call failed; see *Errors and retries*.
        """
        path = f"events/{path_segment(event_id)}/{path_segment(file_id)}"
        return self._account.call("DELETE", path, timeout=timeout)

    @overload
    def download_attachment(
        self,
        event_id: str,
        attachment: Attachment | Mapping[str, Any] | str,
        destination: None = None,
        *,
        timeout: CallTimeout = DEFAULT,
    ) -> bytes: ...

    @overload
    def download_attachment(
        self,
        event_id: str,
        attachment: Attachment | Mapping[str, Any] | str,
        destination: DestinationT,
        *,
        timeout: CallTimeout = DEFAULT,
    ) -> DestinationT: ...

    def download_attachment(
        self,
        event_id: str,
        attachment: Attachment | Mapping[str, Any] | str,
        destination: DestinationT | None = None,
        *,
        timeout: CallTimeout = DEFAULT,
    ) -> DestinationT | bytes:
        """Download a file attached to an event, and check its size and checksum.

        A download that is cut short is retried by the policy: the bytes that were received before are skipped.

        See `Get attachment <https://pryv.github.io/reference/#get-attachment>`__ in the API reference.

        Args:
            event_id: The event.
            attachment: The attachment from the event, or its id; with an id, the event is read first.
            destination: A path; the file appears there, or is replaced, only when it is complete and checked. A pipe or
                device (`/dev/stdout`) or a binary file object gets the bytes as they arrive, before the check.
            timeout: Replaces the connection's timeout. The read timeout bounds each silence, not the whole download.

        Returns:
            `destination`; without one, the bytes.

        Raises:
            TypeError: an argument has the wrong type, such as a file opened in text mode.
            ValueError: an argument is not an id.
            OSError: the destination cannot be written to, or is a directory.
            UnknownResourceError: the event or the attachment does not exist.
            IntegrityError: the file does not have the size or checksum that the platform announced.
            ResponseTooLargeError: there is no destination, and the file is larger than `Limits.response`.
            PryvError: the call failed; see *Errors and retries*.
        """
        return download(self._account, event_id, attachment, destination, timeout)

    def add_points_to_hf_event(
        self,
        event_id: str,
        fields: Iterable[str],
        points: Iterable[Sequence[Any]],
        *,
        timeout: CallTimeout = DEFAULT,
    ) -> int:
        """Add points to a high-frequency series, in several requests if they are many.

        No request is sent twice. See
        `Add HF series data points <https://pryv.github.io/reference/#add-hf-series-data-points>`__ in the API
        reference.

        Args:
            event_id: The series event.
            fields: The names of the values in a row, such as `["deltaTime", "value"]`.
            points: The rows: any iterable of sequences, read lazily, or a 2-D array.
            timeout: Replaces the connection's timeout, for each request.

        Returns:
            The number of points sent.

        Raises:
            TypeError: an argument or a value in a row has the wrong type.
            ValueError: an argument is malformed, a row does not have one value per field, or a number is not finite.
            ApiError: the platform responded with an error.
            PryvError: the token is bound to a key (DPoP), or the call failed; see *Errors and retries*. Any exception
                that stops the sending has `points_sent`: the number of points that the platform confirmed before.
        """
        return add_points(self._account, event_id, Series(fields, points), timeout)

    def add_points_batch(self, series_by_event: Mapping[str, Series], *, timeout: CallTimeout = DEFAULT) -> int:
        """Add points to several high-frequency series at once: see `add_points_to_hf_event`.

        See `Add HF series batch <https://pryv.github.io/reference/#add-hf-series-batch>`__ in the API reference.

        Args:
            series_by_event: The points by the id of their event.
            timeout: Replaces the connection's timeout, for each request.

        Returns:
            The number of points sent.

        Raises:
            TypeError: an argument or a value in a row has the wrong type.
            ValueError: a row does not have one value per field, or a number is not finite.
            ApiError: the platform responded with an error.
            PryvError: the token is bound to a key (DPoP), or the call failed; see *Errors and retries*. Any exception
                that stops the sending has `points_sent`: the number of points that the platform confirmed before.
        """
        return add_batch(self._account, series_by_event, timeout)

    def get_hf_points(
        self,
        event_id: str,
        *,
        from_delta_time: float | None = None,
        to_delta_time: float | None = None,
        timeout: CallTimeout = DEFAULT,
    ) -> Series:
        """Read the points of a high-frequency series.

        See `Get HF series data points <https://pryv.github.io/reference/#get-hf-series-data-points>`__ in the API
        reference.

        Args:
            event_id: The series event.
            from_delta_time: Seconds from the event's time to the first point to return.
            to_delta_time: Seconds from the event's time to the first point not to return.
            timeout: Replaces the connection's timeout.

        Raises:
            TypeError: an argument has the wrong type.
            ValueError: `event_id` is not an id, or a time is not finite.
            ApiError: the platform responded with an error.
            PryvError: the token is bound to a key (DPoP), or the call failed; see *Errors and retries*.
        """
        return get_points(self._account, event_id, from_delta_time, to_delta_time, timeout)

    def get_latest_by_content(
        self,
        path: str,
        values: Iterable[Any],
        base_query: EventsParams | Untyped | None = None,
        *,
        timeout: CallTimeout = DEFAULT,
    ) -> dict[Any, Event]:
        """Return the latest event for each of several values that events may have in their content.

        For platforms with content queries: see `Service.supports_content_queries`. For each 100 values, events are read
        from the latest on, until each value was found.

        See `Get events <https://pryv.github.io/reference/#get-events>`__ in the API reference.

        Args:
            path: A dot-path into `content`, such as `drug.codes.atc`; `$` is the whole content.
            values: The values (strings, numbers, booleans) to look for.
            base_query: Further parameters of `events.get`, but `limit` and `skip`.
            timeout: Replaces the connection's timeout.

        Returns:
            The event by its value; a value that no event has is left out.

        Raises:
            TypeError: `values` is one value, or a value is neither a string, a number nor a boolean.
            ValueError: the path is empty, `base_query` has `limit` or `skip`, or a parameter is too long for a URL.
            PryvError: the events cannot be read.
        """
        return latest_by_content(lambda query: self.iter_events(query, timeout=timeout), path, values, base_query)

    def update_access(self, id: str, changes: AccessUpdate | Untyped, *, timeout: CallTimeout = DEFAULT) -> Access:
        """Change an access and return it: see `Accesses.update`.

        See `Update access <https://pryv.github.io/reference/#update-access>`__ in the API reference.

        Args:
            id: The access's current id, with its serial.
            changes: The members to change.
            timeout: Replaces the connection's timeout.

        Raises:
            TypeError: an argument has the wrong type, or a value has no JSON form.
            ValueError: `id` is not an access id, or a value has no JSON form.
            StaleAccessIdError: the access was updated since; `current_serial` is its version.
            PryvError: the call failed; see *Errors and retries*.
        """
        return self.accesses.update(id, changes, timeout=timeout)

    def get_access_with_history(self, id: str, *, timeout: CallTimeout = DEFAULT) -> AccessWithHistory:
        """Return an access (or one version of it) with its `history`: see `Accesses.get_with_history`.

        See `Get one access <https://pryv.github.io/reference/#get-one-access>`__ in the API reference.

        Args:
            id: The access's id, `base` or `base:serial`.
            timeout: Replaces the connection's timeout.

        Raises:
            TypeError: `id` is not a string.
            ValueError: `id` is not an access id.
            UnknownResourceError: the access does not exist.
            PryvError: the call failed; see *Errors and retries*.
        """
        return self.accesses.get_with_history(id, timeout=timeout)

    def revoke(
        self,
        throw_on_fail: bool = True,
        using: Connection | None = None,
        *,
        timeout: CallTimeout = DEFAULT,
    ) -> dict[str, Any] | None:
        """Delete this connection's access, which ends the connection.

        See `Delete access <https://pryv.github.io/reference/#delete-access>`__ in the API reference.

        Args:
            throw_on_fail: Whether a failure raises; otherwise it returns `None`.
            using: The connection that sends the call, if this one does not have the permission.
            timeout: Replaces the connection's timeout, for each request.

        Returns:
            The body of the response, with `accessDeletion`; `None` if the access was revoked already.

        Raises:
            TypeError: `using` is not a connection.
            PryvError: the call failed; see *Errors and retries*.
        """
        if not isinstance(using, (Connection, type(None))):
            raise TypeError(f"using is a pryv.Connection, not {type(using).__name__}")
        try:
            return self._revoke(using or self, timeout)
        except PryvError:
            if throw_on_fail:
                raise
            return None

    def _revoke(self, using: Connection, timeout: CallTimeout) -> dict[str, Any] | None:
        try:
            access_id = own_access_id(self._account, timeout)
        except InvalidAccessTokenError:
            return None
        try:
            return revoke(using._account, access_id, timeout)
        except InvalidAccessTokenError:
            if using._account.state is not self._account.state:
                raise
            return None

    def logout(self, *, timeout: CallTimeout = DEFAULT) -> None:
        """End the session of this connection's personal token, which ends the connection. Other accesses are kept.

        See `Logout user <https://pryv.github.io/reference/#logout-user>`__ in the API reference.

        Args:
            timeout: Replaces the connection's timeout.

        Raises:
            InvalidAccessTokenError: the session has ended already.
            PryvError: the call failed; see *Errors and retries*.
        """
        self._account.call("POST", "auth/logout", label="auth.logout", data={}, timeout=timeout)
        self._account.state.access_info = None

    @property
    def socket(self) -> SocketIO:
        """The Socket.IO add-on for this connection, made when it is first used.

        Raises:
            MissingAddonError: `pryv-socket-io` is not installed.
            PryvError: the token is bound to a key (DPoP).
        """
        self._account.require_bearer("socket")
        if "socket" not in self._addons:
            from pryv._addons import load_addon

            addon = load_addon("socket", "pryv_socket_io:SocketIO", "notifications need")
            self._addons.setdefault("socket", addon(self))  # another thread's stays
        socket: SocketIO = self._addons["socket"]
        return socket
