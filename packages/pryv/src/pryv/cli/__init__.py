"""The command line, and what the commands of other packages share with it.

Exit codes: 0 done, 2 usage, 69 the platform is out of reach, 75 locked or try again later, 77 refused, 130 interrupted,
1 anything else. `run` sees to them.
"""

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

__all__ = [
    "add_endpoint_option",
    "connect",
    "exit_code",
    "main",
    "run",
    "say",
    "write_json",
    "write_json_array",
    "write_json_lines",
]
