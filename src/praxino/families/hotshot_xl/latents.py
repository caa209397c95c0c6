"""Between pixels and latents: the VAE, frame by frame, and a linear map for previews."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from praxino.families._pixels import to_uint8

PREVIEW_FACTORS = ((60, -60, 25, -70), (60, -5, 15, -50), (60, 10, -5, -35))
PREVIEW_BIAS = (150, 140, 130)
"""SDXL's latents to RGB in 0 to 255 (huggingface/diffusers, docs/source/en/using-diffusers/callback.md)."""


def encode(vae: Any, frames: Tensor) -> Tensor:
    """Frames (F, 3, H, W) from 0 to 1 as latents (1, C, F, h, w) float32: the middle of the VAE's distribution."""
    pixels = (frames * 2 - 1).to(vae.device, vae.dtype)
    encoded = [vae.encode(frame[None]).latent_dist.mode().float() for frame in pixels]
    return torch.stack(encoded, dim=2) * vae.config.scaling_factor


def decode(vae: Any, latents: Tensor) -> np.ndarray:
    """Latents (1, C, F, h, w) as frames (F, H, W, 3) uint8, rounded down as the original does."""
    scaled = (latents / vae.config.scaling_factor).to(vae.device, vae.dtype)
    frames = [vae.decode(frame, return_dict=False)[0][0] for frame in scaled.unbind(2)]
    return to_uint8(torch.stack(frames, dim=1))


def preview(latents: Tensor) -> np.ndarray:
    """The middle frame of latents (1, 4, F, h, w) as a picture (h, w, 3) uint8."""
    middle = latents[0, :, latents.shape[2] // 2].float().cpu()
    colours = torch.einsum("chw,rc->hwr", middle, torch.tensor(PREVIEW_FACTORS, dtype=torch.float32))
    return (colours + torch.tensor(PREVIEW_BIAS)).clamp(0, 255).byte().numpy()
