"""HunyuanVideo 1.5: what is drawn, beside diffusers' pipelines called by hand, and going on without a callback."""

from __future__ import annotations

import dataclasses
import os
from functools import cache
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from diffusers.pipelines.hunyuan_video1_5.image_processor import HunyuanVideo15ImageProcessor
from PIL import Image

from praxino.errors import UserError
from praxino.families import Shape
from praxino.families._stock.load import quiet
from praxino.families.hunyuan_video_15 import FAMILY
from praxino.families.hunyuan_video_15.variants import PUBLISHED
from praxino.recipe import Condition, Encoding, Media, Recipe
from praxino.request import Request

PROMPT, SEED, STEPS, FRAMES = 'a red cat under a sign that says "moon"', 5, 3, 5
PICTURE = np.random.default_rng(4).integers(0, 256, (1, 60, 110, 3), dtype=np.uint8)
LIKE = {"text-to-video": "hunyuan-video-1.5-480p", "image-to-video": "hunyuan-video-1.5-480p-i2v"}
CLASSES = {"text-to-video": "HunyuanVideo15Pipeline", "image-to-video": "HunyuanVideo15ImageToVideoPipeline"}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    @cache
    def made(task: str) -> Path:
        path = tmp_path_factory.mktemp(task)
        FAMILY.miniature(path, LIKE[task])
        return path

    return made


@pytest.fixture(scope="module")
def loaded(folders):
    @cache
    def read(task: str):
        variant = FAMILY.identify(folders(task))
        assert variant is not None and variant.tasks == (task,)
        return FAMILY.load(folders(task), variant, "float32", "cpu")

    return read


def recipe_for(parts, **wish) -> Recipe:
    task = parts.variant.tasks[0]
    size = parts.variant.grid.bucket(110, 60) if task == "image-to-video" else (80, 64)
    request = Request(prompt=PROMPT, **{"steps": STEPS, **wish})
    sampling = FAMILY.plan(request, parts.variant, Shape(*size, FRAMES, 24.0), task)
    decided = {field.name: getattr(sampling, field.name) for field in dataclasses.fields(sampling)}
    del decided["notes"]
    shown = (Condition(0, 1.0, Media("given", "", "")),) if task == "image-to-video" else ()
    return Recipe(
        family=FAMILY.name, variant=parts.variant.name, model="miniature", revision="", task=task, prompt=PROMPT,
        caption=PROMPT, width=size[0], height=size[1], num_frames=FRAMES, fps=24.0,
        guidance=sampling.guidance_phases[0].scale, seed=SEED, n=1, dtype="float32", conditions=shown, loras=(),
        encoding=Encoding("gif", 0, "good", 90, "none", False, False), **decided,
    )  # fmt: skip


def given_to(recipe: Recipe) -> list[np.ndarray]:
    return [PICTURE] if recipe.conditions else []


def drawn(parts, recipe: Recipe) -> np.ndarray:
    *_, state = FAMILY.denoise(recipe, parts, given_to(recipe), SEED)
    return FAMILY.decode(recipe, parts, state)


def called_by_hand(folder: Path, recipe: Recipe, guider: Any, output_type: str, **arguments) -> Any:
    with quiet():
        pipeline = getattr(diffusers, CLASSES[recipe.task]).from_pretrained(folder, local_files_only=True)
        pipeline.vae.enable_tiling()
        pipeline.set_progress_bar_config(disable=True)
        pipeline.guider = guider
        size = {"height": recipe.height, "width": recipe.width}
        more = {"image": Image.fromarray(PICTURE[0])} if recipe.conditions else size
        return pipeline(
            prompt=PROMPT, num_frames=FRAMES, num_inference_steps=STEPS, output_type=output_type,
            generator=torch.Generator().manual_seed(SEED), **more, **arguments,
        ).frames  # fmt: skip


def by_hand(folder: Path, recipe: Recipe, guider: Any, **arguments) -> np.ndarray:
    (frames,) = called_by_hand(folder, recipe, guider, "pil", **arguments)
    return np.stack([np.array(frame) for frame in frames])


def latents_by_hand(folder: Path, recipe: Recipe, guider: Any) -> torch.Tensor:
    return called_by_hand(folder, recipe, guider, "latent")


def plain(scale: float, rescale: float = 0.0) -> diffusers.ClassifierFreeGuidance:
    with quiet():
        return diffusers.ClassifierFreeGuidance(guidance_scale=scale, guidance_rescale=rescale)


@pytest.mark.parametrize("task", LIKE)
@pytest.mark.parametrize(("scale", "negative"), [(6.0, None), (4.0, "rain"), (1.0, None)])
def test_clips_are_the_pipelines_to_the_bit(loaded, folders, task, scale, negative):
    recipe = recipe_for(loaded(task), guidance=scale, negative_prompt=negative)
    frames = drawn(loaded(task), recipe)
    more = {"negative_prompt": negative} if negative else {}
    assert np.array_equal(frames, by_hand(folders(task), recipe, plain(scale), **more))


def test_rescaled_guidance_is_the_pipelines_to_the_bit(loaded, folders):
    task = "text-to-video"
    recipe = recipe_for(loaded(task), guidance=6.0, rescale=0.25)
    assert np.array_equal(drawn(loaded(task), recipe), by_hand(folders(task), recipe, plain(6.0, 0.75)))
    assert not np.array_equal(drawn(loaded(task), recipe), drawn(loaded(task), recipe_for(loaded(task))))


