"""Few colours instead of many: palettes, and pictures in them. Pure functions over arrays; knows no file.

A colour is one number, R * 65536 + G * 256 + B, wherever colours are counted or looked up.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

Dither = Literal["none", "ordered"]

_SAMPLE_COLOURS = 16_384
"""More different colours than this are gathered in cells before the palette is fitted."""
_ROUNDS = 6
_CHUNK = 256
"""Points matched at a time: so few that the matrix product stays on this thread."""


def packed(pixels: np.ndarray) -> NDArray[np.uint32]:
    """(..., 3) uint8 as (...) colour numbers."""
    wide = pixels.astype(np.uint32)
    return np.asarray((wide[..., 0] << 16) | (wide[..., 1] << 8) | wide[..., 2], np.uint32)


def unpacked(colours: np.ndarray) -> NDArray[np.uint8]:
    """(...) colour numbers as (..., 3) uint8."""
    return np.stack([colours >> 16 & 255, colours >> 8 & 255, colours & 255], axis=-1).astype(np.uint8)


def fit_palette(pixels: np.ndarray, size: int, finest: float) -> NDArray[np.uint8]:
    """A palette of at most `size` colours for (N, 3) uint8 pixels: their own when these are few enough.

    Otherwise k-means in RGB, begun from a median cut (Heckbert 1982). The same pixels give the same palette.

    Args:
        pixels: (N, 3) uint8.
        size: colours at most.
        finest: colours whose standard deviation is below this are one colour: a ground with some grain takes one
            place in the palette, not half of it.

    Returns:
        (K, 3) uint8, K <= size, sorted.
    """
    colours, counts = np.unique(packed(pixels), return_counts=True)
    if len(colours) <= size:
        return unpacked(colours)
    points, weights = _gathered(unpacked(colours).astype(np.float64), counts.astype(np.float64))
    centres = _median_cut(points, weights, size, finest)
    weighted = [weights * points[:, channel] for channel in range(3)]
    for _ in range(_ROUNDS):
        owner, before = _nearest(points, centres), centres.copy()
        total = np.bincount(owner, weights, len(centres))
        sums = [np.bincount(owner, one, len(centres)) for one in weighted]
        used = total > 0
        centres[used] = np.rint(np.stack(sums, axis=1)[used] / total[used, None])
        if (centres == before).all():
            break
    return unpacked(np.unique(packed(centres.astype(np.uint8))))


class Matcher:
    """Finds the colours of one palette that stand for any colour, and remembers what it found."""

    def __init__(self, palette: NDArray[np.uint8], dither: Dither) -> None:
        """`palette` is (K, 3) uint8.

        Ordered dithering mixes, for each colour, the two palette colours on either side of it, by the fixed pattern of
        an 8x8 Bayer matrix: a colour that the palette holds stays flat, and what does not move does not flicker.
        """
        self.palette, self.dither = palette, dither
        self._found = np.zeros(1 << 24, np.uint32)

    def indices(self, frame: np.ndarray) -> NDArray[np.uint8]:
        """A frame, (H, W, 3) uint8, as indices into the palette, (H, W) uint8."""
        colours = packed(frame)
        found = self._found[colours]
        unknown = np.unique(colours[found == 0])
        if len(unknown):
            self._found[unknown] = self._find(unknown)
            found = self._found[colours]
        near = (found & 255).astype(np.uint8)
        if self.dither == "none":
            return near
        height, width = near.shape
        pattern = np.tile(BAYER, (height // 8 + 1, width // 8 + 1))[:height, :width]
        return np.where(pattern < (found >> 16 & 255), found >> 8 & 255, near).astype(np.uint8)

    def _find(self, colours: NDArray[np.uint32]) -> NDArray[np.uint32]:
        """For each colour: 1, 64ths of the far colour, the far colour's index, the near colour's; a byte each."""
        wanted, table = unpacked(colours).astype(np.float64), self.palette.astype(np.float64)
        near = _nearest(wanted, table)
        missed = wanted - table[near]
        seen = np.flatnonzero((missed**2).sum(axis=1) >= _UNSEEN**2) if self.dither == "ordered" else []
        far, parts = near.copy(), np.zeros(len(near), np.int64)
        if len(seen):
            far[seen] = _nearest(wanted[seen] + missed[seen], table)
            step = table[far[seen]] - table[near[seen]]
            share = (missed[seen] * step).sum(axis=1) / np.maximum((step**2).sum(axis=1), 1)
            parts[seen] = np.rint(np.clip(share, 0, 0.5) * 64)
        return np.asarray(1 << 24 | parts << 16 | far << 8 | near, np.uint32)


_UNSEEN = 3.0
"""Errors below this distance in RGB are not dithered: nobody sees them, and the pattern would cost bytes."""


def _bayer(order: int) -> NDArray[np.uint8]:
    matrix = np.zeros((1, 1), np.uint8)
    for _ in range(order):
        matrix = np.block([[4 * matrix, 4 * matrix + 2], [4 * matrix + 3, 4 * matrix + 1]])
    return matrix


BAYER = _bayer(3)
"""(8, 8), 0 to 63."""


def _nearest(points: np.ndarray, centres: np.ndarray) -> NDArray[np.intp]:
    """Index of the nearest centre for each point, (N, 3) and (K, 3), whole numbers.

    Half of a squared distance, less what all centres have in common, is a sum of products: |c|^2 / 2 - p c. Such sums
    are exact in float32, in whichever order they are added: all machines find the same centre.
    """
    table = np.empty((4, len(centres)), np.float32)
    table[:3], table[3] = -centres.T, (centres.astype(np.float64) ** 2).sum(axis=1) / 2
    wide = np.ones((len(points), 4), np.float32)
    wide[:, :3] = points
    parts = [(wide[start : start + _CHUNK] @ table).argmin(axis=1) for start in range(0, len(points), _CHUNK)]
    return np.concatenate(parts)


def _gathered(points: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Points gathered in cells 8 wide, each at its points' mean, when there are too many."""
    if len(points) <= _SAMPLE_COLOURS:
        return points, weights
    owner = np.unique(packed((points // 8).astype(np.uint8)), return_inverse=True)[1]
    total = np.bincount(owner, weights)
    sums = [np.bincount(owner, weights * points[:, channel]) for channel in range(3)]
    return np.rint(np.stack(sums, axis=1) / total[:, None]), total


def _median_cut(points: np.ndarray, weights: np.ndarray, size: int, finest: float) -> NDArray[np.float64]:
    """Means of boxes made by cutting, again and again, the box with the most spread, at its mean."""
    weighted = weights[:, None] * points
    columns = np.hstack([weights[:, None], weighted, weighted * points])
    whole = _Box(np.arange(len(points)), columns.sum(axis=0).tolist(), finest)
    boxes, spreads = [whole], [whole.spread]
    while len(boxes) < size and (most := max(spreads)) > 0:
        widest = spreads.index(most)
        halves = boxes[widest].cut(points, columns)
        boxes[widest : widest + 1] = halves
        spreads[widest : widest + 1] = [half.spread for half in halves]
    return np.rint([box.mean for box in boxes])


class _Box:
    """Some points of a colour space, and how far they spread.

    Args:
        rows: which points.
        sums: of their weights, of their weighted colours, and of these times the colours: whole numbers, and so exact.
        finest: see `fit_palette`.
    """

    def __init__(self, rows: NDArray[np.intp], sums: list[float], finest: float) -> None:
        self.rows, self.sums, self.finest = rows, sums, finest
        total = sums[0]
        self.mean = [value / total for value in sums[1:4]]
        variance = [value / total - mean * mean for value, mean in zip(sums[4:], self.mean, strict=True)]
        self.axis = variance.index(max(variance))
        coarse = len(rows) > 1 and sum(variance) > finest**2
        self.spread = sum(variance) * total if coarse else 0.0

    def cut(self, points: np.ndarray, columns: np.ndarray) -> tuple[_Box, _Box]:
        """Two boxes, parted at the mean of the axis that spreads most."""
        is_upper = points[self.rows, self.axis] > self.mean[self.axis]
        upper, lower = self.rows[is_upper], self.rows[~is_upper]
        sums = columns[upper].sum(axis=0).tolist()
        rest = [whole - part for whole, part in zip(self.sums, sums, strict=True)]
        return _Box(lower, rest, self.finest), _Box(upper, sums, self.finest)
