"""Clips as the networks take them."""

from __future__ import annotations

import numpy as np
import pytest

from praxino.families._pixels import from_uint8
from praxino.families.hotshot_xl.pictures import filled, resampled


def numbered(count: int) -> np.ndarray:
    return np.arange(count, dtype=np.uint8)[:, None, None, None].repeat(3, axis=3)


@pytest.mark.parametrize(
    ("given", "wanted", "chosen"),
    [
        (8, 8, [0, 1, 2, 3, 4, 5, 6, 7]),
        (15, 8, [0, 2, 4, 6, 8, 10, 12, 14]),
        (3, 5, [0, 1, 1, 2, 2]),
        (1, 3, [0, 0, 0]),
        (9, 1, [0]),
    ],
)
def test_frames_are_evenly_spread(given: int, wanted: int, chosen: list[int]) -> None:
    assert resampled(numbered(given), wanted)[:, 0, 0, 0].tolist() == chosen


@pytest.mark.parametrize(("width", "height"), [(64, 32), (32, 64), (40, 40), (96, 64), (97, 31)])
def test_the_middle_is_kept_at_any_aspect(width: int, height: int) -> None:
    picture = np.zeros((1, 60, 90, 3), np.uint8)
    picture[:, 20:40, 35:55] = 255
    fitted = filled(picture, width, height)
    assert fitted.shape == (1, height, width, 3)
    assert fitted[0, height // 2, width // 2].tolist() == [255, 255, 255]
    assert fitted[0, 0, 0].tolist() == fitted[0, -1, -1].tolist() == [0, 0, 0]


def test_pixels_become_numbers_from_0_to_1() -> None:
    tensor = from_uint8(np.array([[[[0, 51, 255]]]], np.uint8))
    assert tensor.shape == (1, 3, 1, 1)
    assert tensor.flatten().tolist() == pytest.approx([0.0, 0.2, 1.0])
