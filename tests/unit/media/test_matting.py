"""The oracle is a drawing whose alpha and colours are known: shapes drawn 8 times as large and averaged down."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from praxino.media.matting import cut_out, joined_to_border, plainness

SIDE, FINE = 96, 8


def coverage(draw):
    """Alpha, (H, W) 0 to 1, of what `draw` draws with ImageDraw in units of pixels."""
    canvas = Image.new("L", (SIDE * FINE, SIDE * FINE))
    draw(ImageDraw.Draw(canvas))
    return np.asarray(canvas, float).reshape(SIDE, FINE, SIDE, FINE).mean((1, 3)) / 255


def disc(pen, centre=(0.5, 0.5), radius=0.3, fill=255):
    x, y, r = centre[0] * SIDE * FINE, centre[1] * SIDE * FINE, radius * SIDE * FINE
    pen.ellipse((x - r, y - r, x + r, y + r), fill=fill)


def star(pen):
    disc(pen)
    for end in ((0.1, 0.2), (0.9, 0.15), (0.5, 0.95)):
        pen.line([(0.5 * SIDE * FINE, 0.5 * SIDE * FINE), (end[0] * SIDE * FINE, end[1] * SIDE * FINE)], 255, 3 * FINE)


def laid_over(alpha, colour, ground):
    return alpha[..., None] * np.asarray(colour, float) + (1 - alpha[..., None]) * np.asarray(ground, float)


def picture(values):
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def decibels(one, other):
    return 10 * np.log10(255**2 / np.mean((one - other) ** 2))


CASES = [((230, 60, 40), (255, 255, 255)), ((250, 220, 40), (20, 120, 60)), ((20, 20, 30), (128, 128, 128))]


@pytest.mark.parametrize("draw", [disc, star])
@pytest.mark.parametrize(("colour", "ground"), CASES)
def test_a_flat_thing_on_a_flat_ground_comes_back_as_it_was_drawn(draw, colour, ground):
    alpha = coverage(draw)
    cut = cut_out(picture(laid_over(alpha, colour, ground))[None])[0].astype(float)
    assert np.abs(cut[..., 3] / 255 - alpha).max() < 0.07
    for other in ((0, 0, 0), (255, 0, 255), (255, 255, 255)):
        assert decibels(laid_over(cut[..., 3] / 255, cut[..., :3], other), laid_over(alpha, colour, other)) > 45


@pytest.mark.parametrize(("colour", "ground"), CASES)
def test_over_its_own_ground_it_is_what_it_was(colour, ground):
    original = picture(laid_over(coverage(star), colour, ground))
    cut = cut_out(original[None])[0].astype(float)
    again = laid_over(cut[..., 3] / 255, cut[..., :3], ground)
    assert np.abs(again - original).max() <= 6


@pytest.mark.parametrize(("colour", "ground"), CASES)
def test_grain_does_no_harm(colour, ground):
    alpha, noise = coverage(star), np.random.default_rng(0).normal(0, 2, (SIDE, SIDE, 3))
    cut = cut_out(picture(laid_over(alpha, colour, ground) + noise)[None])[0].astype(float)
    assert np.abs(cut[..., 3] / 255 - alpha).max() < 0.2
    assert decibels(laid_over(cut[..., 3] / 255, cut[..., :3], (0, 0, 0)), laid_over(alpha, colour, (0, 0, 0))) > 40


def test_ringing_around_a_thing_is_ground():
    alpha = coverage(disc)
    ring = coverage(lambda pen: disc(pen, radius=0.4)) - coverage(lambda pen: disc(pen, radius=0.36))
    shown = laid_over(alpha, (200, 30, 30), (255, 255, 255)) - 25 * ring[..., None]
    cut = cut_out(picture(shown)[None])[0]
    assert np.abs(cut[..., 3] / 255 - alpha).max() < 0.1


def test_what_has_the_grounds_colour_inside_of_a_thing_stays():
    eye = coverage(lambda pen: disc(pen, radius=0.1))
    shown = laid_over(eye, (255, 255, 255), laid_over(coverage(disc), (30, 80, 200), (255, 255, 255)))
    cut = cut_out(picture(shown)[None])[0]
    assert cut[SIDE // 2, SIDE // 2].tolist() == [255, 255, 255, 255]
    assert cut[0, 0, 3] == 0


def test_a_black_outline_beside_bright_colours_keeps_both():
    spot = coverage(lambda pen: disc(pen, centre=(0.22, 0.5), radius=0.02))
    shown = laid_over(spot, (0, 0, 0), laid_over(coverage(disc), (255, 230, 0), (255, 255, 255)))
    cut = cut_out(picture(shown)[None])[0]
    assert (cut[..., 3][coverage(disc) == 1] > 250).all()


def test_colours_go_on_under_what_is_see_through():
    cut = cut_out(picture(laid_over(coverage(disc), (200, 30, 30), (255, 255, 255)))[None])[0]
    beside = np.flatnonzero(cut[SIDE // 2, :, 3])[0] - 1
    assert cut[SIDE // 2, beside, 3] == 0
    assert np.abs(cut[SIDE // 2, beside, :3].astype(int) - (200, 30, 30)).max() < 40


@pytest.mark.parametrize("value", [0, 77, 255])
def test_nothing_but_ground_is_all_see_through(value):
    assert not cut_out(np.full((2, 20, 30, 3), value, np.uint8))[..., 3].any()


@pytest.mark.parametrize("shape", [(1, 1), (2, 3), (1, 50), (4, 4), (5, 5)])
def test_tiny_pictures(shape):
    frames = np.random.default_rng(0).integers(0, 256, (1, *shape, 3), dtype=np.uint8)
    assert cut_out(frames).shape == (1, *shape, 4)


def test_how_plain_a_ground_is():
    plain = picture(laid_over(coverage(disc), (200, 30, 30), (40, 90, 200)))
    assert plainness(plain[None]) == 1
    touching = plain.copy()
    touching[:20, :] = (200, 30, 30)
    assert 0.6 < plainness(touching[None]) < 0.9
    wild = np.random.default_rng(0).integers(0, 256, (1, 64, 64, 3), dtype=np.uint8)
    assert plainness(wild) < 0.4
    assert plainness(np.stack([plain, touching])) == plainness(touching[None])


def flooded(mask):
    """The same by a queue of pixels."""
    height, width = mask.shape
    waiting = [(y, x) for y in range(height) for x in range(width) if y in (0, height - 1) or x in (0, width - 1)]
    found = np.zeros_like(mask)
    while waiting:
        y, x = waiting.pop()
        if 0 <= y < height and 0 <= x < width and mask[y, x] and not found[y, x]:
            found[y, x] = True
            waiting += [(y + 1, x), (y - 1, x), (y, x + 1), (y, x - 1)]
    return found


@given(st.integers(1, 12), st.integers(1, 12), st.randoms(use_true_random=False))
def test_the_part_joined_to_the_border(height, width, random):
    mask = np.array([[random.random() < 0.6 for _ in range(width)] for _ in range(height)])
    assert np.array_equal(joined_to_border(mask), flooded(mask))


def test_a_spiral_is_followed_to_its_end():
    mask = np.zeros((41, 41), bool)
    y, x, down, right = 0, 0, 0, 1
    for length in (40, 40, 40, *(n for n in range(38, 0, -2) for _ in (0, 1))):
        for _ in range(length):
            mask[y, x] = True
            y, x = y + down, x + right
        down, right = right, -down
    mask[y, x] = True
    assert np.array_equal(joined_to_border(mask), mask)
