"""Allegro by Rhymes AI. Importing this costs no torch."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

from praxino.families import Family, LoopState, Sampling, Shape, Variant
from praxino.families._stock import DIFFUSION, Given, StockFamily, standard
from praxino.families._stock.lora_names import check_transformer
from praxino.families._stock.reach import Reader
from praxino.families.allegro.variants import ALLEGRO, LENGTHS, PUBLISHED, variant_of
from praxino.recipe import Recipe
from praxino.request import Request

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from praxino.families._stock.load import Parts


def _miniature(folder: Path, like: str | None) -> None:
    from praxino.families.allegro.miniature import write

    write(folder)


def _arguments(given: Given) -> dict[str, Any]:
    """Words are read in small letters, else as they are: what its pipeline would clean hangs on what is installed."""
    return {
        **standard(given),
        "num_frames": _covered(given.recipe.num_frames),
        "clean_caption": False,
        "max_sequence_length": given.parts.variant.max_text_tokens,
    }


def _covered(num_frames: int) -> int:
    """The least length that tiles cover and that is as long."""
    return next(length for length in LENGTHS if length >= num_frames)


def _encode(vae: Any, pictures: Tensor) -> Tensor:
    """Each picture for a moment; past `encode`, which takes whole tiles alone."""
    clips = pictures[:, :, None].repeat(1, 1, vae.config.temporal_compression_ratio, 1, 1)
    mean, _ = vae.quant_conv(vae.encoder(clips)[:, :, 0]).chunk(2, dim=1)
    return mean * vae.config.scaling_factor


class _Allegro(StockFamily):
    """Its VAE decodes in tiles of one size, which have to cover the clip."""

    def plan(self, request: Request, variant: Variant, shape: Shape, task: str) -> Sampling:
        """Decide how to sample."""
        sampling = super().plan(request, variant, shape, task)
        length = _covered(shape.num_frames)
        if length == shape.num_frames:
            return sampling
        note = f"{variant.name} draws {length} frames, which its decoder's tiles cover, and keeps {shape.num_frames}"
        return dataclasses.replace(sampling, notes=(*sampling.notes, note))

    def decode(self, recipe: Recipe, parts: Parts, state: LoopState) -> np.ndarray:
        """The frames of the last state that are kept."""
        return super().decode(recipe, parts, state)[: recipe.num_frames]

    def load(self, path: Path, variant: Variant, dtype: str, device: str) -> Parts:
        """Load the networks."""
        parts = super().load(path, variant, dtype, device)
        parts.base.vae.enable_tiling()
        return parts


FAMILY: Family = _Allegro(
    name="allegro",
    title="Allegro",
    variants=PUBLISHED,
    pipelines={"text-to-video": "AllegroPipeline"},
    classes=("AllegroPipeline",),
    variant_of=variant_of,
    write_miniature=_miniature,
    arguments=_arguments,
    schedulers={name: entry for name, entry in DIFFUSION.items() if name != "lcm"},
    float32=("vae",),
    refuse_lora=lambda path: check_transformer(path, "Allegro"),
    text_readers=(Reader("T5", "tokenizer", ALLEGRO.max_text_tokens),),
    encode=_encode,
)
