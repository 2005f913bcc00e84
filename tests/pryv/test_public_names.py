"""The public names and the names of their parameters, on which programs rely."""

from __future__ import annotations

import ast
import importlib
import inspect
import itertools
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest

import pryv
from pryv import ERRORS

CALLABLES = {
    "pryv.Connection": "api_endpoint service=None * timeout=(5, 60) retry session=None chunk_size=1000 limits",
    "pryv.Connection.with_options": "* timeout=DEFAULT retry=DEFAULT",
    "pryv.Connection.username": "",
    "pryv.Connection.access_info": "force_refresh=False",
    "pryv.Connection.api": "calls progress=None * raise_on_error=False",
    "pryv.Connection.iter_api": "calls",
    "pryv.Connection.api_one": "method params=None expected_key=None",
    "pryv.Connection.get": "path params=None",
    "pryv.Connection.post": "path data=None",
    "pryv.Connection.put": "path data=None",
    "pryv.Connection.delete": "path params=None",
    "pryv.Connection.iter_events": "params=None",
    "pryv.Connection.get_events_streamed": "params for_each_event",
    "pryv.Connection.create_event_with_file": "event path",
    "pryv.Connection.create_event_with_file_from_buffer": "event data filename",
    "pryv.Connection.create_event_with_files": "event files",
    "pryv.Connection.add_attachment": "event_id source filename=None",
    "pryv.Connection.delete_attachment": "event_id file_id",
    "pryv.Connection.download_attachment": "event_id attachment destination=None",
    "pryv.Connection.add_points_to_hf_event": "event_id fields points",
    "pryv.Connection.add_points_batch": "series_by_event",
    "pryv.Connection.get_hf_points": "event_id * from_delta_time=None to_delta_time=None",
    "pryv.Connection.get_latest_by_content": "path values base_query=None",
    "pryv.Connection.update_access": "id changes",
    "pryv.Connection.get_access_with_history": "id",
    "pryv.Connection.revoke": "throw_on_fail=True using=None",
    "pryv.Connection.close": "",
    "pryv.resources.Events.create": "event",
    "pryv.resources.Events.create_many": "events progress=None",
    "pryv.resources.Events.get": "id",
    "pryv.resources.Events.get_with_history": "id",
    "pryv.resources.Events.update": "id changes",
    "pryv.resources.Events.delete": "id permanently=False",
    "pryv.resources.Streams.list": "params=None",
    "pryv.resources.Streams.create": "stream",
    "pryv.resources.Streams.update": "id changes",
    "pryv.resources.Streams.delete": "id permanently=False merge_events_with_parent=None",
    "pryv.resources.Streams.ensure": "tree",
    "pryv.resources.Accesses.list": "params=None",
    "pryv.resources.Accesses.get": "id",
    "pryv.resources.Accesses.get_with_history": "id",
    "pryv.resources.Accesses.create": "access",
    "pryv.resources.Accesses.update": "id changes",
    "pryv.resources.Accesses.delete": "id",
    "pryv.resources.Accesses.check_app": "request",
    "pryv.resources.Webhooks.list": "",
    "pryv.resources.Webhooks.get": "id",
    "pryv.resources.Webhooks.create": "url scopes=None",
    "pryv.resources.Webhooks.update": "id changes",
    "pryv.resources.Webhooks.activate": "id",
    "pryv.resources.Webhooks.delete": "id",
    "pryv.resources.Webhooks.test": "id",
    "pryv.Service": "service_info_url=None customizations=None * timeout=(5, 60) retry session=None limits",
    "pryv.Service.info": "force_fetch=False",
    "pryv.Service.info_sync": "",
    "pryv.Service.set_service_info": "service_info",
    "pryv.Service.supports_hf": "",
    "pryv.Service.supports_content_queries": "",
    "pryv.Service.is_dns_less": "",
    "pryv.Service.assets": "force_fetch=False",
    "pryv.Service.api_endpoint_for": "username token=None",
    "pryv.Service.build_api_endpoint": "service_info username token=None",
    "pryv.Service.login": "username password app_id origin=None",
    "pryv.Service.mfa_challenge": "username mfa_token",
    "pryv.Service.mfa_verify": "username mfa_token code",
    "pryv.Service.user_exists": "username",
    "pryv.Service.user_id_for_email": "email",
    "pryv.Service.available_hostings": "",
    "pryv.Service.flat_hostings": "",
    "pryv.Service.create_user": (
        "* username password email app_id hosting='auto' language='en' invitation_token='enjoy' referer=None"
    ),
    "pryv.Service.request_password_reset": "username app_id",
    "pryv.Service.reset_password": "username new_password reset_token app_id",
    "pryv.Service.start_access_request": "auth_request",
    "pryv.Service.poll_access_request": "key_or_url",
    "pryv.Service.connect_from_key": "key",
    "pryv.Service.close": "",
    "pryv.ServiceAssets.get": "key_path=None",
    "pryv.ServiceAssets.get_url": "key_path",
    "pryv.ServiceAssets.relative_url": "url",
    "pryv.ServiceAssets.login_button_html": "",
    "pryv.ServiceAssets.login_button_css_url": "",
    "pryv.ServiceAssets.login_button_messages": "",
    "pryv.connect_from_key": "key service_info_url customizations=None",
    "pryv.Call": "method params=None handle_result=None",
    "pryv.RetryPolicy": "attempts=3 backoff=0.5 max_backoff=8 deadline=120",
    "pryv.Limits": "* response=67108864 event=10485760 frame=16777216 rate=16",
    "pryv.Series": "fields points",
    "pryv.Series.columns": "",
    "pryv.AccessRequest": "key auth_url poll poll_rate status",
    "pryv.StreamedEvents": "events_count event_deletions_count meta",
    "pryv.auth.AuthSettings": "auth_request on_state_change=None",
    "pryv.auth.AuthController": "settings service ui=None",
    "pryv.auth.AuthController.init": "",
    "pryv.auth.AuthController.start_auth_request": "",
    "pryv.auth.AuthController.stop_auth_request": "message",
    "pryv.auth.AuthController.handle_click": "",
    "pryv.auth.setup_auth": "settings service_info_url customizations=None ui",
    "pryv.auth.sign_in": ("service_info_url app_id permissions * store=None profile='default' ui=None timeout=600"),
    "pryv.auth.sign_out": "service_info_url * store=None profile='default'",
    "pryv.auth.wait_for_access": "service request timeout=600 on_state=None",
    "pryv.auth.LoginUI.on_state_change": "state",
    "pryv.auth.LoginUI.get_authorization_data": "",
    "pryv.auth.LoginUI.save_authorization_data": "data",
    "pryv.auth.LoginUI.delete_authorization_data": "",
    "pryv.oauth.SignedConnection": "api_endpoint key service=None * timeout=(5, 60) retry session=None",
    "pryv.oauth.OAuthClient": (
        "authorization_server client_id * scope=None redirect_uri='http://127.0.0.1/callback' client_secret=None"
        " private_key=None key_id=None dpop=False store=None leeway=60 timeout=(5, 60) retry session=None"
    ),
    "pryv.oauth.OAuthClient.metadata": "force_fetch=False",
    "pryv.oauth.OAuthClient.authorization_request": "* redirect_uri=None state=None",
    "pryv.oauth.OAuthClient.handle_callback": "url_or_query request",
    "pryv.oauth.OAuthClient.login": "* port=0 open_browser=True timeout=600 on_url",
    "pryv.oauth.OAuthClient.forget": "revoke=True",
    "pryv.oauth.OAuthClient.connection": "* timeout=DEFAULT",
    "pryv.oauth.OAuthClient.refresh": "",
    "pryv.oauth.OAuthClient.client_credentials": "scope=None",
    "pryv.oauth.AuthorizationRequest": "url state code_verifier redirect_uri",
    "pryv.oauth.DPoPKey.generate": "",
    "pryv.oauth.DPoPKey.from_jwk": "jwk",
    "pryv.oauth.DPoPKey.to_jwk": "private=False",
    "pryv.oauth.DPoPKey.proof": "method url access_token=None * nonce=None",
    "pryv.oauth.FileTokenStore": "path",
    "pryv.oauth.KeyringTokenStore": "name",
    "pryv.oauth.MemoryTokenStore": "",
    "pryv.shared_secrets.create": (
        "connection secret * ttl title message return_url=None passphrase=None verifier_secret=None"
    ),
    "pryv.shared_secrets.retrieve": "api_endpoint key * passphrase=None verifier_secret=None",
    "pryv.shared_secrets.status": "connection key",
    "pryv.shared_secrets.parse_key": "key",
    "pryv.shared_secrets.SharedSecret": (
        "id key title status status_history expires message return_url signature_type"
    ),
    "pryv.utils.extract_token_and_api_endpoint": "url",
    "pryv.utils.decompose_api_endpoint": "url service_info_api",
    "pryv.utils.parse_access_ref": "ref",
    "pryv.utils.build_api_endpoint": "endpoint token=None",
    "pryv.utils.serialize_access_ref": "base serial=None",
    "pryv.utils.service_info_from_url": "url",
    "pryv.utils.clean_url_from_pryv_params": "url",
    "pryv.utils.query_params_from_url": "url",
    "pryv.utils.new_event_id": "",
    "pryv.utils.to_datetime": "seconds",
    "pryv.utils.to_timestamp": "moment",
}

