"""The public methods of a class."""

from __future__ import annotations

from collections.abc import Iterator

from pryv import resources

RESOURCES = {name.lower(): getattr(resources, name) for name in resources.__all__}


def public_calls(cls: type) -> Iterator[str]:
    """The public names of a class, and of a connection's resources those of their methods: `events.create`."""
    for name in dir(cls):
        if name in RESOURCES:
            yield from (f"{name}.{method}" for method in dir(RESOURCES[name]) if not method.startswith("_"))
        elif not name.startswith("_"):
            yield name
