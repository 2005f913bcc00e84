"""Callbacks are called, and what they return is not looked at: those whose call would do nothing are refused."""

from __future__ import annotations

import functools
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any
from unittest.mock import AsyncMock

import pytest

from pryv.addons import require_callback


async def coroutine(_: Any) -> None: ...


async def asynchronous_generator(_: Any) -> AsyncIterator[None]:
    yield


def generator(_: Any) -> Iterator[None]:
    yield


class Asynchronous:
    async def __call__(self, _: Any) -> None: ...

    async def method(self, _: Any) -> None: ...


class Generator:
    def __call__(self, _: Any) -> Iterator[None]:
        yield


@pytest.mark.parametrize(
    "callback",
    [
        coroutine,
        asynchronous_generator,
        generator,
        functools.partial(coroutine, 1),
        functools.partial(generator, 1),
        Asynchronous(),
        Asynchronous().method,
        Generator(),
        AsyncMock(),
    ],
)
def test_coroutine_and_generator_functions_are_refused(callback: Callable[..., Any]) -> None:
    with pytest.raises(TypeError, match=r"the callback is a (coroutine|generator) function"):
        require_callback(callback, "the callback")


class Called:
    def __call__(self, _: Any) -> None: ...

    def method(self, _: Any) -> None: ...


@pytest.mark.parametrize(
    "callback",
    [print, [].append, set().add, dict, Called, Called(), Called().method, threading.Event().set, lambda _: None],
)
def test_any_other_callable_is_accepted(callback: Callable[..., Any]) -> None:
    require_callback(callback, "callback")
    require_callback(functools.partial(callback, 1), "callback")
