"""Canny's edges, pixel for pixel those of OpenCV's cv2.Canny, with which authors of ControlNets make their maps.

Canny 1986 as OpenCV has it (opencv/opencv at 4.x, modules/imgproc/src/canny.cpp): a 3x3 Sobel per colour, of which the
steepest counts, |dx| + |dy| as its magnitude, and a fixed-point comparison of its direction. Needs numpy alone.
"""

from __future__ import annotations

import numpy as np

TANGENT_BITS = 15
TANGENT_22 = 13573
"""The tangent of 22.5 degrees in fixed point."""
NEIGHBOURS = ((-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1))


def edges(frame: np.ndarray, low: int, high: int) -> np.ndarray:
    """The edges of (H, W, 3) uint8 as (H, W) bool: crests above `high`, and those above `low` that hang on them."""
    dx, dy = _steepest(frame.astype(np.int64))
    magnitude = np.abs(dx) + np.abs(dy)
    crests = _crests(magnitude, dx, dy) & (magnitude > low)
    return _connected(crests, crests & (magnitude > high))


def _steepest(frame: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Horizontal and vertical slope, (H, W) each, of the colour that is steepest there."""
    padded = np.pad(frame, ((1, 1), (1, 1), (0, 0)), mode="edge")
    across, down = padded[:, 2:] - padded[:, :-2], padded[2:] - padded[:-2]
    dx = across[:-2] + 2 * across[1:-1] + across[2:]
    dy = down[:, :-2] + 2 * down[:, 1:-1] + down[:, 2:]
    colour = np.argmax(np.abs(dx) + np.abs(dy), axis=2)[..., None]
    return np.take_along_axis(dx, colour, 2)[..., 0], np.take_along_axis(dy, colour, 2)[..., 0]


def _crests(magnitude: np.ndarray, dx: np.ndarray, dy: np.ndarray) -> np.ndarray:
    """Where the magnitude is greatest along the slope; of two that are equal, the first is."""
    height, width = magnitude.shape
    padded = np.pad(magnitude, 1)

    def at(row: int, column: int) -> np.ndarray:
        return padded[1 + row : 1 + row + height, 1 + column : 1 + column + width]

    x, y = np.abs(dx), np.abs(dy) << TANGENT_BITS
    flat = y < x * TANGENT_22
    steep = y > x * TANGENT_22 + (x << (TANGENT_BITS + 1))
    falling = (dx ^ dy) < 0
    across = (magnitude > at(0, -1)) & (magnitude >= at(0, 1))
    down = (magnitude > at(-1, 0)) & (magnitude >= at(1, 0))
    diagonal = np.where(
        falling,
        (magnitude > at(-1, 1)) & (magnitude > at(1, -1)),
        (magnitude > at(-1, -1)) & (magnitude > at(1, 1)),
    )
    return np.where(flat, across, np.where(steep, down, diagonal))


def _connected(crests: np.ndarray, seeds: np.ndarray) -> np.ndarray:
    """The crests that are reached from a seed, going from neighbour to neighbour."""
    open_crests = np.pad(crests & ~seeds, 1)
    found = np.pad(seeds, 1)
    waiting = [(int(row), int(column)) for row, column in np.argwhere(found)]
    while waiting:
        row, column = waiting.pop()
        for down, across in NEIGHBOURS:
            place = row + down, column + across
            if open_crests[place]:
                open_crests[place] = False
                found[place] = True
                waiting.append(place)
    return found[1:-1, 1:-1]
