"""Qwen-Image 2.1 by Alibaba's Qwen team: one network that draws and edits. Importing this costs no torch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from praxino.families import Family
from praxino.families._stock import FLOW, Given, StockFamily, standard
from praxino.families._stock.lora_names import check_transformer
from praxino.families._stock.pictures import of_role
from praxino.families.qwen_image_21.variants import PIPELINE, PUBLISHED, SAMPLE_SIGMAS, variant_of
from praxino.recipe import Recipe

if TYPE_CHECKING:
    from torch import Tensor

CELL_PX = 16
"""The VAE's reduction of a side."""


def _miniature(folder: Path, like: str | None) -> None:
    from praxino.families.qwen_image_21.miniature import write

    write(folder, like or "qwen-image-2.1")


def _read(folder: Path) -> dict[str, Any]:
    from praxino.families.qwen_image_21.processor import read

    return read(folder)


def _arguments(given: Given) -> dict[str, Any]:
    """The picture to edit and the references are one list to it; guidance is off without a negative prompt."""
    recipe = given.recipe
    arguments = {name: value for name, value in standard(given).items() if name not in ("guidance_scale", "image")}
    arguments |= {"true_cfg_scale": recipe.guidance, "output_resolution": given.parts.variant.width}
    if given.guided:
        arguments["negative_prompt"] = recipe.negative_prompt or " "
    shown = [frames for role in ("image", "reference") for frames in of_role(recipe, given.pictures, role)]
    if shown:
        arguments["image"] = [Image.fromarray(frames[0]) for frames in shown]
    levels = recipe.options["levels"]
    if not recipe.sigmas and len(given.pipeline.config[SAMPLE_SIGMAS] or ()) != levels:
        arguments["sigmas"] = [1 - index / levels for index in range(levels)]
    return arguments


def _unpack(recipe: Recipe, latents: Tensor) -> Tensor:
    """(1, h w, C) to (1, C, h, w). Tokens of shown pictures may go before."""
    height, width = recipe.height // CELL_PX, recipe.width // CELL_PX
    return latents[:, -height * width :].mT.reshape(1, -1, height, width)


def _encode(vae: Any, pictures: Tensor) -> Tensor:
    """A video's VAE, given clips of one opaque frame; normalised by the mean and spread of each channel."""
    import torch

    opaque = torch.cat([pictures, torch.ones_like(pictures[:, :1])], dim=1)
    mode = vae.encode(opaque[:, :, None]).latent_dist.mode()[:, :, 0]
    mean, spread = (
        mode.new_tensor(getattr(vae.config, name))[:, None, None] for name in ("latents_mean", "latents_std")
    )
    return (mode - mean) / spread


FAMILY: Family = StockFamily(
    name="qwen-image-2.1",
    title="Qwen-Image 2.1",
    variants=PUBLISHED,
    pipelines={"text-to-image": PIPELINE, "instruction-editing": PIPELINE},
    refuse_lora=lambda path: check_transformer(path, "Qwen-Image 2.1"),
    classes=(PIPELINE,),
    variant_of=variant_of,
    write_miniature=_miniature,
    arguments=_arguments,
    schedulers=FLOW,
    flow=True,
    shows_references=True,
    reader=_read,
    unpack=_unpack,
    encode=_encode,
)
