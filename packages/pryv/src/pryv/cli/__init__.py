"""The command line, and what the commands of other packages share with it.

Exit codes: 0 done, 2 usage, 69 the platform is out of reach, 75 locked or try again later, 77 refused, 130 interrupted,
1 anything else. `run` sees to them.
"""

from __future__ import annotations

TYPE_CHECKING = False  # as in `pryv`: entry points import this
if TYPE_CHECKING:
    from typing import Any

    from pryv.cli._commands import main
    from pryv.cli._frame import (
        add_endpoint_option,
        connect,
        exit_code,
        run,
        say,
        write_json,
        write_json_array,
        write_json_lines,
    )
    from pryv.cli._start import start

__all__ = [
    "add_endpoint_option",
    "connect",
    "exit_code",
    "main",
    "run",
    "say",
    "start",
    "write_json",
    "write_json_array",
    "write_json_lines",
]

_MODULES = {"main": "_commands", "start": "_start"}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"pryv.cli.{_MODULES.get(name, '_frame')}"), name)
    return value
