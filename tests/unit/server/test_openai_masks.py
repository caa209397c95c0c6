import io

import numpy as np
from PIL import Image

from praxino.server.openai.masks import drawn_anew


def test_what_is_fully_transparent_is_white():
    alpha = np.array([[0, 1, 255], [254, 0, 0]], np.uint8)
    pixels = np.dstack([np.full((2, 3, 3), 9, np.uint8), alpha])
    mask = Image.open(io.BytesIO(drawn_anew(Image.fromarray(pixels))))
    assert np.array_equal(np.asarray(mask), [[255, 0, 0], [0, 255, 255]])


def test_a_transparent_palette_colour_counts():
    picture = Image.new("P", (2, 1))
    picture.putpalette([255, 0, 0, 0, 255, 0])
    picture.putdata([0, 1])
    picture.info["transparency"] = 1
    mask = Image.open(io.BytesIO(drawn_anew(picture)))
    assert np.array_equal(np.asarray(mask), [[0, 255]])


def test_an_opaque_picture_is_no_mask():
    assert drawn_anew(Image.new("RGB", (2, 2))) is None
