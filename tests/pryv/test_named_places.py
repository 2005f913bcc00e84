"""URLs in responses are http(s) URLs, and no less secure than the response; secrets are sent to no other host."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st
from tests.pryv.wire import FAST, Reply, Wire, error_reply, reply

from pryv import AccessRequest, Connection, PryvError, PryvProtocolError, Service
from pryv._spelling import web_url
from pryv._transport.urls import is_in_domain, moved_endpoint, resolved, usable_url
from pryv.auth import wait_for_access

ASKED: dict[str, Any] = {"requestingAppId": "an-app", "requestedPermissions": []}
SECRET = "canary-of-a-secret"
NO_PLACES: list[Any] = [
    None,
    5,
    [],
    "",
    "/access",
    "//host/access",
    "access.html",
    "--gpu-launcher=sh -c id",
    "-h",
    "javascript:alert(1)",
    "JavaScript://host/%0aalert(1)",
    "file:///etc/passwd",
    "data:text/html,x",
    "ftp://host/",
    "https:host",
    "https:/host/",
    "https://",
    "https://ho st/",
    "https://host/ --gpu-launcher=sh",
    "https://host/\n--gpu-launcher=sh",
    "https://host/\x1b]52;c;\x07",
    "https://user:password@host/",
    "https://host\\@elsewhere/",
    "https://host:99999/",
    "https://[host/",
    " https://host/",
]


@pytest.fixture
def secure_wire(secure_wire: Wire, authority_file: str, monkeypatch: pytest.MonkeyPatch) -> Wire:
    """A server over TLS, whose certificate is trusted."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", authority_file)
    return secure_wire


def described(wire: Wire, **members: Any) -> dict[str, Any]:
    place = wire.url
    return {
        "name": "Wire",
        "api": f"{place}{{username}}/",
        "access": f"{place}access/",
        "register": f"{place}reg/",
        **members,
    }


@pytest.fixture
def served(secure_wire: Wire) -> Iterator[Service]:
    """A platform over TLS, whose service info is known."""
    with Service(None, described(secure_wire), retry=FAST) as service:
        yield service


# ---- the rule


@given(st.sampled_from(["http", "https"]), st.sampled_from(["http", "https", "HTTP", "Https"]), st.booleans())
def test_https_urls_lead_to_https_only(first: str, then: str, loopback: bool) -> None:
    host = "localhost" if loopback else "host.example"
    allowed = first == "http" or then.lower() == "https"
    place = f"{then}://{host}/user/"
    assert (usable_url(f"{first}://{host}/", place) is not None) == allowed
    assert (resolved(f"{first}://{host}/", place) is not None) == allowed
    assert (moved_endpoint(f"{first}://{host}/user/", place) is not None) == allowed


@pytest.mark.parametrize("place", NO_PLACES)
def test_urls_that_are_not_http_are_refused(place: Any) -> None:
    assert usable_url("http://host/", place) is None


@given(st.text(st.characters(codec="utf-8")))
def test_a_url_is_one_printable_word(text: str) -> None:
    place = usable_url("http://host/", f"https://host/{text}")
    assert place is None or (place.isascii() and place.isprintable() and not set(place) & set(' "<>\\^`{|}'))
    assert place is None or web_url(place) == place


# ---- service info


@pytest.mark.parametrize("key", ["api", "access", "register"])
def test_an_https_service_info_with_http_urls_is_refused(secure_wire: Wire, wire: Wire, key: str) -> None:
    secure_wire.always = reply(described(secure_wire, **{key: described(wire)[key]}))
    with Service(f"{secure_wire.url}service/info", retry=FAST) as service:
        uses: list[Callable[[], object]] = [
            service.info,
            lambda: service.login("alice", SECRET, "an-app"),
            lambda: service.start_access_request(ASKED),
            lambda: service.create_user(username="alice", password=SECRET, email="a@b.ch", app_id="an-app"),
            lambda: service.poll_access_request(SECRET),
            lambda: service.mfa_verify("alice", SECRET, "123456"),
        ]
        for use in uses:
            with pytest.raises(PryvProtocolError, match=f"its {key} is not an http") as refused:
                use()
            assert SECRET not in str(refused.value)
    assert wire.requests == []


