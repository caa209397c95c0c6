"""Allegro's clips are, bit for bit, those of its diffusers pipeline called by hand."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from praxino.families import Shape
from praxino.families.allegro.variants import ALLEGRO
from praxino.request import Request


def test_words(models) -> None:
    model = models("allegro")
    drawn = model.draw("text-to-video", negative_prompt="Blurry", guidance=4.0)
    call = model.by_hand("AllegroPipeline")
    call.pipeline.vae.enable_tiling()
    wanted = call(
        prompt="a red cat", negative_prompt="Blurry", guidance_scale=4.0, num_frames=24, height=128, width=128
    )
    assert drawn.shape == (24, 128, 128, 3)
    assert np.array_equal(drawn, wanted)


def test_going_on(models) -> None:
    models("allegro").check_going_on("text-to-video")


def test_the_vae_stays_in_float32(models) -> None:
    full = models("allegro")
    model = dataclasses.replace(full, parts=full.family.load(full.folder, full.variant, "bfloat16", "cpu"))
    assert model.parts.base.transformer.dtype == torch.bfloat16
    model.draw("text-to-video")
    for (name, kept), loaded in zip(
        model.parts.base.vae.named_parameters(), full.parts.base.vae.parameters(), strict=True
    ):
        assert torch.equal(kept, loaded), name
    assert "to" not in vars(model.parts.base.vae)


@pytest.mark.parametrize(("frames", "drawn"), [(1, 24), (24, 24), (25, 40), (80, 88), (88, 88)])
def test_lengths_that_its_tiles_do_not_cover_are_cut_from_longer_ones(models, frames: int, drawn: int) -> None:
    family = models("allegro").family
    notes = family.plan(Request(prompt="a cat"), ALLEGRO, Shape(1280, 720, frames, 15.0), "text-to-video").notes
    assert notes == (() if frames == drawn else (notes[0],))
    assert all(f"draws {drawn} frames" in note and f"keeps {frames}" in note for note in notes)


def test_a_shorter_clip_is_the_beginning_of_a_longer_one(models) -> None:
    model = models("allegro")
    recipe = model.recipe("text-to-video", num_frames=5)
    state = model.follow(recipe)[-1]
    whole = model.draw("text-to-video")
    assert np.array_equal(model.family.decode(recipe, model.parts, state), whole[:5])


@pytest.mark.parametrize("text", ["prompt", "negative_prompt"])
def test_words_that_are_not_read_are_told(models, text: str) -> None:
    model = models("allegro")
    shape = Shape(128, 128, 24, 15.0)
    wish = {"prompt": "a cat", text: "b" * 511 + "end"}
    (note,) = model.family.plan(Request(**wish), model.variant, shape, "text-to-video").notes
    assert note.endswith("it does not read: 'end'")


def test_previews_are_of_the_clips_middle(models) -> None:
    model = models("allegro")
    recipe = model.recipe("text-to-video")
    state = model.follow(recipe)[1]
    picture = model.family.preview(recipe, model.parts, state)
    assert picture.shape == (16, 16, 3) and picture.std() > 0
