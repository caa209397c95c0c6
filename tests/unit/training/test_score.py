"""The judge of clips, on clips whose truth is known."""

import subprocess
import sys

import numpy as np
import pytest

from praxino.training import score
from praxino.training.dataset import ClipRow, Combination
from praxino.training.motions import GROUNDS


def test_it_is_right_on_true_labels_and_at_chance_on_shuffled_ones(font):
    true, shuffled = score.self_test(16)
    assert true.all_three >= 15 / 16
    assert shuffled.all_three <= 0.2
    assert shuffled.thing <= 0.4
    assert true.count == shuffled.count == 16


def test_torch_is_not_imported():
    code = "import sys, praxino.training.score; print(any(m in sys.modules for m in ('torch', 'diffusers')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize("ground", GROUNDS)
def test_grounds_are_told_apart(ground):
    frames = np.broadcast_to(np.array(GROUNDS[ground], np.uint8), (9, 64, 64, 3)).copy()
    frames[:, 20:44, 20:44] = 90
    assert score.judge_ground(frames) == ground


def test_a_picture_that_stands_still_has_no_motion(blob_clips):
    still = np.repeat(blob_clips[0][:1], 9, axis=0)
    assert score.judge_motion(still) == score.STILL


def test_an_empty_picture_has_no_motion_and_any_thing(font):
    frames = np.full((9, 64, 64, 3), 255, np.uint8)
    verdict = score.judge(frames, "frog")
    assert (verdict.motion, verdict.ground) == (score.STILL, "white")


def test_motions_are_told_from_things_never_taught(blob_clips):
    asked = ["spinning", "sliding left", "bouncing", "pulsing"] * 3
    seen = [score.judge_motion(clip) for clip in blob_clips]
    assert sum(a == b for a, b in zip(asked, seen, strict=True)) >= 10


def test_the_rank_of_the_asked_thing_is_told(font):
    clip = ClipRow(seed=1, other_share=0.0).named(Combination("frog", "bouncing", "red"), np.random.default_rng(0))
    ranking = score.rank_things(clip.frames, "bouncing", "red")
    assert score.judge(clip.frames, ranking[3]).rank == 3
    assert ranking[0] == "frog"


def test_shares_are_counted_by_part_and_by_name(monkeypatch):
    verdicts = iter(
        [
            score.Verdict("frog", "bouncing", "red"),
            score.Verdict("frog", "spinning", "red"),
            score.Verdict("ghost", "bouncing", "blue"),
            score.Verdict("frog", "bouncing", "blue"),
        ]
    )
    monkeypatch.setattr(score, "judge", lambda frames, thing: next(verdicts))
    got = score.score(
        [np.zeros(1)] * 4, [Combination("frog", "bouncing", "red")] * 3 + [Combination("frog", "bouncing", "blue")]
    )
    assert (got.thing, got.motion, got.ground, got.all_three) == (0.75, 0.75, 0.75, 0.5)
    assert got.by_name == {"frog": 0.75, "bouncing": 0.75, "red": pytest.approx(2 / 3), "blue": 1.0}
