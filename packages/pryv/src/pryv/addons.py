"""The interface for add-ons; they use nothing else of this package.

- `run_batch`: sends calls in chunks (of `chunk_size`) over any transport, with the semantics of `Connection.api`. A
  transport that raises `ChunkTooLargeError` gets smaller ones.
- `stream_batch`: sends calls that only read in one request, and yields their results as they arrive, with the JSON text
  of each item, in constant memory.
- `event_batches`: the events and deletions of `Connection.iter_events`, some at a time, with the JSON text of each.
- `json_members`: reads one JSON object of any size member by member, the items of long lists one by one.
- `plain`: turns data to be sent (a query, an event, a change) into plain JSON data; a `TypeError` or `ValueError` names
  the field that has no JSON form. Where a `SendChunk` raises it for its calls, `run_batch` adds the number of the call.
- `api_error`: the exception for an error of the API, received over any transport.
- `connection_error`: the exception for a failure to reach a host, by the same rules as for HTTP calls.
- `is_transient`: whether a failure is transient, for a program that retries for longer than one call does;
  `is_transient_status`: whether an HTTP status means a transient failure.
- `access_info_within`: a connection's access info, from a platform that may be slow to respond.
- `bearer_token`: a connection's token, renewed if that is due, for a protocol that carries only the token;
  `renew_token`: whether there is another one than the one refused. `require_bearer`: refuses a token that is bound to a
  key, before any request.
- `http_settings`: the proxy and TLS settings of a connection, for another protocol. A setting that cannot be used
  raises an error that names it.
- `limits`: a connection's limits in size and rate; beyond them, a `ResponseTooLargeError` names the limit.
- `parsed_size`: estimates, before parsing, how much memory a JSON text takes once it is parsed: it may be tens of times
  its size.
- `RetryPolicy`: its `wait` gives back-off with full jitter.
- `SecretText`: a `str` whose `repr` is masked.
- `SignalSafeCondition`, `SignalSafeEvent`: a condition and an event that a signal handler can notify or set.
- `new_session`: a session like those of a connection. To give it to several connections, on one thread, lets them share
  network connections.
- `open_destination`: opens a `Destination`: a path, whose file appears once it is complete, or a binary file.
- `replace_file`: opens a file that replaces another once it is complete; only its owner can access a private one.
- `sync_directory`: flushes the names of the files in a directory to the disk.
- `lock_directory`: for one program at a time that changes files in a directory.
- `write_all`: writes bytes to a file that may take a part of them at a time.
- `require_callback`: refuses a callback that cannot be called, or that is a coroutine function;
  `require_methods`: refuses an argument without the methods of a protocol;
  `require_seconds`: returns an argument that is a number of seconds, as a float.
- `redact`, `redact_data`: mask secrets in text, and in data of the API.
- `without_frames`: keeps the variables of a function out of the tracebacks of its exceptions.

An add-on is found through the entry point group `pryv.addons`: `Connection.socket` loads the one named `socket`, and
calls it with the connection. `Connection.close` calls `close()` on the object that it returns.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

import attrs

from pryv._accesses import access_info
from pryv._arguments import require_callback, require_methods, require_seconds
from pryv._batch import Call, CallLike, ChunkTooLargeError, Progress, Result, SendChunk, run_batch
from pryv._batch_stream import BatchStream
from pryv._destinations import Destination, write_all
from pryv._destinations import opened as open_destination
from pryv._display import SecretText
from pryv._events import EventStream
from pryv._files import locked as lock_directory
from pryv._files import replacing as replace_file
from pryv._files import sync_directory
from pryv._signals import SignalSafeCondition, SignalSafeEvent
from pryv._tracebacks import without_frames
from pryv._transport import adapter
from pryv._transport.credentials import Refusal
from pryv._transport.failures import connection_error, is_transient, is_transient_status
from pryv._transport.http import Http
from pryv._transport.json import plain
from pryv._transport.libraries import ssl_context_of
from pryv._transport.limits import Limits, parsed_size
from pryv._transport.members import MalformedError, Members
from pryv._transport.redact import redact, redact_data
from pryv._transport.retry import RetryPolicy
from pryv._transport.sessions import new_session
from pryv._transport.settings import PROXY_SCHEMES, setting_error, settings_of
from pryv._transport.timeouts import DEFAULT, CallTimeout
from pryv.connection import Connection
from pryv.errors import ApiError, api_error
from pryv.types import AccessInfo, Event

__all__ = [
    "BatchStream",
    "CallLike",
    "ChunkTooLargeError",
    "Destination",
    "HttpSettings",
    "Progress",
    "Result",
    "RetryPolicy",
    "SecretText",
    "SendChunk",
    "SignalSafeCondition",
    "SignalSafeEvent",
    "access_info_within",
    "api_error",
    "bearer_token",
    "chunk_size",
    "connection_error",
    "event_batches",
    "http_settings",
    "is_transient",
    "is_transient_status",
    "json_members",
    "limits",
    "lock_directory",
    "new_session",
    "open_destination",
    "parsed_size",
    "plain",
    "redact",
    "redact_data",
    "renew_token",
    "replace_file",
    "require_bearer",
    "require_callback",
    "require_methods",
    "require_seconds",
    "run_batch",
    "stream_batch",
    "sync_directory",
    "without_frames",
    "write_all",
]


@attrs.frozen
class HttpSettings:
    """The proxy and TLS settings of a connection, with those of the environment.

    Attributes:
        proxies: Proxy URLs by scheme; may hold credentials.
        verify: Whether certificates are checked, or the path of the CA bundle to check them with.
        cert: The path of a client certificate, or of a certificate and its key.
        user_agent: The User-Agent header.
        ssl_context: The TLS context of the session's adapter, if it has one; `verify` and `cert` apply to it.
    """

    proxies: Mapping[str, str] = attrs.field(repr=False)
    verify: bool | str
    cert: str | tuple[str, str] | None
    user_agent: str
    ssl_context: ssl.SSLContext | None = None


def http_settings(connection: Connection, proxy_schemes: Collection[str] = PROXY_SCHEMES) -> HttpSettings:
    """Return the proxy and TLS settings of a connection: those of its session, or of the environment.

    Args:
        connection: The connection.
        proxy_schemes: The schemes of proxy URLs that the add-on supports.

    Raises:
        PryvTlsError: a certificate or CA bundle cannot be used; the message names the setting.
        PryvConnectionError: a proxy cannot be used; the message names the setting. It is not `retryable`.
    """
    session = connection._account.http.sessions.given or new_session()
    wrong = setting_error("settings", session, connection.endpoint, proxy_schemes=proxy_schemes)
    if wrong is not None:
        raise wrong
    settings = settings_of(session, connection.endpoint)
    return HttpSettings(
        proxies=dict(settings["proxies"]),
        verify=True if settings["verify"] is None else settings["verify"],
        cert=settings["cert"],
        user_agent=str(session.headers.get("User-Agent", "")),
        ssl_context=ssl_context_of(session, connection.endpoint),
    )


def require_bearer(connection: Connection, label: str) -> None:
    """Check that the token of a connection can be used in a protocol that carries only the token; send nothing.

    Args:
        connection: The connection.
        label: The name of the protocol, for the message.

    Raises:
        PryvError: the token is bound to a key (DPoP).
    """
    connection._account.require_bearer(label)


def bearer_token(connection: Connection) -> str | None:
    """Return the token of a connection, which is renewed before if that is due.

    Raises:
        PryvError: it cannot be renewed.
    """
    connection._account.credentials.before_request()
    return connection.token


def renew_token(connection: Connection, refused: str | None, error: ApiError) -> bool:
    """Return whether a connection has another token than the one that the platform refused; it may renew it.

    Args:
        connection: The connection.
        refused: The token.
        error: The error; if it is not about the token, the answer is no.

    Raises:
        PryvError: it cannot be renewed.
    """
    refusal = Refusal(token=refused, error_id=error.id, message=error.message, headers={}, clock_ahead=None)
    return connection._account.credentials.renewed(refusal)


def limits(connection: Connection) -> Limits:
    """Return a connection's limits in size and rate."""
    return connection._account.http.limits


