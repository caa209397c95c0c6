"""Few colours instead of many: palettes, and pictures in them. Pure functions over arrays; knows no file.

A colour is one number, R * 65536 + G * 256 + B, wherever colours are counted or looked up.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Dither = Literal["none", "ordered"]

_MOST_POINTS = 16_384
"""More different colours than this are gathered in cells before the palette is fitted."""
_FEW_POINTS = 4_096
"""Of more colours than this that are not gathered, those of every fifth pixel are fitted first, then all."""
_ROUNDS = 2
_CHUNK = 256
"""Points matched at a time: so few that the matrix product stays on this thread."""


def packed(pixels: np.ndarray) -> NDArray[np.uint32]:
    """(..., 3) uint8 as (...) colour numbers."""
    colours = pixels[..., 0].astype(np.uint32)
    for channel in (1, 2):
        colours <<= 8
        colours |= pixels[..., channel]
    return colours


def unpacked(colours: np.ndarray) -> NDArray[np.uint8]:
    """(...) colour numbers as (..., 3) uint8."""
    return np.stack([colours >> 16 & 255, colours >> 8 & 255, colours & 255], axis=-1).astype(np.uint8)


def _wide(colours: np.ndarray) -> NDArray[np.float64]:
    """(N,) colour numbers as (3, N)."""
    return np.stack([colours >> 16 & 255, colours >> 8 & 255, colours & 255]).astype(np.float64)


def fit_palette(pixels: np.ndarray, size: int, finest: float) -> NDArray[np.uint8]:
    """A palette of at most `size` colours for (N, 3) uint8 pixels: their own when these are few enough.

    Otherwise k-means in RGB, begun from a median cut (Heckbert 1982): first of a sample where colours are many, which
    takes half the time and costs nothing that can be seen. The same pixels give the same palette.

    Args:
        pixels: (N, 3) uint8.
        size: colours at most.
        finest: colours whose standard deviation is below this are one colour: a ground with some grain takes one
            place in the palette, not half of it.

    Returns:
        (K, 3) uint8, K <= size, sorted.
    """
    colours, counts = _counted(packed(pixels))
    if len(colours) <= size:
        return unpacked(colours)
    points = _points(colours, counts)
    sample = points
    if _FEW_POINTS < len(colours) <= _MOST_POINTS:
        sample = _points(*_counted(packed(pixels[::5])))
    centres = _median_cut(sample, size, finest)
    for some in (sample, points):
        _settle(centres, some)
    return unpacked(_counted(packed(centres.T.astype(np.uint8)))[0])


def _counted(numbers: NDArray[np.uint32]) -> tuple[NDArray[np.uint32], NDArray[np.intp]]:
    """Different numbers, sorted, and how often each is there."""
    # Also where no count is needed: it makes numpy sort, which takes a tenth of the hashing that it does else.
    return np.unique(numbers, return_counts=True)


@dataclass(frozen=True)
class _Points:
    """Colours of a picture."""

    places: NDArray[np.float64]
    """(3, N), whole numbers: sums of them are exact."""
    weights: NDArray[np.float64]
    """(N,): how often each is there."""


def _points(colours: NDArray[np.uint32], counts: NDArray[np.intp]) -> _Points:
    """Colours and how often each is there; too many are gathered in cells 8 wide, each at its colours' mean."""
    places, weights = _wide(colours), np.asarray(counts, np.float64)
    if len(colours) <= _MOST_POINTS:
        return _Points(places, weights)
    cell = np.unique(colours >> 3 & 0x1F1F1F, return_inverse=True)[1]
    total = np.bincount(cell, weights).astype(np.float64)
    sums = np.stack([np.bincount(cell, weights * channel) for channel in places])
    return _Points(np.rint(sums / total), total)


def _settle(centres: NDArray[np.float64], points: _Points) -> None:
    """Rounds of k-means: each centre goes to the mean of the points that are nearest to it."""
    weighted = points.weights * points.places
    for _ in range(_ROUNDS):
        owner, count = _nearest(points.places, centres), centres.shape[1]
        total = np.bincount(owner, points.weights, count)
        used = total > 0
        for centre, one in zip(centres, weighted, strict=True):
            centre[used] = np.rint(np.bincount(owner, one, count)[used] / total[used])


