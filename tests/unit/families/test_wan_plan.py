"""What a wish becomes, and what is refused, for Wan. No torch."""

import pytest

from praxino.errors import UserError
from praxino.families import Shape
from praxino.families.wan.plan import plan
from praxino.families.wan.variants import CONTROL_KINDS, PUBLISHED
from praxino.request import Request
from praxino.sampling import schedules

WORDS = PUBLISHED["wan2.1-t2v-14b"]


def planned(variant=WORDS, task="text-to-video", size=None, frames=None, **wish):
    width, height = size or (variant.width, variant.height)
    shape = Shape(width, height, frames or variant.num_frames, variant.fps)
    return plan(Request(prompt="a cat", **wish), variant, shape, task)


def test_defaults_are_the_authors() -> None:
    sampling = planned()
    assert sampling.scheduler == "unipc" and sampling.schedule == "wan" and sampling.steps == 50
    assert sampling.sigmas == schedules.shifted(50, 5.0, schedules.UNIPC_START)
    assert sampling.negative_prompt == WORDS.negative_prompt
    assert [phase.scale for phase in sampling.guidance_phases] == [5.0]


def test_other_solvers_begin_with_noise_alone() -> None:
    for scheduler in ("dpm++-2m", "euler"):
        assert planned(scheduler=scheduler, steps=4).sigmas == schedules.shifted(4, 5.0)
    assert planned(scheduler="euler", steps=4).sigmas[0] == 1.0


def test_one_scale_for_both_transformers_is_one_phase() -> None:
    two = PUBLISHED["wan2.2-t2v-a14b"]
    assert [phase.scale for phase in planned(two).guidance_phases] == [4.0, 3.0]
    assert [phase.scale for phase in planned(two, guidance=1.0).guidance_phases] == [1.0]
    assert planned(two, guidance=1.0).negative_prompt == ""


def test_guiders_are_part_of_the_recipe() -> None:
    assert planned(guider="apg").options["apg"] and "apg" not in planned().options
    assert planned(cfg_star=True).cfg_star


@pytest.mark.parametrize(("strength", "left"), [(None, 8), (1.0, 10), (0.55, 5), (0.1, 1)])
def test_a_clip_that_is_changed_is_run_over_the_last_share_of_the_levels(strength, left) -> None:
    sampling = planned(task="video-to-video", video="a.mp4", strength=strength, steps=10)
    assert sampling.sigmas == schedules.shifted(10, 5.0, schedules.UNIPC_START)[10 - left :]


def test_a_masked_clip_is_drawn_from_noise_alone() -> None:
    vace = PUBLISHED["wan2.1-vace-14b"]
    assert planned(vace, task="video-to-video", video="a.mp4", mask="m.png").steps == 50


@pytest.mark.parametrize(("variant", "wish", "message"), [
    ("wan2.1-t2v-14b", {"scheduler": "ddim"}, "unipc, dpm\\+\\+-2m, euler"),
    ("wan2.1-t2v-14b", {"schedule": "uniform"}, "--sigmas"),
    ("wan2.1-t2v-14b", {"sigmas": (0.4, 0.9)}, "sigmas must fall"),
    ("wan2.1-t2v-14b", {"size": (1280, 724)}, "720 and 736"),
    ("wan2.1-t2v-14b", {"frames": 80}, "77 and 81"),
    ("wan2.1-t2v-14b", {"guidance": 0.5}, "1 \\(off\\)"),
    ("wan2.1-t2v-14b", {"guidance": 1.0, "guider": "apg"}, "guidance is off"),
    ("wan2.1-t2v-14b", {"guidance": 1.0, "cfg_star": True}, "guidance is off"),
    ("wan2.1-t2v-14b", {"guidance": 1.0, "negative_prompt": "x"}, "without guidance"),
    ("wan2.1-t2v-14b", {"stg": 1.0}, "0 to 39"),
    ("wan2.1-t2v-1.3b", {"stg": 1.0, "stg_blocks": (30,)}, "0 to 29"),
    ("wan2.1-t2v-14b", {"stg_mode": "attention-skip"}, "turn it on"),
    ("wan2.1-t2v-14b", {"strength": 0.5}, "changes nothing"),
    ("wan2.1-t2v-14b", {"lora_blocks": "blocks.0.*"}, "--lora"),
    ("wan2.1-vace-14b", {"control": ("flow=a.png",)}, "flow-map=FILE"),
    ("wan2.1-vace-14b", {"control": ("depth-map=a", "pose-map=b")}, "one map"),
    ("wan2.1-vace-14b", {"control": ("depth-map=a",), "video": "b"}, "exclude each other"),
])  # fmt: skip
def test_what_cannot_be_is_refused(variant, wish, message) -> None:
    with pytest.raises(UserError, match=message):
        planned(PUBLISHED[variant], **wish)


def test_too_little_of_a_clip_is_refused() -> None:
    with pytest.raises(UserError, match=r"give --strength 0\.1 or more"):
        planned(task="video-to-video", video="a.mp4", strength=0.05, steps=10)
    with pytest.raises(UserError, match="exclude each other"):
        planned(task="video-to-video", video="a.mp4", strength=0.5, sigmas=(0.5,))


def test_vace_names_what_it_follows() -> None:
    steering = PUBLISHED["wan2.1-vace-1.3b"].steering
    assert {f"control:{kind}" for kind in CONTROL_KINDS} <= set(steering)
    assert {"keyframes", "last-frame", "reference", "video-mask"} <= set(steering)


def test_maps_are_made_with_companions_where_they_need_any() -> None:
    vace = PUBLISHED["wan2.1-vace-1.3b"]
    roles = {kind: [c.role for c in planned(vace, control=(f"{kind}=a.mp4",)).companions] for kind in ("gray", "depth")}
    assert roles == {"gray": [], "depth": ["annotator:depth"]}
    assert planned(vace, control=("depth-map=a.mp4",)).companions == ()
