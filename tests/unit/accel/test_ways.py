"""Which of the ways that were tried a run gets."""

import pytest

from praxino.accel.paces import Pace, Tried
from praxino.accel.ways import best, degree_of, summary, told

MATH = Tried("attention:math", 9.0, 10.0, 1e-6)
SAGE = Tried("attention:sage", 4.0, 10.0, 5e-3)
WRONG = Tried("attention:flash-3", 1.0, 10.0, 0.5)
BROKEN = Tried("attention:cudnn", problem="no kernel")
SLOWER = Tried("passes:1", 11.0, 10.0, 1e-6)
ALL = Pace(tried=(BROKEN, MATH, SLOWER, SAGE, WRONG), tried_all=True)


@pytest.mark.parametrize(("quality", "found"), [("exact", MATH), ("near", SAGE), ("fast", SAGE)])
def test_the_fastest_that_is_near_enough(quality, found):
    assert best("attention", ALL, quality) == found
    assert (degree_of(MATH), degree_of(SAGE)) == ("exact", "near")


def test_one_of_a_later_degree_is_told_where_there_is_none_of_the_one_that_is_asked_for():
    assert best("attention", Pace(tried=(SAGE,)), "exact") == SAGE


def test_what_saves_too_little_fails_or_is_wrong_is_left():
    even = Tried("attention:flash", 9.6, 10.0)
    assert best("attention", Pace(tried=(even, BROKEN, WRONG)), "fast") is None
    assert best("fused", ALL, "fast") is None


def test_branches_take_turns_where_there_is_not_room_for_both_however_long_that_takes():
    assert best("passes", ALL, "exact") is None
    assert best("passes", ALL, "exact", lambda: True) == SLOWER
    even = Pace(tried=(Tried("attention:flash", 9.6, 10.0),))
    assert best("attention", even, "fast", lambda: True) is None


def test_what_came_of_it_is_told():
    assert told("attention", Pace(tried=(BROKEN, SAGE))) == (
        "attention:cudnn does not do: no kernel; attention:sage took 4 s, 10 s plainly, off by 0.005"
    )
    assert (
        told("fused", Pace(tried=(Tried("fused:qkv", 10.1, 10.0),)))
        == "fused:qkv took 10.1 s, 10 s plainly, the same bits"
    )
    assert told("fused", ALL) == "there is no other way for these networks"


def test_what_came_of_a_way_in_several_kinds_of_runs():
    assert summary([MATH, SAGE, WRONG, BROKEN]) == "faster in 2 of 4 kinds of runs, by 60% at most"
    assert summary([SLOWER]) == "faster in 0 of 1 kinds of runs"
