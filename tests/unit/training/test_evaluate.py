"""Measuring, with a drawer whose skill is known."""

from dataclasses import dataclass

import numpy as np
import pytest

from praxino.training import evaluate as subject
from praxino.training.evaluate import choose_sigmas, picture_db
from praxino.training.score import Score


@dataclass(frozen=True)
class Model:
    sigmas: tuple[float, ...] = (1.0,)


def test_decibels_of_pictures():
    a = np.zeros((2, 4, 4, 3), np.uint8)
    assert picture_db(a, a + 255) == pytest.approx(0.0)
    assert picture_db(a, a + 51) == pytest.approx(20 * np.log10(5))
    assert picture_db(a, a) > 100


def test_the_noise_levels_that_score_best_are_chosen_and_ties_go_to_better_parts(monkeypatch):
    scores = {(1.0, 0.9): (0.5, 0.6), (1.0, 0.5): (0.8, 0.7), (1.0, 0.2): (0.8, 0.9)}
    monkeypatch.setattr(subject, "draw", lambda model, asked, seed: model.sigmas)
    monkeypatch.setattr(
        subject, "score", lambda drawn, asked: Score(4, scores[drawn][1], 1.0, 1.0, scores[drawn][0], {})
    )
    assert choose_sigmas(Model(), list(scores), 4) == [1.0, 0.2]
