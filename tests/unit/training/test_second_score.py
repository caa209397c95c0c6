"""Measuring the second edition, with a model that draws the truth and one that draws nothing."""

import numpy as np
import pytest
import torch

from praxino.training import second_score
from praxino.training.drawing import to_uint8
from praxino.training.edition import second
from praxino.training.flow import LatentGrid
from praxino.training.grammar import canonical_caption
from praxino.training.lexicon import vocabulary
from praxino.training.live import Clips
from praxino.training.second_card import SecondMaking, second_scores_on_card, write_card
from praxino.training.second_score import move_pictures, picture_stage, score_words
from praxino.training.wishes import Wish
from praxino.vocabulary import Vocabulary

GRID = LatentGrid(frames=9, height=6, width=6, fps=12.0)
COUNT, FEW_PICTURES = 6, 12


@pytest.fixture(autouse=True)
def _few_pictures(monkeypatch):
    monkeypatch.setattr(second_score, "PICTURES", FEW_PICTURES)


@pytest.fixture(scope="module")
def clips():
    try:
        return Clips(second(), GRID, torch.device("cpu"))
    except Exception as problem:
        pytest.skip(str(problem))


@pytest.fixture
def true(clips, monkeypatch):
    """Draws what the caption asks for; given a picture, moves that of its number as asked."""
    wishes = {
        canonical_caption(wish): wish
        for wish in (
            Wish((t,), m, g) for t, m, g in sorted(second_score.held_out())[:COUNT]
        )
    }  # fmt: skip

    def draw(model, captions, seed, given=second_score.NOTHING):
        if given.first is None:
            asked = [wishes.get(caption, Wish(("frog",), "spinning", "red")) for caption in captions]
            return to_uint8(clips.stage.draw(asked, np.random.default_rng(seed)))
        judge = second_score.Judge(second(), clips.named, 96, 96)
        stage = picture_stage(judge)
        asked = [Wish((str(number),), motion, "white") for number, motion in enumerate(captions)]
        rng = np.random.default_rng(len(asked))
        staging, grounds = stage.place(asked, rng), stage.ground_pictures(["white"] * len(asked), rng)
        return to_uint8(stage.play(staging, grounds))

    monkeypatch.setattr(second_score, "draw", draw)


def test_a_model_that_draws_the_truth_has_full_marks(clips, true, tmp_path):
    score, pictures = score_words(None, Vocabulary(vocabulary()), clips, COUNT), move_pictures(None, clips)
    assert {kind: marks.all_right for kind, marks in score.by_words.items()} == dict.fromkeys(score.by_words, 1.0)
    assert list(score.by_words) == ["plain", "paraphrased", "Chinese"]
    assert pictures.motion >= 11 / 12
    assert pictures.same == 1.0
    assert pictures.last_db == pictures.first_db == pytest.approx(138, abs=1)
    assert score.failures == []
    making = SecondMaking({"decoder": 30.0, "teacher": 90.0}, "cpu", "one processor core", (1.0, 0.5))
    write_card(tmp_path, score, pictures, making)
    card = (tmp_path / "README.md").read_text()
    assert (
        "120 minutes on one processor core (decoder 30, teacher 90); at 10 W, which is an assumption, 0.02 kWh" in card
    )
    assert "None among those" in card
    assert second_scores_on_card(tmp_path) == {"plain": 1.0, "paraphrased": 1.0, "Chinese": 1.0}


def test_failures_are_told_and_shown(clips, monkeypatch, tmp_path):
    def empty(model, captions, seed, given=second_score.NOTHING):
        return np.full((len(captions), 17, 96, 96, 3), 255, np.uint8)

    monkeypatch.setattr(second_score, "draw", empty)
    score, pictures = score_words(None, Vocabulary(vocabulary()), clips, COUNT), move_pictures(None, clips)
    assert score.by_words["plain"].all_right == 0
    assert (pictures.motion, pictures.same < 0.1) == (0, True)
    assert len(score.failures) == len(score.failed) == COUNT
    write_card(tmp_path, score, pictures, SecondMaking({}, "cpu", "one processor core", (1.0,)))
    assert "| nothing, standing still, white |" in (tmp_path / "README.md").read_text()
    assert (tmp_path / "failures.webp").stat().st_size > 100


def test_pictures_swapped_for_others_are_not_the_same(clips, true, monkeypatch):
    draw = second_score.draw
    monkeypatch.setattr(
        second_score, "draw", lambda model, captions, seed, given: np.roll(draw(model, captions, seed, given), 1, 0)
    )
    marks = move_pictures(None, clips)
    assert marks.same < 0.1
    assert marks.last_db < 20
