"""Owns the size and length that each clip is trained at, on the grid of what the model draws. Pure arithmetic.

A bucket is what can stand in one batch: the same frames, height and width.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from praxino.errors import UserError
from praxino.families import Variant
from praxino.training.tuning.settings import Extraction, Tuning

SHORTEST_SIDE_SHARE = 0.5
"""A clip that would have to be drawn more than twice as large as it is, is not used."""
TOLERATED_ASPECT = 2.0
"""A clip that would lose more than half of its picture by cropping is not used."""


@dataclass(frozen=True, order=True)
class Bucket:
    """Frames, height and width of a piece."""

    num_frames: int
    height: int
    width: int

    @property
    def num_pixels(self) -> int:
        """Of all frames."""
        return self.num_frames * self.height * self.width

    def __str__(self) -> str:
        return f"{self.width}x{self.height}, {self.num_frames} frame{'s' * (self.num_frames > 1)}"


@dataclass(frozen=True)
class Piece:
    """Which frames of a clip are one example."""

    frames: tuple[int, ...]
    """Indices into the clip's frames."""
    bucket: Bucket


def pieces(shape: tuple[int, int, int], fps: float, variant: Variant, tuning: Tuning) -> list[Piece]:
    """The examples that a clip of (frames, height, width) gives.

    Raises:
        UserError: it is too small or too narrow for the model; the message says it in a few words.
    """
    count, height, width = shape
    size = _size(width, height, variant, tuning)
    indices = at_hand(count, fps, variant, tuning.extraction)
    longest = min(tuning.frames or variant.num_frames, variant.grid.max_frames)
    length = fitting(min(len(indices), longest), variant.grid.frame_step)
    bucket = Bucket(length, size[1], size[0])
    return [
        Piece(tuple(indices[i] for i in chosen), bucket) for chosen in _chosen(len(indices), length, tuning.extraction)
    ]


def at_hand(count: int, fps: float, variant: Variant, extraction: Extraction) -> list[int]:
    """The frames of a clip to choose from: at the model's rate; of a model of pictures all, or pieces of a second."""
    if count == 1 or (variant.num_frames == 1 and extraction != "pieces"):
        return list(range(count))
    return retimed(count, fps, variant.fps)


def retimed(count: int, fps: float, wanted: float) -> list[int]:
    """For each frame at the wanted rate, the frame of the clip that is shown then."""
    length = max(1, round(count / fps * wanted))
    return [min(count - 1, math.floor((i + 0.5) * fps / wanted)) for i in range(length)]


def fitting(count: int, step: int) -> int:
    """The longest clip of step * k + 1 frames that has no more than `count`."""
    return (count - 1) // step * step + 1


def _chosen(count: int, length: int, extraction: Extraction) -> list[list[int]]:
    if extraction == "spread":
        return [np.linspace(0, count - 1, length).round().astype(int).tolist()]
    if extraction == "pieces":
        return [list(range(start, start + length)) for start in range(0, count - length + 1, length)]
    start = (count - length) // 2 if extraction == "middle" else 0
    return [list(range(start, start + length))]


def _size(width: int, height: int, variant: Variant, tuning: Tuning) -> tuple[int, int]:
    """The width and height that a clip is brought to."""
    candidates = [asked(tuning.size, variant)] if tuning.size else sizes(variant)
    aspect = width / height
    best = min(candidates, key=lambda size: (abs(math.log(size[0] / size[1] / aspect)), size))
    cut = math.exp(abs(math.log(best[0] / best[1] / aspect)))
    if cut > TOLERATED_ASPECT:
        raise UserError(f"its aspect {width}x{height} is far from {best[0]}x{best[1]}, the nearest that is trained")
    if min(width / best[0], height / best[1]) < SHORTEST_SIDE_SHARE:
        raise UserError(
            f"{width}x{height} pixels are too few for {best[0]}x{best[1]}; give a larger one, or set a smaller size"
        )
    return best


def asked(text: str, variant: Variant) -> tuple[int, int]:
    """The size that the settings ask for. Raises UserError when the model does not draw it."""
    width, _, height = text.partition("x")
    if not (width.isdecimal() and height.isdecimal()):
        raise UserError(f"size is {text!r}; write WIDTHxHEIGHT, as in {variant.width}x{variant.height}.")
    size, grid = (int(width), int(height)), variant.grid
    if grid.sizes and size not in grid.sizes:
        raise UserError(f"size is {text}; {variant.name} draws {', '.join(f'{w}x{h}' for w, h in grid.sizes)}.")
    for side in size:
        if side % grid.size_multiple or not grid.min_side <= side <= grid.max_side:
            raise UserError(
                f"size is {text}; sides are multiples of {grid.size_multiple} from {grid.min_side} to {grid.max_side}."
            )
    return size


def sizes(variant: Variant) -> list[tuple[int, int]]:
    """The sizes of the model's own area, from 1:2 to 2:1."""
    grid = variant.grid
    if grid.sizes or grid.buckets:
        return list(grid.sizes or grid.buckets)
    area, step = variant.width * variant.height, grid.size_multiple
    found = []
    for width in range(math.ceil(grid.min_side / step) * step, grid.max_side + 1, step):
        height = math.floor(area / width / step + 0.5) * step
        if grid.min_side <= height <= grid.max_side and 0.5 <= width / height <= 2:
            found.append((width, height))
    return found or [(variant.width, variant.height)]


def fitted(frames: np.ndarray, bucket: Bucket) -> np.ndarray:
    """Frames scaled (Lanczos) to cover a bucket's size and cropped in the middle: (F, height, width, 3) uint8."""
    from PIL import Image

    height, width = frames.shape[1:3]
    if (height, width) == (bucket.height, bucket.width):
        return frames
    scale = max(bucket.width / width, bucket.height / height)
    across, down = max(bucket.width, round(width * scale)), max(bucket.height, round(height * scale))
    left, top = (across - bucket.width) // 2, (down - bucket.height) // 2
    box = (left, top, left + bucket.width, top + bucket.height)
    resized = [
        np.asarray(Image.fromarray(frame).resize((across, down), Image.Resampling.LANCZOS).crop(box))
        for frame in frames
    ]
    return np.stack(resized)
