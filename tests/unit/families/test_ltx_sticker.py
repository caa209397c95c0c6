import numpy as np

from praxino.families.ltx_video.sticker import ground_colour, with_room


def picture(height: int, width: int, box: tuple[int, int, int, int]) -> np.ndarray:
    """A red box (top, left, height, width) on white."""
    frames = np.full((1, height, width, 3), 255, np.uint8)
    top, left, tall, wide = box
    frames[:, top : top + tall, left : left + wide] = (200, 0, 0)
    return frames


def red(frames: np.ndarray) -> tuple[int, int, int, int]:
    mask = frames[0, :, :, 1] == 0
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return rows[0], columns[0], len(rows), len(columns)


def test_a_thing_that_fills_its_picture_gets_room():
    out = with_room(picture(100, 300, (5, 5, 90, 290)), 64, 64)
    top, left, tall, wide = red(out)
    assert out.shape[1] == out.shape[2]
    assert (tall, wide) == (90, 290)
    assert abs(wide / out.shape[2] - 0.6) < 0.01
    assert abs(2 * left + wide - out.shape[2]) <= 2
    assert abs(2 * top + tall - out.shape[1]) <= 2


def test_a_thing_with_room_stays_where_it_is():
    given = picture(64, 64, (40, 10, 20, 20))
    assert with_room(given, 64, 64) is given


def test_a_small_thing_in_a_wide_picture_is_not_cut_off():
    out = with_room(picture(100, 400, (40, 10, 20, 20)), 64, 64)
    assert red(out)[2:] == (20, 20)


def test_a_photograph_has_no_ground():
    noise = np.random.default_rng(0).integers(0, 256, (1, 50, 50, 3), dtype=np.uint8)
    assert ground_colour(noise[0]) is None
    assert with_room(noise, 64, 64) is noise


def test_an_empty_picture_stays():
    plain = np.full((1, 20, 40, 3), 9, np.uint8)
    assert with_room(plain, 64, 64) is plain
