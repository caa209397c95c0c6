"""Pictures and upsampled latents among the tokens that denoising starts from, as the authors put them there.

What is held from frame 0 on, a picture or the end of a clip, takes the place of the first tokens; anything else becomes
extra tokens behind the clip's own, at its own place in time, dropped at the end. So does a clip that is followed, in
the places of the frames that it is about.
Sources: Lightricks/LTX-2 at 400fd31 (VideoConditionByLatentIndex, VideoConditionByKeyframeIndex,
VideoConditionByReferenceLatent, GaussianNoiser); diffusers 0.42.1, pipelines/ltx2/pipeline_ltx2_condition.py and
pipeline_ltx2_ic_lora.py.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

Shape = tuple[int, int, int]
"""Latent frames, height, width."""


@dataclass(frozen=True)
class Held:
    """An encoded picture or clip that is held, or a clip that is followed."""

    latents: Tensor
    """(1, C, f, h, w), normalised."""
    frame: int
    strength: float
    coords: Tensor | None = None
    """(1, 3, n, 2): where the tokens of a clip that is followed lie; None for what is held."""


@dataclass(frozen=True)
class Begun:
    """Tokens with pictures among them, extra ones last."""

    tokens: Tensor
    """(1, N, C) float32."""
    clean: Tensor
    """(1, N, C): what is held, 0 where nothing is."""
    strengths: Tensor
    """(1, N, 1): how firmly each token is held."""
    extra_coords: Tensor | None
    """(1, 3, n, 2): seconds, y and x of the extra tokens, from and to."""


def prepare(frames: np.ndarray, width: int, height: int) -> Tensor:
    """Frames (F, H, W, 3) uint8 as (1, 3, F, height, width) float32 in [-1, 1]: covering the size, their middle."""
    pixels = torch.from_numpy(np.ascontiguousarray(frames)).permute(0, 3, 1, 2).float()
    scale = max(height / frames.shape[1], width / frames.shape[2])
    covering = math.ceil(frames.shape[1] * scale), math.ceil(frames.shape[2] * scale)
    pixels = F.interpolate(pixels, size=covering, mode="bilinear", align_corners=False)
    top, left = (covering[0] - height) // 2, (covering[1] - width) // 2
    return (pixels[:, :, top : top + height, left : left + width] / 127.5 - 1).transpose(0, 1)[None]


def encode(vae: Any, pixels: Tensor) -> Tensor:
    """Pixels (1, 3, F, H, W) in [-1, 1] as normalised latents (1, C, f, h, w) float32, the mode of the posterior."""
    latents = vae.encode(pixels.to(vae.device, vae.dtype)).latent_dist.mode()
    return ((latents - per_channel(vae.latents_mean, latents)) / per_channel(vae.latents_std, latents)).float()


def per_channel(values: Tensor, like: Tensor) -> Tensor:
    """A number for each channel, (C,), so that it broadcasts over (1, C, F, H, W)."""
    return values.view(1, -1, 1, 1, 1).to(like)


def pack(latents: Tensor) -> Tensor:
    """(1, C, F, H, W) as tokens (1, F*H*W, C), frame after frame, row after row."""
    return latents.flatten(2).transpose(1, 2)


def unpack(tokens: Tensor, shape: Shape) -> Tensor:
    """The first F*H*W tokens of (1, N, C) as (1, C, F, H, W); those behind them belong to pictures."""
    count = shape[0] * shape[1] * shape[2]
    return tokens[:, :count].transpose(1, 2).unflatten(2, shape)


def mix(before: Tensor, held: list[Held], fps: float, ratios: tuple[int, int]) -> Begun:
    """Tokens without noise yet: what came before, (1, C, F, H, W) or zeros, with the pictures in their places.

    `ratios` are how many frames, and how many pixels along a side, one latent stands for.
    """
    tokens = pack(before)
    strengths, clean = torch.zeros_like(tokens[..., :1]), torch.zeros_like(tokens)
    rows: list[tuple[Tensor, Tensor, Tensor]] = []
    coords: list[Tensor] = []
    for one in held:
        packed = pack(one.latents)
        if one.coords is None and one.frame == 0:
            for target, value in ((tokens, packed), (clean, packed), (strengths, one.strength)):
                target[:, : packed.shape[1]] = value
            continue
        rows.append((packed, packed, torch.full_like(packed[..., :1], one.strength)))
        own = _coords(one, fps, *ratios) if one.coords is None else one.coords
        coords.append(own.to(packed))
    if not rows:
        return Begun(tokens, clean, strengths, None)
    extra_tokens, extra_clean, extra_strengths = (torch.cat(parts, 1) for parts in zip(*rows, strict=True))
    return Begun(
        torch.cat([tokens, extra_tokens], 1),
        torch.cat([clean, extra_clean], 1),
        torch.cat([strengths, extra_strengths], 1),
        torch.cat(coords, 2),
    )


def noised(begun: Begun, noise: Tensor, level: float) -> Tensor:
    """The tokens at a noise level, (1, N, C): firmly held ones stay clean."""
    share = (1.0 - begun.strengths) * level
    return noise * share + begun.tokens * (1 - share)


def _coords(held: Held, fps: float, frames: int, pixels: int) -> Tensor:
    """Where the tokens of what is held lie, (1, 3, n, 2).

    A picture lasts one frame, and begins at its own. The latents of a clip lie where the new clip's own of these frames
    do, its first as long as any, as the authors have it.
    """
    size = held.latents.shape[-3:]
    t, y, x = torch.meshgrid(*(torch.arange(n, dtype=torch.float32) for n in size), indexing="ij")
    lasts, begins = (1, held.frame) if size[0] == 1 else (frames, held.frame - (frames - 1))
    starts = torch.stack([t * frames + begins, y * pixels, x * pixels]).flatten(1)
    ends = starts + torch.tensor([float(lasts), pixels, pixels])[:, None]
    coords = torch.stack([starts, ends], -1)[None]
    coords[:, 0] /= fps
    return coords
