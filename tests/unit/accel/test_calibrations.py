"""What is left out of a checkpoint's steps: as it was measured, as it is asked for, and otherwise."""

import dataclasses

import pytest

from praxino.accel.calibrations import Calibration, choice, keep, read, usual
from praxino.accel.speed import decided, speed_plan
from praxino.errors import UserError
from praxino.recipe import Companion
from tests.unit.accel.test_speed import OLD, WAN, on, recipe

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


def speed(wish, **chosen):
    items = speed_plan(OLD, WAN, wish, choice=choice(wish.family, chosen.get("asked", ""), chosen.get("known")))
    return decided(wish, items).speed, {item.name: item for item in items}


def test_what_was_measured_is_used_and_told():
    kept, items = speed(recipe(quality="fast"), known=MEASURED)
    assert kept == ("reuse:mag/0.12/4/2/1,0.9,1.1", "unguided:10")
    assert "calibrated: mag 0.12" in items["reuse"].why
    assert items["reuse"].error == items["unguided"].error == "SSIM 0.931, 31.2 dB, calibrated"
    kept, _ = speed(recipe(quality="fast"), known=FIRST)
    assert kept[0] == "reuse:first-block/0.08/4"


def test_where_nothing_is_like_enough_nothing_is_left_out():
    nothing = dataclasses.replace(MEASURED, kind="none", unguided=0.0)
    kept, items = speed(recipe(quality="fast"), known=nothing)
    assert kept == ()
    assert "no cache is faster here with SSIM 0.90 or more" in items["reuse"].why


def test_another_cache_stands_in_where_the_measured_one_does_not_fit_the_run():
    fed = recipe(quality="fast", companions=(Companion("controlnet", "a", ""),))
    assert speed(fed, known=FIRST)[0][0] == "reuse:0.05/4"
    kept, items = speed(fed, known=FIRST, asked="first-block")
    assert "reuse" not in {one.partition(":")[0] for one in kept}
    assert "does not fit blocks that companions feed" in items["reuse"].why


@pytest.mark.parametrize(
    ("asked", "kept"),
    [
        ("easy", "reuse:0.05/4"),
        ("easy/0.1", "reuse:0.1/4"),
        ("first-block", "reuse:first-block/0.05/4"),
        ("taylor/3", "reuse:taylor/3/4"),
        ("mag", "reuse:mag/0.12/4/2/1,0.9,1.1"),
    ],
)
def test_another_cache_can_be_asked_for(asked, kept):
    assert speed(recipe(quality="fast"), known=MEASURED, asked=asked)[0][0] == kept


@pytest.mark.parametrize("asked", ["warp", "easy/x", "easy/-1", "taylor/2.5", "/0.1"])
def test_what_is_not_known_is_refused(asked):
    with pytest.raises(UserError, match=r"PRAXINO_REUSE is .*; write one of easy, first-block, mag, taylor"):
        choice("wan", asked, MEASURED)


def test_mag_takes_figures_of_the_checkpoint():
    with pytest.raises(UserError, match="praxino calibrate -m MODEL"):
        choice("wan", "mag", None)
    assert choice("wan", "", None) == usual("wan")
