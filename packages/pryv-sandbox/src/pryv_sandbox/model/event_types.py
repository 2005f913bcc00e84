"""The event types that the platform knows, and the schemas of their content."""

from __future__ import annotations

from typing import Any

from pryv_sandbox.model.errors import ApiError
from pryv_sandbox.model.validation import Schema, Validator

SERIES_PREFIX = "series:"

_NUMBERS = """
absorbed-dose gy; absorbed-dose-equivalent sv; absorbed-dose-rate gy-s; angle deg grad rad;
angular-acceleration rad-s2; angular-speed rad-s; area ac ft2 ha in2 km2 m2 mi2 mm2 yd2; capacitance f;
catalytic-activity kat; count generic steps; data-quantity b bits gb gbits kb kbits mb mbits tb;
density g-dl kg-m3 mg-dl mmol-l; dynamic-viscosity pa-s; electric-charge c; electric-charge-line-density c-m;
electric-current a; electrical-conductivity s us; electromotive-force v;
energy btu cal erg ev ftlb j kcal kwh nm wh ws; force dyn n pdl;
frequency bpm brpm ghz hz khz megahz millihz nhz rpm thz uhz; gas-consumption mlpkgmin;
length a au cb ch cm fathom ft ftm fur in km lea ly m mi mil mm nmi p pica um yd; linear-acceleration m-s2;
luminous-intensity cd; mass dr g gr kg l-t lb mg oz s-t st t; mol lb-mol mol;
money aud btc cad chf cny eur gbp inr jpy usd; power btu-min ftlb-s hp kw w;
pressure at bar cmhg db inhg kg-m2 kpa mmhg pa psf psi; ratio percent;
speed ft-m ft-s km-h kt lpm m-min m-s mph; temperature c f k; time d h min ms s y;
volume bbloil c cm3 floz ft3 galgb galus in3 iu l m3 ml pt qt tbs tsp yd3
"""

_NUMBER: Schema = {"type": "number"}
_STRING: Schema = {"type": "string"}
_TEXT: Schema = {"type": "string", "maxLength": 4 * 1024 * 1024}
_URL: Schema = {"type": "string", "pattern": "^(https?)://.+$"}
_NOTHING: Schema = {"type": "null"}


def _object(required: dict[str, Schema], optional: dict[str, Schema] | None = None) -> Schema:
    return {"type": "object", "required": list(required), "properties": {**required, **(optional or {})}}


def _choice(*values: str) -> Schema:
    return {"type": "string", "enum": list(values)}


_OTHERS: dict[str, Schema] = {
    "activity/plain": _NOTHING,
    "attributes/biological-sex": _choice("notSet", "female", "male", "other"),
    "audio/attached": _NOTHING,
    "audit-log/pryv-api": _object({"source": {"type": "object"}, "action": _STRING}),
    "audit-log/pryv-api-error": _object({"source": {"type": "object"}, "action": _STRING}),
    "audio/url": _URL,
    "blood-pressure/mmhg-bpm": _object({"systolic": _NUMBER, "diastolic": _NUMBER}, {"rate": _NUMBER}),
    "boolean/bool": {"type": "boolean"},
    "call/name": _STRING,
    "call/skype": _STRING,
    "call/telephone": _STRING,
    "contact/vcard": _STRING,
    "credentials/pryv-api-endpoint": {"type": "string", "pattern": "^(https?)://.+@.+$"},
    "date/iso-8601": _STRING,
    "encrypted/aes-256-gcm": _object({"payload": _STRING}, {"keyRef": _STRING, "hint": {}}),
    "encrypted/aes-text-base64": _object({"payload": _STRING}, {"keyRef": _STRING, "hint": _STRING}),
    "encrypted/ecies-aes-256-gcm": _object({"payload": _STRING}, {"keyRef": _STRING, "hint": {}}),
    "file/attached": _NOTHING,
    "file/attached-multiple": _NOTHING,
    "file/url": _URL,
    "message/email": _object(
        {"from": _STRING, "to": _STRING, "body": _STRING}, {"cc": _STRING, "bcc": _STRING, "subject": _STRING}
    ),
    "mood/emoticon": _STRING,
    "mood/rating": {"type": "number", "minimum": 0, "maximum": 1},
    "note/html": _TEXT,
    "note/txt": _TEXT,
    "note/webclip": _object({"url": _URL}, {"content": _TEXT}),
    "picture/attached": _NOTHING,
    "picture/base64": _STRING,
    "picture/url": _URL,
    "position/wgs84": _object(
        {"latitude": _NUMBER, "longitude": _NUMBER},
        dict.fromkeys(("altitude", "horizontalAccuracy", "verticalAccuracy", "speed", "bearing"), _NUMBER),
    ),
    "ratio/generic": _object({"value": _NUMBER, "relativeTo": _NUMBER}),
    "sleep/analysis": _object({}, {"analysis": _choice("inBed", "asleep", "awake")}),
    "symptoms/severity": _choice("notPresent", "mild", "moderate", "severe", "unspecified"),
    "url/http": _URL,
    "video/attached": _NOTHING,
    "video/url": _URL,
    "video/vimeo": _STRING,
    "video/youtube": _STRING,
}

SCHEMAS: dict[str, Schema] = {
    **{f"{kind}/{unit}": _NUMBER for kind, *units in map(str.split, _NUMBERS.split(";")) for unit in units},
    **_OTHERS,
}

_validators: dict[str, Validator] = {}


def is_series(event_type: str) -> bool:
    """Whether events of the type are series of points."""
    return event_type.startswith(SERIES_PREFIX)


def check_type(event_type: str) -> None:
    """Refuse a series of an unknown type.

    Raises:
        ApiError: ``invalid-event-type``.
    """
    if is_series(event_type) and event_type.removeprefix(SERIES_PREFIX) not in SCHEMAS:
        raise ApiError(
            400,
            "invalid-event-type",
            f"Event type '{event_type}' not allowed for High-Frequency Series. Please use a predefined simple type",
            {"type": event_type},
        )


def check_content(event_type: str, content: Any) -> None:
    """Refuse content that does not match the schema of a known type.

    Raises:
        ApiError: ``invalid-parameters-format``, with the list of problems.
    """
    if event_type not in SCHEMAS:
        return
    if event_type not in _validators:
        _validators[event_type] = Validator(SCHEMAS[event_type])
    _validators[event_type].check(content, "The event content's format is invalid.")


def series_content(event_type: str) -> dict[str, Any]:
    """The content of a series event, which describes the fields of its points."""
    element = event_type.removeprefix(SERIES_PREFIX)
    schema = SCHEMAS[element]
    is_object = schema["type"] == "object"
    fields = list(schema["properties"]) if is_object else ["value"]
    required = schema["required"] if is_object else ["value"]
    return {"elementType": element, "fields": ["deltaTime", *fields], "required": ["deltaTime", *required]}


def field_kinds(event_type: str) -> dict[str, str]:
    """The JSON types of the fields of a series' points, by name."""
    schema = SCHEMAS[event_type.removeprefix(SERIES_PREFIX)]
    properties = schema["properties"] if schema["type"] == "object" else {"value": schema}
    return {name: properties[name].get("type", "string") for name in properties}
