"""A cheap picture of what is coming: a linear map of the latents, without a network."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

Factors = tuple[Sequence[Sequence[float]], Sequence[float]]
"""(3 x C) and bias (3): normalised latents to RGB in [-1, 1]."""


def preview(latents: Tensor, factors: Factors | None) -> np.ndarray:
    """The middle latent frame of (1, C, f, h, w) as (h, w, 3) uint8.

    Without factors: the three directions in which its latents differ most, which shows shapes in false colours.
    """
    channels_last = latents[0, :, latents.shape[2] // 2].float().cpu().permute(1, 2, 0)
    if factors is None:
        rgb = _principal(channels_last)
    else:
        weight, bias = (torch.tensor(part, dtype=torch.float32) for part in factors)
        rgb = channels_last @ weight.T + bias
    return ((rgb / 2 + 0.5).clamp(0, 1) * 255).byte().numpy()


def _principal(channels_last: Tensor) -> Tensor:
    """The first three principal components of (h, w, C), each scaled to two standard deviations within [-1, 1]."""
    height, width, channels = channels_last.shape
    rows = channels_last.reshape(-1, channels)
    rows = rows - rows.mean(0)
    _, directions = torch.linalg.eigh(rows.T @ rows)
    axes = directions[:, -3:].flip(-1)
    axes = axes * axes.gather(0, axes.abs().argmax(0, keepdim=True)).sign()
    projected = rows @ axes
    deviation = projected.square().mean(0).sqrt().clamp(min=1e-6)
    return (projected / (2 * deviation)).reshape(height, width, 3)
