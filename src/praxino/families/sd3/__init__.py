"""Stable Diffusion 3 and 3.5 by Stability AI. Importing this costs no torch."""

from __future__ import annotations

from pathlib import Path

from praxino.families import Family
from praxino.families._stock import FLOW, StockFamily
from praxino.families._stock.lora_names import check_transformer
from praxino.families.sd3.variants import PUBLISHED, variant_of


def _miniature(folder: Path, like: str | None) -> None:
    from praxino.families.sd3.miniature import write

    write(folder)


FAMILY: Family = StockFamily(
    name="sd3",
    title="Stable Diffusion 3",
    variants=PUBLISHED,
    pipelines={
        "text-to-image": "StableDiffusion3Pipeline",
        "image-to-image": "StableDiffusion3Img2ImgPipeline",
        "inpainting": "StableDiffusion3InpaintPipeline",
        "outpainting": "StableDiffusion3InpaintPipeline",
    },
    refuse_lora=lambda path: check_transformer(path, "Stable Diffusion 3", encoders=True),
    classes=("StableDiffusion3Pipeline", "StableDiffusion3Img2ImgPipeline", "StableDiffusion3InpaintPipeline"),
    variant_of=variant_of,
    write_miniature=_miniature,
    schedulers=FLOW,
    flow=True,
)
