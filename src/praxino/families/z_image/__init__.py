"""Z-Image by Tongyi-MAI. Importing this costs no torch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from praxino.families import Family
from praxino.families._stock import FLOW, Given, Reader, StockFamily, standard
from praxino.families._stock.lora_names import check_transformer
from praxino.families.z_image.variants import PUBLISHED, variant_of
from praxino.recipe import Recipe

if TYPE_CHECKING:
    from torch import Tensor


def _miniature(folder: Path, like: str | None) -> None:
    from praxino.families.z_image.miniature import write

    write(folder)


def _arguments(given: Given) -> dict[str, object]:
    # Its guidance is text + scale (text - negative): off is 0, not 1.
    return {**standard(given), "guidance_scale": given.recipe.guidance if given.guided else 0.0}


def _unpack(recipe: Recipe, latents: Tensor) -> Tensor:
    """Its transformer is given one frame, (1, C, 1, h, w); its loop holds (1, C, h, w)."""
    return latents.reshape(1, latents.shape[1], *latents.shape[-2:])


FAMILY: Family = StockFamily(
    name="z-image",
    title="Z-Image",
    variants=PUBLISHED,
    pipelines={
        "text-to-image": "ZImagePipeline",
        "image-to-image": "ZImageImg2ImgPipeline",
        "inpainting": "ZImageInpaintPipeline",
        "outpainting": "ZImageInpaintPipeline",
        "text-to-image+control": "ZImageControlNetPipeline",
        "inpainting+control": "ZImageControlNetInpaintPipeline",
        "outpainting+control": "ZImageControlNetInpaintPipeline",
    },
    text_readers=(Reader("Qwen3", "tokenizer", 512, "<|im_start|>user\n"),),
    refuse_lora=lambda path: check_transformer(path, "Z-Image"),
    classes=("ZImagePipeline", "ZImageImg2ImgPipeline", "ZImageInpaintPipeline"),
    variant_of=variant_of,
    write_miniature=_miniature,
    arguments=_arguments,
    whole=("inpainting+control", "outpainting+control"),
    one_map=True,
    schedulers=FLOW,
    flow=True,
    unpack=_unpack,
)
