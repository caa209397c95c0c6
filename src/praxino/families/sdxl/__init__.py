"""Stable Diffusion XL by Stability AI, and what is fine-tuned from it. Importing this costs no torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from praxino.families import Family
from praxino.families._stock import Given, StockFamily, with_clip
from praxino.families._stock.lora_names import check_unet
from praxino.families.sdxl.variants import PUBLISHED, file_variant_of, variant_of


def _miniature(folder: Path, like: str | None) -> None:
    from praxino.families.sdxl.miniature import write

    write(folder, PUBLISHED[like or "sdxl-base"])


def _arguments(given: Given) -> dict[str, Any]:
    """A UNet that edits as it is told makes a third pass, whose scale says how much of the picture is kept."""
    kept = given.parts.variant.options.get("image_guidance")
    return with_clip(given) | ({"image_guidance_scale": kept} if kept else {})


FAMILY: Family = StockFamily(
    name="sdxl",
    title="Stable Diffusion XL",
    variants=PUBLISHED,
    pipelines={
        "text-to-image": "StableDiffusionXLPipeline",
        "image-to-image": "StableDiffusionXLImg2ImgPipeline",
        "inpainting": "StableDiffusionXLInpaintPipeline",
        "outpainting": "StableDiffusionXLInpaintPipeline",
        "text-to-image+control": "StableDiffusionXLControlNetPipeline",
        "image-to-image+control": "StableDiffusionXLControlNetImg2ImgPipeline",
        "inpainting+control": "StableDiffusionXLControlNetInpaintPipeline",
        "outpainting+control": "StableDiffusionXLControlNetInpaintPipeline",
        "text-to-image+union": "StableDiffusionXLControlNetUnionPipeline",
        "image-to-image+union": "StableDiffusionXLControlNetUnionImg2ImgPipeline",
        "inpainting+union": "StableDiffusionXLControlNetUnionInpaintPipeline",
        "outpainting+union": "StableDiffusionXLControlNetUnionInpaintPipeline",
    },
    classes=(
        "StableDiffusionXLPipeline",
        "StableDiffusionXLImg2ImgPipeline",
        "StableDiffusionXLInpaintPipeline",
        "StableDiffusionXLInstructPix2PixPipeline",
    ),
    variant_of=variant_of,
    file_variant_of=file_variant_of,
    write_miniature=_miniature,
    arguments=_arguments,
    refuse_lora=lambda path: check_unet(path, "SDXL", (2048,)),
    rescaling=("text-to-image", "image-to-image", "inpainting", "outpainting"),
)
