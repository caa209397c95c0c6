"""A recipe, a loaded checkpoint and pictures to steps, and a state to a preview."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from praxino.errors import ModelError
from praxino.families import LoopState
from praxino.families._stock import loop
from praxino.families._stock import preview as linear
from praxino.families._stock.arguments import Given
from praxino.families._stock.load import Parts, pipeline_for
from praxino.recipe import Recipe

if TYPE_CHECKING:
    from praxino.families._stock.family import StockFamily


def denoise(
    family: StockFamily, recipe: Recipe, parts: Parts, pictures: list[np.ndarray], seed: int, state: LoopState | None
) -> Iterator[LoopState]:
    """See `Family.denoise`."""
    pipeline = pipeline_for(family, parts, recipe)
    call = loop.Call(
        pipeline=pipeline,
        arguments=family.arguments(Given(recipe, parts, pipeline, pictures)),
        num_steps=recipe.steps,
        generator=torch.Generator("cpu").manual_seed(seed),
        to_frames=_frames,
    )
    yield from loop.denoise(call, state)


def _frames(output: Any) -> Tensor:
    """(1, H, W, 3) uint8."""
    if any(getattr(output, "nsfw_content_detected", None) or ()):
        raise ModelError(
            "the checkpoint's own safety checker withheld the picture.\nTry another seed, or say it otherwise."
        )
    return torch.from_numpy(np.array(output.images[0].convert("RGB")))[None]


@torch.no_grad()
def preview(family: StockFamily, recipe: Recipe, parts: Parts, state: LoopState) -> np.ndarray:
    """See `Family.preview`."""
    latents = state.tensors["latents"]
    if family.unpack is not None:
        latents = family.unpack(recipe, latents)
    vae = parts.base.vae
    if "preview" not in parts.kept:
        encode = family.encode or _encode
        cell_px = recipe.height // latents.shape[-2]
        with _precise(vae):
            fitted = linear.fit(lambda pictures: encode(vae, pictures.to(vae.device, vae.dtype)), cell_px)
        parts.kept["preview"] = fitted
    channels = len(parts.kept["preview"]) - 1
    return linear.draw(latents[:1, :channels], parts.kept["preview"])


@contextmanager
def _precise(vae: Any) -> Iterator[None]:
    """Lift a VAE out of float16 where it overflows there, as the pipelines do."""
    lifted = vae.dtype == torch.float16 and getattr(vae.config, "force_upcast", False)
    if lifted:
        vae.to(torch.float32)
    try:
        yield
    finally:
        if lifted:
            vae.to(torch.float16)


def _encode(vae: Any, pictures: Tensor) -> Tensor:
    """The mean of the posterior, scaled as the denoiser sees it."""
    mean = vae.encode(pictures).latent_dist.mean
    return (mean - (getattr(vae.config, "shift_factor", None) or 0)) * vae.config.scaling_factor
