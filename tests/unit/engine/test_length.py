"""Exact lengths on every grid, and clips longer than is drawn at once."""

import dataclasses
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from praxino.engine.length import Length, above, below, length_notes, of_clip, resolve_length, shown_frames
from praxino.engine.pieces import joined, start_of
from praxino.errors import UserError
from praxino.families import Grid, Variant
from praxino.recipe import GuidancePhase, Pieces
from praxino.request import Request

GRIDS = (8, 4, 1)


def variant(step: int, max_frames: int = 97, steering=(), tasks=("text-to-video",)) -> Variant:
    grid = Grid(32, 64, 1280, frame_step=step, max_frames=max_frames)
    return Variant(
        "v", "V", "", "", tasks, grid, 64, 64, step * 2 + 1, 24, 4, (GuidancePhase(1, 1),), steering=steering
    )  # fmt: skip


@pytest.mark.parametrize("step", GRIDS)
@pytest.mark.parametrize("shown", [*range(1, 20), 95, 96, 97])
def test_seconds_are_exactly_kept_and_drawn_on_the_grid(step, shown):
    length = resolve_length(Request(seconds=max(0.01, shown / 24)), variant(step), 24)
    assert length.num_frames == shown
    assert (length.at_once - 1) % step == 0
    assert shown <= length.at_once < shown + step
    assert length.pieces.count == 1


@given(st.sampled_from(GRIDS), st.fractions(Fraction(1, 100), 60), st.sampled_from([6, 8, 15, 16, 23.976, 24, 25, 30]))
def test_any_seconds_are_shown_to_the_frame(step, seconds, fps):
    length = resolve_length(Request(seconds=float(seconds)), variant(step, steering=("extend",)), fps)
    assert length.num_frames == max(1, round(float(seconds) * fps))
    drawn = length.pieces if length.pieces.num_frames else Pieces(length.num_frames)
    assert drawn.span >= length.num_frames
    assert drawn.num_frames <= 97 and (drawn.num_frames - 1) % step == 0
    shown = shown_frames(drawn, length.num_frames)
    assert len(shown) == length.num_frames and shown == sorted(set(shown))


@pytest.mark.parametrize("step", GRIDS)
def test_what_is_on_the_grid_is_drawn_as_it_is(step):
    assert resolve_length(Request(), variant(step), 24).pieces == Pieces()
    assert resolve_length(Request(frames=step + 1), variant(step), 24).pieces == Pieces()
    assert resolve_length(Request(seconds=(step + 1) / 24), variant(step), 24).pieces == Pieces()


@pytest.mark.parametrize(
    ("step", "frames", "nearest"),
    [
        (8, 10, "are 9 and 17"), (8, 300, "is 97"), (8, 2, "are 1 and 9"), (8, 98, "is 97"), (4, 6, "are 5 and 9"),
        (1, 98, "is 97"),
    ],
)  # fmt: skip
def test_frames_off_the_grid_are_refused_with_the_nearest(step, frames, nearest):
    with pytest.raises(UserError, match=f"nearest allowed {nearest}"):
        resolve_length(Request(frames=frames), variant(step), 24)


def test_a_grid_whose_end_is_off_it():
    assert (above(90, Grid(32, 64, 64, 8, 100)), below(100, Grid(32, 64, 64, 8, 100))) == (97, 97)
    length = resolve_length(Request(seconds=99 / 24), variant(8, 100, ("extend",)), 24)
    assert (length.num_frames, length.pieces.count) == (99, 2)


def test_longer_than_can_be_drawn():
    with pytest.raises(UserError, match=r"240 frames; v draws at most 97 \(4.04 seconds\), and cannot go on"):
        resolve_length(Request(seconds=10), variant(8), 24)
    with pytest.raises(UserError, match="give --seconds"):
        resolve_length(Request(frames=193), variant(8, steering=("extend",)), 24)


def test_the_fewest_and_shortest_pieces():
    length = resolve_length(Request(seconds=10), variant(8, steering=("extend",)), 24)
    assert length.pieces == Pieces(97, 3, 17)
    assert length_notes(Request(seconds=10), length, 24) == [
        "240 frames at 24 fps: 10 seconds; drawn: 3 pieces of 97 frames, each going on from 17 of the one before"
    ]
    from_pictures = resolve_length(Request(seconds=5), variant(4, tasks=("image-to-video",)), 24)
    assert from_pictures.pieces == Pieces(61, 2, 1)
    assert length_notes(Request(), resolve_length(Request(), variant(8), 24), 24) == []
    exact = Request(seconds=97 / 24)
    assert length_notes(exact, resolve_length(exact, variant(8), 24), 24) == ["97 frames at 24 fps: 4.042 seconds"]


def test_where_frames_are_taken_away():
    assert shown_frames(Pieces(9), 7) == [0, 1, 2, 3, 4, 5, 6]
    assert shown_frames(Pieces(9, trim="start"), 7) == [2, 3, 4, 5, 6, 7, 8]
    assert shown_frames(Pieces(9, trim="evenly"), 5) == [0, 2, 4, 6, 8]
    assert shown_frames(Pieces(9, trim="evenly"), 8)[::7] == [0, 8]


@pytest.mark.parametrize("backward", [False, True])
def test_pieces_are_joined_with_every_frame_once(backward):
    drawn = Pieces(9, 3, 3, backward)
    whole = np.arange(drawn.span)
    pieces = [whole[start_of(drawn, i) :][:9] for i in range(3)]
    assert [len(piece) for piece in pieces] == [9, 9, 9]
    assert (pieces[0][0] == 0) is not backward
    assert (joined(pieces, drawn) == whole).all()
    assert dataclasses.replace(drawn, count=1).span == 9


def test_a_clip_that_is_changed_keeps_its_length_and_rate_unless_told():
    changing = variant(4, max_frames=31)
    assert of_clip(Request(video="a"), changing, 20, 12.5) == Request(video="a", seconds=1.6, fps=12.5)
    assert resolve_length(of_clip(Request(video="a"), changing, 20, 12.5), changing, 12.5).num_frames == 20
    assert of_clip(Request(video="a"), changing, 99, 24).seconds == 29 / 24
    assert of_clip(Request(video="a", fps=10.0), changing, 20, 12.5) == Request(video="a", seconds=1.6, fps=10.0)
    assert of_clip(Request(video="a", fps=25.0), changing, 20, 12.5).seconds == 29 / 25
    for told in ({"frames": 9}, {"seconds": 1.0, "fps": 8.0}):
        assert of_clip(Request(video="a", **told), changing, 20, 12.5) == Request(video="a", **told)


def test_pieces_are_no_longer_than_a_task_that_goes_on_draws():
    going_on = variant(1, max_frames=256, tasks=("text-to-video", "image-to-video"), steering=())
    going_on = dataclasses.replace(
        going_on, grid=dataclasses.replace(going_on.grid, max_frames_of={"image-to-video": 32})
    )
    assert resolve_length(Request(seconds=200.0), going_on, 1.0) == Length(200, Pieces())
    chained = resolve_length(Request(seconds=300.0), going_on, 1.0).pieces
    assert (chained.num_frames, chained.count, chained.overlap) == (31, 10, 1)
