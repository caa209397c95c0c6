"""Timesteps as sines and cosines that are the same on every machine, in the place of diffusers' `Timesteps`.

exp in float32 differs in its last digit between processors, and a frequency is multiplied by as much as 6000: seen in a
network's output, that is up to 1e-4. Here exp is taken in float64 and rounded once, as the numbers that CogVideoX's
and HunyuanVideo's authors' code gave are (all of 32, and 126 of 128 frequencies).
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

MAX_PERIOD = 10000


class TimeWaves(torch.nn.Module):
    """Takes (N,) timesteps and gives (N, channels) float32."""

    def __init__(self, channels: int, cosine_first: bool, shift: float, scale: float = 1) -> None:
        super().__init__()
        half = channels // 2
        exponents = -math.log(MAX_PERIOD) * torch.arange(half, dtype=torch.float32, device="cpu") / (half - shift)
        self.frequencies = exponents.double().exp().float()  # no buffer, which would be cast with the weights
        self._cosine_first, self._scale = cosine_first, scale

    def forward(self, timesteps: Tensor) -> Tensor:
        if self.frequencies.device != timesteps.device:
            self.frequencies = self.frequencies.to(timesteps.device)
        angles = self._scale * (timesteps[:, None].float() * self.frequencies)
        waves = angles.cos(), angles.sin()
        return torch.cat(waves if self._cosine_first else waves[::-1], dim=-1)


def with_exact_waves(network: Any) -> Any:
    """A network of diffusers, every `Timesteps` in it replaced."""
    from diffusers.models.embeddings import Timesteps

    for module in list(network.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, Timesteps):
                waves = TimeWaves(child.num_channels, child.flip_sin_to_cos, child.downscale_freq_shift, child.scale)
                setattr(module, name, waves)
    return network
