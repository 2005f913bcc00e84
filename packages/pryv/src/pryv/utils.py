"""API endpoints, access references, ids, times, and the URLs of the authentication flow."""

from __future__ import annotations

import contextlib
import random
import re
import string
from datetime import datetime, timedelta, timezone
from numbers import Integral, Real
from typing import NamedTuple
from urllib.parse import parse_qsl, urlsplit

from pryv import _spelling
from pryv._display import secret
from pryv._spelling import API_ENDPOINT_FORM, HOST, PORT, origin

__all__ = [
    "AccessRef",
    "DecomposedEndpoint",
    "TokenAndEndpoint",
    "build_api_endpoint",
    "clean_url_from_pryv_params",
    "decompose_api_endpoint",
    "extract_token_and_api_endpoint",
    "new_event_id",
    "parse_access_ref",
    "query_params_from_url",
    "serialize_access_ref",
    "service_info_from_url",
    "to_datetime",
    "to_timestamp",
]


def __dir__() -> list[str]:
    return __all__


_TOKEN = r"""[!"$-.0->A-~]+"""  # printable, and no delimiter of URLs
_PATH = r"""(?:/(?!(?:\.|%2e){1,2}(?:/|$))[!"$-.0->A-\[\]-~]*)*"""
_ENDPOINT = re.compile(
    rf"(?P<scheme>https?)://(?:(?P<token>{_TOKEN})@)?(?P<host>{HOST}){PORT}(?P<path>{_PATH})", re.IGNORECASE
)
_QUOTES = ('"', "'", "\u201c", "\u2018")
_PARAMS = re.compile(r"(?P<opener>[?#])(?P<params>[^?#]*)")
_ONE_SHOT_PARAM = re.compile(r"(?:prYv[^=]+|pryvKey|pryvPoll)=")
_ID_ALPHABET = string.ascii_lowercase + string.digits
_random = random.SystemRandom()
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


class TokenAndEndpoint(NamedTuple):
    """The parts of an API endpoint: `token` (`None` if it has none) and `endpoint`, which ends with `/`."""

    token: str | None
    endpoint: str

    def __repr__(self) -> str:
        return f"TokenAndEndpoint(token={'***' if self.token else None}, endpoint={self.endpoint!r})"


class DecomposedEndpoint(NamedTuple):
    """The parts of an API endpoint; `username` is `None` if the endpoint does not match the platform's template."""

    token: str | None
    username: str | None
    host: str

    def __repr__(self) -> str:
        return (
            f"DecomposedEndpoint(token={'***' if self.token else None}, username={self.username!r}, host={self.host!r})"
        )


class AccessRef(NamedTuple):
    """An access id: its `base`, and the `serial` of its version (`None` if the access was never updated)."""

    base: str
    serial: int | None


def extract_token_and_api_endpoint(url: str) -> TokenAndEndpoint:
    """Split an API endpoint into token and endpoint.

    See `API endpoint <https://pryv.github.io/reference/#api-endpoint>`__ in the API reference.

    Args:
        url: Such as `https://TOKEN@host/path/`; the final slash may be missing. The endpoint returned is normalized:
            its host is in lower case, in DNS form and without a final dot; the default port is left out.

    Raises:
        TypeError: `url` is not a string.
        ValueError: `url` is not an API endpoint. The message does not repeat it, as it may contain a token.
    """
    if not isinstance(url, str):
        raise TypeError(f"an API endpoint is a string, not {type(url).__name__}")
    url = secret(url)
    match = _ENDPOINT.fullmatch(url)
    if match is not None:
        with contextlib.suppress(ValueError):  # its message contains the host
            endpoint = origin(match["scheme"], match["host"], match["port"]) + match["path"]
            return TokenAndEndpoint(match["token"], endpoint if endpoint.endswith("/") else f"{endpoint}/")
    del match  # or a traceback would hold the token
    raise ValueError(f"not an API endpoint{_hint(url)}; expected {API_ENDPOINT_FORM}")


def _hint(url: str) -> str:
    """Return the problem with an endpoint if it is one that is easily overlooked."""
    if url.startswith(_QUOTES):
        return ": there are quotation marks around it"
    if any(char.isspace() for char in url):
        return ": there is space or a line break in it"
    return ""


def build_api_endpoint(endpoint: str, token: str | None = None) -> str:
    """Return the API endpoint with `token` in it; the inverse of `extract_token_and_api_endpoint`.

    Args:
        endpoint: Such as `https://host/path/`.
        token: An access token. An endpoint with a token is a secret. Without a token, `endpoint` is returned.

    Raises:
        TypeError: `endpoint` is not a string.
        ValueError: `endpoint` is not a URL of this form, it has a token already, or `token` is malformed.
    """
    present, endpoint = extract_token_and_api_endpoint(endpoint)
    if present is not None:
        raise ValueError("the endpoint has a token already")
    if token is None:
        return endpoint
    scheme, _, rest = endpoint.partition("://")
    if extract_token_and_api_endpoint(f"{scheme}://{token}@{rest}").token != token:
        raise ValueError("the token cannot be part of an API endpoint")
    return f"{scheme}://{token}@{rest}"


def decompose_api_endpoint(url: str, service_info_api: str) -> DecomposedEndpoint:
    """Return the token, username and platform host in an API endpoint.

    Args:
        url: The API endpoint.
        service_info_api: The `api` template of the service info, `https://{username}.domain/` or
            `https://host/{username}/`. The host returned is that of the platform, without the subdomain of the user.

    Raises:
        TypeError: an argument is not a string.
        ValueError: `url` is not an API endpoint.
    """
    if not isinstance(service_info_api, str):
        raise TypeError(f"a template is a string, not {type(service_info_api).__name__}")
    token, endpoint = extract_token_and_api_endpoint(url)
    with contextlib.suppress(ValueError):
        template = _spelling.template(service_info_api)
        prefix, _, suffix = template.partition("{username}")
        username = endpoint.removeprefix(prefix).removesuffix(suffix)
        if username and "/" not in username and endpoint == f"{prefix}{username}{suffix}":
            return DecomposedEndpoint(token, username, _spelling.domain(template))
    return DecomposedEndpoint(token, None, urlsplit(endpoint).netloc)


