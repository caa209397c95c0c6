"""What a run gives: frames, and the sound that belongs to them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from praxino.media.sound import Sound


@dataclass(frozen=True, eq=False)
class Drawn:
    """One sample."""

    frames: np.ndarray
    """(F, H, W, 3) uint8 RGB."""
    sound: Sound | None = None
