import dataclasses

import pytest

from praxino.errors import UserError
from praxino.families import Shape
from praxino.families.ltx_video.plan import plan
from praxino.families.ltx_video.settings import from_options
from praxino.families.ltx_video.variants import (
    DISTILLED_REFINING_SIGMAS,
    DISTILLED_SIGMAS,
    NEGATIVE_PROMPT,
    PUBLISHED,
)
from praxino.recipe import Companion, GuidancePhase
from praxino.request import Request
from praxino.sampling import guidance, schedules

SMALL = PUBLISHED["ltx-video-0.9.6-dev"]
EARLY = PUBLISHED["ltx-video-0.9.1"]
LARGE = PUBLISHED["ltx-video-0.9.8-13b-dev"]
SMALL_DISTILLED = PUBLISHED["ltx-video-0.9.8-2b-distilled"]
DISTILLED = PUBLISHED["ltx-video-0.9.8-13b-distilled"]
STOCHASTIC = PUBLISHED["ltx-video-0.9.6-distilled"]


UPSCALER = "Lightricks/LTX-Video/ltxv-spatial-upscaler-0.9.8.safetensors"


def planned(variant, upscale=(), **wish):
    return plan(Request(prompt="a cat", **wish), variant, Shape(704, 480, 121, 24.0, upscale))


def refined(sampling):
    return from_options(sampling.options).refinement


def refused(variant, **wish):
    with pytest.raises(UserError) as refusal:
        planned(variant, **wish)
    return str(refusal.value)


def test_defaults_of_the_2b_are_the_authors():
    sampling = planned(SMALL)
    (phase,) = sampling.guidance_phases
    assert (phase.scale, phase.stg_scale, phase.stg_blocks, phase.rescale) == (3, 1, (19,), 0.3)
    assert sampling.sigmas == schedules.linear_quadratic(40)
    assert (sampling.steps, sampling.schedule, sampling.scheduler) == (40, "linear-quadratic", "euler")
    assert sampling.negative_prompt == NEGATIVE_PROMPT
    assert sampling.options["causal_rope"] is True


def test_the_early_releases_are_shifted_by_the_number_of_tokens():
    sampling = planned(EARLY)
    assert sampling.sigmas == schedules.sd3(40, 16 * 15 * 22)
    assert sampling.options["causal_rope"] is False


def test_the_13b_leaves_out_its_last_three_steps_and_is_guided_by_phases():
    sampling = planned(LARGE)
    assert sampling.sigmas[:27] == schedules.linear_quadratic(30)[:27]
    assert sampling.cfg_star
    starts = tuple(phase.start for phase in sampling.guidance_phases)
    lowest = [1.0, 0.996, 0.9933, 0.985, 0.9767, 0.9008, 0.618]
    for sigma in [*sampling.sigmas[:27], *lowest]:
        held = sampling.guidance_phases[guidance.phase_index(starts, sigma)]
        index = next((i for i, value in enumerate(lowest) if value <= sigma), 6)
        assert held.scale == [1, 1, 6, 8, 6, 1, 1][index]
        assert held.stg_scale == [0, 0, 4, 4, 4, 2, 1][index]
        assert held.rescale == [1, 1, 0.5, 0.5, 1, 1, 1][index]


def test_the_distilled_keep_their_own_noise_levels():
    sampling = planned(DISTILLED)
    assert sampling.sigmas == DISTILLED_SIGMAS + DISTILLED_REFINING_SIGMAS
    assert sampling.schedule == "explicit"
    assert sampling.negative_prompt == ""
    assert planned(DISTILLED, steps=7) == sampling
    assert "7 noise levels" in refused(DISTILLED, steps=20)
    assert planned(DISTILLED, steps=20, schedule="uniform").steps == 20
    assert planned(DISTILLED, steps=20, schedule="uniform", upscale=(1408, 960)).steps == 23
    assert planned(STOCHASTIC).scheduler == "euler-ancestral"


@pytest.mark.parametrize(
    ("variant", "steps", "tone_map"), [(LARGE, 27, 0.0), (DISTILLED, 7, 0.6), (SMALL_DISTILLED, 7, 0.0)]
)
def test_the_later_releases_are_drawn_in_two_passes_as_the_authors_do(variant, steps, tone_map):
    """Two thirds of 480, as the authors write them, are 319 pixels, which are cut to 288."""
    sampling = planned(variant)
    assert dataclasses.astuple(refined(sampling))[:3] == (steps, 448, 288)
    assert sampling.options["tone_map"] == tone_map
    assert sampling.companions == (Companion("upsampler", UPSCALER),)
    assert refined(planned(SMALL)) is None


