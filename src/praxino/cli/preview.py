"""A frame as terminal text: two pixels a character, the upper as the colour of a half block, the lower behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

UPPER_HALF = "\u2580"
RESET = "\x1b[0m"


def half_blocks(frame: np.ndarray, max_columns: int, max_rows: int) -> list[str]:
    """Lines that show `frame`, (H, W, 3) uint8, within so many character cells, enlarged by a whole factor if small."""
    factor = min(max_columns // frame.shape[1], 2 * max_rows // frame.shape[0])
    factor = max(factor, 2 if len(frame) == 1 else 1)
    frame = frame.repeat(factor, axis=0).repeat(factor, axis=1)
    height, width = frame.shape[:2]
    scale = min(max_columns / width, 2 * max_rows / height, 1)
    columns, half_rows = max(1, round(width * scale)), max(2, round(height * scale))
    small = _shrink(frame, columns, half_rows - half_rows % 2)
    return [_line(small[y], small[y + 1]) for y in range(0, len(small), 2)]


def _shrink(frame: np.ndarray, columns: int, rows: int) -> np.ndarray:
    """The means over a grid of (nearly) equal boxes, (rows, columns, 3) uint8."""
    import numpy as np

    tall = np.add.reduceat(frame.astype(np.uint32), _starts(len(frame), rows), axis=0)
    boxes = np.add.reduceat(tall, _starts(frame.shape[1], columns), axis=1)
    return (boxes // _areas(frame, rows, columns)).astype(np.uint8)


def _starts(length: int, parts: int) -> list[int]:
    return [index * length // parts for index in range(parts)]


def _areas(frame: np.ndarray, rows: int, columns: int) -> np.ndarray:
    import numpy as np

    height, width = frame.shape[:2]
    tall = np.diff([*_starts(height, rows), height])
    wide = np.diff([*_starts(width, columns), width])
    return np.outer(tall, wide)[:, :, None]


def _line(upper: np.ndarray, lower: np.ndarray) -> str:
    cells, before = [], ""
    for above, below in zip(upper.tolist(), lower.tolist(), strict=True):
        colours = "\x1b[38;2;{};{};{};48;2;{};{};{}m".format(*above, *below)
        cells.append(UPPER_HALF if colours == before else colours + UPPER_HALF)
        before = colours
    return "".join(cells) + RESET
