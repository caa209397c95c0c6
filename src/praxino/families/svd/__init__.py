"""Stable Video Diffusion by Stability AI. Importing this costs no torch."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

from praxino.errors import UserError
from praxino.families import Family, Sampling, Shape, Variant
from praxino.families._stock import DIFFUSION, Given, StockFamily, standard
from praxino.families._stock.lora_names import check_transformer, check_unet
from praxino.families.svd.variants import PUBLISHED, variant_of
from praxino.recipe import Recipe
from praxino.request import Request

if TYPE_CHECKING:
    from torch import Tensor

MOST_MOTION, USUAL_MOTION = 255, 127
"""Motion buckets: how much moved in the clips that it learnt from."""
USUAL_NOISE = 0.02
"""On the given picture, of a deviation of 1 in pixels from -1 to 1."""
LEAST_GUIDANCE = 1.0
"""Of the first frame; it rises to the guidance scale of the last."""
PACES = 3, 30
"""Frames a second that it learnt."""
DECODED_AT_A_TIME = 14
LATENT_CHANNELS = 4
TITLE = "Stable Video Diffusion"
PICTURE_WIDTH = 1024
"""Of what its attention reads, a picture seen by CLIP; Stable Diffusion 2, out of which it was made, reads as much."""


def _miniature(folder: Path, like: str | None) -> None:
    from praxino.families.svd.miniature import write

    write(folder)


def _arguments(given: Given) -> dict[str, Any]:
    """It reads no words; its guidance rises from frame to frame."""
    recipe = given.recipe
    unknown = ("prompt", "negative_prompt", "guidance_scale")
    shared = {name: value for name, value in standard(given).items() if name not in unknown}
    return {
        **shared,
        "min_guidance_scale": min(LEAST_GUIDANCE, recipe.guidance),
        "max_guidance_scale": recipe.guidance,
        "motion_bucket_id": recipe.options["motion_bucket"],
        "noise_aug_strength": recipe.options["noise"],
        "decode_chunk_size": DECODED_AT_A_TIME,
    }


def _unpack(recipe: Recipe, latents: Tensor) -> Tensor:
    """(1, F, C, h, w) to (1, C, F, h, w). At the start the picture's latents follow in each frame."""
    return latents.transpose(1, 2)[:, :LATENT_CHANNELS]


class _Svd(StockFamily):
    """Motion, pace and how firmly the picture holds are told to it as numbers."""

    def plan(self, request: Request, variant: Variant, shape: Shape, task: str) -> Sampling:
        """Decide how to sample."""
        _check(request, variant, shape)
        sampling = super().plan(request, variant, shape, task)
        motion = USUAL_MOTION if request.motion_strength is None else round(request.motion_strength * MOST_MOTION)
        noise = USUAL_NOISE if request.strength is None else round(1 - request.strength, 6)
        ignored = f"{variant.name} reads no words: the prompt changes nothing"
        return dataclasses.replace(
            sampling,
            options={**sampling.options, "motion_bucket": motion, "noise": noise},
            notes=(*sampling.notes, *([ignored] if request.prompt else [])),
        )


def _check(request: Request, variant: Variant, shape: Shape) -> None:
    if request.negative_prompt:
        raise UserError(f"--negative: {variant.name} reads no words; leave it out.")
    if request.camera:
        raise UserError(f"--camera: {variant.name} reads no words, and has nothing else for the camera; leave it out.")
    if not PACES[0] <= shape.fps <= PACES[1]:
        raise UserError(f"--fps is {shape.fps:g}; {variant.name} draws for {PACES[0]} to {PACES[1]} frames a second.")


def _refuse_lora(path: Path) -> None:
    """By the width of what its layers read, and by their names."""
    check_unet(path, TITLE, (PICTURE_WIDTH,))
    check_transformer(path, TITLE)


FAMILY: Family = _Svd(
    name="svd",
    title=TITLE,
    variants=PUBLISHED,
    pipelines={"image-to-video": "StableVideoDiffusionPipeline"},
    classes=("StableVideoDiffusionPipeline",),
    variant_of=variant_of,
    write_miniature=_miniature,
    arguments=_arguments,
    schedulers={"euler": DIFFUSION["euler"]},
    unpack=_unpack,
    refuse_lora=_refuse_lora,
)
