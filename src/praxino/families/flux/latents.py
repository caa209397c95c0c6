"""Pixels to latent tokens and back. Knows tensors and the VAE, no recipes.

A token stands for 16 x 16 pixels: the VAE's latents, two by two, its channels before its rows and columns
(black-forest-labs/flux at 802fb47, src/flux/sampling.py). Latents are normalised: (z - shift) * scale.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from praxino.sampling.noise import NoiseSource

PATCH = 2
SPATIAL_RATIO = 8
TOKEN_PIXELS = PATCH * SPATIAL_RATIO


def draw(noise: NoiseSource, channels: int, width: int, height: int) -> Tensor:
    """Unit noise as tokens, (1, N, 4 * channels) bfloat16: the authors draw it in that format at every precision."""
    rows, columns = (PATCH * -(-side // TOKEN_PIXELS) for side in (height, width))
    return pack(noise.draw((1, channels, rows, columns)).bfloat16())


def pack(latents: Tensor) -> Tensor:
    """(1, C, 2h, 2w) to tokens (1, h * w, 4 * C)."""
    batch, channels, rows, columns = latents.shape
    cells = latents.reshape(batch, channels, rows // PATCH, PATCH, columns // PATCH, PATCH)
    return cells.permute(0, 2, 4, 1, 3, 5).reshape(batch, rows * columns // PATCH**2, channels * PATCH**2)


def unpack(tokens: Tensor, width: int, height: int) -> Tensor:
    """Tokens (1, h * w, 4 * C) of a picture in pixels to (1, C, 2h, 2w)."""
    rows, columns = (-(-side // TOKEN_PIXELS) for side in (height, width))
    cells = tokens.reshape(tokens.shape[0], rows, columns, -1, PATCH, PATCH)
    return cells.permute(0, 3, 1, 4, 2, 5).reshape(tokens.shape[0], -1, rows * PATCH, columns * PATCH)


def positions(width: int, height: int, index: int = 0) -> Tensor:
    """(N, 3) float32 of (index, row, column); index 0 is what is drawn, 1 a picture beside it."""
    rows, columns = height // TOKEN_PIXELS, width // TOKEN_PIXELS
    grid = torch.zeros(rows, columns, 3)
    grid[..., 0] = index
    grid[..., 1] += torch.arange(rows)[:, None]
    grid[..., 2] += torch.arange(columns)[None, :]
    return grid.reshape(-1, 3)


def encode(vae: Any, pixels: Tensor) -> Tensor:
    """Pixels (1, 3, H, W) float32 in [-1, 1] as tokens in float32: the posterior's mean, so no seed is consumed."""
    mean = vae.encode(pixels.to(vae.device, torch.float32)).latent_dist.mode()
    return pack((mean - vae.config.shift_factor) * vae.config.scaling_factor)


def decode(vae: Any, latents: Tensor, dtype: torch.dtype) -> Tensor:
    """(1, C, h, w) as pixels (1, 3, 8h, 8w) float32, about [-1, 1]. For bfloat16 the VAE runs under autocast."""
    z = latents.to(vae.device, torch.float32) / vae.config.scaling_factor + vae.config.shift_factor
    with torch.autocast(vae.device.type, torch.bfloat16, enabled=dtype == torch.bfloat16):
        return vae.decode(z, return_dict=False)[0].float()


def to_frames(pixels: Tensor) -> np.ndarray:
    """(1, 3, H, W) in [-1, 1] as one frame (1, H, W, 3) uint8, cut and not rounded, as the authors do."""
    cut = (127.5 * (pixels.clamp(-1, 1) + 1)).byte()
    return cut.permute(0, 2, 3, 1).cpu().numpy()
