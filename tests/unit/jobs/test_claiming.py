from dataclasses import dataclass

import pytest

from praxino.jobs.claiming import LOOK_AHEAD, preferred


@dataclass
class Candidate:
    model: str
    priority: int = 0
    passed_over: int = 0


@pytest.mark.parametrize(
    ("candidates", "loaded", "chosen"),
    [
        ("abc", "", 0),
        ("abc", "c", 2),
        ("abcb", "b", 1),
        ("abc", "x", 0),
        ("aab", "ab", 0),
    ],
)
def test_the_first_loaded_model(candidates, loaded, chosen):
    assert preferred([Candidate(model) for model in candidates], set(loaded)) == chosen


def test_not_beyond_a_priority():
    assert preferred([Candidate("a", 1), Candidate("b", 0)], {"b"}) == 0


def test_not_past_one_that_was_passed_over_enough():
    worn = Candidate("a", passed_over=LOOK_AHEAD)
    assert preferred([worn, Candidate("b")], {"b"}) == 0
    assert preferred([Candidate("a"), worn, Candidate("b")], {"b"}) == 0
    assert preferred([Candidate("b"), worn], {"b"}) == 0
    assert preferred([worn, Candidate("b")], {"a"}) == 0
