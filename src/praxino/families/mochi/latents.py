"""Latents to pixels: the VAE's decoder, as the authors run it. Knows no text and no sampling."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from praxino.families._pixels import to_uint8
from praxino.families.mochi.variants import SPATIAL_RATIO, TEMPORAL_RATIO


def latent_shape(width: int, height: int, num_frames: int) -> tuple[int, int, int]:
    """Frames, height and width of a clip's latents."""
    return (num_frames - 1) // TEMPORAL_RATIO + 1, height // SPATIAL_RATIO, width // SPATIAL_RATIO


def drop_leading_frames(vae: Any) -> None:
    """Have each temporal upsampling drop the frames that lie before the clip, as Genmo's does.

    diffusers drops as many, but all at the end, where convolutions have already mixed them into the first frames.
    Source: genmoai/mochi at 0c86aeb, vae/models.py (DepthToSpaceTime).
    """
    vae.drop_last_temporal_frames = False
    for block in vae.decoder.up_blocks:
        block.register_forward_hook(_without_leading)


def decode(vae: Any, latents: Tensor, kind: torch.dtype) -> np.ndarray:
    """Normalised latents (1, C, f, h, w) as frames (F, H, W, 3) uint8, rounded down. `kind` is autocast to."""
    config = vae.config
    mean, deviation = (_per_channel(values, latents) for values in (config.latents_mean, config.latents_std))
    latents = latents * deviation / config.scaling_factor + mean
    with torch.autocast(latents.device.type, kind, enabled=kind != torch.float32):
        pixels = vae.decode(latents, return_dict=False)[0]
    return to_uint8(pixels[0])


def _without_leading(block: nn.Module, inputs: Any, output: tuple[Tensor, Any]) -> tuple[Tensor, Any]:
    frames, cache = output
    expansion: Any = block.temporal_expansion
    return frames[:, :, expansion - 1 :], cache


def _per_channel(values: Any, like: Tensor) -> Tensor:
    return torch.tensor(values, device=like.device, dtype=torch.float32).view(1, -1, 1, 1, 1)
