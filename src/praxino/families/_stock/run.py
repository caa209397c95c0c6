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
    """What a pipeline gives as (F, H, W, 3) uint8: pictures, or a clip's frames in any of diffusers' output types."""
    if any(getattr(output, "nsfw_content_detected", None) or ()):
        raise ModelError(
            "the checkpoint's own safety checker withheld the picture.\nTry another seed, or say it otherwise."
        )
    drawn = output.frames[0] if hasattr(output, "frames") else output.images[:1]
    if isinstance(drawn, Tensor):
        drawn = drawn.permute(0, 2, 3, 1).float().cpu().numpy()
    if isinstance(drawn, np.ndarray):
        return torch.from_numpy((drawn * 255).round().astype(np.uint8))
    return torch.from_numpy(np.stack([np.array(picture.convert("RGB")) for picture in drawn]))


@torch.no_grad()
def preview(family: StockFamily, recipe: Recipe, parts: Parts, state: LoopState) -> np.ndarray:
    """See `Family.preview`."""
    latents = state.tensors["latents"]
    if family.unpack is not None:
        latents = family.unpack(recipe, latents)
    if latents.dim() == 5:
        latents = latents[:, :, latents.shape[2] // 2]
    vae = parts.base.vae
    if "preview" not in parts.kept:
        encode = family.encode or _encode
        cell_px = recipe.size[1] // latents.shape[-2]
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
    """The mean of the posterior, scaled as the denoiser sees it; each picture alone, where the VAE reads clips."""
    kernels = (weight for weight in vae.encoder.parameters() if weight.dim() > 3)
    if next(kernels).dim() == 5:
        mean = vae.encode(pictures[:, :, None]).latent_dist.mean[:, :, 0]
    else:
        mean = vae.encode(pictures).latent_dist.mean
    return (mean - (getattr(vae.config, "shift_factor", None) or 0)) * vae.config.scaling_factor
