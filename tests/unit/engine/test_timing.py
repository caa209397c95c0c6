"""Clips that are changed or followed, frame by frame of the new one."""

import numpy as np
import pytest

from praxino.engine.conditions import Source
from praxino.engine.timing import in_time, places_in


def clip(count, role="video", fps=10.0, name="a.mp4"):
    """Frame i is all i."""
    return Source(name, np.arange(count, dtype=np.uint8)[:, None, None, None].repeat(3, -1), 0, 1.0, role, fps=fps)


def shown(source):
    return source.frames[:, 0, 0, 0].tolist()


@pytest.mark.parametrize(
    ("fps", "new_fps"), [(30.0, 16.0), (8.0, 24.0), (24000 / 1001, 8.0), (12.5, 12.5), (25.0, 24.0)]
)
def test_each_new_frame_is_the_last_that_began_by_its_time(fps, new_fps):
    places = places_in(40, fps, new_fps, 60)
    for index, place in enumerate(places):
        began = np.arange(40) / fps <= index / new_fps + 1e-6 / fps
        assert place == np.flatnonzero(began)[-1]


def test_at_its_own_rate_a_clip_is_itself_cut_or_held():
    (same,), notes = in_time([clip(9)], 10.0, 9, 9)
    assert shown(same) == list(range(9)) and notes == []
    (cut,), (note,) = in_time([clip(20)], 10.0, 9, 9)
    assert shown(cut) == list(range(9)) and note == "a.mp4: the first 0.9 of its 2 seconds"
    (held,), (note,) = in_time([clip(5)], 10.0, 9, 9)
    assert shown(held) == [0, 1, 2, 3, 4, 4, 4, 4, 4] and note == "a.mp4: its last frame is held after 0.5 seconds"


def test_what_is_held_and_trimmed_away_again_is_not_told():
    (held,), notes = in_time([clip(7)], 10.0, 9, 7)
    assert shown(held) == [0, 1, 2, 3, 4, 5, 6, 6, 6] and notes == []


def test_another_rate_keeps_the_pace_and_is_told():
    (slower,), (note,) = in_time([clip(20, fps=20.0)], 10.0, 10, 10)
    assert shown(slower) == list(range(0, 20, 2)) == list(slower.places)
    assert note == "a.mp4: taken at 10 frames per second instead of 20"
    (faster,), (note,) = in_time([clip(4, fps=5.0)], 10.0, 9, 9)
    assert shown(faster) == [0, 0, 1, 1, 2, 2, 3, 3, 3]
    assert note.endswith("instead of 5, its last frame is held after 0.8 seconds")


def test_masks_and_maps_run_along_and_pictures_frames_and_scribbles_do_not():
    along = [clip(20, role) for role in ("video", "mask", "control:depth", "annotate:pose")]
    others = [clip(20, "frame"), clip(1, "mask"), clip(1, "reference"), clip(3, "control:scribble")]
    timed, notes = in_time([*along, *others], 10.0, 5, 5)
    assert [len(source.frames) for source in timed] == [5, 5, 5, 5, 20, 1, 1, 3]
    assert len(notes) == 3  # the mask's is its clip's
