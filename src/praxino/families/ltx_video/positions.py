"""Where latent tokens lie in the clip: their order and the coordinates that rotary embeddings are made of."""

from __future__ import annotations

import torch
from torch import Tensor

from praxino.families.ltx_video.settings import Settings

Shape = tuple[int, int, int]
"""Latent frames, height, width."""


def latent_shape(settings: Settings, width: int, height: int, num_frames: int) -> Shape:
    """The latent grid of a clip, in latents."""
    ratio = settings.spatial_ratio
    return (num_frames - 1) // settings.temporal_ratio + 1, height // ratio, width // ratio


def pack(latents: Tensor) -> Tensor:
    """(B, C, F, H, W) as tokens (B, F*H*W, C), frame after frame, row after row."""
    return latents.flatten(2).transpose(1, 2)


def unpack(tokens: Tensor, shape: Shape) -> Tensor:
    """The last F*H*W tokens of (B, N, C) as (B, C, F, H, W); tokens before them belong to conditions."""
    frames, height, width = shape
    own = tokens[:, tokens.shape[1] - frames * height * width :]
    return own.transpose(1, 2).unflatten(2, shape)


def coordinates(shape: Shape, settings: Settings, first_frame: int = 0) -> Tensor:
    """Top-left corners of the tokens, (1, 3, N) float32: pixel frame, y, x.

    With causal positions the first latent frame is pixel frame 0 alone, the second begins at 1
    (Lightricks/LTX-Video at 5260738, latent_to_pixel_coords).
    """
    axes = [torch.arange(n, dtype=torch.float32) for n in shape]
    frame, y, x = (axis.flatten() for axis in torch.meshgrid(*axes, indexing="ij"))
    frame = frame * settings.temporal_ratio
    if settings.causal_rope:
        frame = (frame + 1 - settings.temporal_ratio).clamp(min=0)
    return torch.stack([frame + first_frame, y * settings.spatial_ratio, x * settings.spatial_ratio])[None]


def in_seconds(coords: Tensor, fps: float) -> Tensor:
    """The same with time in seconds: what the transformer takes as `video_coords`."""
    return torch.cat([coords[:, :1] * (1.0 / fps), coords[:, 1:]], dim=1)
