"""The command line, and the functions that the commands of other packages share with it.

Exit codes: 0 done, 2 usage, 69 the platform is out of reach, 75 locked or try again later, 77 refused, 130 interrupted,
1 anything else. `run` returns them.
"""

from __future__ import annotations

TYPE_CHECKING = False  # as in `pryv`: entry points import this
if TYPE_CHECKING:
    from typing import Any

    from pryv.cli._commands import main
    from pryv.cli._credentials import connect
    from pryv.cli._csv import write_csv
    from pryv.cli._export import add_export_options, export_events
    from pryv.cli._interrupts import on_terminate
    from pryv.cli._options import (
        add_common_options,
        add_endpoint_option,
        count,
        file_path,
        json_object,
        seconds,
    )
    from pryv.cli._output import on_terminal, write_json, write_json_array, write_json_lines
    from pryv.cli._program import Command, Program, add_commands
    from pryv.cli._run import exit_code, run, say
    from pryv.cli._start import start
    from pryv.cli._tables import Column, write_table

__all__ = [
    "Column",
    "Command",
    "Program",
    "add_commands",
    "add_common_options",
    "add_endpoint_option",
    "add_export_options",
    "connect",
    "count",
    "exit_code",
    "export_events",
    "file_path",
    "json_object",
    "main",
    "on_terminal",
    "on_terminate",
    "run",
    "say",
    "seconds",
    "start",
    "write_csv",
    "write_json",
    "write_json_array",
    "write_json_lines",
    "write_table",
]

_LATER = {
    "Column": "_tables",
    "Command": "_program",
    "Program": "_program",
    "add_commands": "_program",
    "add_common_options": "_options",
    "add_endpoint_option": "_options",
    "add_export_options": "_export",
    "connect": "_credentials",
    "count": "_options",
    "exit_code": "_run",
    "export_events": "_export",
    "file_path": "_options",
    "json_object": "_options",
    "main": "_commands",
    "on_terminal": "_output",
    "on_terminate": "_interrupts",
    "run": "_run",
    "say": "_run",
    "seconds": "_options",
    "start": "_start",
    "write_csv": "_csv",
    "write_json": "_output",
    "write_json_array": "_output",
    "write_json_lines": "_output",
    "write_table": "_tables",
}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"pryv.cli.{_LATER[name]}"), name)
    return value
