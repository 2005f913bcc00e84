"""Fleet add-on of the Pryv.io SDK for Python: many accounts in one PostgreSQL database.

A name's module is imported when the name is first used, as in `pryv`.
"""

from __future__ import annotations

from pryv import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pryv_fleet.embedded import EmbeddedPostgres
    from pryv_fleet.errors import DatabaseError, FleetError
    from pryv_fleet.mirror import PostgresMirror

__all__ = [
    "DatabaseError",
    "EmbeddedPostgres",
    "FleetError",
    "PostgresMirror",
    "__version__",
]

_LATER = {
    "EmbeddedPostgres": "pryv_fleet.embedded",
    "DatabaseError": "pryv_fleet.errors",
    "FleetError": "pryv_fleet.errors",
    "PostgresMirror": "pryv_fleet.mirror",
}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_LATER[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*__all__, *(name for name in globals() if name.startswith("__"))})
