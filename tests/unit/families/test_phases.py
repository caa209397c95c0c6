"""Guiders, skip guidance and rescale are granted and refused alike by every family that is sampled by its own loop."""

import pytest

from praxino.errors import UserError
from praxino.families import Shape, families
from praxino.request import Request

GUIDED = {
    "ltx-video": "ltx-video-0.9.5",
    "ltx-2": "ltx-2",
    "wan": "wan2.1-t2v-14b",
    "mochi": "mochi-1-preview",
    "cogvideox": "cogvideox-5b",
    "hunyuan-video": "hunyuan-video",
}
"""A variant of each family whose steering has apg."""
ON = {"hunyuan-video": {"true_guidance": 4.0}}
"""What turns classifier-free guidance on where it is off by default."""
OFF = {"hunyuan-video": {}, "ltx-2": {"guidance": 1.0, "stg": 0.0}, "ltx-video": {"guidance": 1.0, "stg": 0.0}}


def planned(name, task="text-to-video", **wish):
    family = families()[name]
    variant = family.variants[GUIDED[name]]
    shape = Shape(variant.width, variant.height, variant.num_frames, variant.fps)
    return family.plan(Request(prompt="a cat", **wish), variant, shape, task)


def test_these_are_all_families_that_have_them():
    having = {name for name, one in families().items() if any("apg" in v.steering for v in one.variants.values())}
    assert having - {"hunyuan-video-i2v", "wan-animate", "hunyuan-video-1.5"} == {*GUIDED}, (
        "1.5: tested beside diffusers"
    )


@pytest.mark.parametrize("name", GUIDED)
def test_apg_takes_the_place_of_any_other_guider_and_goes_with_skip_guidance(name):
    on = ON.get(name, {})
    sampling = planned(name, guider="apg", stg=1.0, stg_blocks=(3,), rescale=0.6, **on)
    assert sampling.options["apg"] is True and not sampling.cfg_star and "zero_steps" not in sampling.options
    assert {(phase.stg_scale, phase.rescale) for phase in sampling.guidance_phases} == {(1.0, 0.6)}
    assert "apg" not in planned(name, **on).options


@pytest.mark.parametrize("name", GUIDED)
def test_cfg_zero_star_zeroes_the_first_step_but_for_ltx_video(name):
    sampling = planned(name, cfg_star=True, **ON.get(name, {}))
    assert sampling.cfg_star and "apg" not in sampling.options
    assert sampling.options.get("zero_steps", 0) == (0 if name == "ltx-video" else 1)
    assert not planned(name, **ON.get(name, {})).cfg_star


@pytest.mark.parametrize("name", ["wan", "cogvideox", "hunyuan-video"])
def test_a_clip_that_is_changed_is_not_zeroed(name):
    wish = {} if name == "hunyuan-video" else {"video": "clip.mp4"}
    assert "zero_steps" not in planned(name, "video-to-video", cfg_star=True, **wish, **ON.get(name, {})).options


@pytest.mark.parametrize("name", GUIDED)
@pytest.mark.parametrize(
    ("wish", "complaint"),
    [
        ({"guider": "apg"}, "--guider apg changes nothing here, as guidance is off"),
        ({"cfg_star": True}, "--cfg-star changes nothing here, as guidance is off"),
        ({"stg_mode": "attention-values"}, "--stg-mode changes nothing here, as spatio-temporal guidance is off"),
        ({"stg_blocks": (3,)}, "--stg-blocks changes nothing here, as spatio-temporal guidance is off"),
    ],
)
def test_what_could_change_nothing_is_refused_in_the_same_words(name, wish, complaint):
    with pytest.raises(UserError, match=complaint):
        planned(name, **OFF.get(name, {"guidance": 1.0}), **wish)


@pytest.mark.parametrize("name", sorted(set(GUIDED) - {"ltx-2"}))
def test_rescale_is_about_whatever_guides(name):
    off = OFF.get(name, {"guidance": 1.0})
    with pytest.raises(UserError, match="--rescale changes nothing here, as nothing guides"):
        planned(name, rescale=0.5, **off)
    guided = {**off, "guidance": 4.0, **ON.get(name, {})}
    assert planned(name, rescale=0.5, **guided).guidance_phases[0].rescale == 0.5
    assert planned(name, **guided).guidance_phases[0].rescale == 1
    skips = planned(name, rescale=0.5, **{**off, "stg": 1.0, "stg_blocks": (3,)})
    assert skips.guidance_phases[0].rescale == 0.5


def test_without_guidance_of_either_the_two_of_ltx_2_still_guide_each_other():
    assert planned("ltx-2", rescale=0.5, guidance=1.0, stg=0.0).guidance_phases[0].rescale == 0.5


def test_a_default_of_cfg_zero_star_gives_way_to_another_guider():
    family = families()["ltx-video"]
    variant = family.variants["ltx-video-0.9.8-13b-dev"]
    shape = Shape(variant.width, variant.height, variant.num_frames, variant.fps)
    assert family.plan(Request(prompt="a"), variant, shape, "text-to-video").cfg_star
    assert not family.plan(Request(prompt="a", guider="apg"), variant, shape, "text-to-video").cfg_star