WITHOUT_REQUEST = {
    "pryv.Connection.close",
    "pryv.Service.info_sync",
    "pryv.Service.set_service_info",
    "pryv.Service.build_api_endpoint",
    "pryv.Service.close",
    "pryv.ServiceAssets.get",
    "pryv.ServiceAssets.get_url",
    "pryv.ServiceAssets.relative_url",
    "pryv.ServiceAssets.login_button_css_url",
}
REQUESTS = [
    "pryv.connect_from_key",
    *(
        f"pryv.{cls.__name__}.{name}"
        for cls in (pryv.Connection, pryv.Service, pryv.ServiceAssets)
        for name, member in vars(cls).items()
        if inspect.isroutine(member) and not name.startswith("_")
    ),
    *(path for path in CALLABLES if path.startswith("pryv.resources.")),
    *(f"pryv.shared_secrets.{name}" for name in ("create", "retrieve", "status")),
    "pryv.auth.sign_out",
]

BASES = {
    "ApiError": "PryvError",
    "InvalidAccessTokenError": "ApiError",
    "InvalidCredentialsError": "ApiError",
    "ForbiddenError": "ApiError",
    "SharedSecretUnavailableError": "ForbiddenError",
    "UnknownResourceError": "ApiError",
    "ItemAlreadyExistsError": "ApiError",
    "InvalidParametersError": "ApiError",
    "TooManyResultsError": "ApiError",
    "StaleAccessIdError": "ApiError",
    "MfaRequiredError": "ApiError",
    "RateLimitedError": "ApiError",
    "ServerError": "ApiError",
    "PryvConnectionError": "PryvError",
    "PryvTimeoutError": "PryvConnectionError",
    "PryvTlsError": "PryvConnectionError",
    "PryvStreamError": "PryvError",
    "PryvProtocolError": "PryvError",
    "ResponseTooLargeError": "PryvError",
    "IntegrityError": "PryvError",
    "AccessRefusedError": "PryvError",
    "AccessTimeoutError": "PryvError",
    "MissingAddonError": "PryvError",
    "OAuthError": "PryvError",
    "OAuthLoginRequiredError": "OAuthError",
}

