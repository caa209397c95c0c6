"""When a job that failed is tried again. Pure: knows no database and no clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from praxino.jobs.job import Reason

MAX_DELAY_SECONDS = 3600.0


@dataclass(frozen=True)
class RetryPolicy:
    """How often each reason is forgiven, and how long to wait before the next attempt."""

    crash_attempts: int = 3
    storage_attempts: int = 5
    out_of_memory_attempts: int = 2
    """The second one runs on a smaller plan."""
    first_delay_seconds: float = 2.0
    """Before the second attempt; each further one waits four times as long. Out of memory waits for nothing."""

    def delay_seconds(self, reason: Reason, strikes: Mapping[str, int]) -> float | None:
        """Seconds until the next attempt; None when there is none.

        Args:
            reason: why this attempt ended.
            strikes: how often each reason has ended an attempt, this one included.
        """
        allowed = {
            Reason.CRASH: self.crash_attempts,
            Reason.STORAGE: self.storage_attempts,
            Reason.OUT_OF_MEMORY: self.out_of_memory_attempts,
        }.get(reason, 1)
        count = strikes[reason]
        if count >= allowed:
            return None
        if reason is Reason.OUT_OF_MEMORY:
            return 0.0
        return min(self.first_delay_seconds * 4 ** (count - 1), MAX_DELAY_SECONDS)
