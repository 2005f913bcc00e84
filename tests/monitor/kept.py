"""Functions to write to a mirror without a platform, and to read it as another process or user."""

import json
import os
import signal
import sys
from collections.abc import Callable, Iterable
from types import FrameType, ModuleType
from typing import Any

import pytest

from pryv_monitor import Anchor, FileAnchorStore, MemoryAnchorStore, SQLiteMirror

STREAM = {"id": "pulse", "name": "Pulse", "children": []}
NOBODY = 65534

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


def event(number: int, **fields: Any) -> dict[str, Any]:
    """An event as the platform sends it."""
    return {
        "id": f"event-{number}",
        "time": float(number),
        "modified": float(number),
        "streamIds": ["pulse"],
        "type": "count/generic",
        "content": number,
        **fields,
    }


def take_in(
    mirror: SQLiteMirror,
    events: Iterable[dict[str, Any]] = (),
    deletions: Iterable[dict[str, Any]] = (),
    streams: Iterable[dict[str, Any]] = (STREAM,),
) -> list[dict[str, Any]]:
    """Applies changes as a pass does, and commits them; returns the events and deletions that were new."""
    anchor, new = Anchor("fingerprint", 1.0), []
    tree = list(streams)
    transaction = mirror.begin(anchor, 1.0)
    transaction.apply("streams", [(tree, json.dumps(tree))])
    for kind, items in (("event", events), ("eventDelete", deletions)):
        texts = [(item, json.dumps(item)) for item in items]
        new += transaction.apply(kind, texts) if texts else []  # type: ignore[arg-type]
    transaction.commit(anchor)
    return new


def filled(mirror: SQLiteMirror, count: int = 3) -> SQLiteMirror:
    """A mirror with a number of events."""
    with mirror.lock():
        take_in(mirror, (event(number) for number in range(count)))
    return mirror


def killed_while(mirror: SQLiteMirror, act: Callable[[], object]) -> None:
    """Runs an action in a process with the lock, and kills it before it releases the lock."""
    pid = os.fork()
    if pid == 0:
        try:
            with mirror.lock():
                act()
                os.kill(os.getpid(), signal.SIGKILL)
        finally:
            os._exit(70)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL


def killed_at(step: int, act: Callable[[], object], *modules: ModuleType) -> bool:
    """Lets a process do something, and kills it before it comes to so many lines of modules; tells whether it did."""
    files = {module.__file__ for module in modules}
    left = step

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal left
        if frame.f_code.co_filename not in files:
            return None
        left -= event == "line"
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)
        return trace

    pid = os.fork()
    if pid == 0:
        sys.settrace(trace)
        act()
        os._exit(0)
    return os.waitpid(pid, 0)[1] == signal.SIGKILL


def as_somebody_else(look: Callable[[], object]) -> str:
    """What a process without rights of its own sees: the text of a result, or of an exception with its name."""
    source, sink = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            seen = repr(look())
        except BaseException as error:  # noqa: BLE001
            seen = f"{type(error).__name__}: {error}"
        os.write(sink, seen.encode())
        os._exit(0)
    os.close(sink)
    with open(source) as file:
        seen = file.read()
    os.waitpid(pid, 0)
    return seen


def save(store: FileAnchorStore | MemoryAnchorStore | SQLiteMirror, anchor: Anchor) -> None:
    """Saves an anchor in a store, or commits it to a mirror; it has the lock."""
    if isinstance(store, SQLiteMirror):
        store.begin(anchor, 1.0).commit(anchor)
    else:
        store.save(anchor)
