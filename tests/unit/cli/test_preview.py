import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from praxino.cli.preview import half_blocks


def cells(lines):
    """The drawn colours, (rows * 2, columns, 3): what a terminal would show."""
    picture = []
    for line in lines:
        upper, lower, colours = [], [], None
        for found in re.finditer(r"\x1b\[38;2;([\d;]+);48;2;([\d;]+)m|▀", line.removesuffix("\x1b[0m")):
            if found[1]:
                sides = re.fullmatch(r"38;2;(\d+;\d+;\d+);48;2;(\d+;\d+;\d+)", found[0][2:-1])
                colours = [list(map(int, side.split(";"))) for side in sides.groups()]
            else:
                upper.append(colours[0])
                lower.append(colours[1])
        picture += [upper, lower]
    return np.array(picture)


def test_a_frame_that_fits_is_drawn_pixel_for_pixel():
    frame = np.arange(4 * 3 * 3, dtype=np.uint8).reshape(4, 3, 3)
    assert (cells(half_blocks(frame, 5, 3)) == frame).all()


def test_a_small_frame_is_enlarged_by_a_whole_factor():
    frame = np.arange(4 * 3 * 3, dtype=np.uint8).reshape(4, 3, 3)
    assert (cells(half_blocks(frame, 40, 16)) == frame.repeat(8, axis=0).repeat(8, axis=1)).all()


def test_equal_neighbours_share_one_colour_sequence():
    line = half_blocks(np.zeros((2, 5, 3), np.uint8), 5, 16)[0]
    assert line == "\x1b[38;2;0;0;0;48;2;0;0;0m▀▀▀▀▀\x1b[0m"


def test_a_large_frame_is_shrunk_to_means():
    frame = np.zeros((64, 64, 3), np.uint8)
    frame[:, 32:] = (255, 128, 0)
    shown = cells(half_blocks(frame, 40, 16))
    assert shown.shape == (32, 32, 3)
    assert (shown[:, 16:] == (255, 128, 0)).all()
    assert (shown[:, :16] == 0).all()


@pytest.mark.parametrize("value", [0, 7, 255])
@given(height=st.integers(1, 300), width=st.integers(1, 300), columns=st.integers(1, 50), rows=st.integers(1, 20))
def test_any_size_fits_and_keeps_its_colour(value, height, width, columns, rows):
    shown = cells(half_blocks(np.full((height, width, 3), value, np.uint8), columns, rows))
    assert shown.shape[0] <= 2 * rows
    assert shown.shape[1] <= columns
    assert (shown == value).all()