class ZeroStar(diffusers.ClassifierFreeZeroStarGuidance):
    """That of diffusers, but that a prediction of nothing is not rescaled, which makes it NaN there (0.42.1)."""

    def forward(self, pred_cond, pred_uncond=None):
        moves = self._step >= self.zero_init_steps
        return super().forward(pred_cond, pred_uncond) if moves else (torch.zeros_like(pred_cond),)


@pytest.mark.parametrize(
    ("task", "guider", "rescale"),
    [
        ("text-to-video", "apg", None),
        ("text-to-video", "cfg-zero-star", 0.25),
        ("image-to-video", "apg", 0.25),
        ("image-to-video", "cfg-zero-star", None),
    ],
)
def test_other_guiders_draw_what_those_of_diffusers_draw(loaded, folders, task, guider, rescale):
    """The last latents beside those of diffusers' own guider in the pipeline: they differ by rounding alone."""
    parts, more = loaded(task), 0.0 if rescale is None else 1 - rescale
    wish = {"guider": "apg"} if guider == "apg" else {"cfg_star": True}
    recipe = recipe_for(parts, guidance=6.0, rescale=rescale, **wish)
    *_, state = FAMILY.denoise(recipe, parts, given_to(recipe), SEED)
    with quiet():
        theirs = (
            diffusers.AdaptiveProjectedGuidance(5.0, -0.75, 55.0, None, 0.0, more, use_original_formulation=True)
            if guider == "apg"
            else ZeroStar(6.0, guidance_rescale=more)
        )
    reached = latents_by_hand(folders(task), recipe, theirs)
    usual = latents_by_hand(folders(task), recipe, plain(6.0, more))
    torch.testing.assert_close(state.tensors["latents"], reached, rtol=0, atol=2e-5)
    assert (state.tensors["latents"] - usual).abs().max() > 1e-2


@pytest.mark.parametrize(
    ("wish", "sentence"),
    [
        ({"rescale": 0.5}, "--rescale changes nothing here, as nothing guides; add --guidance 3."),
        ({"guider": "apg"}, "--guider apg changes nothing here, as guidance is off"),
        ({"cfg_star": True}, "--cfg-star changes nothing here, as guidance is off"),
        ({"stg": 1.0}, "--stg means nothing to"),
    ],
)
def test_guiders_without_guidance_are_refused(loaded, wish, sentence):
    with pytest.raises(UserError, match=sentence):
        recipe_for(loaded("text-to-video"), guidance=1.0, **wish)


@pytest.mark.parametrize(("task", "wish"), [*((task, {}) for task in LIKE), ("image-to-video", {"guider": "apg"})])
def test_going_on_from_any_step_gives_the_same_bits(loaded, task, wish):
    parts = loaded(task)
    recipe = recipe_for(parts, **wish)
    states = list(FAMILY.denoise(recipe, parts, given_to(recipe), SEED))
    assert [state.step for state in states] == list(range(STEPS + 1))
    scheduler = type(parts.base.scheduler)
    for state in states[1:-1]:
        saved = dataclasses.replace(state, tensors={name: tensor.clone() for name, tensor in state.tensors.items()})
        *_, last = FAMILY.denoise(recipe, parts, given_to(recipe), SEED, saved)
        assert np.array_equal(FAMILY.decode(recipe, parts, last), FAMILY.decode(recipe, parts, states[-1])), state.step
    assert scheduler is diffusers.FlowMatchEulerDiscreteScheduler


@pytest.mark.parametrize("name", [name for name in PUBLISHED if name.endswith("i2v")])
def test_a_picture_is_drawn_in_the_bucket_that_the_pipeline_would_choose(name):
    variant = PUBLISHED[name]
    choose = HunyuanVideo15ImageProcessor().calculate_default_height_width
    generator = np.random.default_rng(1)
    for width, height in [(1920, 1080), (848, 480), (1000, 1000), *generator.integers(200, 2000, (40, 2)).tolist()]:
        assert variant.grid.bucket(width, height)[::-1] == choose(height, width, variant.options["target"])


def test_what_is_not_read_of_a_prompt_is_told(loaded):
    parts = loaded("text-to-video")
    sampling = FAMILY.plan(Request(prompt="x" * 1200), parts.variant, Shape(64, 64, FRAMES, 24.0), "text-to-video")
    (note,) = sampling.notes
    assert note.startswith("Qwen2.5-VL reads 1000 tokens of the prompt; it does not read: 'xxx")


def test_distilled_ones_have_the_guidance_of_their_folder(folders, tmp_path):
    (tmp_path / "guider").mkdir()
    for path in folders("text-to-video").iterdir():
        if path.name not in ("guider", "praxino.json"):
            os.symlink(path, tmp_path / path.name)
    (tmp_path / "guider" / "guider_config.json").write_text('{"guidance_scale": 1.0}')
    variant = FAMILY.identify(tmp_path)
    assert variant is not None and variant.guidance_phases[0].scale == 1.0
    assert variant.name == "hunyuan-video-1.5-custom"
