import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from praxino.engine.geometry import resolve_shape
from praxino.errors import UserError
from praxino.families import Grid, Variant
from praxino.recipe import GuidancePhase
from praxino.request import Request

GRID = Grid(size_multiple=32, min_side=64, max_side=1280, frame_step=8, max_frames=257)


def variant(grid: Grid = GRID) -> Variant:
    return Variant("v", "V", "", "", ("text-to-video",), grid, 704, 480, 121, 24, 4, (GuidancePhase(1, 1),))


SQUARES = variant(Grid(32, 64, 96, 4, 9, sizes=((64, 64), (96, 64))))


def geometry(request: Request, of: Variant | None = None, picture=None):
    return resolve_shape(request, of or variant(), picture)


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
    assert geometry(Request(size="96x64"), SQUARES).width == 96
    with pytest.raises(UserError, match=r"does not draw 128x64; .* are 96x64 and 64x64"):
        geometry(Request(size="128x64"), SQUARES)


@pytest.mark.parametrize(("frames", "nearest"), [(10, "9 and 17"), (300, "is 257"), (2, "1 and 9"), (258, "is 257")])
def test_frames_off_the_grid_are_refused_with_the_nearest(frames, nearest):
    with pytest.raises(UserError, match=nearest):
        geometry(Request(frames=frames))


def test_friendly_forms():
    assert geometry(Request(seconds=5)).num_frames == 121
    wide = geometry(Request(size="16:9"))
    assert abs(wide.width / wide.height - 16 / 9) < 0.1
    with pytest.raises(UserError, match="at most 257"):
        geometry(Request(seconds=60))


def test_a_pictures_aspect_is_kept():
    tall = geometry(Request(), picture=(300, 600))
    assert abs(tall.width / tall.height - 0.5) < 0.06


@given(st.integers(1, 3000), st.integers(1, 3000))
def test_a_size_is_exactly_kept_or_refused_with_allowed_ones(width, height):
    try:
        kept = geometry(Request(size=f"{width}x{height}"))
        assert (kept.width, kept.height) == (width, height)
    except UserError as refused:
        for side in map(int, re.findall(r"\d+", str(refused).rpartition("nearest allowed")[2])):
            assert side % 32 == 0
            assert 64 <= side <= 1280


@given(st.floats(1 / 8, 8))
def test_any_aspect_lands_on_the_grid(aspect):
    drawn = geometry(Request(size=f"{aspect * 100:.3f}:100"))
    assert drawn.width % 32 == drawn.height % 32 == 0
    assert min(drawn.width, drawn.height) >= 64
    assert max(drawn.width, drawn.height) <= 1280


@given(st.floats(0.01, 10), st.floats(1, 25))
def test_seconds_round_to_the_nearest_legal_length(seconds, fps):
    drawn = geometry(Request(seconds=seconds, fps=fps))
    assert drawn.num_frames % 8 == 1
    assert abs(drawn.num_frames - seconds * fps) <= 4 + 1


@pytest.mark.parametrize(("picture", "kept"), [((96, 320), True), ((97, 320), False), ((96, 1024), False)])
def test_a_picture_that_is_changed_keeps_a_legal_size(picture, kept):
    still = variant(Grid(size_multiple=16, min_side=64, max_side=512, frame_step=1, max_frames=1))
    shape = resolve_shape(Request(frames=1), still, picture, keeps_size=True)
    assert ((shape.width, shape.height) == picture) is kept
    assert resolve_shape(Request(frames=1, size="64x64"), still, picture, keeps_size=True).width == 64


@pytest.mark.parametrize(
    ("picture", "size"),
    [((100, 200), (96, 192)), ((255, 64), (256, 64)), ((505, 511), (512, 512)), ((64, 65), (64, 64))],
)
def test_a_picture_that_is_changed_is_rounded_to_the_grid(picture, size):
    still = variant(Grid(size_multiple=16, min_side=64, max_side=512, frame_step=1, max_frames=1))
    shape = resolve_shape(Request(frames=1), still, picture, keeps_size=True)
    assert (shape.width, shape.height) == size


@pytest.mark.parametrize(
    ("picture", "bucket"),
    [((1000, 1000), (96, 96)), ((4000, 3000), (128, 96)), ((30, 40), (96, 128)), ((9000, 10), (128, 96))],
)
def test_a_picture_that_is_changed_takes_the_bucket_of_its_aspect(picture, bucket):
    buckets = ((96, 128), (96, 96), (128, 96))
    still = variant(Grid(16, 64, 512, frame_step=1, max_frames=1, buckets=buckets))
    shape = resolve_shape(Request(frames=1), still, picture, keeps_size=True)
    assert (shape.width, shape.height) == bucket
    assert resolve_shape(Request(frames=1, size="64x64"), still, picture, keeps_size=True).width == 64
