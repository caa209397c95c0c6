"""Cuts things out of their ground: frames get an alpha channel. Pure functions over arrays; knows no file.

A pixel on an edge is a mix, I = a F + (1 - a) G, of the thing's colour F and the ground's G (Porter and Duff 1984). G
is read off the border, F is among the pixel's neighbours, and a follows: laid over its own ground again, a cut-out
picture is what it was, and over any other ground it brings no rim of the old one along.
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

BORDER_PX = 2
_EDGE_PX = 3
"""Pixels this near to where thing and ground meet may be mixed of both."""
_NOISE = 4.0
"""A pixel this many times the border's median from the ground's colour is not told from it."""
_LEAST_NOISE, _MOST_NOISE = 6.0, 40.0
"""Bounds of that distance, in 8-bit steps of the channel that differs most."""
_RESIDUE = 32.0
"""What models leave around things, ringing and grain, is this far from the ground's colour, and still ground."""
_BLEED_PX = 4
"""How far the thing's colours go on under what is see-through, so that scaling and lossy formats find no rim there."""


def cut_out(frames: np.ndarray) -> NDArray[np.uint8]:
    """Make the ground see-through: what is of the border's colour, and joined to the border.

    Args:
        frames: (F, H, W, 3) uint8 RGB.

    Returns:
        (F, H, W, 4) uint8 RGBA, alpha not premultiplied.
    """
    return np.stack([_cut_out(frame) for frame in frames])


def plainness(frames: np.ndarray) -> float:
    """The share of the border that is of the ground's colour, 0 to 1: of a plain ground, all but what things touch."""
    shares = []
    for frame in frames:
        edge = _border(frame.astype(np.float32))
        ground = np.median(edge, axis=0)
        shares.append(float((np.abs(edge - ground).max(axis=1) <= _MOST_NOISE).mean()))
    return min(shares)


def _cut_out(frame: np.ndarray) -> NDArray[np.uint8]:
    pixels = frame.astype(np.float32)
    colour, noise = _ground_colour(pixels)
    offset = pixels - colour
    distance = np.abs(offset).max(axis=2)
    ground = joined_to_border(_like_ground(distance, max(noise, _RESIDUE)))
    alpha = np.where(ground, np.float32(0), np.float32(1))
    rows, columns = np.nonzero(_grown(ground, _EDGE_PX) & _grown(~ground, _EDGE_PX) & (distance > noise))
    edge = rows, columns
    shares = np.maximum(_shares(offset, ground, edge, noise), _least_shares(offset[edge], colour))
    alpha[edge] = np.where(ground[edge] & (shares == 1), 0, shares)
    alpha = np.ceil(alpha * 255)
    thing = np.where(alpha[..., None] == 0, 0, colour + offset * (255 / np.maximum(alpha, 1))[..., None])
    thing = _bleed(np.clip(np.rint(thing), 0, 255), alpha > 0)
    return np.concatenate([thing, alpha[..., None]], axis=2).astype(np.uint8)


def _border(pixels: np.ndarray) -> NDArray[np.float32]:
    """The outermost pixels, (N, 3)."""
    edge = np.ones(pixels.shape[:2], bool)
    edge[BORDER_PX:-BORDER_PX, BORDER_PX:-BORDER_PX] = False
    return pixels[edge]


def _ground_colour(pixels: np.ndarray) -> tuple[NDArray[np.float32], float]:
    """The border's usual colour, and how far from it a pixel of that colour may be for noise alone."""
    edge = _border(pixels)
    colour = np.rint(np.median(edge, axis=0)).astype(np.float32)
    noise = float(np.median(np.abs(edge - colour).max(axis=1)))
    return colour, float(np.clip(_NOISE * noise, _LEAST_NOISE, _MOST_NOISE))


def _like_ground(distance: np.ndarray, reach: float) -> NDArray[np.bool_]:
    """Which pixels may be the ground's, (H, W): those near its colour, and grains of it with nothing else around."""
    return np.asarray((distance <= reach) | ~_grown(distance > 2 * reach, _EDGE_PX))


def joined_to_border(mask: np.ndarray) -> NDArray[np.bool_]:
    """The part of a mask, (H, W), that a path of its pixels, by sides, joins to the border."""
    reached = np.zeros_like(mask)
    reached[[0, -1], :] = mask[[0, -1], :]
    reached[:, [0, -1]] |= mask[:, [0, -1]]
    before = -1
    while (count := int(reached.sum())) != before:
        before = count
        reached = _along_rows(mask, reached)
        reached = _along_rows(mask.T, reached.T).T
    return reached


def _along_rows(mask: np.ndarray, reached: np.ndarray) -> NDArray[np.bool_]:
    """Of each run of a row's mask, all when any of it is reached."""
    walls = np.pad(~mask, ((0, 0), (0, 1)), constant_values=True)
    runs = np.cumsum(walls.ravel()).reshape(walls.shape)[:, :-1]
    hit = np.zeros(int(walls.sum()) + 1, bool)
    hit[runs[reached]] = True
    return mask & hit[runs]


def _shares(
    offset: np.ndarray, ground: np.ndarray, edge: tuple[np.ndarray, np.ndarray], tolerance: float
) -> NDArray[np.float32]:
    """How much of the thing is in each pixel of the edge, (N,), above 0 and at most 1.

    It is the least share that explains the pixel, to within `tolerance`, as a mix of the ground with a colour found
    near it; 1 when none does. `offset` is the picture less the ground's colour.
    """
    rows, columns = edge
    here = offset[edge]
    least = np.ones(len(rows), np.float32)
    for down in range(-_EDGE_PX, _EDGE_PX + 1):
        for right in range(-_EDGE_PX, _EDGE_PX + 1):
            y = np.clip(rows + down, 0, ground.shape[0] - 1)
            x = np.clip(columns + right, 0, ground.shape[1] - 1)
            there = offset[y, x]
            share = (here * there).sum(axis=1) / np.maximum((there**2).sum(axis=1), 1)
            missed = ((here - share[:, None] * there) ** 2).sum(axis=1)
            mixed = ~ground[y, x] & (missed <= tolerance**2) & (share > 0)
            least = np.where(mixed, np.minimum(least, share), least)
    return least


def _least_shares(offset: np.ndarray, colour: np.ndarray) -> NDArray[np.float32]:
    """The least share of any colour at all in each pixel, (N,): with less, it would be beyond black or white."""
    room = np.where(offset > 0, 255 - colour, colour)
    return np.minimum(1, (np.abs(offset) / np.maximum(room, 1)).max(axis=1)).astype(np.float32)


def _grown(mask: np.ndarray, by: int) -> NDArray[np.bool_]:
    """A mask, (H, W), with everything up to `by` pixels around it."""
    for axis in (0, 1):
        padding = [(by, by) if axis == other else (0, 0) for other in (0, 1)]
        mask = np.asarray(sliding_window_view(np.pad(mask, padding), 2 * by + 1, axis=axis).any(axis=-1))
    return mask


def _bleed(colours: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Colours, (H, W, 3), with those that are known going on into what is not."""
    for _ in range(_BLEED_PX):
        near, count = np.zeros_like(colours), np.zeros(known.shape, np.float32)
        for axis in (0, 1):
            for step in (1, -1):
                there = np.roll(known, step, axis)
                near += np.roll(colours, step, axis) * there[..., None]
                count += there
        new = ~known & (count > 0)
        colours = np.where(new[..., None], np.rint(near / np.maximum(count, 1)[..., None]), colours)
        known = known | new
    return colours
