"""Stable Diffusion 1.5 and 2.1, and what is fine-tuned from them. Importing this costs no torch."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from praxino.errors import UserError
from praxino.families import Family, Sampling, Shape, Variant
from praxino.families._stock import Given, StockFamily, control, standard, with_clip
from praxino.families._stock.lora_names import check_unet
from praxino.families._stock.pictures import fitted, of_role
from praxino.families.stable_diffusion.others import ALONE
from praxino.families.stable_diffusion.variants import PUBLISHED, TEXT_WIDTHS, file_variant_of, variant_of
from praxino.request import Request

if TYPE_CHECKING:
    from torch import Tensor


def _miniature(folder: Path, like: str | None) -> None:
    from praxino.families.stable_diffusion.miniature import write

    write(folder, PUBLISHED[like or "stable-diffusion-1.5"])


def _read(folder: Path) -> dict[str, Any]:
    from praxino.families.stable_diffusion.depth import read

    return read(folder)


def _arguments(given: Given) -> dict[str, Any]:
    """A UNet that edits as it is told makes a third pass, whose scale says how much of the picture is kept."""
    options = given.parts.variant.options
    arguments = with_clip(given) if given.takes("prompt_embeds") and "schedulers" not in options else standard(given)
    if "image_guidance" in options:
        arguments["image_guidance_scale"] = options["image_guidance"]
    if "shows_references" in options:
        arguments["image"] = Image.fromarray(of_role(given.recipe, given.pictures, "reference")[0][0])
    if pictures := of_role(given.recipe, given.pictures, f"control:{control.INPAINT}"):
        arguments["control_image"] = _uncovered(given, pictures[0])
    return {name: value for name, value in arguments.items() if given.takes(name)}


def _uncovered(given: Given, picture: np.ndarray) -> Tensor:
    """A picture as (1, 3, H, W) in [0, 1], but -1 where it is drawn anew, as the ControlNet that fills in was taught.

    diffusers, docs/source/en/using-diffusers/inpaint.md (make_inpaint_condition).
    """
    import torch

    size = given.recipe.width, given.recipe.height
    (mask,) = of_role(given.recipe, given.pictures, "mask")
    pixels = np.array(fitted(picture, *size), np.float32) / 255
    pixels[np.array(fitted(mask, *size).convert("L"), np.float32) / 255 > 0.5] = -1
    return torch.from_numpy(pixels).movedim(-1, 0)[None]


class _StableDiffusion(StockFamily):
    """Some of its checkpoints read no words, or draw nothing but what they are shown."""

    def plan(self, request: Request, variant: Variant, shape: Shape, task: str) -> Sampling:
        """Decide how to sample."""
        _check_upscale(variant, shape)
        if variant.options.get("wordless") and request.negative_prompt:
            raise UserError(f"--negative: {variant.name} reads no words; leave it out.")
        if request.strength is not None and request.image and task not in variant.options["strength"]:
            raise UserError(f"--strength: {variant.name} draws all of a picture anew; leave it out.")
        sampling = super().plan(request, variant, shape, task)
        return dataclasses.replace(sampling, notes=(*sampling.notes, *_unread(request, variant, sampling)))


def _unread(request: Request, variant: Variant, sampling: Sampling) -> Iterator[str]:
    if request.prompt and variant.options.get("wordless"):
        yield f"{variant.name} reads no words: the prompt changes nothing"
    elif request.prompt and sampling.guidance_phases[0].scale == 0:
        yield f"{variant.name} at guidance 0 reads no words; have it read the prompt with --guidance 1 or more"


def _check_upscale(variant: Variant, shape: Shape) -> None:
    if not variant.upscale:
        return
    factor = int(variant.upscale.removesuffix("x"))
    if shape.upscale != (shape.width * factor, shape.height * factor):
        raise UserError(
            f"--upscale: {variant.name} draws {factor} times as wide and high, no other size; leave it out."
        )


FAMILY: Family = _StableDiffusion(
    name="stable-diffusion",
    title="Stable Diffusion",
    variants=PUBLISHED,
    pipelines={
        "text-to-image": "StableDiffusionPipeline",
        "image-to-image": "StableDiffusionImg2ImgPipeline",
        "inpainting": "StableDiffusionInpaintPipeline",
        "outpainting": "StableDiffusionInpaintPipeline",
        "text-to-image+control": "StableDiffusionControlNetPipeline",
        "image-to-image+control": "StableDiffusionControlNetImg2ImgPipeline",
        "inpainting+control": "StableDiffusionControlNetInpaintPipeline",
        "outpainting+control": "StableDiffusionControlNetInpaintPipeline",
        "inpainting+inpaint": "StableDiffusionControlNetInpaintPipeline",
        "outpainting+inpaint": "StableDiffusionControlNetInpaintPipeline",
    },
    classes=(
        "StableDiffusionPipeline",
        "StableDiffusionImg2ImgPipeline",
        "StableDiffusionInpaintPipeline",
        "StableDiffusionInstructPix2PixPipeline",
        *ALONE,
    ),
    variant_of=variant_of,
    file_variant_of=file_variant_of,
    write_miniature=_miniature,
    arguments=_arguments,
    refuse_lora=lambda path: check_unet(path, "Stable Diffusion", TEXT_WIDTHS),
    rescaling=("text-to-image",),
    reader=_read,
)
