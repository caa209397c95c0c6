"""How the transformer and the decoder are told a noise level (Chen et al. 2023, PixArt-alpha, arXiv 2310.00426)."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from praxino.families.ltx_video.networks.packed import Linear

WAVES = 256
"""Cosines and sines that a level is told by."""
PERIOD = 10_000


class Pair(nn.Module):
    """Two linear layers with an activation between."""

    def __init__(self, given: int, width: int) -> None:
        super().__init__()
        self.linear_1, self.linear_2 = Linear(given, width), Linear(width, width)

    def forward(self, x: Tensor, activation: Callable[[Tensor], Tensor]) -> Tensor:
        """(..., given) to (..., width)."""
        return self.linear_2(activation(self.linear_1(x)))


class TimestepEmbedder(nn.Module):
    """Levels, (n) in thousandths, as (n, width)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.timestep_embedder = Pair(WAVES, width)

    def forward(self, levels: Tensor) -> Tensor:
        """(n) to (n, width)."""
        return self.timestep_embedder(waves(levels).to(self.timestep_embedder.linear_1.weight), F.silu)


class TimeEmbed(nn.Module):
    """An embedded level, and the modulations of a block that are made of it."""

    def __init__(self, width: int, modulations: int) -> None:
        super().__init__()
        self.emb = TimestepEmbedder(width)
        self.linear = Linear(width, modulations * width)

    def forward(self, levels: Tensor) -> tuple[Tensor, Tensor]:
        """(n) to (n, modulations x width) and (n, width)."""
        embedded = self.emb(levels)
        return self.linear(F.silu(embedded)), embedded


def waves(levels: Tensor) -> Tensor:
    """(n) as (n, 256): cosines, then sines, of falling frequencies (Vaswani et al. 2017)."""
    half = WAVES // 2
    exponents = -math.log(PERIOD) * torch.arange(half, dtype=torch.float32, device=levels.device) / half
    angles = levels[:, None].float() * exponents.exp()
    return torch.cat([angles.cos(), angles.sin()], dim=-1)


def gelu(x: Tensor) -> Tensor:
    """GELU by its tanh approximation."""
    return F.gelu(x, approximate="tanh")
