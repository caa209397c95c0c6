"""FramePack: sections, first and last frames, and going on, beside diffusers' pipeline called by hand."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
from pathlib import Path

import diffusers
import numpy as np
import pytest
import torch
from PIL import Image

from praxino.engine.resolve import resolve
from praxino.errors import ModelError, UserError
from praxino.families import Shape
from praxino.families._stock.load import quiet
from praxino.families.framepack import FAMILY
from praxino.families.framepack.variants import F1, FRAMEPACK
from praxino.recipe import Condition, Encoding, Media, Recipe
from praxino.request import Request

PROMPT, SEED, STEPS, SIDE = "a red cat runs", 5, 2, 32
FIRST, LAST = np.random.default_rng(4).integers(0, 256, (2, 1, SIDE, SIDE, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("framepack")
    FAMILY.miniature(path)
    return path


@pytest.fixture(scope="module")
def parts(folder):
    variant = FAMILY.identify(folder)
    assert variant is not None
    return FAMILY.load(folder, variant, "float32", "cpu")


@pytest.fixture(scope="module")
def stock(folder):
    with quiet():
        pipeline = diffusers.HunyuanVideoFramepackPipeline.from_pretrained(folder, local_files_only=True)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def recipe_for(parts, num_frames: int = 37, last: bool = False, **wish) -> Recipe:
    request = Request(prompt=PROMPT, steps=STEPS, **wish)
    sampling = FAMILY.plan(request, parts.variant, Shape(SIDE, SIDE, num_frames, 30.0), "image-to-video")
    decided = {field.name: getattr(sampling, field.name) for field in dataclasses.fields(sampling)}
    del decided["notes"]
    media = Media("given", "", "")
    shown = (Condition(0, 1.0, media), *((Condition(num_frames - 1, 1.0, media),) if last else ()))
    return Recipe(
        family="framepack", variant=parts.variant.name, model="miniature", revision="", task="image-to-video",
        prompt=PROMPT, caption=PROMPT, width=SIDE, height=SIDE, num_frames=num_frames, fps=30.0,
        guidance=sampling.guidance_phases[0].scale, seed=SEED, n=1, dtype="float32", conditions=shown, loras=(),
        encoding=Encoding("gif", 0, "good", 90, "none", False, False), **decided,
    )  # fmt: skip


def drawn(parts, recipe: Recipe) -> np.ndarray:
    given = [FIRST, LAST][: len(recipe.conditions)]
    *_, state = FAMILY.denoise(recipe, parts, given, SEED)
    return FAMILY.decode(recipe, parts, state)


def by_hand(stock, sections: int, **arguments) -> np.ndarray:
    with quiet():
        output = stock(
            image=Image.fromarray(FIRST[0]), prompt=PROMPT, height=SIDE, width=SIDE, num_frames=33 * sections,
            num_inference_steps=STEPS, generator=torch.Generator().manual_seed(SEED),
            **{"guidance_scale": 10.0, **arguments},
        )  # fmt: skip
    return np.stack([np.array(frame) for frame in output.frames[0]])


@pytest.mark.parametrize("sections", [1, 2])
def test_sections_are_the_pipelines_to_the_bit(parts, stock, sections):
    recipe = recipe_for(parts, 36 * sections + 1)
    assert recipe.steps == STEPS * sections
    frames = drawn(parts, recipe)
    assert len(frames) == 36 * sections + 1
    assert np.array_equal(frames, by_hand(stock, sections))


def test_a_last_frame_is_the_pipelines_to_the_bit(parts, stock):
    frames = drawn(parts, recipe_for(parts, last=True))
    assert np.array_equal(frames, by_hand(stock, 1, last_image=Image.fromarray(LAST[0])))
    assert not np.array_equal(frames, drawn(parts, recipe_for(parts)))


def test_f1_draws_forward(parts, stock):
    forward = dataclasses.replace(parts, variant=dataclasses.replace(parts.variant, options=F1.options))
    frames = drawn(forward, recipe_for(parts, 73))
    assert len(frames) == 73
    assert np.array_equal(frames, by_hand(stock, 2, sampling_type="vanilla"))


def test_true_guidance_has_a_negative_branch(parts, stock):
    frames = drawn(parts, recipe_for(parts, true_guidance=2.0, negative_prompt="rain", guidance=6.0))
    assert np.array_equal(frames, by_hand(stock, 1, true_cfg_scale=2.0, negative_prompt="rain", guidance_scale=6.0))


def test_going_on_in_either_section_gives_the_same_bits(parts):
    recipe = recipe_for(parts, 73)
    states = list(FAMILY.denoise(recipe, parts, [FIRST], SEED))
    straight = FAMILY.decode(recipe, parts, states[-1])
    for state in (states[1], states[3]):
        saved = dataclasses.replace(state, tensors={name: tensor.clone() for name, tensor in state.tensors.items()})
        *_, last = FAMILY.denoise(recipe, parts, [FIRST], SEED, saved)
        assert np.array_equal(FAMILY.decode(recipe, parts, last), straight), state.step


def test_a_miniature_is_drawn_small(folder):
    picture = Image.new("RGB", (96, 64))
    picture.save(folder.parent / "picture.png")
    wish = Request(prompt=PROMPT, model=str(folder), first=str(folder.parent / "picture.png"))
    assert resolve(wish).recipe.size == (96, 64)
    assert resolve(dataclasses.replace(wish, model="framepack"), here=False).recipe.size == (768, 512)


def test_what_is_refused():
    def plan(num_frames: int = 73, **wish):
        return FAMILY.plan(Request(prompt="x", **wish), FRAMEPACK, Shape(832, 480, num_frames, 30.0), "image-to-video")

    with pytest.raises(UserError, match="the least are 37"):
        plan(1)
    with pytest.raises(UserError, match="--true-guidance 2"):
        plan(negative_prompt="rain")
    with pytest.raises(UserError, match="--sigmas"):
        plan(sigmas=(1.0, 0.5))
    assert plan().steps == 50


def test_a_transformer_beside_the_networks_of_others_draws_the_same(folder, parts, tmp_path):
    """As it is published: the whole folder, taken apart and named by a card."""
    alone = tmp_path / "FramePack_F1_I2V_HY_20250503"
    shutil.copytree(folder / "transformer", alone)
    found = FAMILY.identify(alone)
    assert found is not None and found.name == "framepack-f1", "by the repository's name"
    for cached, name in {"FramePackI2V_HY": "framepack", "FramePack_F1_I2V_HY_20250503": "framepack-f1"}.items():
        snapshot = tmp_path / "framepack" / f"models--lllyasviel--{cached}" / "snapshots" / "abc"
        shutil.copytree(alone, snapshot)
        told = FAMILY.identify(snapshot)
        assert told is not None and told.name == name
    with pytest.raises(ModelError, match="names no folder 'components' with vae, text_encoder"):
        FAMILY.load(alone, found, "float32", "cpu")
    card = {
        "family": "framepack",
        "variant": "framepack",
        "components": os.path.relpath(folder, alone),
        "eye": "../eye",
    }
    (alone / "praxino.json").write_text(json.dumps(card))
    incomplete = FAMILY.identify(alone)
    assert incomplete is not None and not incomplete.parts, "they lie where the card says"
    with pytest.raises(ModelError, match=r"the folder .*/eye lacks image_encoder, feature_extractor"):
        FAMILY.load(alone, incomplete, "float32", "cpu")
    for name in ("image_encoder", "feature_extractor"):
        shutil.copytree(folder / name, tmp_path / "eye" / name)
    named = FAMILY.identify(alone)
    assert named is not None and named.name == "framepack"
    again = FAMILY.load(alone, named, "float32", "cpu")
    assert np.array_equal(drawn(again, recipe_for(parts)), drawn(parts, recipe_for(parts)))


def test_what_is_not_read_of_a_prompt_is_told(parts):
    def notes(count: int) -> tuple[str, ...]:
        request = Request(prompt="x" * count)
        return FAMILY.plan(request, parts.variant, Shape(SIDE, SIDE, 37, 30.0), "image-to-video").notes

    assert notes(256) == ()
    (note,) = notes(257)
    assert note.endswith("it does not read: 'x'")
