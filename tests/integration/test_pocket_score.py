"""The bundled model still scores what its card tells: a slice of the card's own clips."""

import numpy as np
import pytest

from praxino.errors import UserError
from praxino.training.card import scores_on_card
from praxino.training.evaluate import score_combinations
from praxino.training.export import read_folder
from praxino.training.sprites import find_font
from praxino.weights.catalog import find

EACH = 20


def test_forty_prompts_score_within_five_points_of_the_card():
    try:
        find_font()
    except UserError as problem:
        pytest.skip(str(problem))
    folder = find("pocket").require_path()
    on_card = scores_on_card(folder)
    assert list(on_card) == ["trained", "held out"]
    scores = score_combinations(read_folder(folder), EACH)
    assert [score.count for score in scores] == [EACH, EACH]
    assert np.mean([score.all_three for score in scores]) >= np.mean(list(on_card.values())) - 0.05
