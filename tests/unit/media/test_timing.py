from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from praxino.media.timing import GIF_UNITS, MILLISECONDS, delays, exact_fps, thinned

RATES = st.floats(0.1, 240)


@given(st.integers(1, 300), RATES, st.sampled_from([GIF_UNITS, MILLISECONDS]))
def test_no_rounding_error_adds_up(num_frames, fps, units):
    lasting = delays(num_frames, fps, units)
    assert len(lasting) == num_frames
    for k in range(1, num_frames + 1):
        assert abs(sum(lasting[:k]) - Fraction(k * units) / exact_fps(fps)) <= Fraction(1, 2)


def test_24_fps_in_hundredths():
    assert delays(6, 24, GIF_UNITS) == [4, 4, 4, 5, 4, 4]


@pytest.mark.parametrize(
    ("fps", "exact"),
    [(24.0, Fraction(24)), (30000 / 1001, Fraction(30000, 1001)), (29.97, Fraction(2997, 100)), (0.1, Fraction(1, 10))],
)
def test_rates_are_exact_fractions(fps, exact):
    assert exact_fps(fps) == exact


@given(st.integers(1, 300), RATES)
def test_thinning_keeps_length_order_and_the_first_frame(num_frames, fps):
    kept = thinned(num_frames, fps, 50)
    assert kept[0] == 0
    assert kept == sorted(set(kept))
    assert kept[-1] < num_frames
    if exact_fps(fps) <= 50:
        assert kept == list(range(num_frames))
    else:
        assert abs(Fraction(len(kept), 50) - num_frames / exact_fps(fps)) <= Fraction(1, 50)


def test_100_fps_becomes_every_second_frame():
    assert thinned(7, 100, 50) == [0, 2, 4, 6]
