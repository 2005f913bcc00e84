"""A platform's service info, assets, accounts, and access requests step by step."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
from tests.accounts import Accounts
from tests.pryv.wire import Wire, error_reply, reply

import pryv
from pryv import (
    AccessRefusedError,
    Connection,
    InvalidParametersError,
    ItemAlreadyExistsError,
    PryvError,
    PryvProtocolError,
    Service,
    ServiceInfo,
    UnknownResourceError,
)
from pryv.auth import wait_for_access
from pryv_sandbox import Sandbox

Account = tuple[str, str, Connection]
APP_ID = "pryv-platform-tests"
ASKED: dict[str, Any] = {"requestingAppId": APP_ID, "requestedPermissions": [{"streamId": "diary", "level": "read"}]}


@pytest.fixture
def served(wire: Wire) -> Iterator[Service]:
    """A platform of exact bytes, whose service info is known."""
    with Service(None, described(wire), timeout=2, retry=None) as service:
        yield service


def described(wire: Wire, **members: Any) -> dict[str, Any]:
    place = wire.url.rstrip("/")
    return {
        "name": "Wire",
        "api": place + "/{username}",
        "access": place + "/access",
        "register": place + "/reg",
        **members,
    }


# ---- service info


def test_a_platform_describes_itself(service: Service) -> None:
    assert service.info_sync() is None
    info = service.info()
    assert info is service.info() is service.info_sync()
    assert info is not service.info(force_fetch=True)
    assert "{username}" in info.api
    assert info.event_types == info["eventTypes"]
    assert "meta" not in info


def test_a_service_info_is_the_response_with_normalized_urls(wire: Wire) -> None:
    told = described(wire, home="https://example.org", another={"deep": [1]}, features={"noHF": True})
    wire.always = reply(told)
    with Service(f"{wire.url}service/info") as service:
        info = service.info()
    assert info.register == info["register"] == told["register"] + "/"
    assert (info.home, info["another"], info.terms) == ("https://example.org", {"deep": [1]}, None)
    assert set(info) == set(told)
    assert len(info) == len(told)


def test_customizations_override_the_service_info(wire: Wire) -> None:
    wire.always = reply(described(wire, home="https://example.org", assets={"definitions": "x", "other": "y"}))
    with Service(f"{wire.url}service/info", {"name": "Mine", "assets": {"definitions": "z"}}) as service:
        assert service.info().name == "Mine"
        assert service.info().assets == {"definitions": "z"}
        assert service.info(force_fetch=True).home == "https://example.org"
        assert service.info().name == "Mine"


def test_a_given_service_info_needs_no_request(wire: Wire) -> None:
    with Service(f"{wire.url}service/info") as service:
        service.set_service_info(described(wire))
        assert service.info().name == "Wire"
        assert isinstance(service.info(), ServiceInfo)
    assert wire.requests == []


@pytest.mark.parametrize("missing", ["name", "api", "access", "register"])
def test_members_that_every_platform_has_are_required(wire: Wire, missing: str) -> None:
    told = described(wire)
    del told[missing]
    with pytest.raises(ValueError, match=rf"no service_info_url.* {missing} missing"):
        Service(None, told).info()
    with pytest.raises(ValueError, match=missing):
        Service().set_service_info(told)
    wire.always = reply(told)
    with Service(wire.url) as service, pytest.raises(PryvProtocolError, match=missing):
        service.info()


@pytest.mark.parametrize(
    ("features", "has_hf", "has_queries"),
    [({}, True, False), ({"noHF": True}, False, False), ({"noHF": False, "contentQueries": True}, True, True)],
)
def test_features(wire: Wire, features: dict[str, bool], has_hf: bool, has_queries: bool) -> None:
    with Service(None, described(wire, features=features)) as service:
        assert service.supports_hf() is has_hf
        assert service.supports_content_queries() is has_queries


def test_features_of_a_platform(service: Service) -> None:
    assert service.supports_hf() is True


@pytest.mark.parametrize(
    ("api", "is_dns_less", "endpoint"),
    [
        ("https://{username}.pryv.me/", False, "https://TOKEN@alice.pryv.me/"),
        ("https://pryv.me/{username}/", True, "https://TOKEN@pryv.me/alice/"),
    ],
)
def test_where_accounts_are(wire: Wire, api: str, is_dns_less: bool, endpoint: str) -> None:
    with Service(None, described(wire, api=api)) as service:
        assert service.is_dns_less() is is_dns_less
        assert service.api_endpoint_for("alice", "TOKEN") == endpoint
        assert service.api_endpoint_for("alice") == endpoint.replace("TOKEN@", "")
        assert Service.build_api_endpoint(service.info(), "alice", "TOKEN") == endpoint
        assert Service.build_api_endpoint({"api": api}, "alice", "TOKEN") == endpoint


@pytest.mark.parametrize("info", [{}, {"api": None}, {"api": 5}])
def test_a_service_info_without_a_template(info: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="service info has no api"):
        Service.build_api_endpoint(info, "alice")


@pytest.mark.parametrize(
    "username", ["", ".", "..", "a/b", "a@b", "al ice", "a\r\nb", "ünal", "a?b", "a#b", "a:b", "%2e"]
)
def test_a_username_cannot_change_the_host(served: Service, username: str) -> None:
    with pytest.raises(ValueError, match="not a username"):
        served.api_endpoint_for(username)


# ---- assets


def test_the_assets_of_a_platform(sandbox: Sandbox) -> None:
    with Service(sandbox.service_info_url) as service:
        assets = service.assets()
        assert assets is not None
        assert assets is service.assets()
        assert assets is not service.assets(force_fetch=True)
        assert "<" in assets.login_button_html()
        assert requests.get(assets.login_button_css_url(), timeout=5).ok
        assert assets.login_button_messages()["LOGIN"]["en"]


def test_assets_are_found_by_their_keys(wire: Wire) -> None:
    told = {"baseUrl": "https://assets.example/v1/", "css": {"default": {"url": "style.css"}}, "lib-js": {"x": None}}
    wire.always = reply(told)
    with Service(None, described(wire, assets={"definitions": f"{wire.url}assets/index.json"})) as service:
        assets = service.assets()
    assert assets is not None
    assert assets.get()["css"] == told["css"]
    assert assets.get("css:default") == {"url": "style.css"}
    assert assets.get("css:default:url:deeper") is assets.get("no:such") is None
    with pytest.raises(TypeError, match="key_path"):
        assets.get(["css", "default"])  # type: ignore[arg-type]
    assert assets.get_url("css:default:url") == "https://assets.example/v1/style.css"
    assert assets.relative_url("../logo.png") == "https://assets.example/logo.png"
    assert assets.relative_url("https://elsewhere.example/x") == "https://elsewhere.example/x"
    for no_url in ("css", "no:such", "lib-js:x"):
        with pytest.raises(ValueError, match="no URL"):
            assets.get_url(no_url)


def test_without_a_base_assets_are_beside_their_definition(wire: Wire) -> None:
    wire.always = reply({"icon": "icon.png"})
    with Service(None, described(wire, assets={"definitions": f"{wire.url}assets/index.json"})) as service:
        assets = service.assets()
    assert assets is not None
    assert assets.get_url("icon") == f"{wire.url}assets/icon.png"


def test_a_platform_may_have_no_assets(wire: Wire, served: Service) -> None:
    assert served.assets() is None
    assert wire.requests == []


# ---- accounts


def test_an_account_is_made_and_found(service: Service, accounts: Accounts) -> None:
    username = f"test{secrets.token_hex(6)}"
    email = f"{username}@example.org"
    person: dict[str, Any] = {"username": username, "password": "see-you-soon", "email": email, "app_id": APP_ID}
    assert service.user_exists(username) is False
    assert service.user_id_for_email(email) is None
    created = service.create_user(**person, language="fr", referer="tests")
    assert created["username"] == username
    assert service.user_exists(username) is True
    assert service.user_id_for_email(email) == username
    with Connection(created["apiEndpoint"]) as connection:
        accounts.add(username, "see-you-soon", connection.token or "none")
        assert connection.username() == username
    with pytest.raises(ItemAlreadyExistsError) as caught:
        service.create_user(**person)
    assert username in caught.value.data.values()
    with pytest.raises(InvalidParametersError):
        service.create_user(**{**person, "username": "a b"})


def test_hostings_are_a_tree_and_a_list(service: Service) -> None:
    regions = service.available_hostings()["regions"]
    hostings = service.flat_hostings()
    assert hostings
    for hosting in hostings:
        leaf = regions[hosting["region"]]["zones"][hosting["zone"]]["hostings"][hosting["key"]]
        assert leaf["available"] is hosting["available"]


def test_the_first_hosting_that_is_available_is_taken(wire: Wire, served: Service) -> None:
    hostings = {"full": {"available": False}, "odd": {"available": "yes"}, "free": {"available": True}, "more": {}}
    regions = {"regions": {"europe": {"zones": {"ch": {"hostings": hostings}}}}}
    wire.replies += [reply(regions), reply({"username": "alice", "apiEndpoint": "x"})]
    served.create_user(username="alice", password="p", email="a@b.ch", app_id=APP_ID)
    assert wire.requests[-1].json()["hosting"] == "free"
    wire.replies.append(reply({"regions": {}}))
    with pytest.raises(PryvError, match="no hosting"):
        served.create_user(username="alice", password="p", email="a@b.ch", app_id=APP_ID)


@pytest.mark.parametrize(
    ("version", "target", "keys"),
    [
        (None, "/reg/users", {"appId", "language", "invitationToken"}),
        ("2.0.0-pre.4", "/reg/users", {"appId", "language", "invitationToken"}),
        ("1.10.2", "/reg/users", {"appId", "language", "invitationToken"}),
        ("1.6.0", "/reg/users", {"appId", "language", "invitationToken"}),
        ("1.5.22", "/reg/user", {"appid", "languageCode", "invitationtoken"}),
    ],
)
def test_an_older_platform_gets_the_request_in_its_form(
    wire: Wire, version: str | None, target: str, keys: set[str]
) -> None:
    wire.always = reply({"username": "alice"})
    with Service(None, described(wire, version=version)) as service:
        created = service.create_user(username="alice", password="p", email="a@b.ch", app_id=APP_ID, hosting="h")
    request = wire.requests[0]
    assert request.target == target
    assert request.json().keys() == {"username", "password", "email", "hosting"} | keys
    assert created == {"username": "alice", "apiEndpoint": f"{wire.url}alice/"}


def test_an_older_platform_s_registration_works(sandbox: Sandbox) -> None:
    username = f"test{secrets.token_hex(6)}"
    with Service(sandbox.service_info_url, {"version": "1.5.0"}) as service:
        service.create_user(username=username, password="see-you-soon", email=f"{username}@example.org", app_id=APP_ID)
        assert service.user_exists(username)


def test_an_e_mail_address_is_looked_up_on_its_server(wire: Wire, other_wire: Wire, served: Service) -> None:
    wire.always = reply({"server": other_wire.url, "message": "elsewhere"}, 307)
    other_wire.always = reply('{"uid": "alice"}')
    assert served.user_id_for_email("a+b@example.org") == "alice"
    assert wire.requests[0].target == "/reg/a%2Bb%40example.org/uid"
    assert other_wire.requests[0].target == "/reg/a%2Bb%40example.org/uid"
    other_wire.always = error_reply(404, "unknown-email")
    assert served.user_id_for_email("a+b@example.org") is None


@pytest.mark.parametrize(
    "empty", ["username", "password", "email", "app_id", "hosting", "language", "invitation_token", "referer"]
)
def test_an_account_needs_all_arguments(wire: Wire, served: Service, empty: str) -> None:
    person: dict[str, Any] = {"username": "alice", "password": "p", "email": "a@b.ch", "app_id": APP_ID, "hosting": "h"}
    with pytest.raises(ValueError, match=f"{empty} is empty"):
        served.create_user(**{**person, empty: ""})
    with pytest.raises(TypeError, match=empty):
        served.create_user(**{**person, empty: 5})
    assert wire.requests == []


# ---- access requests


def test_an_access_request_is_polled_and_refused(service: Service) -> None:
    request = service.start_access_request(ASKED)
    assert (request.status, request.poll_rate > 0) == ("NEED_SIGNIN", True)
    assert request.key in request.poll
    for named in (request.key, request.poll):
        assert service.poll_access_request(named)["status"] == "NEED_SIGNIN"
    with pytest.raises(PryvError, match="NEED_SIGNIN"):
        service.connect_from_key(request.key)
    answer(service, request.key, {"status": "REFUSED", "reasonId": "REFUSED_BY_USER", "message": "No."})
    assert service.poll_access_request(request.key)["status"] == "REFUSED"
    with pytest.raises(AccessRefusedError):
        service.connect_from_key(request.key)


def test_a_key_leads_to_a_connection(service: Service, platform_url: str, new_account: Callable[[], Account]) -> None:
    username, _, owner = new_account()
    request = service.start_access_request(ASKED)
    accepted = {"status": "ACCEPTED", "username": username, "token": owner.token, "apiEndpoint": owner.api_endpoint}
    answer(service, request.key, accepted)
    connection = service.connect_from_key(request.key)
    assert connection.username() == username
    assert connection.service is service
    with pryv.connect_from_key(request.key, platform_url) as connection:
        assert connection.api_endpoint == owner.api_endpoint
    with pryv.connect_from_key(request.key, platform_url, {"name": "Mine"}) as connection:
        assert connection.service.info().name == "Mine"


def test_an_access_request_continues_at_its_poll_url(
    service: Service, platform_url: str, new_account: Callable[[], Account]
) -> None:
    username, _, owner = new_account()
    first, last = service.start_access_request(ASKED), service.start_access_request(ASKED)
    answer(service, first.key, {"status": "REDIRECTED", "redirectUrl": last.poll})
    assert service.poll_access_request(first.key)["key"] == last.key
    accepted = {"status": "ACCEPTED", "username": username, "token": owner.token, "apiEndpoint": owner.api_endpoint}
    answer(service, last.key, accepted)
    with wait_for_access(service, first, timeout=30) as connection:
        assert connection.api_endpoint == owner.api_endpoint
    with service.connect_from_key(first.key) as connection:
        assert connection.username() == username


@pytest.mark.parametrize("place", [None, 5, "http://[", "ftp://host/", "again"])
def test_an_access_request_without_a_valid_poll_url(wire: Wire, served: Service, place: Any) -> None:
    wire.always = reply({"status": "REDIRECTED", "poll": place}, 301)
    with pytest.raises(PryvProtocolError, match="redirected too often"):
        served.poll_access_request("key")
    assert len(wire.requests) < 10


def test_a_connection_from_a_key_closes_what_it_opened(wire: Wire) -> None:
    info = described(wire)
    wire.replies += [reply(info), reply({"status": "ACCEPTED", "apiEndpoint": wire.api_endpoint})]
    with pryv.connect_from_key("k9x4f7", f"{wire.url}service/info") as connection:
        assert connection.api_endpoint == wire.api_endpoint
        assert wire.open_connections == 1
    assert wire.wait_until_open(0)
    wire.replies += [reply(info), error_reply(400, "unknown-access-key")]
    with pytest.raises(UnknownResourceError) as failed:
        pryv.connect_from_key("k9x4f7", f"{wire.url}service/info")
    assert failed.traceback
    assert wire.wait_until_open(0)


def test_an_unknown_key_is_an_error(service: Service) -> None:
    with pytest.raises(UnknownResourceError):
        service.connect_from_key("never-was")


@pytest.mark.parametrize("asked", [{}, {"requestingAppId": APP_ID}, {"requestedPermissions": []}, None, [], "x"])
def test_an_empty_access_request_is_refused_before_any_request(wire: Wire, served: Service, asked: Any) -> None:
    with pytest.raises((ValueError, TypeError), match=r"auth.request"):
        served.start_access_request(asked)
    assert wire.requests == []


def answer(service: Service, key: str, told: dict[str, Any]) -> None:
    """Answer an access request as the platform's page does."""
    requests.post(service.info().access + key, json=told, timeout=10)
