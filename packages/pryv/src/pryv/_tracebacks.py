"""Remove frames with secrets from exceptions: some programs log tracebacks with the values of variables."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


def without_frames(function: Callable[P, T]) -> Callable[P, T]:
    """Remove the frames of called functions, and the function's own arguments, from the exceptions of a function.

    Args:
        function: A function whose arguments or variables contain secrets, such as keys.
    """

    @functools.wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return function(*args, **kwargs)
        except BaseException as error:  # noqa: BLE001  (it is raised again)
            raised = error.with_traceback(None)
            raised.__cause__ = raised.__context__ = None
        del args, kwargs
        try:
            raise raised
        finally:
            del raised  # or it would keep this frame alive

    return wrapper