PROPERTIES = {
    "pryv.Connection": "token endpoint api_endpoint service delta_time events streams accesses webhooks socket",
    "pryv.auth.AuthController": "state",
    "pryv.oauth.OAuthClient": "tokens",
    "pryv.StaleAccessIdError": "provided current_serial",
    "pryv.SharedSecretUnavailableError": "return_url",
}


def found(path: str) -> Any:
    """Return the object at a dotted path."""
    value: Any = pryv
    for name in path.split(".")[1:]:
        value = getattr(value, name)
    return value


def written(path: str) -> Iterator[str]:
    """Yield the parameters of the object at a dotted path, with a `*` before the first keyword-only parameter."""
    star = False
    for parameter in inspect.signature(found(path)).parameters.values():
        if parameter.name == "self":
            continue
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY and not star:
            star = True
            yield "*"
        default = parameter.default
        yield parameter.name + ("" if default is inspect.Parameter.empty else f"={default!r}".replace(", ", ","))


@pytest.mark.parametrize(
    "module",
    [
        "pryv",
        "pryv.auth",
        "pryv.addons",
        "pryv.frames",
        "pryv.oauth",
        "pryv.resources",
        "pryv.shared_secrets",
        "pryv.utils",
    ],
)
def test_a_module_has_and_shows_the_names_that_it_lists(module: str) -> None:
    there = importlib.import_module(module)
    assert [name for name in there.__all__ if not hasattr(there, name)] == []
    assert set(there.__all__) <= set(dir(there))


