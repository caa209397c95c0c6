"""Guiders in every family that has them, on miniatures: each prediction is that of diffusers' guider, to the last step.

What a step of APG hands to the next has to survive a stop: a run goes on from any saved step bit for bit.
"""

from __future__ import annotations

import dataclasses
from functools import cache
from typing import Any

import pytest
import torch
from diffusers.guiders.adaptive_projected_guidance import AdaptiveProjectedGuidance
from safetensors.torch import load, save

from praxino.families import LoopState, Shape, Variant, families
from praxino.recipe import Encoding, Recipe
from praxino.request import Request
from praxino.sampling import guidance


def draws_from_words(variant: Variant) -> bool:
    return "apg" in variant.steering and "text-to-video" in variant.tasks and not variant.needs


NAMES = [name for name, one in families().items() if any(map(draws_from_words, one.variants.values()))]
"""The others share their loops with these."""
SCALE, STEPS = 4.0, 4


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory):
    @cache
    def read(name: str) -> tuple[Any, Any]:
        folder = tmp_path_factory.mktemp(name) / "miniature"
        families()[name].miniature(folder)
        variant = families()[name].identify(folder)
        assert variant is not None
        return variant, families()[name].load(folder, variant, "float32", "cpu")

    return read


def recipe_of(name: str, variant: Any, **wish: Any) -> Recipe:
    wish = {"steps": STEPS, "negative_prompt": "rain", "guidance": SCALE, **wish}
    if variant.schedule == "explicit":
        wish["schedule"] = "uniform"
    if name == "hunyuan-video":
        wish = {**wish, "guidance": None, "true_guidance": SCALE}
    shape = Shape(variant.width, variant.height, variant.num_frames, variant.fps)
    sampling = families()[name].plan(Request(prompt="a red cat", **wish), variant, shape, "text-to-video")
    decided = {field.name: getattr(sampling, field.name) for field in dataclasses.fields(sampling)}
    del decided["notes"]
    return Recipe(
        family=name, variant=variant.name, model="miniature", revision="", task="text-to-video", prompt="a red cat",
        caption="a red cat", width=shape.width, height=shape.height, num_frames=shape.num_frames, fps=shape.fps,
        guidance=sampling.guidance_phases[0].scale, seed=3, n=1, dtype="float32", conditions=(), loras=(),
        encoding=Encoding("gif", 0, "good", 90, "none", False, False), **decided,
    )  # fmt: skip


def states_of(name: str, recipe: Recipe, parts: Any, state: LoopState | None = None) -> list[LoopState]:
    return list(families()[name].denoise(recipe, parts, [], recipe.seed, state))


@pytest.mark.parametrize("name", NAMES)
def test_apg_is_diffusers_guider_at_each_step_of_the_run(name, loaded, monkeypatch):
    variant, parts = loaded(name)
    recipe = recipe_of(name, variant, guider="apg")
    seen, ours = [], guidance.apg

    def watched(v_t, v_u, scale, projection, before):
        combined, running = ours(v_t, v_u, scale, projection, before)
        seen.append((v_t, v_u, scale, combined))
        return combined, running

    monkeypatch.setattr(guidance, "apg", watched)
    final = states_of(name, recipe, parts)[-1].tensors["latents"]
    channels = len(seen) // recipe.steps
    assert len(seen) == channels * recipe.steps == (2 if name == "ltx-2" else 1) * recipe.steps
    for channel in range(channels):
        guider = AdaptiveProjectedGuidance(1.0, -0.75, 55.0, None, 0.0, use_original_formulation=True)
        for step, (v_t, v_u, scale, combined) in enumerate(seen[channel::channels]):
            guider.guidance_scale = scale - 1
            guider.set_state(step, recipe.steps, torch.tensor(0))
            guider.prepare_inputs({"x": (v_t, v_u)})
            torch.testing.assert_close(combined, guider.forward(v_t, v_u).pred, rtol=1e-5, atol=1e-5)
    plain = states_of(name, recipe_of(name, variant), parts)[-1].tensors["latents"]
    assert not torch.equal(final, plain)


@pytest.mark.parametrize(
    ("name", "wish"),
    [
        (name, wish)
        for name in NAMES
        for wish in ({"guider": "apg"}, {"guider": "apg", "stg": 1.0, "stg_blocks": (0,)}, {"cfg_star": True})
        if "stg" not in wish or any("stg" in variant.steering for variant in families()[name].variants.values())
    ],
)
def test_a_run_goes_on_from_any_saved_step_bit_for_bit(name, wish, loaded):
    variant, parts = loaded(name)
    recipe = recipe_of(name, variant, **wish)
    states = states_of(name, recipe, parts)
    for saved in states[1:-1]:
        tensors = load(save({key: tensor.contiguous() for key, tensor in saved.tensors.items()}))
        resumed = states_of(name, recipe, parts, LoopState(saved.step, tensors))[-1]
        assert resumed.tensors.keys() == states[-1].tensors.keys()
        for key, tensor in states[-1].tensors.items():
            assert torch.equal(resumed.tensors[key], tensor), (saved.step, key)
    if "guider" in wish:
        assert "guidance" in states[-1].tensors
        tensors = {key: tensor for key, tensor in states[2].tensors.items() if "guidance" not in key}
        forgetful = states_of(name, recipe, parts, LoopState(2, tensors))[-1]
        assert not torch.equal(forgetful.tensors["latents"], states[-1].tensors["latents"])


@pytest.mark.parametrize("name", NAMES)
def test_cfg_zero_star_moves_nothing_at_first_where_its_recipe_says_so(name, loaded):
    variant, parts = loaded(name)
    recipe = recipe_of(name, variant, cfg_star=True)
    first, second, third, *_ = states_of(name, recipe, parts)
    plain = states_of(name, recipe_of(name, variant), parts)
    zeroed = recipe.options.get("zero_steps", 0)
    before, after = second.tensors["latents"], third.tensors["latents"]
    if name != "cogvideox":  # its sampler adds noise of its own to what it is given
        begun = first.tensors["latents"][:, : before.shape[1]]  # a pipeline is also given what is known
        assert torch.allclose(begun, before, atol=1e-5) is bool(zeroed)
    assert not torch.equal(before, after)
    assert not torch.equal(plain[-1].tensors["latents"], after)
