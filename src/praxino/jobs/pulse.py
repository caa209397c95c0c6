"""The thread that keeps a worker alive in others' eyes, off the thread that computes.

It tells the supervisor that the process lives, prolongs the lease, tells the progress, and learns whether to stop. A
database that is away is waited for: an attempt goes on meanwhile, and finds out later whether it is still wanted.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from praxino.jobs.job import Lease, Progress, Signal, StoreUnavailable
from praxino.jobs.store import Store

logger = logging.getLogger(__name__)

TICK_SECONDS = 0.25
PROGRESS_SECONDS = 1.0
"""Least time between two events that tell of progress."""
BEATS_PER_LEASE = 5


@dataclass
class _Held:
    """The lease of the attempt being run. Times are monotonic seconds."""

    lease: Lease
    last_step: float
    next_beat: float
    next_telling: float
    progress: Progress | None = None
    told: Progress | None = None


class Pulse:
    """A thread that beats until it is closed.

    Args:
        store: the queue.
        beat: tells the supervisor that this process lives.
        hang_seconds: an attempt without any step for this long hangs.
        on_hang: called, with the lease, in this thread when it does; it should end the process.
    """

    def __init__(
        self, store: Store, beat: Callable[[], None], hang_seconds: float, on_hang: Callable[[Lease], None]
    ) -> None:
        self._store = store
        self._beat = beat
        self._hang_seconds = hang_seconds
        self._on_hang = on_hang
        self._held: _Held | None = None
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="pulse", daemon=True)
        self.signal = Signal.GO_ON

    def start(self) -> None:
        """Beat once, and go on in the thread."""
        self._beat()
        self._thread.start()

    def close(self) -> None:
        """Stop beating, within a tick."""
        self._closed.set()
        self._thread.join()

    def hold(self, lease: Lease) -> None:
        """An attempt begins: prolong its lease from now on."""
        now = time.monotonic()
        self.signal = Signal.GO_ON
        self._held = _Held(lease, now, now + lease.seconds / BEATS_PER_LEASE, now)

    def release(self) -> None:
        """The attempt has ended."""
        self._held = None

    def step(self, progress: Progress) -> None:
        """A step has ended. Cheap: the news is written by the thread."""
        if (held := self._held) is not None:
            held.last_step = time.monotonic()
            held.progress = progress

    def _run(self) -> None:
        while not self._closed.wait(TICK_SECONDS):
            self._beat()
            if (held := self._held) is not None:
                self._tend(held)

    def _tend(self, held: _Held) -> None:
        if time.monotonic() - held.last_step > self._hang_seconds:
            self._on_hang(held.lease)
        try:
            signal = self._ask(held)
        except StoreUnavailable as problem:
            logger.warning("%s; going on meanwhile", problem)
            return
        if self._held is held:
            self.signal = signal

    def _ask(self, held: _Held) -> Signal:
        now = time.monotonic()
        news = held.progress if held.progress != held.told and now >= held.next_telling else None
        if news is None and now < held.next_beat:
            return self._store.check(held.lease)
        signal = self._store.heartbeat(held.lease, news)
        held.next_beat = now + held.lease.seconds / BEATS_PER_LEASE
        if news is not None:
            held.told, held.next_telling = news, now + PROGRESS_SECONDS
        return signal
