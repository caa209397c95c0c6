"""RIFLEx: positions in time that do not come round again in long clips.

Source: Zhao et al. 2025 (arXiv 2502.15894, equation 8), as Tencent-Hunyuan/HunyuanVideo-I2V at 1481c1d has it in
hyvideo/inference.py (get_1d_rotary_pos_embed_riflex, get_rotary_pos_embed). Knows the transformer's `rope` alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

LONGEST_FRAMES = 192
"""Clips up to this many frames keep the positions that were trained."""
TRAINED_FRAMES = 100
LEAST_INDEX, MOST_INDEX = 4, 8
PERIOD_SHARE = 0.9
"""Of one period, how much a clip takes at most."""


def intrinsic_index(num_frames: int) -> int:
    """Which temporal frequency, counted from 1, is slowed down for a clip of so many frames."""
    return min(max(2 + (num_frames + 3) // TRAINED_FRAMES, LEAST_INDEX), MOST_INDEX)


def temporal_frequencies(dim: int, theta: float, num_frames: int, num_latents: int) -> Tensor:
    """Angles that each pair of a head's temporal channels turns by from one latent frame to the next, (dim / 2,)."""
    frequencies = 1.0 / theta ** (torch.arange(0, dim, 2).float() / dim)
    frequencies[intrinsic_index(num_frames) - 1] = PERIOD_SHARE * 2 * math.pi / num_latents
    return frequencies


class LongRope(nn.Module):
    """In place of diffusers' HunyuanVideoRotaryPosEmbed, for a clip of more than 192 frames."""

    def __init__(self, usual: Any, num_frames: int) -> None:
        super().__init__()
        self.usual = usual
        self.num_frames = num_frames

    def forward(self, hidden_states: Tensor) -> tuple[Tensor, Tensor]:
        """Cosines and sines, (latent frames x rows x columns, head channels) each."""
        cosines, sines = self.usual(hidden_states)
        latents = hidden_states.shape[2] // self.usual.patch_size_t
        dim = self.usual.rope_dim[0]
        frequencies = temporal_frequencies(dim, self.usual.theta, self.num_frames, latents).to(cosines.device)
        places = torch.arange(latents, device=cosines.device, dtype=torch.float32)
        angles = torch.outer(places, frequencies).repeat_interleave(2, 1)
        angles = angles.repeat_interleave(len(cosines) // latents, 0)
        return (
            torch.cat([angles.cos(), cosines[:, dim:]], 1),
            torch.cat([angles.sin(), sines[:, dim:]], 1),
        )


@contextmanager
def placed(transformer: Any, num_frames: int) -> Iterator[None]:
    """While it holds, the transformer places a clip of so many frames as its authors do."""
    usual = transformer.rope
    if num_frames > LONGEST_FRAMES:
        transformer.rope = LongRope(usual, num_frames)
    try:
        yield
    finally:
        transformer.rope = usual
