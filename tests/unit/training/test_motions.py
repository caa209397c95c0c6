"""How things move."""

import math

import numpy as np
import pytest

from praxino.training.motions import GROUNDS, MOTIONS, Placement, Pose, plain_ground, render_clip, render_frame


@pytest.mark.parametrize("motion", MOTIONS)
def test_every_motion_ends_where_it_began(motion, blob_clips):
    first, last = MOTIONS[motion](0.0), MOTIONS[motion](1.0)
    for name in ("x", "y", "scale_x", "scale_y"):
        assert getattr(first, name) == pytest.approx(getattr(last, name), abs=1e-9)
    assert math.sin(first.angle) == pytest.approx(math.sin(last.angle), abs=1e-9)


def test_no_two_motions_are_alike():
    paths = {name: [motion(i / 8) for i in range(9)] for name, motion in MOTIONS.items()}
    assert len({str(path) for path in paths.values()}) == len(MOTIONS)


def square(size_px=16):
    return np.full((size_px, size_px, 4), 255, np.uint8)


def test_a_sprite_lands_where_its_pose_says():
    ground = plain_ground((0, 0, 0), 64)
    frame = render_frame(square(), Pose(x=0.25, y=-0.125), ground, Placement(0.25))
    rows, columns = np.nonzero(frame[..., 0] > 128)
    assert (columns.mean() + 0.5) / 64 - 0.5 == pytest.approx(0.25, abs=0.01)
    assert (rows.mean() + 0.5) / 64 - 0.5 == pytest.approx(-0.125, abs=0.01)
    assert len(rows) == pytest.approx(16 * 16, rel=0.02)


def test_half_transparent_sprites_mix_with_the_ground():
    half = np.full((16, 16, 4), 128, np.uint8)
    frame = render_frame(half, Pose(), plain_ground((200, 0, 0), 64), Placement(0.5))
    np.testing.assert_allclose(frame[32, 32], [128 + 200 * (1 - 128 / 255), 128, 128], atol=1)


def test_a_clip_loops_and_has_its_ground_at_the_edges():
    frames = render_clip(square(), "spinning", GROUNDS["blue"], Placement(0.4))
    assert frames.shape == (9, 64, 64, 3)
    assert np.abs(frames[0].astype(int) - frames[-1]).max() <= 2
    assert (frames[:, 0] == GROUNDS["blue"]).all()
