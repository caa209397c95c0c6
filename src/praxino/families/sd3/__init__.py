"""Stable Diffusion 3 and 3.5 by Stability AI. Importing this costs no torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from praxino.families import Family
from praxino.families._stock import FLOW, Given, Reader, StockFamily, control, standard
from praxino.families._stock.lora_names import check_transformer
from praxino.families.sd3.names import layers_of
from praxino.families.sd3.variants import PUBLISHED, variant_of


def _miniature(folder: Path, like: str | None) -> None:
    from praxino.families.sd3.miniature import write

    write(folder)


def _arguments(given: Given) -> dict[str, Any]:
    """The ControlNets for edges of 3.5 Large read edges as 0.5 and 128 (their model card's image processor)."""
    arguments = standard(given)
    found = control.networks(given.parts, given.recipe)
    bright = [kind == "canny" and not network.config.use_pos_embed for kind, network in found]
    if not any(bright):
        return arguments
    _let_tensors_pass(given.pipeline.image_processor)
    maps = arguments["control_image"] if len(found) > 1 else [arguments["control_image"]]
    read = [_bright(picture) if is_bright else picture for picture, is_bright in zip(maps, bright, strict=True)]
    return {**arguments, "control_image": read if len(found) > 1 else read[0]}


def _let_tensors_pass(processor: Any) -> None:
    """Have a pipeline's image processor leave tensors as they are: they are read already."""
    preprocess = processor.preprocess
    processor.preprocess = lambda image, **more: image if hasattr(image, "dim") else preprocess(image, **more)


def _bright(picture: Image.Image) -> Any:
    """A map as (1, 3, H, W) float32: 0.5 and 128."""
    import torch

    return torch.from_numpy(np.array(picture, np.float32) / 255).movedim(-1, 0)[None] * 255 * 0.5 + 0.5


FAMILY: Family = StockFamily(
    name="sd3",
    title="Stable Diffusion 3",
    variants=PUBLISHED,
    pipelines={
        "text-to-image": "StableDiffusion3Pipeline",
        "image-to-image": "StableDiffusion3Img2ImgPipeline",
        "inpainting": "StableDiffusion3InpaintPipeline",
        "outpainting": "StableDiffusion3InpaintPipeline",
        "text-to-image+control": "StableDiffusion3ControlNetPipeline",
        "inpainting+inpaint": "StableDiffusion3ControlNetInpaintingPipeline",
        "outpainting+inpaint": "StableDiffusion3ControlNetInpaintingPipeline",
    },
    text_readers=(Reader("CLIP", "tokenizer", 77), Reader("T5", "tokenizer_3", 256)),
    refuse_lora=lambda path: check_transformer(path, "Stable Diffusion 3", encoders=True),
    lora_layers=layers_of,
    classes=("StableDiffusion3Pipeline", "StableDiffusion3Img2ImgPipeline", "StableDiffusion3InpaintPipeline"),
    variant_of=variant_of,
    write_miniature=_miniature,
    arguments=_arguments,
    whole=("inpainting+inpaint", "outpainting+inpaint"),
    one_reference=True,
    schedulers=FLOW,
    flow=True,
)
