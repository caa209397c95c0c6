"""What a stock family draws for each task is, bit for bit, what its diffusers pipeline draws when called by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image

FAMILIES = {"sdxl": "StableDiffusionXL", "stable-diffusion": "StableDiffusion"}


@pytest.mark.parametrize("name", FAMILIES)
def test_words(models, name: str) -> None:
    model = models(name)
    drawn = model.draw(negative_prompt="blurry", guidance=4.0, rescale=0.3)
    call = model.by_hand(f"{FAMILIES[name]}Pipeline")
    wanted = call(negative_prompt="blurry", guidance_scale=4.0, guidance_rescale=0.7, height=64, width=64)
    assert np.array_equal(drawn, wanted)


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("strength", [0.5, 1.0])
def test_a_picture_that_is_changed(models, picture, name: str, strength: float) -> None:
    model = models(name)
    drawn = model.draw("image-to-image", [("image", picture, strength)], strength=strength)
    call = model.by_hand(f"{FAMILIES[name]}Img2ImgPipeline")
    guidance = model.variant.guidance_phases[0].scale
    assert np.array_equal(drawn, call(image=Image.fromarray(picture), strength=strength, guidance_scale=guidance))


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("task", ["inpainting", "outpainting"])
def test_what_a_mask_covers(models, picture, mask, name: str, task: str) -> None:
    model = models(name)
    drawn = model.draw(task, [("image", picture, 1.0), ("mask", mask, 1.0)])
    call = model.by_hand(f"{FAMILIES[name]}InpaintPipeline")
    wanted = call(
        image=Image.fromarray(picture), mask_image=Image.fromarray(mask), height=64, width=64, strength=1.0,
        guidance_scale=model.variant.guidance_phases[0].scale,
    )  # fmt: skip
    assert np.array_equal(drawn, wanted)


@pytest.mark.parametrize(
    ("name", "like"),
    [
        ("stable-diffusion", "stable-diffusion-1.5-inpainting"),
        ("sdxl", "sdxl-inpainting"),
    ],
)
def test_a_unet_made_for_masks(models, picture, mask, name: str, like: str) -> None:
    model = models(name, like)
    assert model.variant.tasks == ("inpainting", "outpainting")
    assert model.parts.base.unet.config.in_channels == 9
    drawn = model.draw("inpainting", [("image", picture, 1.0), ("mask", mask, 1.0)])
    call = model.by_hand(f"{FAMILIES[name]}InpaintPipeline")
    wanted = call(
        image=Image.fromarray(picture), mask_image=Image.fromarray(mask), height=64, width=64, strength=1.0,
        guidance_scale=model.variant.guidance_phases[0].scale,
    )  # fmt: skip
    assert np.array_equal(drawn, wanted)


def test_a_scheduler_is_made_from_the_checkpoints_own(models) -> None:
    from diffusers import UniPCMultistepScheduler

    model = models("sdxl")
    call: Any = model.by_hand("StableDiffusionXLPipeline")
    call.pipeline.scheduler = UniPCMultistepScheduler.from_config(call.pipeline.scheduler.config)
    assert np.array_equal(model.draw(scheduler="unipc"), call(height=64, width=64))
    assert not np.array_equal(model.draw(scheduler="unipc"), model.draw())


def test_a_run_leaves_the_loaded_scheduler_alone(models) -> None:
    model = models("stable-diffusion")
    before = model.draw()
    model.draw(scheduler="dpm++-2m")
    model.draw(scheduler="heun", steps=3)
    assert np.array_equal(model.draw(), before)


def test_a_picture_of_another_size_is_cut_to_the_aspect_not_squeezed(models) -> None:
    from praxino.families._stock.pictures import fitted

    wide = np.zeros((1, 100, 300, 3), np.uint8)
    wide[:, :, 100:200] = 255
    assert np.array(fitted(wide, 64, 64)).min() > 200
    assert models("sdxl").draw("image-to-image", [("image", wide[0], 0.5)], strength=0.5).shape == (64, 64, 3)


def test_previews_undo_a_linear_encoder(picture) -> None:
    import torch

    from praxino.families._stock import preview

    kernel = torch.randn(4, 3, generator=torch.Generator().manual_seed(0)) / 4
    pooled = torch.nn.functional.avg_pool2d(torch.tensor(picture).permute(2, 0, 1)[None] / 127.5 - 1, 8)
    latents = torch.einsum("lc,nchw->nlhw", kernel, pooled)
    factors = preview.fit(lambda x: torch.einsum("lc,nchw->nlhw", kernel, torch.nn.functional.avg_pool2d(x, 8)), 8)
    shown = preview.draw(latents, factors).astype(int)
    wanted = ((pooled[0].permute(1, 2, 0) + 1) * 127.5).round().int().numpy()
    assert np.abs(shown - wanted).max() <= 1


def test_a_unet_that_edits_as_it_is_told(models, picture) -> None:
    model = models("stable-diffusion", "instruct-pix2pix")
    assert model.variant.tasks == ("instruction-editing",)
    drawn = model.draw("instruction-editing", [("image", picture, 1.0)])
    call = model.by_hand("StableDiffusionInstructPix2PixPipeline")
    wanted = call(image=Image.fromarray(picture), guidance_scale=7.5, image_guidance_scale=1.5)
    assert np.array_equal(drawn, wanted)


@pytest.mark.parametrize(
    ("name", "kind"),
    [("sd3", "StableDiffusion3Img2ImgPipeline"), ("stable-diffusion", "StableDiffusionImg2ImgPipeline")],
)
def test_a_share_that_is_no_whole_number_of_steps(models, picture, name: str, kind: str) -> None:
    """Flow matching rounds the steps that are left out down, the others those that are run."""
    model = models(name)
    recipe = model.recipe("image-to-image", [("image", picture, 0.5)], strength=0.5, steps=5)
    assert recipe.steps == {"sd3": 3, "stable-diffusion": 2}[name]
    states = list(model.family.denoise(recipe, model.family.equip(model.parts, recipe), [picture[None]], 7))
    assert [state.step for state in states] == list(range(recipe.steps + 1))
    call = model.by_hand(kind)
    guidance = model.variant.guidance_phases[0].scale
    wanted = call(image=Image.fromarray(picture), strength=0.5, guidance_scale=guidance, num_inference_steps=5)
    assert np.array_equal(model.family.decode(recipe, model.parts, states[-1])[0], wanted)


def test_an_sdxl_that_edits_as_it_is_told(models, picture) -> None:
    model = models("sdxl", "sdxl-instruct-pix2pix")
    assert model.variant.tasks == ("instruction-editing",)
    given = [("image", picture, 1.0)]
    drawn = model.draw("instruction-editing", given, negative_prompt="blurry")
    call = model.by_hand("StableDiffusionXLInstructPix2PixPipeline")
    wanted = call(
        image=Image.fromarray(picture), guidance_scale=3.0, image_guidance_scale=1.5, negative_prompt="blurry",
        height=64, width=64,
    )  # fmt: skip
    assert np.array_equal(drawn, wanted)
    model.check_going_on(model.recipe("instruction-editing", given, steps=5), [picture[None]])


def test_a_refiner(models, picture, mask) -> None:
    model = models("sdxl", "sdxl-refiner")
    assert model.variant.tasks == ("image-to-image", "inpainting", "outpainting")
    drawn = model.draw("image-to-image", [("image", picture, 0.5)], strength=0.5)
    call = model.by_hand("StableDiffusionXLImg2ImgPipeline")
    assert np.array_equal(drawn, call(image=Image.fromarray(picture), strength=0.5, guidance_scale=5.0))
    weighed = model.draw("image-to-image", [("image", picture, 0.5)], strength=0.5, prompt="a (red cat)1.4")
    assert not np.array_equal(drawn, weighed)
    drawn = model.draw("inpainting", [("image", picture, 1.0), ("mask", mask, 1.0)])
    wanted = model.by_hand("StableDiffusionXLInpaintPipeline")(
        image=Image.fromarray(picture), mask_image=Image.fromarray(mask), height=64, width=64, strength=1.0,
        guidance_scale=5.0,
    )  # fmt: skip
    assert np.array_equal(drawn, wanted)
