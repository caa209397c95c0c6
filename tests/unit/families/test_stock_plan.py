"""What a stock family decides with no torch: steps, companions, and what it refuses."""

from __future__ import annotations

from typing import Any

import pytest

from praxino.errors import UserError
from praxino.families import Sampling, Shape, families
from praxino.request import Request

SHAPE = Shape(512, 512, 1, 1.0)


def plan(name: str, task: str = "text-to-image", **wish: Any) -> Sampling:
    family = next(family for family in families().values() if name in family.variants)
    return family.plan(Request(prompt="a cat", **wish), family.variants[name], SHAPE, task)


@pytest.mark.parametrize(
    ("name", "steps", "guidance", "scheduler"),
    [
        ("stable-diffusion-1.5", 50, 7.5, "pndm"),
        ("stable-diffusion-2.1", 50, 7.5, "ddim"),
        ("sdxl-base", 50, 5.0, "euler"),
        ("sdxl-turbo", 1, 1.0, "euler-ancestral"),
    ],
)
def test_published_defaults(name: str, steps: int, guidance: float, scheduler: str) -> None:
    sampling = plan(name)
    assert (sampling.steps, sampling.guidance_phases[0].scale, sampling.scheduler) == (steps, guidance, scheduler)
    assert sampling.sigmas == () and sampling.companions == () and sampling.options == {"levels": steps}


def test_steps_of_a_changed_picture_are_a_share_of_the_levels() -> None:
    sampling = plan("sdxl-base", "image-to-image", steps=30, strength=0.5)
    assert sampling.steps == 15 and sampling.options == {"levels": 30, "strength": 0.5}
    assert plan("sdxl-base", "image-to-image").steps == 40
    assert plan("sdxl-base", "inpainting").steps == 50
    assert plan("sdxl-base", "outpainting", strength=0.2).options["strength"] == 1.0


def test_turbo_takes_as_many_levels_as_one_step_needs() -> None:
    sampling = plan("sdxl-turbo", "image-to-image", strength=0.5)
    assert sampling.steps == 1 and sampling.options["levels"] == 2
    assert plan("sdxl-turbo", "image-to-image").options["levels"] == 2
    with pytest.raises(UserError, match="--steps 2"):
        plan("sdxl-turbo", "image-to-image", strength=0.5, steps=1)
    with pytest.raises(UserError, match="not one step"):
        plan("sdxl-turbo", "image-to-image", strength=0.0)


def test_companions_are_the_models_own_or_the_named_ones() -> None:
    sampling = plan("sdxl-base", control=("canny=x.png", "depth=y.png", "pose-map=z.png"), reference=("r.png",))
    assert [(c.role, c.path) for c in sampling.companions] == [
        ("controlnet:canny", "diffusers/controlnet-canny-sdxl-1.0"),
        ("controlnet:depth", "diffusers/controlnet-depth-sdxl-1.0"),
        ("annotator:depth", "depth-anything/Depth-Anything-V2-Small-hf"),
        ("controlnet:pose", "xinsir/controlnet-openpose-sdxl-1.0"),
        ("ip-adapter", "h94/IP-Adapter/sdxl_models/ip-adapter_sdxl.safetensors"),
        ("image-encoder", "h94/IP-Adapter/sdxl_models/image_encoder"),
    ]
    named = plan("sdxl-base", control=("canny-map=x.png",), controlnet=("mine",))
    assert [(c.role, c.path) for c in named.companions] == [("controlnet:canny", "mine")]
    with pytest.raises(UserError, match="--controlnet"):
        plan("stable-diffusion-2.1", control=("canny-map=x.png",))
    with pytest.raises(UserError, match="--ip-adapter"):
        plan("stable-diffusion-2.1", reference=("r.png",))


@pytest.mark.parametrize(
    ("wish", "told"),
    [
        ({"control": ("canny=x.png", "canny=y.png")}, "given 2 times"),
        ({"control": ("scribble=x.png",)}, "scribble-map=FILE"),
        ({"schedule": "uniform"}, "--schedule means nothing"),
        ({"last": "x.png"}, "--last means nothing"),
        ({"sigmas": (0.9, 0.5)}, "give --steps instead"),
        ({"guidance": 1.0, "negative_prompt": "blurry"}, "turn it on with --guidance"),
        ({"lora_blocks": "unet.*"}, "add --lora"),
    ],
)
def test_what_is_refused(wish: dict[str, Any], told: str) -> None:
    with pytest.raises(UserError, match=told):
        plan("sdxl-base", **wish)


def test_guidance_is_rescaled_only_where_the_pipeline_can() -> None:
    assert plan("stable-diffusion-1.5", rescale=0.3).guidance_phases[0].rescale == 0.3
    with pytest.raises(UserError, match="--rescale"):
        plan("stable-diffusion-1.5", "image-to-image", rescale=0.3)
    with pytest.raises(UserError, match="--rescale"):
        plan("sdxl-base", rescale=0.3, control=("canny-map=x.png",))


def test_a_token_is_what_is_named_or_the_files_name() -> None:
    from praxino.families._stock.plan import split_embedding

    assert split_embedding("words/dot.safetensors") == ("words/dot.safetensors", "dot")
    assert split_embedding("words/dot.safetensors:<spot>") == ("words/dot.safetensors", "<spot>")
    assert split_embedding("C:\\words\\dot.safetensors") == ("C:\\words\\dot.safetensors", "dot")
    assert split_embedding("dot:<spot>") == ("dot", "<spot>")
    assert split_embedding("owner/words/dot.safetensors") == ("owner/words/dot.safetensors", "dot")