@pytest.mark.parametrize("place", [place for place in NO_PLACES if isinstance(place, str) and place])
def test_a_service_info_names_urls(wire: Wire, place: str) -> None:
    wire.always = reply(described(wire, register=place))
    with Service(wire.url, retry=FAST) as service, pytest.raises(PryvProtocolError, match="register"):
        service.info()


def test_the_user_may_choose_http(secure_wire: Wire, wire: Wire) -> None:
    secure_wire.always = reply(described(secure_wire, register="http://elsewhere.example/"))
    with Service(f"{secure_wire.url}service/info", {"register": f"{wire.url}reg"}) as service:
        assert service.info().register == f"{wire.url}reg/"
    with Service(None, described(wire)) as service:
        assert service.info().register == f"{wire.url}reg/"


def test_a_service_info_is_as_secure_as_where_it_was_found(secure_wire: Wire, wire: Wire) -> None:
    wire.always = reply("", 302, {"Location": f"{secure_wire.url}service/info"})
    secure_wire.always = reply(described(wire))
    with Service(wire.url, retry=FAST) as service, pytest.raises(PryvProtocolError, match="less secure"):
        service.info()
    wire.always = reply(described(secure_wire))
    with Service(wire.url, retry=FAST) as service:
        assert service.info().register.startswith("https:")


# ---- assets


def test_https_assets_with_http_urls_are_refused(secure_wire: Wire, wire: Wire) -> None:
    definitions = f"{wire.url}assets/index.json"
    secure_wire.always = reply(described(secure_wire, assets={"definitions": definitions}))
    with Service(secure_wire.url, retry=FAST) as service, pytest.raises(PryvProtocolError, match="assets"):
        service.assets()
    assert wire.requests == []
    secure_wire.always = reply({})
    given = described(secure_wire, assets={"definitions": f"{secure_wire.url}assets/index.json"})
    with Service(None, given, retry=FAST) as service:
        secure_wire.always = reply({"baseUrl": wire.url})
        with pytest.raises(PryvProtocolError, match="baseUrl"):
            service.assets()
        urls = {"html": f"{wire.url}button.html", "css": "javascript:alert(1)", "messages": f"{wire.url}messages.json"}
        secure_wire.always = reply({"lib-js": {"buttonSignIn": urls}})
        assets = service.assets()
        assert assets is not None
        for use in (assets.login_button_html, assets.login_button_css_url, assets.login_button_messages):
            with pytest.raises(ValueError, match="less secure"):
                use()
    assert wire.requests == []


# ---- accounts


def test_an_e_mail_address_is_not_sent_over_http(secure_wire: Wire, wire: Wire, served: Service) -> None:
    secure_wire.always = reply({"server": wire.url}, 307)
    with pytest.raises(PryvProtocolError):
        served.user_id_for_email("alice@example.org")
    assert wire.requests == []


@pytest.mark.parametrize("named_as", ["http", "nonsense"])
def test_a_new_account_is_found_by_the_template(secure_wire: Wire, wire: Wire, served: Service, named_as: str) -> None:
    endpoint = wire.api_endpoint if named_as == "http" else "javascript:alert(1)"
    secure_wire.always = reply({"username": "alice", "apiEndpoint": endpoint})
    created = served.create_user(username="alice", password=SECRET, email="a@b.ch", app_id="an-app", hosting="h")
    assert created == {"username": "alice", "apiEndpoint": f"{secure_wire.url}alice/"}


def test_an_account_is_deleted_on_no_http_core(secure_wire: Wire, wire: Wire, served: Service) -> None:
    secure_wire.always = reply({"server": wire.url})
    with pytest.raises(PryvProtocolError, match="less secure"):
        served.delete_user("alice", SECRET)
    assert wire.requests == []


def test_a_core_may_be_named_by_its_host(secure_wire: Wire, served: Service) -> None:
    secure_wire.replies += [reply({"server": secure_wire.host}), reply({"userDeletion": {"username": "alice"}})]
    served.delete_user("alice", SECRET)
    assert [(request.method, request.target) for request in secure_wire.requests] == [
        ("POST", "/reg/alice/server"),
        ("DELETE", "/users/alice"),
    ]