def parse_access_ref(ref: str) -> AccessRef:
    """Split an access id into its base and the serial of its version.

    See `Update access <https://pryv.github.io/reference/#update-access>`__ in the API reference.

    Args:
        ref: `base` or `base:serial`, as in `id`, `createdBy` and `modifiedBy`.

    Raises:
        TypeError: `ref` is not a string.
        ValueError: `ref` is malformed.
    """
    if not isinstance(ref, str):
        raise TypeError(f"an access reference is a string, not {type(ref).__name__}")
    base, colon, serial = ref.partition(":")
    if base in ("", ".", "..") or (colon and not re.fullmatch(r"[1-9][0-9]*", serial, re.ASCII)):
        raise ValueError(f"not an access reference: {ref!r}; expected BASE or BASE:SERIAL")
    return AccessRef(base, int(serial) if colon else None)


def serialize_access_ref(base: str, serial: int | None = None) -> str:
    """Return the access id for `base` and `serial`, the inverse of `parse_access_ref`.

    Args:
        base: The part of the id that does not change with updates.
        serial: The number of the version, at least 1; `None` for an access that was never updated.

    Raises:
        TypeError: `base` is not a string, or `serial` not an integer.
        ValueError: `base` is empty or contains a colon, or `serial` is below 1.
    """
    if not isinstance(base, str) or not (serial is None or (isinstance(serial, int) and not isinstance(serial, bool))):
        raise TypeError("base is a string, serial an integer or None")
    ref = base if serial is None else f"{base}:{serial}"
    if parse_access_ref(ref) != (base, serial):
        raise ValueError(f"not an access reference: {ref!r}; expected BASE or BASE:SERIAL")
    return ref


def service_info_from_url(url: str) -> str | None:
    """Return the service info URL in an app's URL (the parameter `pryvServiceInfoUrl`), `None` if there is none.

    Args:
        url: The app's URL.

    Raises:
        TypeError: it is not a string.
        ValueError: it is not a URL.
    """
    return query_params_from_url(url).get("pryvServiceInfoUrl")


def clean_url_from_pryv_params(url: str) -> str:
    """Remove the parameters of the authentication flow (`pryvKey`, `pryvPoll`, `prYv…`) from a return URL.

    See `Auth request <https://pryv.github.io/reference/#auth-request>`__ (`returnURL`) in the API reference.

    Args:
        url: The URL that the user came back to.

    Raises:
        TypeError: it is not a string.
    """
    _require_string(url)
    return _PARAMS.sub(_without_one_shot_params, url)


def _without_one_shot_params(match: re.Match[str]) -> str:
    params = match["params"].split("&")
    kept = [param for param in params if not _ONE_SHOT_PARAM.match(param)]
    if len(kept) == len(params):
        return match[0]
    return match["opener"] + "&".join(kept) if any(kept) else ""


def query_params_from_url(url: str) -> dict[str, str]:
    """Return the parameters in a URL's query and fragment, decoded; of a repeated parameter, the last value.

    Args:
        url: A URL, such as the one that the user came back to, with its `pryvKey`.

    Raises:
        TypeError: it is not a string.
        ValueError: it is not a URL.
    """
    _require_string(url)
    parts = urlsplit(url)
    pairs = [pair for part in (parts.query, parts.fragment) for pair in parse_qsl(part.lstrip("?#&"), True)]
    return dict(pairs)


def _require_string(url: object) -> None:
    if not isinstance(url, str):
        raise TypeError(f"a URL is a string, not {type(url).__name__}")


def new_event_id() -> str:
    """Return a new event id (`c` and 24 of a-z 0-9), which makes an `events.create` idempotent.

    See `Create event <https://pryv.github.io/reference/#create-event>`__ (`id`) in the API reference.
    """
    return "c" + "".join(_random.choices(_ID_ALPHABET, k=24))


def to_datetime(seconds: float) -> datetime:
    """Return a time of the API as a `datetime` in UTC, rounded to microseconds.

    Args:
        seconds: Seconds since 1970, such as the `time` of an event; a number of NumPy too.

    Raises:
        TypeError: it is not a number.
        ValueError: it is not in the years 1 to 9999.
    """
    if not isinstance(seconds, Real) or isinstance(seconds, bool):
        raise TypeError(f"a time is a number of seconds, not {type(seconds).__name__}")
    with contextlib.suppress(ValueError, OverflowError):
        number = int(seconds) if isinstance(seconds, Integral) else float(seconds)
        return _EPOCH + timedelta(seconds=number)
    raise ValueError("not a time in the years 1 to 9999")


def to_timestamp(moment: datetime) -> float:
    """Return a `datetime` as a time of the API, the inverse of `to_datetime`.

    A float has microseconds up to the year 2106; after that, it is rounded to less.

    Args:
        moment: A `datetime` with a time zone; a `pandas.Timestamp` too.

    Returns:
        Seconds since 1970.

    Raises:
        TypeError: it is not a `datetime`.
        ValueError: it has no time zone.
    """
    if not isinstance(moment, datetime):
        raise TypeError(f"a moment is a datetime, not {type(moment).__name__}")
    if moment != moment:  # pandas.NaT
        raise ValueError("NaT is not a time")
    if moment.utcoffset() is None:
        raise ValueError("a datetime without a time zone is not a time")
    return moment.timestamp()
