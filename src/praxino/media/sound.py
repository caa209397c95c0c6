"""Sound as samples, and what is done to it: cut, put behind one another. Knows no file and no recipe."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Sound:
    """A piece of sound."""

    samples: np.ndarray
    """(C, N) float32 in [-1, 1]; C is 1 or 2."""
    sample_rate: int
    """Samples per second."""

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return self.samples.shape[1] / self.sample_rate

    def part(self, start_seconds: float, seconds: float) -> Sound:
        """As long as asked for, from a time on; silence stands before it begins (times below 0) and after it ends."""
        start, count = round(start_seconds * self.sample_rate), round(seconds * self.sample_rate)
        kept = self.samples[:, max(0, start) : max(0, start + count)]
        before = min(count, max(0, -start))
        after = count - before - kept.shape[1]
        return Sound(np.pad(kept, ((0, 0), (before, after))), self.sample_rate)


def in_a_row(sounds: list[Sound]) -> Sound:
    """Sounds of one sample rate and number of channels, one after another."""
    return Sound(np.concatenate([sound.samples for sound in sounds], axis=1), sounds[0].sample_rate)
