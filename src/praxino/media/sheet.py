"""Lays pictures side by side without resizing them. Pure functions over arrays; knows no file."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

GAP_PX = 4
GAP_COLOUR = 255
"""White, as the page behind most pictures."""


def grid_shape(count: int, width: int, height: int) -> tuple[int, int]:
    """Columns and rows of the fullest grid of `count` cells whose outline is nearest to a square."""

    def badness(columns: int) -> tuple[float, int]:
        rows = math.ceil(count / columns)
        return abs(math.log(columns * width / (rows * height))) + (columns * rows - count) / count, columns

    columns = min(range(1, count + 1), key=badness)
    return columns, math.ceil(count / columns)


def tile(clips: Sequence[np.ndarray]) -> np.ndarray:
    """Several clips as one: left to right, then down, with a thin gap; empty cells have the gap's colour.

    Args:
        clips: clips of one size, (F, H, W, 3 or 4) uint8. A shorter one holds its last frame.

    Returns:
        (max F, H', W', 3 or 4) uint8. The gap is see-through where the clips have an alpha channel.
    """
    num_frames = max(len(clip) for clip in clips)
    height, width, channels = clips[0].shape[1:]
    columns, rows = grid_shape(len(clips), width, height)
    shape = (num_frames, rows * (height + GAP_PX) - GAP_PX, columns * (width + GAP_PX) - GAP_PX, channels)
    tiled = np.full(shape, GAP_COLOUR if channels == 3 else 0, np.uint8)
    for index, clip in enumerate(clips):
        top, left = (index // columns) * (height + GAP_PX), (index % columns) * (width + GAP_PX)
        tiled[: len(clip), top : top + height, left : left + width] = clip
        tiled[len(clip) :, top : top + height, left : left + width] = clip[-1]
    return tiled


def contact_sheet(frames: np.ndarray) -> np.ndarray:
    """The frames of a clip, (F, H, W, 3 or 4) uint8, as one still picture, (1, H', W', 3 or 4) uint8."""
    return tile([frame[None] for frame in frames])
