"""Stable Diffusion XL by Stability AI, and what is fine-tuned from it. Importing this costs no torch."""

from __future__ import annotations

from pathlib import Path

from praxino.families import Family
from praxino.families._stock import StockFamily
from praxino.families.sdxl.variants import PUBLISHED, variant_of


def _miniature(folder: Path, like: str | None) -> None:
    from praxino.families.sdxl.miniature import write

    write(folder)


FAMILY: Family = StockFamily(
    name="sdxl",
    title="Stable Diffusion XL",
    variants=PUBLISHED,
    pipelines={
        "text-to-image": "StableDiffusionXLPipeline",
        "image-to-image": "StableDiffusionXLImg2ImgPipeline",
        "inpainting": "StableDiffusionXLInpaintPipeline",
        "outpainting": "StableDiffusionXLInpaintPipeline",
    },
    classes=("StableDiffusionXLPipeline", "StableDiffusionXLImg2ImgPipeline", "StableDiffusionXLInpaintPipeline"),
    variant_of=variant_of,
    write_miniature=_miniature,
    rescaling=("text-to-image", "image-to-image", "inpainting", "outpainting"),
)
