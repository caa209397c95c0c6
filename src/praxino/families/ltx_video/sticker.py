"""Gives a picture the room to move in: its thing on a plain ground, as large as what a sticker model was trained on.

Knows arrays only. A picture that already has the room, or no plain ground, stays as it is.
"""

from __future__ import annotations

import math

import numpy as np

THING_SHARE = 0.6
"""The thing's longer side, as a share of the canvas's."""
ENOUGH_ROOM = 0.75
"""A thing up to this share of the picture is left where it is."""
SAME_COLOUR = 24
"""Largest difference, of 255, that still counts as the ground's colour."""
PLAIN_BORDER = 0.75
"""Share of the border's pixels that must have one colour."""


def with_room(frames: np.ndarray, width: int, height: int) -> np.ndarray:
    """(F, H, W, 3) uint8 -> (F, H', W', 3) of the aspect width:height, the thing of the first frame in the middle."""
    ground = ground_colour(frames[0])
    if ground is None:
        return frames
    differs = (np.abs(frames[0].astype(np.int16) - ground) > SAME_COLOUR).any(-1)
    rows, columns = np.flatnonzero(differs.any(1)), np.flatnonzero(differs.any(0))
    if not len(rows):
        return frames
    thing_height, thing_width = rows[-1] - rows[0] + 1, columns[-1] - columns[0] + 1
    old_height, old_width = frames.shape[1:3]
    roomy = max(thing_height / old_height, thing_width / old_width) <= ENOUGH_ROOM
    if roomy and math.isclose(old_width / old_height, width / height, rel_tol=0.02):
        return frames
    unit = max(thing_width / width, thing_height / height) / THING_SHARE
    canvas = np.empty((len(frames), math.ceil(height * unit), math.ceil(width * unit), 3), np.uint8)
    canvas[:] = ground
    top = round((canvas.shape[1] - thing_height) / 2) - rows[0]
    left = round((canvas.shape[2] - thing_width) / 2) - columns[0]
    _paste(canvas, frames, top, left)
    return canvas


def ground_colour(picture: np.ndarray) -> np.ndarray | None:
    """The colour of (H, W, 3)'s border, or None when the border has no single one."""
    border = np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]]).astype(np.int16)
    colour = np.median(border, axis=0).astype(np.int16)
    same = (np.abs(border - colour) <= SAME_COLOUR).all(-1)
    return colour if same.mean() >= PLAIN_BORDER else None


def _paste(canvas: np.ndarray, frames: np.ndarray, top: int, left: int) -> None:
    """Put `frames` at (top, left), either of which may be negative."""
    height, width = frames.shape[1:3]
    rows = slice(max(top, 0), min(top + height, canvas.shape[1]))
    columns = slice(max(left, 0), min(left + width, canvas.shape[2]))
    canvas[:, rows, columns] = frames[:, rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]
