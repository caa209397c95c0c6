"""Qwen-Image draws what its diffusers pipelines draw when called by hand, and sees pictures where they are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from praxino.families.qwen_image import FAMILY
from praxino.families.qwen_image.processor import PictureProcessor

SIZE = {"height": 64, "width": 64}
EDITS = {
    "qwen-image-edit": "QwenImageEditPipeline",
    "qwen-image-edit-2509": "QwenImageEditPlusPipeline",
    "qwen-image-edit-2511": "QwenImageEditPlusPipeline",
}


@pytest.mark.parametrize("said", [None, "blurry"])
def test_words(models, said: str | None) -> None:
    model = models("qwen-image")
    drawn = model.draw(negative_prompt=said, guidance=3.5)
    wanted = model.by_hand("QwenImagePipeline")(negative_prompt=said or " ", true_cfg_scale=3.5, **SIZE)
    assert np.array_equal(drawn, wanted)
    assert not np.array_equal(drawn, model.draw(guidance=1.0))


def test_a_picture_that_is_changed(models, picture) -> None:
    model = models("qwen-image")
    drawn = model.draw("image-to-image", [("image", picture, 0.5)], strength=0.5)
    call = model.by_hand("QwenImageImg2ImgPipeline")
    wanted = call(image=Image.fromarray(picture), strength=0.5, negative_prompt=" ", true_cfg_scale=3.0, **SIZE)
    assert np.array_equal(drawn, wanted)


@pytest.mark.parametrize("task", ["inpainting", "outpainting"])
def test_what_a_mask_covers(models, picture, mask, task: str) -> None:
    model = models("qwen-image")
    drawn = model.draw(task, [("image", picture, 1.0), ("mask", mask, 1.0)])
    wanted = model.by_hand("QwenImageInpaintPipeline")(
        image=Image.fromarray(picture), mask_image=Image.fromarray(mask), strength=1.0, negative_prompt=" ",
        true_cfg_scale=3.0, **SIZE,
    )  # fmt: skip
    assert np.array_equal(drawn, wanted)


@pytest.fixture(params=EDITS)
def editing(request: pytest.FixtureRequest, models) -> Any:
    return models("qwen-image", request.param)


def by_hand(model: Any, kind: str | None = None) -> Any:
    processor = PictureProcessor.from_pretrained(model.folder / "processor")
    return model.by_hand(kind or EDITS[model.variant.name.removesuffix("-miniature")], processor=processor)


def read(pipeline: Any, text: str, pictures: list[Image.Image]) -> dict[str, torch.Tensor]:
    """What the pipeline makes of words and pictures, but with all that its processor says told to its reader."""
    several = "Plus" in type(pipeline).__name__
    shown = "<|vision_start|><|image_pad|><|vision_end|>"
    if several:
        text = "".join(f"Picture {n}: {shown}" for n in range(1, len(pictures) + 1)) + text
    inputs = pipeline.processor(
        text=[pipeline.prompt_template_encode.format(text)], images=pictures, return_tensors="pt"
    )
    assert inputs["mm_token_type_ids"].sum() == inputs["image_grid_thw"].prod(1).sum() // 4 > 0
    with torch.no_grad():
        states = pipeline.text_encoder(**inputs, output_hidden_states=True).hidden_states[-1]
    states = states[:, pipeline.prompt_template_encode_start_idx :]
    return {"prompt_embeds": states, "prompt_embeds_mask": torch.ones(states.shape[:2], dtype=torch.long)}


def test_a_picture_that_is_edited(editing, picture) -> None:
    drawn = editing.draw("instruction-editing", [("image", picture, 1.0)], steps=2)
    call = by_hand(editing)
    side = 1024 if editing.variant.name == "qwen-image-edit-miniature" else 384
    shown = [call.pipeline.image_processor.resize(Image.fromarray(picture), side, side)]
    words, others = read(call.pipeline, "a red cat", shown), read(call.pipeline, " ", shown)
    told = {**words, **{f"negative_{name}": value for name, value in others.items()}}
    wanted = call(
        prompt=None, image=Image.fromarray(picture), true_cfg_scale=3.0, num_inference_steps=2, **told, **SIZE
    )
    assert np.array_equal(drawn, wanted)


@pytest.mark.parametrize("task", ["inpainting", "outpainting"])
def test_an_editor_fills_in_a_mask_in_the_pictures_size(models, picture, mask, monkeypatch, task: str) -> None:
    """The stock pipeline has the size worked out; here it is what it works out."""
    model = models("qwen-image", "qwen-image-edit")
    given = [("image", picture, 1.0), ("mask", mask, 1.0)]
    drawn = model.draw(task, given, steps=2)
    assert drawn.shape == (64, 64, 3)
    stock = "diffusers.pipelines.qwenimage.pipeline_qwenimage_edit_inpaint.calculate_dimensions"
    monkeypatch.setattr(stock, lambda area, aspect: (64, 64, None))
    call = by_hand(model, "QwenImageEditInpaintPipeline")
    shown = [Image.fromarray(picture)]
    words, others = read(call.pipeline, "a red cat", shown), read(call.pipeline, " ", shown)
    told = {**words, **{f"negative_{name}": value for name, value in others.items()}}
    wanted = call(
        prompt=None, image=shown[0], mask_image=Image.fromarray(mask), true_cfg_scale=3.0, strength=1.0,
        num_inference_steps=2, **told,
    )  # fmt: skip
    assert np.array_equal(drawn, wanted)
    assert not np.array_equal(drawn, model.draw(task, [given[0], ("mask", 255 - mask, 1.0)], steps=2))


def test_an_editor_goes_on_filling_in(models, picture, mask) -> None:
    model = models("qwen-image", "qwen-image-edit")
    given = [("image", picture, 0.6), ("mask", mask, 1.0)]
    model.check_going_on(
        model.recipe("inpainting", given, steps=5, strength=0.6, guidance=1.0), [picture[None], mask[None]]
    )


def test_without_places_a_picture_is_read_otherwise(models, picture) -> None:
    model = models("qwen-image", "qwen-image-edit-2509")
    pipeline = by_hand(model).pipeline
    pictures = [Image.fromarray(picture)]
    with torch.no_grad():
        plain, _ = pipeline.encode_prompt("a red cat", image=pictures)
        placed, _ = model.parts.base.encode_prompt("a red cat", image=pictures)
    told = read(pipeline, "a red cat", pictures)["prompt_embeds"]
    assert torch.equal(placed, told)
    assert not torch.allclose(plain, told)


def test_references_follow_the_picture(models, picture, mask) -> None:
    model = models("qwen-image", "qwen-image-edit-2509")
    given = [("reference", mask, 1.0), ("image", picture, 1.0)]
    drawn = model.draw("instruction-editing", given, steps=1, guidance=1.0, reference=("mask.png",))
    call = by_hand(model)
    pictures = [Image.fromarray(picture), Image.fromarray(mask)]
    shown = [call.pipeline.image_processor.resize(each, 384, 384) for each in pictures]
    words = read(call.pipeline, "a red cat", shown)
    wanted = call(prompt=None, image=pictures, true_cfg_scale=1.0, num_inference_steps=1, **words, **SIZE)
    assert np.array_equal(drawn, wanted)


def test_latents_are_unpacked_and_encoded_as_the_pipeline_does(models, picture) -> None:
    model: Any = models("qwen-image")
    family: Any = FAMILY
    pixels = torch.tensor(picture).permute(2, 0, 1)[None] / 127.5 - 1
    with torch.no_grad():
        latents = family.encode(model.parts.base.vae, pixels)
    pipeline = model.by_hand("QwenImageImg2ImgPipeline").pipeline
    with torch.no_grad():
        wanted = pipeline._encode_vae_image(pixels[:, :, None], torch.Generator().manual_seed(0))[:, :, 0]
    deviation = pipeline.vae.encode(pixels[:, :, None]).latent_dist.std.mean()
    assert (latents - wanted).abs().mean() < 2 * deviation / min(pipeline.vae.config.latents_std)
    packed = pipeline._pack_latents(latents, 1, 4, 8, 8)
    followed = torch.cat([packed, torch.zeros(1, 5, 16)], dim=1)
    assert torch.equal(family.unpack(model.recipe(), followed), latents)
