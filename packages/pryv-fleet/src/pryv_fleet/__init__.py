"""Fleet add-on of the Pryv.io SDK for Python: many accounts in one PostgreSQL database.

A name's module is imported when the name is first used, as in `pryv`.
"""

from __future__ import annotations

from pryv import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pryv_fleet.accounts import Account
    from pryv_fleet.embedded import EmbeddedPostgres
    from pryv_fleet.errors import BusyError, DatabaseError, FleetError, RefusedError
    from pryv_fleet.fleet import Fleet
    from pryv_fleet.metrics import FleetMetrics
    from pryv_fleet.mirror import PostgresMirror
    from pryv_fleet.pacing import Pacing
    from pryv_fleet.reports import ExportReport, FleetReport, FleetStatus, PlatformStatus, WebhooksReport
    from pryv_fleet.secrets import Secrets, dsn_from_environment, generate_key

__all__ = [
    "Account",
    "BusyError",
    "DatabaseError",
    "EmbeddedPostgres",
    "ExportReport",
    "Fleet",
    "FleetError",
    "FleetMetrics",
    "FleetReport",
    "FleetStatus",
    "Pacing",
    "PlatformStatus",
    "PostgresMirror",
    "RefusedError",
    "Secrets",
    "WebhooksReport",
    "__version__",
    "dsn_from_environment",
    "generate_key",
]

_LATER = {
    "Account": "pryv_fleet.accounts",
    "EmbeddedPostgres": "pryv_fleet.embedded",
    "BusyError": "pryv_fleet.errors",
    "DatabaseError": "pryv_fleet.errors",
    "FleetError": "pryv_fleet.errors",
    "RefusedError": "pryv_fleet.errors",
    "Fleet": "pryv_fleet.fleet",
    "PostgresMirror": "pryv_fleet.mirror",
    "Pacing": "pryv_fleet.pacing",
    "FleetReport": "pryv_fleet.reports",
    "FleetStatus": "pryv_fleet.reports",
    "PlatformStatus": "pryv_fleet.reports",
    "ExportReport": "pryv_fleet.reports",
    "WebhooksReport": "pryv_fleet.reports",
    "FleetMetrics": "pryv_fleet.metrics",
    "Secrets": "pryv_fleet.secrets",
    "dsn_from_environment": "pryv_fleet.secrets",
    "generate_key": "pryv_fleet.secrets",
}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_LATER[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*__all__, *(name for name in globals() if name.startswith("__"))})
