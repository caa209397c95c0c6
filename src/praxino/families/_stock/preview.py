"""Latents to a small picture by one linear map, fitted to what the VAE makes of plain colours and gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

PATCH_CELLS = 4
"""Latent cells to a patch's side."""


def fit(encode: Any, cell_px: int) -> Tensor:
    """The least-squares map from a latent cell's channels and 1 to RGB in [-1, 1], (C + 1, 3) float32.

    Args:
        encode: pictures (N, 3, H, W) in [-1, 1] to latents (N, C, H / cell_px, W / cell_px).
        cell_px: pixels to a latent cell's side.
    """
    pictures = _patches(PATCH_CELLS * cell_px)
    latents = encode(pictures).float().cpu()
    colours = torch.nn.functional.interpolate(pictures, latents.shape[-2:], mode="area")
    cells = latents.permute(0, 2, 3, 1).flatten(0, 2)
    wanted = colours.permute(0, 2, 3, 1).flatten(0, 2)
    return torch.linalg.lstsq(_with_one(cells), wanted, driver="gelsd").solution


def draw(latents: Tensor, factors: Tensor) -> np.ndarray:
    """Latents (1, C, h, w) as a picture, (h, w, 3) uint8. What is louder than clean latents is brought down first."""
    cells = latents.detach().float().cpu()[0].permute(1, 2, 0)
    cells = cells / max(1.0, float(cells.std()))
    picture = _with_one(cells) @ factors
    return ((picture.clamp(-1, 1) + 1) * 127.5).round().byte().numpy()


def _patches(side_px: int) -> Tensor:
    """The 27 colours of three levels a channel, and gradients across and down, (N, 3, side, side)."""
    levels = torch.linspace(-1, 1, 3)
    flat = torch.cartesian_prod(levels, levels, levels)[:, :, None, None].expand(-1, -1, side_px, side_px)
    ramp = torch.linspace(-1, 1, side_px).expand(side_px, side_px)
    axes = torch.eye(3)[:, :, None, None] * 2 - 1
    gradients = torch.cat([axes * ramp, axes * ramp.T])
    return torch.cat([flat, gradients])


def _with_one(cells: Tensor) -> Tensor:
    return torch.cat([cells, torch.ones_like(cells[..., :1])], -1)
