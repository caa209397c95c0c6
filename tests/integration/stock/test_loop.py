"""The adapter over pipelines that own their loop: going on from a step, stopping, and trouble."""

from __future__ import annotations

import dataclasses
import gc
import threading
from typing import Any

import pytest
import torch

STEPS = 5
SCHEDULERS = (
    "euler", "euler-ancestral", "heun", "dpm++-2m", "dpm++-2m-karras", "dpm++-sde", "unipc", "ddim", "ddpm", "pndm",
    "lcm",
)  # fmt: skip


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_going_on_from_any_step_draws_the_same_pixels(models, scheduler: str) -> None:
    model = models("sdxl")
    model.check_going_on(model.recipe(steps=STEPS, scheduler=scheduler))


@pytest.mark.parametrize("scheduler", ["pndm", "euler-ancestral", "heun"])
def test_going_on_with_a_picture_that_is_changed(models, picture, mask, scheduler: str) -> None:
    model = models("stable-diffusion")
    wish = {"steps": 6, "strength": 0.7, "scheduler": scheduler}
    recipe = model.recipe("image-to-image", [("image", picture, 0.7)], **wish)
    assert recipe.steps == 4
    model.check_going_on(recipe, [picture[None]])
    recipe = model.recipe("inpainting", [("image", picture, 0.7), ("mask", mask, 1.0)], **wish)
    model.check_going_on(recipe, [picture[None], mask[None]])


@pytest.mark.parametrize("steps", [1, 2, 3])
@pytest.mark.parametrize("scheduler", ["pndm", "heun", "dpm++-2m"])
def test_few_steps_are_counted_as_they_are(models, scheduler: str, steps: int) -> None:
    model = models("sdxl")
    recipe = model.recipe(steps=steps, scheduler=scheduler)
    assert [state.step for state in model.states(recipe)] == list(range(steps + 1))


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_going_on_in_half_precision(models, dtype: str) -> None:
    full = models("sdxl")
    model = dataclasses.replace(full, parts=full.family.load(full.folder, full.variant, dtype, "cpu"))
    recipe = model.recipe(scheduler="dpm++-2m")
    model.check_going_on(recipe)
    state = model.states(recipe)[2]
    assert str(state.tensors["latents"].dtype) == f"torch.{dtype}"
    assert model.family.preview(recipe, model.parts, state).std() > 0
    assert str(model.parts.base.vae.dtype) == f"torch.{dtype}"


def test_going_on_computes_only_what_is_left(models) -> None:
    model = models("sdxl")
    recipe = model.recipe(steps=STEPS, scheduler="dpm++-2m")
    straight = model.states(recipe)
    calls = []
    handle = model.parts.base.unet.conv_in.register_forward_hook(lambda *_: calls.append(1))
    model.states(recipe, saved=model.stored(straight[3]))
    handle.remove()
    assert len(calls) == 1 + STEPS - 3
    assert "forward" not in vars(model.parts.base.unet)


def test_stopping_ends_the_pipeline_within_a_step(models) -> None:
    model = models("sdxl")
    calls = []
    handle = model.parts.base.unet.register_forward_hook(lambda *_: calls.append(1))
    before = threading.active_count()
    following = model.family.denoise(model.recipe(), model.parts, [], 7)
    assert next(following).step == 0 and next(following).step == 1
    assert threading.active_count() == before + 1
    following.close()
    handle.remove()
    assert threading.active_count() == before
    assert len(calls) == 1
    assert not model.parts.base.unet._forward_pre_hooks


def test_a_run_that_is_forgotten_ends_too(models) -> None:
    model = models("sdxl")
    before = threading.active_count()
    assert next(model.family.denoise(model.recipe(), model.parts, [], 7)).step == 0
    gc.collect()
    assert threading.active_count() == before


def test_stopping_while_going_on_gives_the_network_back(models) -> None:
    model = models("sdxl")
    straight = model.states(model.recipe())
    following = model.family.denoise(model.recipe(), model.parts, [], 7, model.stored(straight[2]))
    assert next(following).step == 2
    following.close()
    assert "forward" not in vars(model.parts.base.unet)
    again = model.states(model.recipe())
    assert torch.equal(again[-1].tensors["frames"], straight[-1].tensors["frames"])


def test_trouble_in_the_pipeline_comes_out_with_its_traceback(models) -> None:
    model = models("sdxl")

    def fail(*_: Any) -> None:
        raise ValueError("the network burns")

    handle = model.parts.base.unet.conv_in.register_forward_hook(fail)
    before = threading.active_count()
    with pytest.raises(ValueError, match="the network burns") as caught:
        model.states(model.recipe())
    handle.remove()
    assert any(entry.name == "fail" for entry in caught.traceback)
    assert threading.active_count() == before


def test_a_picture_that_the_safety_checker_withholds_is_told(models, monkeypatch) -> None:
    from praxino.errors import ModelError
    from praxino.families._stock.run import _frames

    class Withheld:
        nsfw_content_detected = (True,)

    with pytest.raises(ModelError, match="safety checker"):
        _frames(Withheld())


def test_what_is_loaded_says_nothing_on_the_terminal(models, capfd) -> None:
    model = models("stable-diffusion")
    capfd.readouterr()
    parts = model.family.load(model.folder, model.variant, "float32", "cpu")
    list(model.family.denoise(model.recipe(), parts, [], 7))
    assert capfd.readouterr() == ("", "")
