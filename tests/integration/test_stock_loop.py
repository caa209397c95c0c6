"""The adapter over pipelines that own their loop: what it draws is what they draw, also after going on from a step."""

from __future__ import annotations

import gc
import threading
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load, save

from praxino.families import LoopState, Shape, families
from praxino.recipe import Encoding, Recipe
from praxino.request import Request

STEPS = 5


@pytest.fixture(scope="module")
def sdxl(tmp_path_factory: pytest.TempPathFactory):
    family = families()["sdxl"]
    folder = tmp_path_factory.mktemp("sdxl")
    family.miniature(folder)
    variant = family.identify(folder)
    assert variant is not None
    return family, variant, family.load(folder, variant, "float32", "cpu"), folder


def recipe_for(sdxl: Any, **wish: Any) -> Recipe:
    family, variant, _, _ = sdxl
    request = Request(**{"prompt": "a red cat", "steps": STEPS, **wish})
    sampling = family.plan(request, variant, Shape(64, 64, 1, 1.0), "text-to-image")
    return Recipe(
        family="sdxl", variant=variant.name, model="miniature", revision="", task="text-to-image",
        prompt=request.prompt, caption=request.prompt, negative_prompt=sampling.negative_prompt,
        width=64, height=64, num_frames=1, fps=1.0, steps=sampling.steps,
        guidance=sampling.guidance_phases[0].scale, guidance_phases=sampling.guidance_phases,
        cfg_star=False, stg_mode=sampling.stg_mode, seed=7, n=1, scheduler=sampling.scheduler,
        schedule=sampling.schedule, sigmas=(), dtype="float32", conditions=(), loras=(), options=sampling.options,
        encoding=Encoding("png", 0, "good", 90, "none", False, False),
    )  # fmt: skip


def stored(state: LoopState) -> LoopState:
    """The state as a checkpoint gives it back."""
    return LoopState(state.step, load(save({key: tensor.contiguous() for key, tensor in state.tensors.items()})))


SCHEDULERS = (
    "euler", "euler-ancestral", "heun", "dpm++-2m", "dpm++-2m-karras", "dpm++-sde", "unipc", "ddim", "ddpm", "pndm",
    "lcm",
)  # fmt: skip


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_going_on_from_any_step_draws_the_same_pixels(sdxl, scheduler: str) -> None:
    family, _, parts, _ = sdxl
    recipe = recipe_for(sdxl, scheduler=scheduler)
    straight = list(family.denoise(recipe, parts, [], 7))
    assert [state.step for state in straight] == list(range(STEPS + 1))
    frames = family.decode(recipe, parts, straight[-1])
    for state in straight[0], straight[1], straight[3], straight[-1]:
        resumed = list(family.denoise(recipe, parts, [], 7, stored(state)))
        assert [later.step for later in resumed] == list(range(state.step, STEPS + 1))
        assert torch.equal(resumed[-1].tensors["latents"], straight[-1].tensors["latents"])
        assert (family.decode(recipe, parts, resumed[-1]) == frames).all()


def test_going_on_computes_only_what_is_left(sdxl) -> None:
    family, _, parts, _ = sdxl
    recipe = recipe_for(sdxl, scheduler="dpm++-2m")
    straight = list(family.denoise(recipe, parts, [], 7))
    calls = []
    handle = parts.base.unet.conv_in.register_forward_hook(lambda *_: calls.append(1))
    list(family.denoise(recipe, parts, [], 7, stored(straight[3])))
    handle.remove()
    assert len(calls) == 1 + STEPS - 3
    assert "forward" not in vars(parts.base.unet)


def test_stopping_ends_the_pipeline_within_a_step(sdxl) -> None:
    family, _, parts, _ = sdxl
    calls = []
    handle = parts.base.unet.register_forward_hook(lambda *_: calls.append(1))
    before = threading.active_count()
    states = family.denoise(recipe_for(sdxl), parts, [], 7)
    assert next(states).step == 0 and next(states).step == 1
    assert threading.active_count() == before + 1
    states.close()
    handle.remove()
    assert threading.active_count() == before
    assert len(calls) == 1
    assert not parts.base.unet._forward_pre_hooks
    again = next(family.denoise(recipe_for(sdxl), parts, [], 7))
    gc.collect()
    assert again.step == 0 and threading.active_count() == before


def test_trouble_in_the_pipeline_comes_out_with_its_traceback(sdxl) -> None:
    family, _, parts, _ = sdxl

    def fail(*_: Any) -> None:
        raise ValueError("the network burns")

    handle = parts.base.unet.conv_in.register_forward_hook(fail)
    before = threading.active_count()
    with pytest.raises(ValueError, match="the network burns") as caught:
        list(family.denoise(recipe_for(sdxl), parts, [], 7))
    handle.remove()
    assert any(entry.name == "fail" for entry in caught.traceback)
    assert threading.active_count() == before


def test_words_draw_what_the_pipeline_draws(sdxl, tmp_path: Path) -> None:
    from diffusers import StableDiffusionXLPipeline

    family, _, parts, folder = sdxl
    recipe = recipe_for(sdxl, negative_prompt="blurry", guidance=4.0, rescale=0.3)
    *_, state = family.denoise(recipe, parts, [], 7)
    pipeline = StableDiffusionXLPipeline.from_pretrained(folder)
    pipeline.set_progress_bar_config(disable=True)
    picture = pipeline(
        "a red cat", negative_prompt="blurry", guidance_scale=4.0, guidance_rescale=0.7, num_inference_steps=STEPS,
        generator=torch.Generator().manual_seed(7), height=64, width=64,
    ).images[0]  # fmt: skip
    import numpy as np

    assert np.array_equal(family.decode(recipe, parts, state)[0], np.array(picture))
