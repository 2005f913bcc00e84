"""Limits in size and rate: how they are given."""

from __future__ import annotations

import pickle
from typing import Any

import attrs
import pytest
from tests.pryv.conftest import Wire

from pryv import Connection, Limits, Service, addons

SIZES = ["response", "event", "frame"]


@pytest.mark.parametrize("name", SIZES)
@pytest.mark.parametrize("value", ["1", 1.0, True, float("inf"), object()])
def test_a_size_is_a_whole_number(name: str, value: Any) -> None:
    with pytest.raises(TypeError, match=rf"Limits\.{name}"):
        Limits(**{name: value})


@pytest.mark.parametrize("name", SIZES)
@pytest.mark.parametrize("value", [0, -1])
def test_a_size_is_positive(name: str, value: int) -> None:
    with pytest.raises(ValueError, match=rf"Limits\.{name}"):
        Limits(**{name: value})


@pytest.mark.parametrize("value", ["1", None, True])
def test_a_rate_is_a_number(value: Any) -> None:
    with pytest.raises(TypeError, match="rate"):
        Limits(rate=value)


@pytest.mark.parametrize("value", [-1, float("inf"), float("nan")])
def test_a_rate_is_finite(value: float) -> None:
    with pytest.raises(ValueError, match="rate"):
        Limits(rate=value)


@pytest.mark.parametrize("limits", [None, 5, {"response": 5}, Limits])
def test_limits_are_limits(limits: Any) -> None:
    for make in (Connection, Service):
        with pytest.raises(TypeError, match="Limits"):
            make("https://host/", limits=limits)


def test_limits_go_from_a_service_to_its_connections_and_back() -> None:
    limits = Limits(response=1000, event=None)
    with Service("https://host/service/info", limits=limits) as service:
        assert addons.limits(service._connection("https://token@host/")) is limits
    with Connection("https://token@host/", limits=limits) as connection:
        assert addons.limits(connection.service._connection("https://token@host/")) is limits
        assert addons.limits(pickle.loads(pickle.dumps(connection))) == limits


def test_limits_have_defaults(wire: Wire) -> None:
    with wire.connection() as connection:
        assert addons.limits(connection) == Limits()
    assert all(attrs.asdict(Limits()).values())
