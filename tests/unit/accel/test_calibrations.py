"""What is left out of a checkpoint's steps: as it was measured, as it is asked for, and otherwise."""

import dataclasses

import pytest

from praxino.accel.calibrations import Calibration, choice, keep, read, usual
from praxino.errors import UserError

MEASURED = Calibration("mag", 0.12, 2, (1.0, 0.9, 1.1), 0.5, 0.931, 31.24, 2.5)
FIRST = dataclasses.replace(MEASURED, kind="first-block", bound=0.08)


def test_it_is_kept_by_checkpoint_and_read_again(tmp_path):
    file = tmp_path / "new" / "calibrations.json"
    assert read(file) == {}
    keep(file, "a", MEASURED)
    keep(file, "b", FIRST)
    keep(file, "a", FIRST)
    assert read(file) == {"a": FIRST, "b": FIRST}
    assert [one.name for one in file.parent.iterdir()] == ["calibrations.json"]
    file.write_text("[]")
    assert read(file) == {}


@pytest.mark.parametrize("asked", ["warp", "easy/x", "easy/-1", "taylor/2.5", "/0.1"])
def test_what_is_not_known_is_refused(asked):
    with pytest.raises(UserError, match=r"PRAXINO_REUSE is .*; write one of easy, first-block, mag, taylor"):
        choice("wan", "", asked, MEASURED)


def test_mag_takes_figures_of_the_checkpoint():
    with pytest.raises(UserError, match="praxino calibrate -m MODEL"):
        choice("wan", "wan2.1-vace-14b", "mag", None)
    assert choice("wan", "wan2.1-t2v-14b", "", None) == usual("wan")
    published = choice("wan", "wan2.1-t2v-14b", "mag", None)
    assert (published.bound, published.longest, len(published.ratios)) == (0.12, 2, 50)
    assert choice("wan", "wan2.1-t2v-14b", "mag", MEASURED).ratios == MEASURED.ratios
