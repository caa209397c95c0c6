"""Progress, as the engine reports it. One event type; whoever shows it (terminal, server, page) decides how."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

Stage = Literal["load", "encode", "denoise", "decode"]


@dataclass(frozen=True)
class StepEvent:
    """One step of work has ended.

    `step` counts from 1 to `num_steps` within `stage`; `sample` from 0. `seconds` is the time since the stage began.
    """

    stage: Stage
    step: int
    num_steps: int
    seconds: float
    sample: int = 0
    num_samples: int = 1
    preview: Callable[[], np.ndarray] | None = None
    """Draws a small preview frame, (h, w, 3) uint8, on demand: nothing is computed unless it is called."""

    note: str = ""
    """What people should be told: that memory ran out, and how the run goes on."""

    @property
    def seconds_left(self) -> float:
        """The stage's remaining seconds at the pace so far."""
        return self.seconds / self.step * (self.num_steps - self.step)


OnStep = Callable[[StepEvent], None]
"""Called after each step; raise `praxino.errors.Cancelled` to stop the run."""
