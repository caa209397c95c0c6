import dataclasses
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from praxino.engine.geometry import resolve_size, resolve_upscale
from praxino.errors import UserError
from praxino.families import Grid, Variant
from praxino.recipe import GuidancePhase
from praxino.request import Request

GRID = Grid(size_multiple=32, min_side=64, max_side=1280, frame_step=8, max_frames=257)


def variant(grid: Grid = GRID) -> Variant:
    return Variant("v", "V", "", "", ("text-to-video",), grid, 704, 480, 121, 24, 4, (GuidancePhase(1, 1),))


SQUARES = variant(Grid(32, 64, 96, 4, 9, sizes=((64, 64), (96, 64))))


def geometry(request: Request, of: Variant | None = None, picture=None):
    return resolve_size(request, of or variant(), picture)


@pytest.mark.parametrize(
    ("size", "words"),
    [
        ("1000x512", ["width 1000", "992 and 1024"]),
        ("512x1000", ["height 1000", "992 and 1024"]),
        ("20x64", ["width 20", "64"]),
        ("99999x64", ["width 99999", "1280"]),
        ("0x0", ["width 0"]),
        ("banana", ["'banana'", "WIDTHxHEIGHT"]),
        ("1000:1", ["1:8 and 8:1"]),
        ("-64x64", ["'-64x64'"]),
    ],
)
def test_a_size_off_the_grid_is_refused_with_the_nearest(size, words):
    with pytest.raises(UserError) as refused:
        geometry(Request(size=size))
    assert all(word in str(refused.value) for word in words), refused.value


def test_only_listed_sizes_are_drawn():
    assert geometry(Request(size="96x64"), SQUARES) == (96, 64)
    with pytest.raises(UserError, match=r"does not draw 128x64; .* are 96x64 and 64x64"):
        geometry(Request(size="128x64"), SQUARES)


def test_an_aspect_is_drawn_as_near_as_can_be():
    width, height = geometry(Request(size="16:9"))
    assert abs(width / height - 16 / 9) < 0.1


def test_a_pictures_aspect_is_kept():
    width, height = geometry(Request(), picture=(300, 600))
    assert abs(width / height - 0.5) < 0.06


@given(st.integers(1, 3000), st.integers(1, 3000))
def test_a_size_is_exactly_kept_or_refused_with_allowed_ones(width, height):
    try:
        assert geometry(Request(size=f"{width}x{height}")) == (width, height)
    except UserError as refused:
        for side in map(int, re.findall(r"\d+", str(refused).rpartition("nearest allowed")[2])):
            assert side % 32 == 0
            assert 64 <= side <= 1280


@given(st.floats(1 / 8, 8))
def test_any_aspect_lands_on_the_grid(aspect):
    drawn = geometry(Request(size=f"{aspect * 100:.3f}:100"))
    assert drawn[0] % 32 == drawn[1] % 32 == 0
    assert min(drawn) >= 64 and max(drawn) <= 1280


@pytest.mark.parametrize(("picture", "kept"), [((96, 320), True), ((97, 320), False), ((96, 1024), False)])
def test_a_picture_that_is_changed_keeps_a_legal_size(picture, kept):
    still = variant(Grid(size_multiple=16, min_side=64, max_side=512, frame_step=1, max_frames=1))
    drawn = resolve_size(Request(), still, picture, keeps_size=True)
    assert (drawn == picture) is kept
    assert resolve_size(Request(size="64x64"), still, picture, keeps_size=True) == (64, 64)


@pytest.mark.parametrize(
    ("picture", "size"),
    [((100, 200), (96, 192)), ((255, 64), (256, 64)), ((505, 511), (512, 512)), ((64, 65), (64, 64))],
)
def test_a_picture_that_is_changed_is_rounded_to_the_grid(picture, size):
    still = variant(Grid(size_multiple=16, min_side=64, max_side=512, frame_step=1, max_frames=1))
    drawn = resolve_size(Request(), still, picture, keeps_size=True)
    assert drawn == size


@pytest.mark.parametrize(
    ("picture", "bucket"),
    [((1000, 1000), (96, 96)), ((4000, 3000), (128, 96)), ((30, 40), (96, 128)), ((9000, 10), (128, 96))],
)
def test_a_picture_that_is_changed_takes_the_bucket_of_its_aspect(picture, bucket):
    buckets = ((96, 128), (96, 96), (128, 96))
    still = variant(Grid(16, 64, 512, frame_step=1, max_frames=1, buckets=buckets))
    drawn = resolve_size(Request(), still, picture, keeps_size=True)
    assert drawn == bucket
    assert resolve_size(Request(size="64x64"), still, picture, keeps_size=True) == (64, 64)


@pytest.mark.parametrize(
    ("text", "size"),
    [("2x", (1408, 960)), ("1.5X", (1056, 704)), ("2k", (2048, 1408)), ("1000x800", (1000, 800)), (None, ())],
)
def test_what_a_second_stage_brings_a_clip_to(text, size):
    assert resolve_upscale(text, (704, 480), GRID) == size


class OneEach(Grid):
    """A grid whose second stage makes one size of each that it knows."""

    def enlarged(self):
        return {(704, 480): (1072, 720), (480, 704): (720, 1072)}


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1.5x", (1072, 720)),
        ("1.6x", (1072, 720)),
        ("2x", (1408, 960)),
        ("2k", (2048, 1408)),
        ("1000x800", (1000, 800)),
    ],
)
def test_a_stage_that_makes_one_size_makes_it_where_it_is_near(text, size):
    assert resolve_upscale(text, (704, 480), OneEach(32, 64, 2048, 8, 97)) == size


def test_an_aspect_that_is_to_be_enlarged_is_drawn_in_a_size_that_can_be():
    two_stage = dataclasses.replace(variant(OneEach(32, 64, 2048, 8, 97)), width=704, height=480)
    assert resolve_size(Request(size="9:16", upscale="1.5x"), two_stage, None) == (480, 704)
    assert resolve_size(Request(size="9:16"), two_stage, None) not in two_stage.grid.enlarged()
    assert resolve_size(Request(size="64x96", upscale="1.5x"), two_stage, None) == (64, 96), "for its family to refuse"


@pytest.mark.parametrize("text", ["1x", "banana", "700x900", "704x480", "0x", "-2x", "4k"])
def test_a_second_stage_only_enlarges(text):
    with pytest.raises(UserError, match="--upscale"):
        resolve_upscale(text, (704, 480), GRID)
