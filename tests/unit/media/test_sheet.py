import numpy as np
import pytest

from praxino.media.sheet import GAP_COLOUR, GAP_PX, contact_sheet, grid_shape, tile


def numbered(count, height=6, width=10, frames=2):
    return [np.full((frames, height, width, 3), 10 * index, np.uint8) for index in range(count)]


@pytest.mark.parametrize(
    ("count", "width", "height", "shape"),
    [
        (1, 8, 8, (1, 1)),
        (4, 8, 8, (2, 2)),
        (9, 8, 8, (3, 3)),
        (2, 8, 8, (1, 2)),
        (2, 16, 4, (1, 2)),
        (2, 4, 16, (2, 1)),
    ],
)
def test_grid_is_near_square(count, width, height, shape):
    assert grid_shape(count, width, height) == shape


@pytest.mark.parametrize("count", range(1, 30))
def test_grid_holds_all(count):
    columns, rows = grid_shape(count, 16, 9)
    assert (rows - 1) * columns < count <= rows * columns


def test_cells_are_left_to_right_with_a_gap():
    tiled = tile(numbered(4))
    assert tiled.shape == (2, 2 * 6 + GAP_PX, 2 * 10 + GAP_PX, 3)
    assert tiled[0, 0, 0, 0] == 0
    assert tiled[0, 0, -1, 0] == 10
    assert tiled[0, -1, 0, 0] == 20
    assert tiled[1, -1, -1, 0] == 30
    assert (tiled[:, 6 : 6 + GAP_PX] == GAP_COLOUR).all()
    assert (tiled[:, :, 10 : 10 + GAP_PX] == GAP_COLOUR).all()


def test_one_clip_is_itself():
    (clip,) = numbered(1)
    assert (tile([clip]) == clip).all()


def test_a_shorter_clip_holds_its_last_frame():
    short, long = np.zeros((1, 4, 4, 3), np.uint8), np.ones((3, 4, 4, 3), np.uint8)
    assert (tile([short, long])[2, :4, :4] == 0).all()


def test_contact_sheet_shows_every_frame():
    frames = np.stack([np.full((4, 4, 3), 20 * k, np.uint8) for k in range(5)])
    sheet = contact_sheet(frames)
    assert sheet.shape[0] == 1
    assert set(np.unique(sheet)) == {0, 20, 40, 60, 80, GAP_COLOUR}
