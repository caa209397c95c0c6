"""The judge of the second edition, on clips whose truth is known."""

import numpy as np
import pytest
import torch

from praxino.training.atlas import Atlas
from praxino.training.edition import second
from praxino.training.judging import STILL, Judge, mark, self_test
from praxino.training.wishes import Wish


@pytest.fixture(scope="module")
def judge():
    try:
        atlas = Atlas.draw(second().things)
    except Exception as problem:
        pytest.skip(str(problem))
    return Judge(second(), atlas, 96, 96)


def test_it_is_right_on_true_clips_and_at_chance_on_shuffled_ones(judge):
    true, shuffled = self_test(judge, 32)
    assert true.all_right >= 31 / 32
    assert true.things >= 31 / 32
    assert shuffled.all_right == 0
    assert shuffled.things <= 0.1
    assert shuffled.motion <= 0.25
    assert shuffled.ground <= 0.25


def test_pairs_and_counts_are_seen(judge):
    wishes = [
        Wish(("frog", "rocket"), "spinning", "sea"),
        Wish(("balloon",), "flying up", "sunset", count=2),
        Wish(("banana",), "fading in", "pink", count=3),
        Wish(("ghost",), "zooming in", "night", size="big"),
    ]
    shown = judge.judge(judge.stage.draw(wishes, np.random.default_rng(0)))
    assert shown == wishes


def test_what_stands_still_or_is_empty_does_not_pass(judge):
    drawn = judge.stage.draw([Wish(("frog",), "spinning", "city")], np.random.default_rng(0))
    still, empty = judge.judge(torch.cat([drawn[:, :1].expand_as(drawn), torch.full_like(drawn, 255)]))
    assert (still.things, still.motion, still.ground) == (("frog",), STILL, "city")
    assert (empty.things, empty.motion, empty.ground) == ((), STILL, "white")


def test_noise_that_nobody_sees_changes_nothing(judge):
    wishes = [Wish(("pizza",), "sliding left", "snow"), Wish(("cat face",), "wobbling", "purple gradient")]
    drawn = judge.stage.draw(wishes, np.random.default_rng(2))
    noise = 6 * torch.randn(drawn.shape, generator=torch.Generator().manual_seed(0))
    assert judge.judge((drawn + noise).clamp(0, 255)) == wishes


def test_marks_are_counted_by_part_and_by_name():
    asked = [Wish(("frog", "owl"), "spinning", "red"), Wish(("frog",), "spinning", "blue", size="small")]
    shown = [Wish(("owl", "frog"), "spinning", "red"), Wish(("frog",), "shaking", "blue")]
    marks = mark(asked, shown)
    assert (marks.things, marks.motion, marks.ground, marks.size, marks.all_right) == (1, 0.5, 1, 0.5, 0.5)
    assert marks.by_name == {"frog": 1, "owl": 1, "spinning": 0.5, "red": 1, "blue": 1}
