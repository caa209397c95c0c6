"""Sizes, lengths and re-timing on a model's grid."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from praxino.errors import UserError
from praxino.families import families
from praxino.training.tuning.buckets import Bucket, asked, fitted, pieces, retimed, sizes
from praxino.training.tuning.settings import Tuning

POCKET = families()["ltx-video"].variants["pocket"]
LARGE = next(v for name, v in families()["ltx-video"].variants.items() if name != "pocket")
VARIANT = dataclasses.replace(
    LARGE, width=96, height=64, num_frames=17, fps=10.0,
    grid=dataclasses.replace(LARGE.grid, size_multiple=32, min_side=32, max_side=192, frame_step=8, max_frames=33),
)  # fmt: skip


def test_the_models_own_rate_changes_nothing():
    assert retimed(7, 10, 10) == list(range(7))


@given(st.integers(2, 300), st.floats(5, 60), st.floats(5, 60))
def test_retiming_keeps_the_seconds_and_the_order(count, fps, wanted):
    indices = retimed(count, fps, wanted)
    assert abs(len(indices) / wanted - count / fps) <= 0.5 / wanted + 1e-9
    assert indices == sorted(indices) and indices[0] >= 0 and indices[-1] < count
    middles = (np.arange(len(indices)) + 0.5) / wanted * fps
    assert np.all(np.abs(np.array(indices) + 0.5 - middles) <= 1 + 1e-9)


@pytest.mark.parametrize(
    ("extraction", "first", "last", "count"),
    [("first", 0, 16, 1), ("middle", 11, 27, 1), ("spread", 0, 39, 1), ("pieces", 0, 16, 2)],
)
def test_which_frames_of_a_longer_clip(extraction, first, last, count):
    cut = pieces((40, 64, 96), 10.0, VARIANT, Tuning(extraction=extraction))
    assert len(cut) == count
    assert (cut[0].frames[0], cut[0].frames[-1]) == (first, last)
    assert {piece.bucket for piece in cut} == {Bucket(17, 64, 96)}


@pytest.mark.parametrize(
    ("extraction", "frames"), [("first", [(0,)]), ("middle", [(19,)]), ("pieces", [(5,), (15,), (25,), (35,)])]
)
def test_which_frames_teach_a_model_of_pictures(extraction, frames):
    still = dataclasses.replace(VARIANT, num_frames=1, fps=1.0)
    assert [piece.frames for piece in pieces((40, 64, 96), 10.0, still, Tuning(extraction=extraction))] == frames


@pytest.mark.parametrize(("count", "length"), [(1, 1), (8, 1), (9, 9), (16, 9), (17, 17), (60, 17)])
def test_lengths_are_on_the_grid(count, length):
    (piece,) = pieces((count, 64, 96), 10.0, VARIANT, Tuning())
    assert piece.bucket.num_frames == length == len(piece.frames)


def test_sizes_keep_the_models_area_and_the_clips_aspect():
    found = sizes(VARIANT)
    assert (96, 64) in found and (64, 96) in found
    assert all(w % 32 == 0 and h % 32 == 0 for w, h in found)
    tall = pieces((1, 200, 100), 1.0, VARIANT, Tuning())[0].bucket
    assert tall.height > tall.width
    assert sizes(POCKET) == [(64, 64)]


@pytest.mark.parametrize(("shape", "said"), [((1, 20, 30), "too few"), ((1, 64, 1000), "aspect")])
def test_clips_that_do_not_suit(shape, said):
    with pytest.raises(UserError, match=said):
        pieces(shape, 1.0, VARIANT, Tuning())


@pytest.mark.parametrize(("text", "said"), [("64", "WIDTHxHEIGHT"), ("50x64", "multiples of 32"), ("640x64", "to 192")])
def test_sizes_that_are_not_drawn(text, said):
    with pytest.raises(UserError, match=said):
        asked(text, VARIANT)


def test_fitting_covers_and_cuts_the_middle():
    frames = np.zeros((2, 64, 192, 3), np.uint8)
    frames[:, :, 64:128] = 255
    got = fitted(frames, Bucket(2, 64, 64))
    assert got.shape == (2, 64, 64, 3) and got.min() == 255
    same = fitted(frames, Bucket(2, 64, 192))
    assert same is frames
    assert fitted(frames, Bucket(2, 32, 96)).shape == (2, 32, 96, 3)