# ---- access requests


def answered(wire: Wire, **members: Any) -> Reply:
    """The response to a new access request."""
    places = {"authUrl": f"{wire.url}page?key={SECRET}", "poll": f"{wire.url}access/{SECRET}"}
    return reply({"status": "NEED_SIGNIN", "key": SECRET, "poll_rate_ms": 10, **places, **members}, 201)


@pytest.mark.parametrize("member", ["authUrl", "poll"])
@pytest.mark.parametrize("place", NO_PLACES)
def test_an_access_request_goes_on_at_a_url(wire: Wire, member: str, place: Any) -> None:
    wire.always = answered(wire, **{member: place})
    with (
        Service(None, described(wire), retry=FAST) as service,
        pytest.raises(PryvProtocolError, match=member) as refused,
    ):
        service.start_access_request(ASKED)
    assert SECRET not in str(refused.value)
    places = {"auth_url": wire.url, "poll": wire.url, {"authUrl": "auth_url", "poll": "poll"}[member]: place}
    with pytest.raises((TypeError, ValueError)):
        AccessRequest("key", poll_rate=1, status="NEED_SIGNIN", **places)


@pytest.mark.parametrize("member", ["authUrl", "url", "poll"])
def test_an_https_access_request_does_not_continue_over_http(
    secure_wire: Wire, wire: Wire, served: Service, member: str
) -> None:
    members = {"authUrl": None, member: f"{wire.url}{SECRET}"}
    secure_wire.always = answered(secure_wire, **(members if member == "url" else {member: members[member]}))
    with pytest.raises(PryvProtocolError, match="less secure"):
        served.start_access_request(ASKED)
    assert wire.requests == []


@pytest.mark.parametrize("status", ["REDIRECTED", "ACCEPTED"])
def test_an_https_response_does_not_lead_to_an_http_endpoint(
    secure_wire: Wire, wire: Wire, served: Service, status: str
) -> None:
    body = {"status": status, "poll": f"{wire.url}{SECRET}", "username": "alice", "token": SECRET}
    secure_wire.always = reply(body | ({"apiEndpoint": wire.api_endpoint} if status == "ACCEPTED" else {}))
    for use in (served.poll_access_request, served.connect_from_key):
        with pytest.raises(PryvProtocolError) as refused:
            use(SECRET)
        assert SECRET not in str(refused.value)
    assert wire.requests == []


@pytest.mark.parametrize("endpoint", [5, [], "", "x", "javascript:alert(1)", "https://token@host/ x/"])
def test_an_accepted_request_has_an_api_endpoint(wire: Wire, endpoint: Any) -> None:
    wire.always = reply({"status": "ACCEPTED", "apiEndpoint": endpoint, "username": "alice", "token": SECRET})
    with Service(None, described(wire), retry=FAST) as service, pytest.raises(PryvProtocolError, match="apiEndpoint"):
        service.poll_access_request("key")


# ---- the platform's own domain


@pytest.mark.parametrize(
    ("domain", "inside", "outside"),
    [
        (
            "pryv.me",
            ["pryv.me", "pryv.me:8443", "alice.pryv.me", "alice.eu.pryv.me"],
            ["me", "evil.me", "pryv.me.evil.org", "evilpryv.me", "pryv.org", "localhost", "127.0.0.1"],
        ),
        (
            "core1.health.example",
            ["core1.health.example", "core2.health.example", "alice.core2.health.example", "a.core1.health.example"],
            ["health.example", "evil.example", "evilhealth.example", "core1.health.example.evil.org"],
        ),
        ("host", ["host", "host:3000", "alice.host"], ["other", "hosts", "evilhost"]),
        ("localhost:3000", ["localhost", "alice.localhost", "127.0.0.1:3001", "[::1]:3000"], ["host", "10.0.0.1"]),
        ("127.0.0.1:3000", ["localhost", "a.localhost", "127.8.8.8"], ["127.evil.org", "x.127.0.0.1", "8.0.0.1"]),
        ("10.0.0.1", ["10.0.0.1:443"], ["11.0.0.1", "localhost", "x.10.0.0.1", "evil.0.0.1"]),
        ("[2001:db8::1]", ["[2001:db8::1]:8443"], ["[2001:db8::2]", "[::1]"]),
    ],
)
def test_the_domain_of_a_platform(domain: str, inside: list[str], outside: list[str]) -> None:
    assert [host for host in inside if not is_in_domain(f"https://{host}/alice/", domain)] == []
    assert [host for host in outside if is_in_domain(f"https://{host}/alice/", domain)] == []