def test_the_13bs_second_pass_leaves_out_its_first_steps_and_is_guided_by_stg_alone():
    sampling = planned(LARGE)
    assert sampling.sigmas[27:] == schedules.linear_quadratic(30)[17:]
    assert sampling.steps == 27 + 13
    phase = GuidancePhase(start=1.0, scale=1.0, stg_scale=1.0, stg_blocks=(27,))
    assert refined(sampling).guidance_phases == (phase,)
    assert refined(planned(LARGE, stg=0)).guidance_phases == (GuidancePhase(start=1.0, scale=1.0),)
    assert refined(planned(LARGE, guidance=5)).guidance_phases == (phase,)


def test_a_larger_size_is_drawn_from_the_size_itself():
    sampling = planned(DISTILLED, upscale=(1408, 960))
    assert dataclasses.astuple(refined(sampling))[:3] == (7, 704, 480)
    assert sampling.sigmas == planned(DISTILLED).sigmas
    with pytest.raises(UserError, match="at least 64"):
        plan(Request(prompt="a cat"), LARGE, Shape(32, 64, 9, 24.0))


def test_own_noise_levels_are_taken_as_they_are():
    sampling = planned(LARGE, sigmas=(1.0, 0.5))
    assert (sampling.sigmas, sampling.schedule, sampling.steps) == ((1.0, 0.5), "explicit", 2)


def test_a_flag_replaces_its_column_in_every_phase():
    stg_scales = [(phase.stg_scale, phase.stg_blocks) for phase in planned(LARGE).guidance_phases]
    guided = planned(LARGE, guidance=5).guidance_phases
    assert {phase.scale for phase in guided} == {5}
    assert [(p.stg_scale, p.stg_blocks) for p in guided if p.stg_scale] == [pair for pair in stg_scales if pair[0]]
    without = planned(LARGE, stg=0).guidance_phases
    assert {phase.stg_scale for phase in without} == {0}
    assert [phase.scale for phase in without] == [1, 6, 8, 6, 1]
    everywhere = planned(LARGE, guidance=4, stg=1, stg_blocks=(3, 4), rescale=0.9).guidance_phases
    assert len(everywhere) == 1
    assert dataclasses.astuple(everywhere[0]) == (1.0, 4, 1, (3, 4), 0.9)


def test_guidance_may_be_asked_of_the_distilled():
    sampling = planned(DISTILLED, guidance=2, negative_prompt="rain")
    assert sampling.guidance_phases[0].scale == 2
    assert sampling.negative_prompt == "rain"
    assert planned(DISTILLED, stg=1, stg_blocks=(19,)).guidance_phases[0].stg_blocks == (19,)


@pytest.mark.parametrize(
    ("variant", "wish", "complaint"),
    [
        (DISTILLED, {"negative_prompt": "rain"}, "--negative changes nothing"),
        (DISTILLED, {"cfg_star": True}, "--cfg-star changes nothing"),
        (DISTILLED, {"rescale": 0.5}, "--rescale changes nothing"),
        (DISTILLED, {"stg_mode": "attention-skip"}, "--stg-mode changes nothing"),
        (DISTILLED, {"stg_blocks": (3,)}, "--stg-blocks changes nothing"),
        (DISTILLED, {"stg": 1.0}, "--stg needs to know"),
        (SMALL, {"stg_blocks": (28,)}, "blocks are 0 to 27"),
        (SMALL, {"guidance": 0.5}, "allowed is 1"),
        (SMALL, {"sigmas": (0.5, 0.7)}, "must fall"),
        (SMALL, {"sigmas": (1.0, 0.0)}, "above 0"),
        (LARGE, {"steps": 3}, "at least 4"),
    ],
)
def test_wishes_that_cannot_be_granted_are_refused(variant, wish, complaint):
    assert complaint in refused(variant, **wish)


def test_an_empty_negative_prompt_is_a_wish_of_its_own():
    assert planned(SMALL, negative_prompt="").negative_prompt == ""
    assert planned(DISTILLED, negative_prompt="").negative_prompt == ""
