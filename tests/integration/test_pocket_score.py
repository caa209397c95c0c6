"""The bundled model still scores what its card tells: a slice of the card's own clips."""

import numpy as np
import pytest

from praxino.errors import UserError
from praxino.training.rescore import rescore
from praxino.training.sprites import find_font
from praxino.weights.catalog import find

EACH = 20


def test_forty_prompts_score_within_five_points_of_the_card():
    try:
        find_font()
    except UserError as problem:
        pytest.skip(str(problem))
    scores = rescore(find("pocket").require_path(), EACH)
    assert [(score.kind, score.count) for score in scores] == [("trained", EACH), ("held out", EACH)]
    assert np.mean([score.all_right for score in scores]) >= np.mean([score.on_card for score in scores]) - 0.05
