from types import SimpleNamespace

import pytest

from praxino.accel.split import Split, lines_of, num_passes, split_of
from praxino.errors import UserError
from praxino.recipe import Companion, GuidancePhase


def recipe(family="wan", scale=5.0, stg=0.0, speed=(), companions=(), **options):
    """What the split of a Recipe hangs on."""
    phases = (GuidancePhase(1.0, 1.0), GuidancePhase(0.5, scale, stg))
    return SimpleNamespace(
        family=family, model="m", guidance_phases=phases, options=options, speed=speed, companions=companions
    )


@pytest.mark.parametrize(
    ("given", "count", "split"),
    [
        (recipe(), 2, Split(2, 1)),
        (recipe(), 4, Split(2, 2)),
        (recipe(), 3, Split(1, 3)),
        (recipe(scale=1.0), 2, Split(1, 2)),
        (recipe(scale=1.0, stg=1.0), 2, Split(2, 1)),
        (recipe("flux", scale=1.0, true_guidance=1.0), 4, Split(1, 4)),
        (recipe("flux", scale=1.0, true_guidance=3.0), 4, Split(2, 2)),
        (recipe("mochi"), 2, Split(2, 1)),
        (recipe("hunyuan-video", scale=1.0), 3, Split(1, 3)),
        (recipe(kind="vace"), 2, Split(2, 1)),
    ],
)
def test_passes_first_then_tokens(given, count, split):
    assert split_of(given, count) == split
    assert split.passes * split.context == count
    assert lines_of(given, count)[0].startswith(f"{count} GPUs")


@pytest.mark.parametrize(
    ("given", "count", "said"),
    [
        (recipe("mochi"), 4, "use 2, for the two passes"),
        (recipe("mochi", scale=1.0), 2, "no plan for splitting its network by tokens; draw it on one"),
        (recipe("stable-diffusion"), 2, "no plan"),
        (recipe(kind="vace"), 4, "no plan"),
        (recipe("flux", 1.0, companions=(Companion("controlnet:canny", "p"),)), 2, "what a ControlNet adds"),
        (recipe(speed=("reuse:0.05/10",)), 2, "quality fast leaves steps out"),
    ],
)
def test_what_cannot_be_shared_is_told(given, count, said):
    with pytest.raises(UserError, match=said):
        split_of(given, count)


def test_passes_are_counted_where_they_are_most():
    assert [num_passes(recipe(scale=1.0)), num_passes(recipe()), num_passes(recipe(stg=1.0))] == [1, 2, 3]


def test_one_gpu_is_not_told_of_and_what_is_left_out_is():
    assert lines_of(recipe(), 1) == []
    assert lines_of(recipe(), 2)[-1] == "where frames are decoded in tiles, the tiles are dealt out to all"
    assert lines_of(recipe(speed=("compile:blocks",)), 2)[-1] == "left out, as several GPUs draw this: compile"
