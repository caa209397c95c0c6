"""A cheap picture of what is coming: a linear map of the latents, fitted on the spot to the VAE's of flat colours."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from praxino.families.flux.latents import PATCH, SPATIAL_RATIO, encode, unpack

LEVELS = (-0.9, -0.3, 0.3, 0.9)
"""Red, green and blue of the flat patches that the map is fitted to: 64 colours."""
PATCH_PIXELS = 4 * PATCH * SPATIAL_RATIO
EDGE = 2
"""Latents at a patch's rim that are left out: they see what lies beyond it."""
RIDGE = 1e-3


@dataclass(frozen=True)
class LinearMap:
    """Latents (..., C) to RGB in [-1, 1]: latents @ weight + bias."""

    weight: Tensor
    """(C, 3)."""
    bias: Tensor
    """(3,)."""


def fit(vae: Any) -> LinearMap:
    """Least squares over the latents of flat patches, with a ridge, so that directions they lack count for nothing."""
    colours = torch.tensor(list(itertools.product(LEVELS, repeat=3)))
    latents = torch.stack([_latent_of(vae, colour) for colour in colours]).double()
    middle, target_middle = latents.mean(0), colours.double().mean(0)
    spread, target = latents - middle, colours.double() - target_middle
    gram = spread.T @ spread
    ridge = RIDGE * gram.diagonal().mean() * torch.eye(len(gram), dtype=gram.dtype)
    weight = torch.linalg.solve(gram + ridge, spread.T @ target)
    return LinearMap(weight.float(), (target_middle - middle @ weight).float())


def draw(colours: LinearMap, latents: Tensor) -> np.ndarray:
    """Latents (1, C, h, w) as (h, w, 3) uint8."""
    rgb = latents[0].float().cpu().permute(1, 2, 0) @ colours.weight + colours.bias
    return ((rgb / 2 + 0.5).clamp(0, 1) * 255).byte().numpy()


def _latent_of(vae: Any, colour: Tensor) -> Tensor:
    """The mean latent in the middle of a patch of one colour, (C,)."""
    pixels = colour[None, :, None, None].expand(1, 3, PATCH_PIXELS, PATCH_PIXELS)
    latents = unpack(encode(vae, pixels), PATCH_PIXELS, PATCH_PIXELS)[0].cpu()
    return latents[:, EDGE:-EDGE, EDGE:-EDGE].mean((1, 2))
