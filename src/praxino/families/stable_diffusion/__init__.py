"""Stable Diffusion 1.5 and 2.1, and what is fine-tuned from them. Importing this costs no torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from praxino.families import Family
from praxino.families._stock import Given, StockFamily, with_clip
from praxino.families._stock.lora_names import check_unet
from praxino.families.stable_diffusion.variants import PUBLISHED, TEXT_WIDTHS, file_variant_of, variant_of


def _miniature(folder: Path, like: str | None) -> None:
    from praxino.families.stable_diffusion.miniature import write

    write(folder, PUBLISHED[like].tasks[0] if like else "text-to-image")


def _arguments(given: Given) -> dict[str, Any]:
    """A UNet that edits as it is told makes a third pass, whose scale says how much of the picture is kept."""
    kept = given.parts.variant.options.get("image_guidance")
    return with_clip(given) | ({"image_guidance_scale": kept} if kept else {})


FAMILY: Family = StockFamily(
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
    },
    classes=(
        "StableDiffusionPipeline",
        "StableDiffusionImg2ImgPipeline",
        "StableDiffusionInpaintPipeline",
        "StableDiffusionInstructPix2PixPipeline",
    ),
    variant_of=variant_of,
    file_variant_of=file_variant_of,
    write_miniature=_miniature,
    arguments=_arguments,
    refuse_lora=lambda path: check_unet(path, "Stable Diffusion", TEXT_WIDTHS),
    rescaling=("text-to-image",),
)