def test_completion_shows_public_names_only() -> None:
    for module in (pryv, pryv.frames, pryv.oauth, pryv.utils):
        assert [name for name in dir(module) if name not in module.__all__ and not name.startswith("__")] == []


def test_a_program_that_uses_every_name_is_type_checked() -> None:
    program = (Path(__file__).parent / "public_names.py").read_text()
    nodes = ast.walk(ast.parse(program))
    used = {getattr(node, "attr", None) or getattr(node, "id", None) for node in nodes}
    modules = (pryv, pryv.auth, pryv.addons, pryv.frames, pryv.oauth, pryv.resources, pryv.shared_secrets, pryv.utils)
    names = {name for module in modules for name in module.__all__}
    assert names - used == set()


@pytest.mark.parametrize("path", CALLABLES)
def test_the_names_of_parameters(path: str) -> None:
    """Further parameters are allowed if they have a default, and so are further defaults."""
    there = list(written(path))
    promised = CALLABLES[path].replace(", ", ",").split()
    for text, parameter in itertools.zip_longest(promised, there):
        if text is None:
            assert "=" in parameter or parameter == "*"
        else:
            assert text in (parameter, parameter.partition("=")[0])


@pytest.mark.parametrize(("path", "name"), [(path, name) for path in PROPERTIES for name in PROPERTIES[path].split()])
def test_properties_are_there(path: str, name: str) -> None:
    assert isinstance(inspect.getattr_static(found(path), name), property)


@pytest.mark.parametrize("path", [path for path in REQUESTS if path not in WITHOUT_REQUEST])
def test_what_makes_a_request_takes_a_timeout(path: str) -> None:
    timeout = inspect.signature(found(path)).parameters["timeout"]
    assert timeout.kind is inspect.Parameter.KEYWORD_ONLY


@pytest.mark.parametrize(("name", "base"), BASES.items())
def test_the_hierarchy_of_exceptions(name: str, base: str) -> None:
    cls = getattr(pryv, name)
    assert cls.__bases__[0] is getattr(pryv, base)
    assert isinstance(cls.retryable, bool)


def test_a_timeout_is_a_timeout_error_too() -> None:
    assert issubclass(pryv.PryvTimeoutError, TimeoutError)


def test_error_ids_are_those_of_the_api() -> None:
    ids = {name: value for name, value in vars(ERRORS).items() if name.isupper()}
    assert len(ids) == len(set(ids.values())) == len(typing.get_type_hints(ERRORS))
    assert ids["UNKNOWN_USER"] == "unknown-user"
    assert ids["GONE"] == "removed-method"
    assert ids["INVALID_INVITATION_TOKEN"] == "invitationToken-invalid"
    assert ids["USER_INTERVENTION_REQUIRED"] == "user-intervention-required"


@pytest.mark.parametrize(
    "error_id", [ERRORS.MISSING_PARAMETER, ERRORS.INVALID_PARAMETER, ERRORS.INVALID_PARAMETERS_FORMAT]
)
def test_the_class_of_an_error_in_a_batch_depends_on_its_id(error_id: str) -> None:
    assert type(pryv.addons.api_error({"id": error_id})) is pryv.InvalidParametersError


def test_the_seven_states() -> None:
    states = {name: value for name, value in vars(pryv.auth.AuthStates).items() if name.isupper()}
    names = {"ERROR", "LOADING", "INITIALIZED", "NEED_SIGNIN", "SIGNOUT", "REFUSED"}
    assert states == {"AUTHORIZED": "ACCEPTED", **{name: name for name in names}}


@pytest.mark.parametrize(
    "name", ["Call", "RetryPolicy", "Limits", "ServiceInfo", "StreamedEvents", "AccessRequest", "Series"]
)
def test_objects_of_the_sdk_are_frozen(name: str) -> None:
    cls = getattr(pryv, name)
    assert attrs.has(cls)
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        setattr(cls.__new__(cls), attrs.fields(cls)[0].name, None)


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("TokenAndEndpoint", ("token", "endpoint")),
        ("DecomposedEndpoint", ("token", "username", "host")),
        ("AccessRef", ("base", "serial")),
    ],
)
def test_utilities_return_named_tuples(name: str, fields: tuple[str, ...]) -> None:
    assert getattr(pryv.utils, name)._fields == fields


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        pryv.Nothing  # noqa: B018