class Matcher:
    """Finds the colours of one palette that stand for any colour, and remembers what it found."""

    def __init__(self, palette: NDArray[np.uint8], dither: Dither) -> None:
        """`palette` is (K, 3) uint8.

        Ordered dithering mixes, for each colour, the two palette colours on either side of it, by the fixed pattern of
        an 8x8 Bayer matrix: a colour that the palette holds stays flat, and what does not move does not flicker.
        """
        self.palette, self.dither = palette, dither
        self._found = np.zeros((_BLOCKS + 1) * _BLOCK_COLOURS, np.uint32)
        """By place (`_places`), what `_find` said, or 0. The system gives memory only where something was put in."""
        self._blocks = np.zeros(_BLOCKS, np.int32)
        """By block (`_block`), its number in `_found`, in the order in which they were met; 0 of others."""
        self._met = 0

    def indices(self, frames: np.ndarray) -> NDArray[np.uint8]:
        """Frames, (..., H, W, 3) uint8, as indices into the palette, (..., H, W) uint8."""
        colours = packed(frames)
        found = self._found[self._places(colours)]
        unknown = found == 0
        if unknown.any():
            self._learn(_counted(colours[unknown])[0])
            found = self._found[self._places(colours)]
        near = (found & 255).astype(np.uint8)
        if self.dither == "none":
            return near
        height, width = near.shape[-2:]
        pattern = np.tile(BAYER, (height // 8 + 1, width // 8 + 1))[:height, :width]
        return np.where(pattern < (found >> 16).astype(np.uint8), (found >> 8).astype(np.uint8), near)

    def _places(self, colours: NDArray[np.uint32]) -> NDArray[np.intp]:
        """Where in `_found` colours are: those alike lie together, in blocks 4 wide."""
        inside = colours >> 12 & 0x30 | colours >> 6 & 0xC | colours & 3
        return self._blocks[_block(colours)].astype(np.intp) * _BLOCK_COLOURS + inside

    def _learn(self, colours: NDArray[np.uint32]) -> None:
        """Remember of different colours what stands for them."""
        blocks = _counted(_block(colours))[0]
        new = blocks[self._blocks[blocks] == 0]
        self._blocks[new] = np.arange(self._met + 1, self._met + 1 + len(new))
        self._met += len(new)
        self._found[self._places(colours)] = self._find(colours)

    def _find(self, colours: NDArray[np.uint32]) -> NDArray[np.uint32]:
        """For each colour, (N,): 1, 64ths of the far colour, the far colour's index, the near colour's; a byte each."""
        wanted, table = _wide(colours), _wide(packed(self.palette))
        near = _nearest(wanted, table)
        missed = wanted - table.take(near, axis=1)
        seen = np.flatnonzero((missed**2).sum(axis=0) >= _UNSEEN**2) if self.dither == "ordered" else []
        far, parts = near.copy(), np.zeros(len(near), np.uint32)
        if len(seen):
            missed = missed.take(seen, axis=1)
            far[seen] = _nearest(wanted.take(seen, axis=1) + missed, table)
            step = table.take(far[seen], axis=1) - table.take(near[seen], axis=1)
            share = (missed * step).sum(axis=0) / np.maximum((step**2).sum(axis=0), 1)
            parts[seen] = np.rint(np.clip(share, 0, 0.5) * 64)
        return np.asarray(1 << 24 | parts << 16 | far.astype(np.uint32) << 8 | near.astype(np.uint32), np.uint32)


_BLOCKS, _BLOCK_COLOURS = 1 << 18, 1 << 6


def _block(colours: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """The number of the block, 4 wide, that each colour is in."""
    return np.asarray(colours >> 6 & 0x3F000 | colours >> 4 & 0xFC0 | colours >> 2 & 0x3F, np.uint32)


_UNSEEN = 3.0
"""Errors below this distance in RGB are not dithered: nobody sees them, and the pattern would cost bytes."""


def _bayer(order: int) -> NDArray[np.uint8]:
    matrix = np.zeros((1, 1), np.uint8)
    for _ in range(order):
        matrix = np.block([[4 * matrix, 4 * matrix + 2], [4 * matrix + 3, 4 * matrix + 1]])
    return matrix


BAYER = _bayer(3)
"""(8, 8), 0 to 63."""


def _nearest(points: NDArray[np.float64], centres: NDArray[np.float64]) -> NDArray[np.intp]:
    """Index of the nearest centre for each point, (3, N) and (3, K), whole numbers.

    Half of a squared distance, less what all centres have in common, is a sum of products: |c|^2 / 2 - p c. Such sums
    are exact in float32, in whichever order they are added: all machines find the same centre.
    """
    table = np.empty((4, centres.shape[1]), np.float32)
    table[:3], table[3] = -centres, (centres**2).sum(axis=0) / 2
    wide = np.ones((points.shape[1], 4), np.float32)
    wide[:, :3] = points.T
    parts = [(wide[start : start + _CHUNK] @ table).argmin(axis=1) for start in range(0, len(wide), _CHUNK)]
    return np.concatenate(parts)


def _median_cut(points: _Points, size: int, finest: float) -> NDArray[np.float64]:
    """Means, (3, K), of at most `size` boxes made by cutting, again and again, the one of most spread at its mean.

    A part spreads less than the whole. So those cut in the end are the `size` - 1 of most spread among all boxes, and a
    level of boxes can be cut at once: all that are among them so far.
    """
    places, weighted = points.places, points.weights * points.places
    columns = np.concatenate([points.weights[None], weighted, weighted * places])
    owner = np.zeros(len(points.weights), np.intp)
    level = _boxes(columns, owner, 1, finest)
    means, spreads, parents = [level.means], level.spreads, np.zeros(1, np.intp)
    while (wide := (level.spreads > 0) & (level.spreads >= _least_cut(spreads, size))).any():
        inside = wide[owner]
        columns, places, owner = columns[:, inside], places[:, inside], owner[inside]
        axis = level.axes[owner]
        is_upper = places[axis, np.arange(len(axis))] > level.means[axis, owner]
        parents = np.append(parents, np.repeat(len(spreads) - len(wide) + np.flatnonzero(wide), 2))
        owner = 2 * (np.cumsum(wide) - 1)[owner] + is_upper
        level = _boxes(columns, owner, 2 * int(wide.sum()), finest)
        means.append(level.means)
        spreads = np.append(spreads, level.spreads)
    is_cut = np.zeros(len(spreads), np.bool_)
    is_cut[np.argsort(-spreads, kind="stable")[: size - 1]] = True
    is_cut &= spreads > 0
    is_left = ~is_cut & (is_cut[parents] | (len(spreads) == 1))
    return np.rint(np.concatenate(means, axis=1)[:, is_left])


@dataclass(frozen=True)
class _Boxes:
    """Parts of a colour space."""

    means: NDArray[np.float64]
    """(3, N)."""
    axes: NDArray[np.intp]
    """(N,): the channel in which each spreads most."""
    spreads: NDArray[np.float64]
    """(N,): sums of squared distances to the mean; 0 of a box that is as fine as need be."""


def _boxes(columns: NDArray[np.float64], owner: NDArray[np.intp], count: int, finest: float) -> _Boxes:
    """The boxes of points, by the box that each is in.

    Args:
        columns: (7, N) weights, weighted colours, and these times the colours: whole numbers, whose sums are exact.
        owner: (N,) from 0.
        count: how many boxes.
        finest: see `fit_palette`.
    """
    sums = np.stack([np.bincount(owner, column, count) for column in columns])
    means = sums[1:4] / sums[0]
    variances = sums[4:] / sums[0] - means * means
    variance = variances.sum(axis=0)
    return _Boxes(means, variances.argmax(axis=0), np.where(variance > finest**2, variance * sums[0], 0.0))


def _least_cut(spreads: NDArray[np.float64], size: int) -> float:
    """The spread below which a box is not among the `size` - 1 of most spread, nor ever will be."""
    return float(np.partition(spreads, 1 - size)[1 - size]) if len(spreads) >= size else 0.0
