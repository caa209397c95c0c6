import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from praxino.media.palette import Matcher, fit_palette, packed, unpacked


def gradient(size=64):
    steps = np.linspace(0, 255, size).astype(np.uint8)
    return np.stack(np.broadcast_arrays(steps[None, :], steps[:, None], np.uint8(90)), axis=-1).copy()


@given(hnp.arrays(np.uint8, st.tuples(st.integers(1, 40), st.just(3))))
def test_packing_is_reversible(pixels):
    assert (unpacked(packed(pixels)) == pixels).all()


@given(hnp.arrays(np.uint8, st.tuples(st.integers(1, 60), st.just(3))))
def test_few_colours_are_kept_exactly(pixels):
    palette = fit_palette(pixels, 60, 0)
    frame = pixels[None]
    for dither in ("none", "ordered"):
        assert (palette[Matcher(palette, dither).indices(frame)] == frame).all()


@pytest.mark.parametrize("size", [2, 16, 255])
def test_palette_is_no_larger_than_asked(size):
    assert 2 <= len(fit_palette(gradient().reshape(-1, 3), size, 0)) <= size


def test_matching_is_to_the_nearest_colour():
    palette = fit_palette(gradient().reshape(-1, 3), 16, 0)
    frame = gradient(16)
    distances = ((frame[:, :, None].astype(int) - palette.astype(int)) ** 2).sum(axis=-1)
    chosen = np.take_along_axis(distances, Matcher(palette, "none").indices(frame)[..., None].astype(int), axis=2)
    assert (chosen[..., 0] == distances.min(axis=2)).all()


def test_dithering_keeps_the_mean_colour_of_a_region():
    palette = np.array([[0, 0, 0], [80, 80, 80], [255, 255, 255]], np.uint8)
    frame = np.full((16, 16, 3), 30, np.uint8)
    shown = palette[Matcher(palette, "ordered").indices(frame)]
    assert abs(shown.mean() - 30) < 1
    assert (palette[Matcher(palette, "none").indices(frame)] == 0).all()


def test_a_grainy_ground_takes_few_places():
    grain = np.random.default_rng(0).normal(0, 1.3, (64, 64, 3))
    ground = (np.array([72, 149, 239]) + grain).round().astype(np.uint8)
    assert len(fit_palette(ground.reshape(-1, 3), 255, 3)) <= 3 < len(fit_palette(ground.reshape(-1, 3), 255, 0))
