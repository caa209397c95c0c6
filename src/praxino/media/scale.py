"""Frames at another size. Knows no file."""

from __future__ import annotations

import numpy as np
from PIL import Image


def resized(frames: np.ndarray, width: int, height: int) -> np.ndarray:
    """(F, H, W, 3) uint8 frames at `width` x `height`, by Lanczos; the very same where they are of that size."""
    if frames.shape[1:3] == (height, width):
        return frames
    size = (width, height)
    return np.stack([np.asarray(Image.fromarray(frame).resize(size, Image.Resampling.LANCZOS)) for frame in frames])
