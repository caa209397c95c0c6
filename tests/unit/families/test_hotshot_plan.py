"""What a wish becomes, and which wishes are refused before anything is loaded."""

from __future__ import annotations

from typing import Any

import pytest

from praxino.errors import UserError
from praxino.families import Sampling, Shape
from praxino.families.hotshot_xl import FAMILY
from praxino.request import Request

VARIANT = FAMILY.variants["hotshot-xl"]


def plan(task: str = "text-to-video", num_frames: int = 8, **wish: Any) -> Sampling:
    return FAMILY.plan(Request(prompt="a bulldog", **wish), VARIANT, Shape(672, 384, num_frames, 8.0), task)


def test_the_defaults_are_the_originals() -> None:
    sampling = plan()
    assert (VARIANT.width, VARIANT.height, VARIANT.num_frames, VARIANT.fps) == (672, 384, 8, 8.0)
    assert (sampling.steps, sampling.scheduler, sampling.negative_prompt) == (30, "euler-ancestral", "blurry")
    assert [(phase.scale, phase.rescale) for phase in sampling.guidance_phases] == [(5.0, 1.0)]
    assert sampling.options == {
        "original_size": [1920, 1080],
        "target_size": [512, 512],
        "levels": 30,
        "lora_blocks": [],
    }
    assert sampling.sigmas == () and sampling.companions == ()


@pytest.mark.parametrize("size", [(320, 768), (384, 672), (416, 608), (512, 512), (608, 416), (672, 384), (768, 320)])
def test_every_bucket_is_on_the_grid(size: tuple[int, int]) -> None:
    grid = VARIANT.grid
    assert all(side % grid.size_multiple == 0 and grid.min_side <= side <= grid.max_side for side in size)


@pytest.mark.parametrize(
    ("task", "strength", "steps"),
    [
        ("text-to-video", None, 20), ("image-to-video", None, 17), ("image-to-video", 0.5, 17),
        ("image-to-video", 0.0, 20), ("video-to-video", None, 16), ("video-to-video", 0.25, 5),
        ("video-to-video", 1.0, 20),
    ],
)  # fmt: skip
def test_of_what_is_given_the_last_levels_are_run(task: str, strength: float | None, steps: int) -> None:
    sampling = plan(task, strength=strength, steps=20)
    assert (sampling.steps, sampling.options["levels"]) == (steps, 20)


def test_what_is_asked_for_is_taken() -> None:
    sampling = plan(
        guidance=7.5,
        rescale=0.3,
        steps=12,
        scheduler="dpm++-2m",
        negative_prompt="",
        lora_blocks="up_blocks.*,mid_block.*",
    )
    (phase,) = sampling.guidance_phases
    assert (phase.scale, phase.rescale, sampling.steps) == (7.5, 0.3, 12)
    assert (sampling.scheduler, sampling.negative_prompt) == ("dpm++-2m", "")
    assert sampling.options["lora_blocks"] == ["up_blocks.*", "mid_block.*"]


def test_without_guidance_there_is_no_negative_text() -> None:
    assert plan(guidance=1.0).negative_prompt == ""


@pytest.mark.parametrize(
    ("wish", "match"),
    [
        ({"sigmas": (0.9, 0.5)}, "--sigmas is not for hotshot-xl: its sigmas are spaced by its --scheduler"),
        ({"schedule": "uniform"}, "--schedule"),
        ({"stg": 1.0}, "--stg is not for hotshot-xl: it is guided by"),
        ({"cfg_star": True}, "--cfg-star"),
        ({"last": "a.png"}, "--last is not for hotshot-xl: a picture can only be its first frame"),
        ({"keyframes": ("a.png@3",)}, "--keyframe "),
        ({"video": "a.gif", "extend": "forward"}, "--extend is not for hotshot-xl: it changes a clip"),
        ({"scheduler": "lcm", "steps": 60}, "--steps is 60; the sampler lcm takes at most 50"),
        ({"guidance": 1.0, "negative_prompt": "blurry"}, "--negative changes nothing"),
        ({"guidance": 1.0, "rescale": 0.5}, "--rescale changes nothing"),
        ({"spatial_base": "/"}, "no SDXL checkpoint"),
    ],
)
def test_what_cannot_be_is_refused(wish: dict[str, Any], match: str) -> None:
    with pytest.raises(UserError, match=match):
        plan(**wish)


def test_one_frame_cannot_be_set_in_motion() -> None:
    with pytest.raises(UserError, match="nothing to set in motion"):
        plan("image-to-video", num_frames=1, image="a.png")


def test_a_strength_below_one_step_is_refused() -> None:
    with pytest.raises(UserError, match=r"at least 0.05"):
        plan("video-to-video", video="a.gif", strength=0.01, steps=20)
