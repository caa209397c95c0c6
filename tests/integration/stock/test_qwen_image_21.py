"""Qwen-Image 2.1 draws what its diffusers pipeline draws when called by hand, with its text and pictures cached."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from praxino.families.qwen_image_21.processor import PictureProcessor

SIZE = {"height": 64, "width": 64, "output_resolution": 64}


def by_hand(model: Any) -> Callable[..., np.ndarray]:
    """Its pictures have an alpha channel, as its VAE has."""
    processor = PictureProcessor.from_pretrained(model.folder / "processor")
    call = model.by_hand("QwenImage21Pipeline", processor=processor)
    return lambda **arguments: call(**arguments)[:, :, :3]


@pytest.fixture
def model(models) -> Any:
    return models("qwen-image-2.1")


def test_words(model) -> None:
    drawn = model.draw()
    assert np.array_equal(drawn, by_hand(model)(**SIZE))
    assert not np.array_equal(drawn, model.draw(prompt="a blue dog"))


def test_guidance(model) -> None:
    drawn = model.draw(guidance=3.0, negative_prompt="blurry")
    assert np.array_equal(drawn, by_hand(model)(true_cfg_scale=3.0, negative_prompt="blurry", **SIZE))
    assert not np.array_equal(drawn, model.draw())


def test_references_follow_the_picture(model, picture, mask) -> None:
    given = [("reference", mask, 1.0), ("image", picture, 1.0)]
    drawn = model.draw("instruction-editing", given, reference=("mask.png",))
    shown = [Image.fromarray(picture), Image.fromarray(mask)]
    assert np.array_equal(drawn, by_hand(model)(image=shown, **SIZE))
    assert not np.array_equal(drawn, model.draw("instruction-editing", given[1:]))


@pytest.mark.parametrize("prompt", ["a red cat", "a red cat that runs"])
def test_going_on(model, picture, prompt: str) -> None:
    """Both passes fill a cache in the first step, also where their texts are equally long."""
    wish = {"guidance": 3.0, "negative_prompt": "a red cat"[::-1], "steps": 5, "prompt": prompt}
    model.check_going_on(model.recipe("instruction-editing", [("image", picture, 1.0)], **wish), [picture[None]])


def test_turbo_is_drawn_by_its_own_noise_levels(models) -> None:
    model = models("qwen-image-2.1", "qwen-image-2.1-turbo")
    assert model.variant.steps == 3
    drawn = model.draw(steps=None)
    assert np.array_equal(drawn, by_hand(model)(num_inference_steps=3, **SIZE))
    assert not np.array_equal(drawn, by_hand(model)(sigmas=[1.0, 2 / 3, 1 / 3], **SIZE))
    assert np.array_equal(model.draw(steps=4), by_hand(model)(sigmas=[1.0, 0.75, 0.5, 0.25], **SIZE))
    assert np.array_equal(model.draw(sigmas=(1.0, 0.5), steps=None), by_hand(model)(sigmas=[1.0, 0.5], **SIZE))


def test_latents_are_unpacked_and_encoded_as_the_pipeline_does(model, picture) -> None:
    pixels = torch.tensor(picture).permute(2, 0, 1)[None] / 127.5 - 1
    opaque = torch.cat([pixels, torch.ones_like(pixels[:, :1])], 1)
    with torch.no_grad():
        latents = model.family.encode(model.parts.base.vae, pixels)
        wanted = model.parts.base._encode_vae_image(opaque[:, :, None], torch.Generator())[:, :, 0]
    assert torch.allclose(latents, wanted, atol=1e-6)
    packed = model.parts.base._pack_latents(latents, 1, 4, 4, 4)
    preceded = torch.cat([torch.zeros(1, 5, 4), packed], dim=1)
    assert torch.equal(model.family.unpack(model.recipe(), preceded), latents)
