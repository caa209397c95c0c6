"""How often a key may ask: a token bucket for each, in this process's memory."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class Rates:
    """Buckets that hold a minute's requests and fill evenly (the generic cell rate algorithm, ITU-T I.371)."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._full_at: dict[str, float] = {}
        self._lock = threading.Lock()

    def take(self, name: str, per_minute: int) -> float:
        """Take one request out of a bucket.

        Returns:
            0 when there was one, else the seconds until there is.
        """
        interval = 60.0 / per_minute
        with self._lock:
            now = self._clock()
            full_at = max(self._full_at.get(name, now), now)
            wait = full_at + interval - now - 60.0
            if wait > 1e-9:
                return wait
            self._full_at[name] = full_at + interval
            return 0.0