def chunk_size(connection: Connection) -> int:
    """Return how many calls a connection sends at once."""
    return connection._chunk_size


def event_batches(stream: EventStream) -> Iterator[tuple[str, list[tuple[Event, str]]]]:
    """Yield the events and deletions that `Connection.iter_events` would yield next, some at a time.

    This costs less than to read the text of each event.

    Args:
        stream: What `iter_events` returned.

    Returns:
        An iterator over the name of the member of the response that has the items, `events` or `eventDeletions`, and
        the items, each with its JSON text as the platform sent it.

    Raises:
        PryvStreamError: the response was cut short or is malformed, or has no `events`, or not the `eventDeletions`
            that were requested with `modifiedSince`; the platform may send these without `events`. (`iter_events` takes
            a missing member as empty.)
        PryvError: the call failed; see *Errors and retries*.
    """
    return stream.batches_with_texts()


def stream_batch(
    connection: Connection, calls: Sequence[Call], streamed: Collection[str], *, timeout: CallTimeout = DEFAULT
) -> BatchStream:
    """Return the results of calls that only read, sent as one batch when the first result is read.

    See `Call batch <https://pryv.github.io/reference/#call-batch>`__ in the API reference.

    Args:
        connection: The connection.
        calls: The calls.
        streamed: The names of arrays in the results whose items are yielded one after the other, such as `events`.
            `Limits.event` applies to each item, and to other members as a whole.
        timeout: Replaces the connection's timeout.

    Raises:
        TypeError: a parameter has no JSON form.
        ValueError: a call may change data, or a parameter has no JSON form.
    """
    return BatchStream(connection._account, calls, streamed, timeout)


def json_members(chunks: Iterable[bytes], streamed: Collection[str]) -> Iterator[tuple[str, Any]]:
    """Yield the members of a JSON object as pairs of key and value, which are as `json.loads` returns them.

    Of a list in `streamed`, each item is yielded with the key, so that one item at a time is in memory.

    Args:
        chunks: The text of the object in UTF-8, in parts of any size.
        streamed: The keys of the lists.

    Raises:
        ValueError: it is not one JSON object in UTF-8, or a member in `streamed` is not a list. What is before the
            error has been yielded.
    """
    try:
        yield from Members(iter(chunks), streamed)
    except MalformedError:
        raise ValueError("not one JSON object, or a member to be read item by item is not a list") from None


def access_info_within(
    connection: Connection,
    seconds: float,
    *,
    force_refresh: bool = False,
    on_connect: Callable[[socket.socket], object] | None = None,
) -> AccessInfo:
    """Return `Connection.access_info`, with one attempt and a time limit for each step.

    Args:
        connection: The connection.
        seconds: The time limit for connecting, for the head of the response, and for its body.
        force_refresh: Whether to fetch it even if it is known.
        on_connect: Called with the socket of the request, which another thread can shut down to end the request. It is
            not called where the connection was given a session.

    Raises:
        PryvError: the call failed, or took too long; see *Errors and retries*.
    """
    account = connection._account
    http = Http(RetryPolicy(attempts=1, deadline=seconds), account.http.sessions.given, account.http.limits)
    with contextlib.closing(http), adapter.on_connect(on_connect):  # new sessions, so that each connects
        return access_info(account.over(http, seconds), force_refresh, DEFAULT)
