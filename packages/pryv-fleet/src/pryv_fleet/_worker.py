"""A worker: threads that pass accounts, and a loop that claims them."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from queue import Empty, SimpleQueue
from typing import Final

from pryv_fleet._leases import Claim, Finish, Leases
from pryv_fleet._passes import Outcome, Passes, backoff
from pryv_fleet.errors import DatabaseError

_LONGEST_WAIT: Final = 1.0
"""Seconds between two looks at what is due: a wake is noticed within this time."""
_TOGETHER: Final = 0.02
"""Seconds in which outcomes are collected: to wake for each of them costs more than to write them."""
_LEAST_AHEAD: Final = 8
"""Accounts that may wait in memory, however few threads there are."""
_AHEAD: Final = 0.1
"""Seconds of passes that may wait in memory. Quick passes then need few statements, and slow ones hold no leases."""
_BETWEEN_LOOKS: Final = 0.05
"""Seconds between two looks while accounts are passed."""
_LONGEST_BACKOFF: Final = 30.0
"""Seconds between two tries to reach PostgreSQL."""
_log = logging.getLogger("pryv_fleet")


class Worker:
    """Claims accounts that are due, passes them on threads, and writes the outcomes.

    It claims several accounts at once, and writes several outcomes at once, so that few statements are needed for each.
    It claims more before none is left, so that no thread waits for PostgreSQL. As many accounts may wait in memory as
    there are threads, or as are passed in a tenth of a second: a lease is used soon.

    Args:
        leases: Claims accounts, and writes outcomes.
        passes: Makes a pass.
        threads: The number of threads.
        observe: Called with each outcome, on the thread that runs the worker.
        platform: The platform whose accounts are passed; `None` for all.
        limit: The number of accounts after which it ends.
        follows: Whether it goes on to accounts that are due later.
        is_stopped: Whether it should end; accounts in a pass are waited for.
    """

    def __init__(
        self,
        leases: Leases,
        passes: Passes,
        *,
        threads: int,
        observe: Callable[[Outcome], object],
        platform: str | None = None,
        limit: float = math.inf,
        follows: bool = False,
        is_stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        self._leases = leases
        self._passes = passes
        self._threads = threads
        self._ahead = self._least_ahead = max(threads, _LEAST_AHEAD)
        self._passed, self._claimed = 0, time.monotonic()
        self._observe = observe
        self._platform = platform
        self._left = limit
        self._follows = follows
        self._is_stopped = is_stopped
        self._claims: SimpleQueue[Claim | None] = SimpleQueue()
        self._outcomes: SimpleQueue[Outcome] = SimpleQueue()
        self._outstanding = 0
        self._finishes: list[Finish] = []
        self._released: list[Claim] = []
        self._has_more = True
        self._next_look = 0.0
        self._until: datetime | None = None

    def run(self) -> None:
        """Pass accounts until none is left that was due at the start, the limit is reached, or it is stopped.

        Raises:
            DatabaseError: PostgreSQL cannot be reached, and the worker does not follow.
        """
        self._until = None if self._follows else self._leases.now()
        threads = [
            threading.Thread(target=self._work, name=f"pryv-fleet-{number}", daemon=True)
            for number in range(int(min(self._threads, self._left)))
        ]
        for thread in threads:
            thread.start()
        try:
            self._loop()
        finally:
            self._end(threads)

    def _work(self) -> None:
        while (claim := self._claims.get()) is not None:
            self._outcomes.put(self._passes.make(claim))

    def _loop(self) -> None:
        failures = 0
        while True:
            try:
                if not self._step():
                    return
                failures = 0
            except DatabaseError as error:
                self._take_back_claims()
                if not self._follows or not error.retryable or self._is_stopped():
                    raise
                failures += 1
                _log.warning("%s; trying again", error)
                self._wait(min(backoff(failures), _LONGEST_BACKOFF))
            self._collect()

    def _step(self) -> bool:
        """Write outcomes and claim accounts, if it is time; return whether the worker goes on."""
        is_stopped = self._is_stopped()
        if is_stopped:
            self._take_back_claims()
        goes_on = not is_stopped and self._left > 0
        wants = goes_on and self._outstanding <= self._threads + self._ahead // 2
        is_time = not self._outstanding or time.monotonic() >= self._next_look
        if is_time or (wants and self._has_more):
            self._next_look = time.monotonic() + _BETWEEN_LOOKS
            self._write()
            if wants:
                self._claim()
        return self._outstanding > 0 or (goes_on and self._waits())

    def _claim(self) -> None:
        now = time.monotonic()
        self._ahead = max(self._least_ahead, int(_AHEAD * self._passed / max(now - self._claimed, _TOGETHER)))
        self._passed, self._claimed = 0, now
        wanted = int(min(self._left, self._threads + self._ahead - self._outstanding))
        claims = self._leases.claim(wanted, self._platform, self._until)
        self._has_more = len(claims) == wanted
        self._left -= len(claims)
        self._outstanding += len(claims)
        for claim in claims:
            self._claims.put(claim)

    def _waits(self) -> bool:
        """Wait until an account may be claimed; return whether the worker goes on."""
        seconds = self._leases.seconds_until_next(_LONGEST_WAIT, self._until)
        is_paced = seconds is not None and seconds <= 0 and self._leases.is_paced
        if not self._follows and not is_paced:
            return False
        self._wait(_LONGEST_WAIT if seconds is None else min(max(seconds, _BETWEEN_LOOKS), _LONGEST_WAIT))
        return True

    def _wait(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while not self._is_stopped() and (left := end - time.monotonic()) > 0:
            time.sleep(min(left, _BETWEEN_LOOKS))

    def _collect(self) -> None:
        """Wait for an outcome, if one is to come, and take all that are there."""
        if not self._outstanding:
            return
        with suppress(Empty):
            self._take(self._outcomes.get(timeout=_BETWEEN_LOOKS))
            time.sleep(_TOGETHER)
            while True:
                self._take(self._outcomes.get_nowait())

    def _take(self, outcome: Outcome) -> None:
        self._keep(outcome)
        self._observe(outcome)

    def _keep(self, outcome: Outcome) -> None:
        self._outstanding -= 1
        self._passed += 1
        if outcome.finish is None:
            self._released.append(outcome.claim)
        else:
            self._finishes.append(outcome.finish)

    def _write(self) -> None:
        """Write the outcomes of passes, before more are claimed. They are kept until PostgreSQL has taken them."""
        if self._finishes:
            self._leases.finish(self._finishes)
            self._finishes = []
        if self._released:
            self._leases.release(self._released)
            self._released = []

    def _end(self, threads: Sequence[threading.Thread]) -> None:
        """Complete the passes that have begun. After an exception, end the leases that are left."""
        self._take_back_claims()
        for _ in threads:
            self._claims.put(None)
        for thread in threads:
            thread.join()
        with suppress(Empty):
            while True:
                self._keep(self._outcomes.get_nowait())
        with suppress(DatabaseError):  # then the leases end by themselves
            self._write()

    def _take_back_claims(self) -> None:
        """End the leases of accounts whose pass has not begun."""
        with suppress(Empty):
            while True:
                claim = self._claims.get_nowait()
                if claim is not None:
                    self._outstanding -= 1
                    self._released.append(claim)
