import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from praxino.media.palette import Matcher, _median_cut, _Points, fit_palette, packed, unpacked


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


def cut_one_by_one(places, weights, size, finest):
    """Heckbert's median cut as it is told: the box of most spread is cut in two until there are enough."""

    def spread(rows):
        mean = np.average(places[rows], axis=0, weights=weights[rows])
        variance = np.average((places[rows] - mean) ** 2, axis=0, weights=weights[rows])
        return variance.sum() * weights[rows].sum() if variance.sum() > finest**2 else 0, variance.argmax(), mean

    boxes = [np.arange(len(places))]
    while len(boxes) < size and (widest := max(boxes, key=lambda rows: spread(rows)[0])) is not None:
        most, axis, mean = spread(widest)
        if most == 0:
            break
        upper = places[widest, axis] > mean[axis]
        boxes = [rows for rows in boxes if rows is not widest] + [widest[~upper], widest[upper]]
    return {tuple(np.rint(spread(rows)[2]).astype(int)) for rows in boxes}


@pytest.mark.parametrize(("size", "finest"), [(2, 0), (16, 0), (40, 12), (60, 0)])
def test_boxes_cut_level_by_level_are_those_cut_one_by_one(size, finest):
    rng = np.random.default_rng(size)
    colours = np.unique(packed(rng.normal(120, 45, (400, 3)).clip(0, 255).astype(np.uint8)))
    places, weights = unpacked(colours).astype(np.float64), rng.integers(1, 50, len(colours)).astype(np.float64)
    cut = _median_cut(_Points(places.T, weights), size, finest)
    assert cut.shape[1] <= size
    assert set(map(tuple, cut.T.astype(int))) == cut_one_by_one(places, weights, size, finest)


def test_many_colours_are_matched_about_as_well_as_by_many_rounds_of_k_means():
    rng = np.random.default_rng(0)
    pixels = np.concatenate([rng.normal(mean, 25, (6000, 3)) for mean in (60, 120, 180)]).clip(0, 255).astype(np.uint8)
    assert 4096 < len(np.unique(packed(pixels))) < 18_000
    palette = fit_palette(pixels, 32, 0)
    centres, found = palette.astype(np.float64), pixels.astype(np.float64)

    def owners():
        return ((found[:, None] - centres) ** 2).sum(axis=2).argmin(axis=1)

    error = np.mean((found - centres[owners()]) ** 2)
    for _ in range(15):
        owner = owners()
        centres = np.stack([found[owner == k].mean(axis=0) for k in range(len(centres))])
    assert error < 1.05 * np.mean((found - centres[owners()]) ** 2)


@pytest.mark.parametrize("dither", ["none", "ordered"])
def test_what_was_met_before_does_not_change_what_is_found(dither):
    clip = np.random.default_rng(1).integers(0, 256, (5, 24, 24, 3), np.uint8)
    palette = fit_palette(clip.reshape(-1, 3), 64, 0)
    matcher = Matcher(palette, dither)
    one_by_one = np.stack([matcher.indices(frame) for frame in clip])
    assert (Matcher(palette, dither).indices(clip) == one_by_one).all()
    assert (matcher.indices(clip[::-1]) == one_by_one[::-1]).all()
