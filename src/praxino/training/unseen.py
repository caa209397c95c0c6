"""Owns pictures unlike anything in the training set, to be set in motion: letters, logos and cut-outs, drawn by rule.

Must not know motions, grounds or models. Nothing of it is ever trained on. A picture is a function of its number.
"""

import colorsys
import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont

SIDE_PX = 128
_FINE = 4
"""Drawn this much larger, then reduced: clean edges."""
_LETTERS = "ABEFGHKMNQRSWXZ&?358"


def picture(number: int) -> NDArray[np.uint8]:
    """A picture, (128, 128, 4) premultiplied RGBA, that fills its square; by turns a letter, a logo and a cut-out."""
    rng = np.random.default_rng((77, number))
    drawn = (_letter, _logo, _cut_out)[number % 3](number // 3, rng)
    box = drawn.getbbox()
    whole = drawn.crop(box)
    side = max(whole.size)
    square = Image.new("RGBA", (side, side))
    square.paste(whole, ((side - whole.width) // 2, (side - whole.height) // 2))
    return np.array(square.convert("RGBa").resize((SIDE_PX, SIDE_PX), Image.Resampling.BILINEAR))


def _colour(rng: np.random.Generator, value: float = 0.85) -> tuple[int, int, int]:
    red, green, blue = colorsys.hsv_to_rgb(rng.random(), rng.uniform(0.55, 1), value * rng.uniform(0.7, 1))
    return round(255 * red), round(255 * green), round(255 * blue)


def _canvas() -> tuple[Image.Image, ImageDraw.ImageDraw]:
    canvas = Image.new("RGBA", (_FINE * SIDE_PX, _FINE * SIDE_PX))
    return canvas, ImageDraw.Draw(canvas)


def _letter(number: int, rng: np.random.Generator) -> Image.Image:
    """A letter or digit with a rim."""
    canvas, pen = _canvas()
    pen.text(
        (_FINE * SIDE_PX / 2, _FINE * SIDE_PX / 2),
        _LETTERS[number % len(_LETTERS)],
        _colour(rng),
        ImageFont.load_default(_FINE * SIDE_PX * 0.8),
        anchor="mm",
        stroke_width=_FINE * int(rng.integers(2, 6)),
        stroke_fill=_colour(rng, 0.4),
    )
    return canvas


def _logo(number: int, rng: np.random.Generator) -> Image.Image:
    """A badge: a polygon, a star or a ring, with a sign within."""
    canvas, pen = _canvas()
    middle, radius = _FINE * SIDE_PX / 2, _FINE * SIDE_PX * 0.45
    outer, inner = _colour(rng), _colour(rng, 1.0)
    corners = int(rng.integers(3, 9))
    if number % 3 == 0:
        pen.ellipse((middle - radius, middle - radius, middle + radius, middle + radius), outer)
    else:
        pen.polygon(_rays(middle, radius, corners, 0.5 if number % 3 == 1 else 1.0, rng.uniform(0, 6.28)), outer)
    core = radius * 0.42
    pen.polygon(_rays(middle, core, int(rng.integers(3, 6)), rng.uniform(0.4, 1), rng.uniform(0, 6.28)), inner)
    for turn in np.linspace(0, math.tau, int(rng.integers(2, 7)), endpoint=False):
        x, y, dot = middle + 0.62 * radius * math.cos(turn), middle + 0.62 * radius * math.sin(turn), radius * 0.08
        pen.ellipse((x - dot, y - dot, x + dot, y + dot), inner)
    return canvas


def _rays(middle: float, radius: float, corners: int, waist: float, turn: float) -> list[tuple[float, float]]:
    """A star of so many points; with `waist` 1, a polygon of twice as many corners."""
    angles = turn + np.arange(2 * corners) * math.pi / corners
    reach = np.where(np.arange(2 * corners) % 2 == 0, radius, radius * waist)
    return [(middle + r * math.cos(a), middle + r * math.sin(a)) for a, r in zip(angles, reach, strict=True)]


def _cut_out(number: int, rng: np.random.Generator) -> Image.Image:
    """What a photograph's cut-out is like: an uneven outline, grain, and light from one side."""
    side = _FINE * SIDE_PX
    rows, columns = (np.mgrid[:side, :side] + 0.5) / side - 0.5
    angle = np.arctan2(rows, columns)
    outline = 0.34 + sum(rng.uniform(0, 0.05) * np.cos(k * angle + rng.uniform(0, 6.28)) for k in (1, 2, 3, 5))
    inside = np.hypot(rows, columns * rng.uniform(0.8, 1.5)) < outline
    noise = [_noise(rng, cells, side) for cells in (3, 9, 40)]
    share = np.clip(0.5 + 1.2 * noise[0] + 0.5 * noise[1], 0, 1)[..., None]
    light = 1 + rng.uniform(0.4, 0.9) * (rows * math.sin(number) + columns * math.cos(number)) + 0.25 * noise[2]
    shade = share * np.array(_colour(rng, 1.0)) + (1 - share) * np.array(_colour(rng, 0.7))
    pixels = np.concatenate([np.clip(shade * light[..., None], 0, 255), 255 * inside[..., None]], -1)
    return Image.fromarray(pixels.astype(np.uint8))


def _noise(rng: np.random.Generator, cells: int, side: int) -> NDArray[np.float64]:
    """Smooth noise around 0, about -0.5 to 0.5."""
    coarse = Image.fromarray(rng.integers(0, 256, (cells + 2, cells + 2), np.uint8))
    fine = coarse.resize((side, side), Image.Resampling.BICUBIC).filter(ImageFilter.GaussianBlur(2))
    return np.asarray(fine, np.float64) / 255 - 0.5
