"""Add-ons, found when they are asked for."""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from typing import Any

from pryv._transport.settings import wrong_key_log
from pryv.errors import MissingAddonError, PryvError

_GROUP = "pryv.addons"


def load_addon(name: str, usual: str, purpose: str) -> Any:
    """Return what an add-on offers under a name of the entry point group `pryv.addons`.

    Args:
        name: The entry point's name.
        usual: Where it usually leads: a module, or `module:object`.
        purpose: What needs it, for the message.

    Raises:
        MissingAddonError: it is not installed.
        PryvError: it cannot be imported.
    """
    # A frozen program may have the module without the metadata that announces it:
    # https://pyinstaller.org/en/stable/hooks.html#PyInstaller.utils.hooks.copy_metadata
    unannounced = EntryPoint(name=name, value=usual, group=_GROUP)
    addon = next(iter(entry_points(group=_GROUP, name=name)), unannounced)
    try:
        return addon.load()
    except ModuleNotFoundError as error:
        if error.name != addon.module:
            raise
    except OSError as error:  # python-socketio imports aiohttp, if it is there, which opens SSLKEYLOGFILE
        raise PryvError(f"{purpose} an add-on, which cannot be imported: {wrong_key_log() or error}") from None
    raise MissingAddonError(f"{purpose} an add-on: pip install {unannounced.module.replace('_', '-')}")
