"""API endpoints: valid and invalid ones, and their parts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pryv import Connection, Service
from pryv.utils import (
    build_api_endpoint,
    clean_url_from_pryv_params,
    decompose_api_endpoint,
    extract_token_and_api_endpoint,
    new_event_id,
    parse_access_ref,
    query_params_from_url,
    serialize_access_ref,
    service_info_from_url,
)

TOKEN = "canary-token"
MALFORMED = [
    "",
    " ",
    "host/user/",
    f"{TOKEN}@host/",
    "//host/",
    f"ftp://{TOKEN}@host/",
    f"file:///{TOKEN}@host/",
    f"https:/{TOKEN}@host/",
    f"https://{TOKEN}@",
    f"https://{TOKEN}@/user/",
    "https://",
    "https:///user/",
    "https://@host/",
    f"https://{TOKEN}@other@host/",
    f"https://{TOKEN}@host/us@er/",
    f"https://{TOKEN}/more@host/",
    f"https://{TOKEN}?more@host/",
    f"https://{TOKEN}#more@host/",
    f"https://{TOKEN} more@host/",
    f" https://{TOKEN}@host/",
    f"https://{TOKEN}@host/ ",
    f"https://{TOKEN}@host/us er/",
    f"https://{TOKEN}@host/\r\nX-Injected: 1",
    f"https://{TOKEN}\r\nX-Injected: 1@host/",
    f"https://{TOKEN}@host/\n",
    f"https://{TOKEN}\0@host/",
    f"https://{TOKEN}@host/\t",
    f"https://tokén{TOKEN}@host/",
    f"https://{TOKEN}@hôst/é/",
    f"https://{TOKEN}@h\u2488st/",
    f"https://{TOKEN}@{'ü' * 64}/",
    f"https://{TOKEN}@-ü-/",
    f"https://{TOKEN}@host:0/",
    f"https://{TOKEN}@[:::]/",
    f"https://{TOKEN}@host/?auth=x",
    f"https://{TOKEN}@host/#fragment",
    f"https://{TOKEN}@host:port/",
    f"https://{TOKEN}@host:99999/",
    f"https://{TOKEN}@host:/",
    f"https://{TOKEN}@host:80:80/",
    f"https://{TOKEN}@[::1/",
    f"https://{TOKEN}@..host/",
    f"https://{TOKEN}@ho..st/",
    f"https://{TOKEN}@{'a' * 64}.org/",
    f"https://{TOKEN}@ho%20st/",
    f"https://{TOKEN}@*.host/",
    f"https://{TOKEN}@host\\user/",
    f"https://{TOKEN}@host/../other/",
    f"https://{TOKEN}@host/%2E%2e/other/",
]


@pytest.mark.parametrize("endpoint", MALFORMED)
def test_malformed_endpoints_are_refused_without_being_repeated(endpoint: str) -> None:
    for use in (Connection, extract_token_and_api_endpoint):
        with pytest.raises(ValueError, match="API endpoint") as refused:
            use(endpoint)
        assert TOKEN not in str(refused.value)


@pytest.mark.parametrize("url", ["https://host/service/info", "https://host/reg/service/info/"])
def test_the_url_of_a_service_info_is_no_endpoint(url: str) -> None:
    with pytest.raises(ValueError, match="the URL of a service info; expected https://TOKEN@host/"):
        Connection(url)


@pytest.mark.parametrize("endpoint", [None, 5, b"https://token@host/", ["https://token@host/"]])
def test_endpoints_are_strings(endpoint: object) -> None:
    with pytest.raises(TypeError):
        Connection(endpoint)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("url", "token", "endpoint"),
    [
        ("https://token@host/", "token", "https://host/"),
        ("https://token@host", "token", "https://host/"),
        ("https://host/user", None, "https://host/user/"),
        ("http://token@127.0.0.1:3000/user/", "token", "http://127.0.0.1:3000/user/"),
        ("https://token@[::1]:8443/user/", "token", "https://[::1]:8443/user/"),
        ("https://to:k+e%n@user.pryv.me/", "to:k+e%n", "https://user.pryv.me/"),
        ("https://token@host/pryv/user/", "token", "https://host/pryv/user/"),
        ("https://token@under_score.host:65535/", "token", "https://under_score.host:65535/"),
    ],
)
def test_endpoints_can_be_split_and_built_again(url: str, token: str | None, endpoint: str) -> None:
    assert extract_token_and_api_endpoint(url) == (token, endpoint)
    assert extract_token_and_api_endpoint(build_api_endpoint(endpoint, token)) == (token, endpoint)
    connection = Connection(url)
    assert (connection.token, connection.endpoint) == (token, endpoint)
    assert extract_token_and_api_endpoint(connection.api_endpoint) == (token, endpoint)


@pytest.mark.parametrize(
    "url",
    [
        "https://token@bücher.example/User",
        "HTTPS://token@xn--bcher-kva.example:443/User/",
        "https://token@BÜCHER.Example./User",
        "https://token@Bücher.example:00443/User/",
    ],
)
def test_endpoints_are_normalized(url: str) -> None:
    endpoint = "https://xn--bcher-kva.example/User/"
    assert extract_token_and_api_endpoint(url) == ("token", endpoint)
    connection = Connection(url)
    assert (connection.endpoint, connection.api_endpoint) == (endpoint, "https://token@xn--bcher-kva.example/User/")
    assert decompose_api_endpoint(url, "https://bücher.EXAMPLE./{username}") == (
        "token",
        "User",
        "xn--bcher-kva.example",
    )


@pytest.mark.parametrize(
    ("url", "endpoint"),
    [
        ("http://HOST:80", "http://host/"),
        ("http://host:443/", "http://host:443/"),
        ("https://host:80/", "https://host:80/"),
        ("https://[2001:DB8::0:1]:443/a", "https://[2001:db8::1]/a/"),
        ("https://faß.example/", "https://xn--fa-hia.example/"),
    ],
)
def test_optional_parts_of_an_endpoint_may_be_left_out(url: str, endpoint: str) -> None:
    assert extract_token_and_api_endpoint(url).endpoint == endpoint


HOSTS = st.from_regex(r"[a-zA-Z0-9][a-zA-Z0-9-]{0,20}(\.[a-zA-Z0-9]{1,20}){0,3}\.?(:[1-9][0-9]{0,3})?", fullmatch=True)


@given(HOSTS, st.sampled_from(["", "/", "/User", "/api/User/"]), st.sampled_from(["http", "HTTPS"]))
def test_normalizing_an_endpoint_is_idempotent(host: str, path: str, scheme: str) -> None:
    token, endpoint = extract_token_and_api_endpoint(f"{scheme}://token@{host}{path}")
    assert extract_token_and_api_endpoint(endpoint) == (None, endpoint)
    assert extract_token_and_api_endpoint(f"{scheme}://token@{host.swapcase()}{path}") == (token, endpoint)
    assert urlsplit(endpoint).path == (path if path.endswith("/") else f"{path}/")


@pytest.mark.parametrize(
    ("around", "hint"),
    [
        ("{}\n", "line break"),
        ("{}\r", "line break"),
        (" {}", "space"),
        ("{}\u00a0", "space"),
        ('"{}"', "quotation marks"),
        ("'{}'", "quotation marks"),
        ("\u201c{}\u201d", "quotation marks"),
    ],
)
def test_the_error_names_characters_that_are_easily_overlooked(around: str, hint: str) -> None:
    with pytest.raises(ValueError, match=hint) as refused:
        Connection(around.format(f"https://{TOKEN}@host/"))
    assert TOKEN not in str(refused.value)


@pytest.mark.parametrize("token", ["", "a/b", "a@b", "a b", "a\r\nb", "a?b", "a#b", "é"])
def test_a_token_that_a_url_cannot_hold_is_refused(token: str) -> None:
    with pytest.raises(ValueError, match="endpoint"):
        build_api_endpoint("https://host/", token)


def test_an_endpoint_with_two_tokens_is_refused() -> None:
    with pytest.raises(ValueError, match="already"):
        build_api_endpoint("https://one@host/", "two")


@pytest.mark.parametrize(
    ("url", "template", "parts"),
    [
        ("https://token@user.pryv.me/", "https://{username}.pryv.me/", ("token", "user", "pryv.me")),
        ("https://token@host:3000/user/", "https://host:3000/{username}/", ("token", "user", "host:3000")),
        ("https://user.pryv.me/", "https://{username}.pryv.me/", (None, "user", "pryv.me")),
        ("https://token@User.Pryv.ME:443", "https://{username}.pryv.me", ("token", "user", "pryv.me")),
        ("https://token@host/pryv/user/", "https://host/pryv/{username}/", ("token", "user", "host")),
        ("https://token@host/pryv/user/", "https://host/{username}/", ("token", None, "host")),
        (
            "https://token@user.pryv.me:8443/api/",
            "https://{username}.pryv.me:8443/api/",
            ("token", "user", "pryv.me:8443"),
        ),
        ("https://token@host/user/", "not a template", ("token", None, "host")),
        ("https://token@user.other.org/", "https://{username}.pryv.me/", ("token", None, "user.other.org")),
        ("https://token@host/a/b/", "https://host/{username}/", ("token", None, "host")),
        ("https://token@host/user/", "https://host/", ("token", None, "host")),
    ],
)
def test_the_username_of_an_endpoint(url: str, template: str, parts: tuple[str | None, ...]) -> None:
    assert decompose_api_endpoint(url, template) == parts


@pytest.mark.parametrize(("ref", "parts"), [("base", ("base", None)), ("base:1", ("base", 1)), ("b:12", ("b", 12))])
def test_access_references_can_be_split_and_built_again(ref: str, parts: tuple[str, int | None]) -> None:
    assert parse_access_ref(ref) == parts
    assert serialize_access_ref(*parts) == ref


@pytest.mark.parametrize(
    "ref", ["", ".", "..", "..:1", ":", ":1", "base:", "base:0", "base:-1", "base:1.5", "base:x", "base:1:2", "base:²"]
)
def test_malformed_access_references_are_refused(ref: str) -> None:
    with pytest.raises(ValueError, match="access reference"):
        parse_access_ref(ref)


@pytest.mark.parametrize(("base", "serial"), [(None, 1), ("base", "1"), ("base", True), ("base", 1.0)])
def test_access_references_are_made_of_a_string_and_an_integer(base: object, serial: object) -> None:
    with pytest.raises(TypeError):
        serialize_access_ref(base, serial)  # type: ignore[arg-type]


@pytest.mark.parametrize(("base", "serial"), [("", 1), ("a:1", 2), ("base", 0), ("base", -1)])
def test_any_access_reference_can_be_split_and_built_again(base: str, serial: int) -> None:
    with pytest.raises(ValueError, match="access reference"):
        serialize_access_ref(base, serial)


@pytest.mark.parametrize(
    ("url", "clean"),
    [
        ("https://app/?pryvKey=k", "https://app/"),
        ("https://app/?a=1&pryvKey=k&b=2#top", "https://app/?a=1&b=2#top"),
        ("https://app/?pryvPoll=https://host/k&prYvstatus=ACCEPTED", "https://app/"),
        ("https://app/#prYvkey=k&x=1", "https://app/#x=1"),
        ("https://app/?a=1", "https://app/?a=1"),
        ("https://app/?pryvServiceInfoUrl=u", "https://app/?pryvServiceInfoUrl=u"),
    ],
)
def test_return_urls_are_cleaned(url: str, clean: str) -> None:
    assert clean_url_from_pryv_params(url) == clean


@pytest.mark.parametrize("read", [clean_url_from_pryv_params, query_params_from_url, service_info_from_url])
def test_a_return_url_is_a_string(read: Callable[[Any], object]) -> None:
    for url in (None, 5, b"https://app/"):
        with pytest.raises(TypeError, match="a URL is a string, not "):
            read(url)


def test_parameters_in_query_and_fragment_are_read() -> None:
    url = "https://app/?pryvServiceInfoUrl=https%3A%2F%2Fhost%2Finfo&a=1&a=2&empty=#b=%20"
    assert query_params_from_url(url) == {
        "pryvServiceInfoUrl": "https://host/info",
        "a": "2",
        "empty": "",
        "b": " ",
    }
    assert service_info_from_url(url) == "https://host/info"
    assert service_info_from_url("https://app/") is None


def test_event_ids_are_unique_and_valid() -> None:
    ids = {new_event_id() for _ in range(1000)}
    assert len(ids) == 1000
    for event_id in ids:
        assert len(event_id) == 25
        assert event_id[0] == "c"
        assert event_id.isascii()
        assert event_id.isalnum()
        assert event_id == event_id.lower()


@pytest.mark.parametrize(
    "url",
    [
        "",
        "host/service/info",
        "ftp://host/",
        "https://",
        "https://host/a b",
        "https://host/\r\nX: 1",
        "https://h\u2488st/",
        "https://[::1",
        "https://host:port/",
        "https://host:99999/",
        "https://token@host/service/info",
        "https://user:password@host/service/info",
    ],
)
def test_malformed_service_info_urls_are_refused(url: str) -> None:
    with pytest.raises(ValueError) as refused:  # noqa: PT011  (some are refused by the standard library)
        Service(url)
    assert "token" not in str(refused.value)
    assert "password" not in str(refused.value)