@pytest.fixture
def proxied(wire: Wire) -> Iterator[Service]:
    """A platform at `pryv.example`, reached through `wire`, which records the hosts of the requests."""
    info = {
        "name": "Proxied",
        "api": "http://{username}.pryv.example/",
        "access": "http://access.pryv.example/",
        "register": "http://reg.pryv.example/",
    }
    with requests.Session() as session:
        session.proxies = {"http": wire.url}
        with Service(None, info, retry=FAST, session=session) as service:
            yield service


def accepted(endpoint: str, **members: str) -> Reply:
    return reply({"status": "ACCEPTED", "apiEndpoint": endpoint, **members})


@pytest.mark.parametrize("endpoint", ["http://stolen@evil.example/alice/", "http://stolen@pryv.example.evil.org/"])
@pytest.mark.parametrize("way", ["key", "wait"])
def test_an_endpoint_of_another_domain_gets_no_request(wire: Wire, proxied: Service, endpoint: str, way: str) -> None:
    wire.replies.append(accepted(endpoint, username="alice", token="given"))
    wire.replies.append(error_reply(421, "wrong-core", data={"coreUrl": "http://core7.pryv.example/"}))
    wire.replies.append(reply({"user": {"username": "alice"}}))
    if way == "key":
        connection = proxied.connect_from_key("key")
    else:
        request = AccessRequest("key", "http://page.example/", "http://access.pryv.example/key", 0.1, "NEED_SIGNIN")
        connection = wait_for_access(proxied, request, timeout=5)
    assert connection.api_endpoint == "http://given@alice.pryv.example/"
    assert connection.username() == "alice"
    assert connection.endpoint == "http://core7.pryv.example/alice/"
    assert [request.target for request in wire.requests] == [
        "http://access.pryv.example/key",
        "http://alice.pryv.example/access-info",
        "http://core7.pryv.example/alice/access-info",
    ]


@pytest.mark.parametrize("lacks", ["username", "token"])
def test_the_error_for_an_endpoint_of_another_domain_shows_no_secret(wire: Wire, proxied: Service, lacks: str) -> None:
    members = {"username": "alice", "token": SECRET}
    members.pop(lacks)
    wire.always = accepted(f"http://{SECRET}@evil.example/alice/", **members)
    for use in (proxied.poll_access_request, proxied.connect_from_key):
        with pytest.raises(PryvProtocolError, match=r"outside of pryv\.example") as refused:
            use("key")
        assert SECRET not in str(refused.value)


@pytest.mark.parametrize("endpoint", ["http://given@core7.pryv.example/alice/", "http://given@Alice.Pryv.Example"])
def test_an_endpoint_of_the_platform_is_used(wire: Wire, proxied: Service, endpoint: str) -> None:
    wire.always = accepted(endpoint)
    with Connection(endpoint) as expected, proxied.connect_from_key("key") as connection:
        assert connection.api_endpoint == expected.api_endpoint


@pytest.mark.parametrize(
    ("endpoint", "target"),
    [
        ("http://token@bücher.example/alice/", "http://xn--bcher-kva.example/alice/access-info"),
        ("http://token@Host.Example./alice", "http://host.example/alice/access-info"),
        ("http://token@host.example:80/pryv/alice/", "http://host.example/pryv/alice/access-info"),
    ],
)
def test_an_unusual_endpoint_of_the_platform_is_used(wire: Wire, endpoint: str, target: str) -> None:
    wire.always = reply({"user": {"username": "alice"}})
    with requests.Session() as session:
        session.proxies = {"http": wire.url}
        with Connection(endpoint, session=session) as connection:
            assert connection.username() == "alice"
    assert [request.target for request in wire.requests] == [target]


