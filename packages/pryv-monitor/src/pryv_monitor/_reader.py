"""Reads on the calling thread, or on another one, so that the wait can be interrupted."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from queue import SimpleQueue
from typing import Any, Generic, TypeVar

T = TypeVar("T")

_END = object()


class StoppedError(Exception):
    """The monitor was stopped."""


class Reader:
    """Reads on the calling thread."""

    def read(self, source: Callable[[], Iterable[T]]) -> Iterator[T]:
        """Yield the items of what `source` returns.

        Raises:
            StoppedError: the reader was interrupted.
        """
        yield from source()

    def call(self, function: Callable[[], T]) -> T:
        """Return what a function returns.

        Raises:
            StoppedError: the reader was interrupted.
        """
        (result,) = self.read(lambda: [function()])
        return result

    def interrupt(self) -> None:
        """Do nothing: a read on the calling thread cannot be interrupted."""

    def close(self) -> None:
        """Do nothing: there is no thread."""


class InterruptibleReader(Reader):
    """Reads on its own thread, while one other thread waits: two busy threads would slow each other down."""

    def __init__(self) -> None:
        self._jobs: SimpleQueue[_Job[Any] | None] = SimpleQueue()
        self._job: _Job[Any] | None = None
        self._interrupted = False
        threading.Thread(target=_work, args=(self._jobs,), name="pryv-monitor-reader", daemon=True).start()

    def read(self, source: Callable[[], Iterable[T]]) -> Iterator[T]:
        """Yield the items of what `source` returns. They are read on the reader's thread.

        Raises:
            StoppedError: the reader was interrupted.
        """
        job = self._job = _Job(source)
        if self._interrupted:
            raise StoppedError
        self._jobs.put(job)
        try:
            yield from job.items()
        finally:
            job.abandon()

    def interrupt(self) -> None:
        """Raise `StoppedError` where an item is waited for, now or later."""
        self._interrupted = True
        job = self._job
        if job is not None:
            job.fail(StoppedError())

    def close(self) -> None:
        """End the reader's thread after its last job."""
        self._jobs.put(None)


class _Job(Generic[T]):
    def __init__(self, source: Callable[[], Iterable[T]]) -> None:
        self._source = source
        self._out: SimpleQueue[Any] = SimpleQueue()
        self._asked: SimpleQueue[None] = SimpleQueue()
        self._abandoned = False

    def run(self) -> None:
        try:
            for item in self._source():
                self._out.put(item)
                self._asked.get()
                if self._abandoned:
                    return
        except BaseException as error:  # noqa: BLE001  (raised on the thread that waits)
            self.fail(error)
        else:
            self._out.put(_END)

    def fail(self, error: BaseException) -> None:
        self._out.put(_Failure(error))

    def items(self) -> Iterator[T]:
        while (item := self._out.get()) is not _END:
            if isinstance(item, _Failure):
                raise item.error
            yield item
            self._asked.put(None)

    def abandon(self) -> None:
        self._abandoned = True
        self._asked.put(None)


class _Failure:
    def __init__(self, error: BaseException) -> None:
        self.error = error


def _work(jobs: SimpleQueue[_Job[Any] | None]) -> None:
    while (job := jobs.get()) is not None:
        job.run()
        del job
