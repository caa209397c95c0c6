"""What is chosen of what was measured."""

import math

import pytest

from praxino.accel.calibrations import UNGUIDED_SHARE, Choice
from praxino.bench.calibrating import Trial, calibrated, fastest

RATIOS = (1.0, 0.9)


def trial(kind, ssim, speedup, psnr_db=30.0, unguided=0.0):
    return Trial(Choice(kind, 0.1, longest=2, ratios=RATIOS, unguided=unguided), ssim, psnr_db, speedup)


CAREFUL, BOLD, UNLIKE = trial("easy", 0.97, 1.5), trial("mag", 0.91, 2.0), trial("taylor", 0.89, 3.0)


@pytest.mark.parametrize(
    ("trials", "found"),
    [
        ([CAREFUL, BOLD, UNLIKE], BOLD),
        ([BOLD, trial("mag", 0.95, 1.9)], trial("mag", 0.95, 1.9)),
        ([UNLIKE], None),
        ([trial("easy", 1.0, 1.1, math.inf)], None),
        ([trial("easy", 0.99, 0.9)], None),
        ([], None),
    ],
)
def test_the_fastest_that_is_like_enough_and_leaves_something_out(trials, found):
    assert fastest(trials) == found


def test_it_is_kept_with_what_it_was_measured_at():
    guided = trial("mag", 0.92, 2.4, 31.0, unguided=0.3)
    found = calibrated([BOLD, guided], RATIOS, is_guided=True)
    assert (found.kind, found.bound, found.longest, found.ratios) == ("mag", 0.1, 2, RATIOS)
    assert (found.unguided, found.ssim, found.psnr_db, found.speedup) == (0.3, 0.92, 31.0, 2.4)
    assert calibrated([BOLD], RATIOS, is_guided=True).unguided == 0.0
    assert calibrated([BOLD], RATIOS, is_guided=False).unguided == UNGUIDED_SHARE
    nothing = calibrated([UNLIKE], RATIOS, is_guided=True)
    assert (nothing.kind, nothing.unguided, nothing.ratios) == ("none", 0.0, RATIOS)