def test_a_platform_below_a_path_and_beyond_ascii(wire: Wire) -> None:
    place = "http://bücher.example/pryv"
    info = {"name": "x", "api": f"{place}/{{username}}", "access": f"{place}/access", "register": f"{place}/reg"}
    asked = "http://xn--bcher-kva.example/pryv"
    with requests.Session() as session:
        session.proxies = {"http": wire.url}
        with Service(f"{place}/reg/service/info", session=session, retry=FAST) as service:
            wire.always = reply(info)
            assert service.api_endpoint_for("alice", "token") == asked.replace("//", "//token@") + "/alice/"
            wire.always = reply({"token": "token"})
            with service.login("alice", "password", "an-app") as connection:
                assert connection.endpoint == f"{asked}/alice/"
            wire.always = answered(wire, poll=f"{place}/access/key", authUrl=f"{place}/page?key=é")
            request = service.start_access_request(ASKED)
            assert request.auth_url == f"{asked}/page?key=%C3%A9"
            wire.always = accepted(f"{place}/alice/".replace("//", "//token@"))
            with wait_for_access(service, request, timeout=5) as connection:
                assert connection.api_endpoint == asked.replace("//", "//token@") + "/alice/"
    assert [request.target for request in wire.requests] == [
        f"{asked}/reg/service/info",
        f"{asked}/alice/auth/login",
        f"{asked}/access/",
        f"{asked}/access/key",
    ]
    assert wire.requests[1].headers["origin"] == "http://xn--bcher-kva.example"


# ---- messages


@pytest.mark.parametrize("status", [SECRET, f"http://{SECRET}@host/", [SECRET], {"a": SECRET}, "x" * 10_000])
@pytest.mark.parametrize("token", [SECRET, None, 5])
def test_a_status_shows_no_secret(wire: Wire, status: Any, token: Any) -> None:
    wire.always = reply({"status": status, "token": token, "message": SECRET})
    request = AccessRequest(SECRET, wire.url, f"{wire.url}{SECRET}", 0.1, "NEED_SIGNIN")
    with Service(None, described(wire), retry=FAST) as service:
        uses: list[Callable[[], Connection]] = [
            lambda: service.connect_from_key(SECRET),
            lambda: wait_for_access(service, request, timeout=5),
        ]
        for use in uses:
            with pytest.raises(PryvError) as failed:
                use()
            assert SECRET not in str(failed.value)
            assert len(str(failed.value)) < 500


@pytest.mark.parametrize("status", ["ERROR", "REFUSED"])
def test_a_reason_shows_no_secret(wire: Wire, status: str) -> None:
    wire.always = reply({"status": status, "message": f"not {SECRET}", "reasonId": SECRET})
    request = AccessRequest(SECRET, wire.url, f"{wire.url}{SECRET}", 0.1, "NEED_SIGNIN")
    states: list[Any] = []
    with Service(None, described(wire), retry=FAST) as service, pytest.raises(PryvError) as failed:
        wait_for_access(service, request, timeout=5, on_state=states.append)
    assert SECRET not in str(failed.value) + str(states[-1].message)
    assert "not ***" in str(states[-1].message)


def test_the_target_of_a_redirect_shows_no_secret(wire: Wire, connection: Connection) -> None:
    for place in (f"http://{wire.token}.example/", f"http://a:{wire.token}@host/", f"http://host:{wire.token}/"):
        wire.always = reply("", 302, {"Location": place})
        with pytest.raises(PryvProtocolError, match="302") as failed:
            connection.get("events")
        assert wire.token not in str(failed.value)
    wire.always = reply({"status": "REDIRECTED", "poll": f"http://{SECRET}.invalid/"})
    with Service(None, described(wire), retry=FAST) as service, pytest.raises(PryvError) as failed_poll:
        service.poll_access_request(SECRET)
    assert SECRET not in str(failed_poll.value)


def test_a_core_with_the_token_in_its_host_gets_no_request(wire: Wire, connection: Connection) -> None:
    wire.always = error_reply(421, "wrong-core", data={"coreUrl": f"http://{wire.token.upper()}.invalid/"})
    with pytest.raises(PryvError, match="wrong-core") as failed:
        connection.get("events")
    assert wire.token not in str(failed.value).lower()
