"""Motions that ship and those of users: bodies of human proportions that move smoothly, drawn as poses."""

import json
import math

import numpy as np
import pytest

from praxino.errors import UserError
from praxino.motions import find, names
from praxino.motions.motion import NUM_JOINTS, Motion, parse, to_json
from praxino.motions.render import COLOURS, LIMBS, render

BONES = {
    (2, 3): 0.175,
    (3, 4): 0.155,
    (5, 6): 0.175,
    (6, 7): 0.155,
    (8, 9): 0.245,
    (9, 10): 0.245,
    (11, 12): 0.245,
    (12, 13): 0.245,
}
"""The longest that limbs can look, in heights of the figure."""


def test_what_ships():
    assert names() == ("dance", "jump", "turn", "walk", "wave")


@pytest.mark.parametrize("name", names())
def test_proportions_are_human_and_feet_touch_the_ground(name):
    motion = find(name)
    assert motion.loop and motion.about and motion.fps == 16
    for figure in motion.frames:
        for (one, other), length in BONES.items():
            assert math.dist(figure[one], figure[other]) <= length + 0.002
        assert min(figure[10][1], figure[13][1]) >= 0.035
    lowest = [min(figure[10][1], figure[13][1]) for figure in motion.frames]
    assert min(lowest) == pytest.approx(0.04, abs=0.002)
    assert (max(lowest) > 0.15) is (name == "jump")


@pytest.mark.parametrize("name", names())
def test_movement_is_smooth_also_from_the_end_to_the_beginning(name):
    frames = find(name).frames
    moved = 0.0
    for one, other in zip(frames, (*frames[1:], frames[0]), strict=True):
        for a, b in zip(one, other, strict=True):
            if a is not None and b is not None:
                assert math.dist(a, b) < 0.2
                moved = max(moved, math.dist(a, b))
    assert moved > 0.02


@pytest.mark.parametrize("name", names())
def test_files_are_small_and_read_as_they_are_written(name):
    motion = find(name)
    assert len(to_json(motion)) < 40_000
    assert parse(to_json(motion), name, name) == motion


def test_a_turn_shows_the_back_without_a_face():
    frames = find("turn").frames
    assert frames[0][0] is not None and frames[len(frames) // 2][0] is None
    assert frames[len(frames) // 2][2][0] > frames[len(frames) // 2][5][0]


def still(*joints, fps=2, loop=False):
    frames = [[joint, *[None] * 17] for joint in joints]
    return parse(json.dumps({"fps": fps, "loop": loop, "frames": frames}), "m", "m.json")


def test_time_between_frames():
    motion = still([0, 0], [2, 4])
    assert motion.at(0.25)[0] == (1, 2)
    assert motion.at(9)[0] == (2, 4)
    assert still([0, 0], [2, 4], loop=True).at(0.75)[0] == (1, 2)
    assert still([0, 0], None).at(0.4)[0] is None
    assert still([0, 0], None).at(0.1)[0] == (0, 0)


@pytest.mark.parametrize(("width", "height"), [(64, 64), (96, 160), (160, 96), (65, 49)])
def test_the_whole_movement_is_in_the_picture(width, height):
    frames = render(find("dance"), 8, 4, width, height)
    assert frames.shape == (8, height, width, 3) and frames.dtype == np.uint8
    lit = frames.max(axis=(0, 3)) > 0
    assert not lit[0].any() and not lit[-1].any() and not lit[:, 0].any() and not lit[:, -1].any()
    rows, columns = np.flatnonzero(lit.any(axis=1)), np.flatnonzero(lit.any(axis=0))
    assert max(len(rows) / height, len(columns) / width) > 0.75


def test_joints_and_limbs_have_their_colours():
    motion = Motion("m", "", 1, False, (tuple((float(k), float(k % 5) * 2) for k in range(NUM_JOINTS)),))
    picture = render(motion, 1, 1, 512, 512)[0]
    seen = {tuple(colour) for colour in picture.reshape(-1, 3)}
    assert set(COLOURS) <= seen
    shades = {tuple(int(value * 0.6) for value in colour) for _, colour in zip(LIMBS, COLOURS, strict=False)}
    assert len(shades & seen) >= 14


def test_the_pace_is_kept_at_any_rate():
    walk = find("walk")
    slow, fast = render(walk, 4, 8, 64, 64), render(walk, 8, 16, 64, 64)
    assert np.array_equal(slow, fast[::2])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "is not JSON"),
        ("[]", "is no motion"),
        ('{"frames": []}', "fps"),
        ('{"fps": 16, "frames": []}', "has 0 frames"),
        ('{"fps": true, "frames": [[]]}', '"fps" is True'),
        ('{"fps": 16, "frames": [[]]}', "frame 0 must be a list of 18 joints"),
        (json.dumps({"fps": 16, "frames": [[None] * 18]}), "shows no joint"),
        (json.dumps({"fps": 16, "frames": [[[0, 0]] * 17 + [[0]]]}), r"must be \[x, y\] or null"),
        ('{"fps": 16, "frames": [[' + "[0, NaN]," * 17 + "[0, 0]]]}", r"must be \[x, y\] or null"),
    ],
)
def test_what_is_no_motion(text, said, tmp_path):
    path = tmp_path / "own.json"
    path.write_text(text)
    with pytest.raises(UserError, match=said):
        find(str(path))


def test_names_that_are_none(tmp_path):
    with pytest.raises(UserError, match="did you mean walk"):
        find("wlak")
    with pytest.raises(UserError, match="cannot be read"):
        find(str(tmp_path / "missing.json"))
