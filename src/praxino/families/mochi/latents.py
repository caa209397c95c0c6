"""Latents to pixels: the VAE's decoder, as the authors run it. Knows no text and no sampling."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from praxino.families._pixels import to_uint8
from praxino.families.mochi.variants import SPATIAL_RATIO, TEMPORAL_RATIO


def latent_shape(width: int, height: int, num_frames: int) -> tuple[int, int, int]:
    """Frames, height and width of a clip's latents."""
    return (num_frames - 1) // TEMPORAL_RATIO + 1, height // SPATIAL_RATIO, width // SPATIAL_RATIO


def decode_as_genmo(vae: Any) -> None:
    """Have the decoder compute what Genmo's does, two latent frames after another.

    Each temporal upsampling drops the frames that lie before the clip. diffusers drops as many, but all at the end,
    where convolutions have already mixed them into the first frames. And its convolutions forget what came before,
    where they are given a clip in pieces.
    Source: genmoai/mochi at 0c86aeb, vae/models.py (DepthToSpaceTime, ContextParallelCausalConv3d).
    """
    from diffusers.models.autoencoders.autoencoder_kl_cogvideox import CogVideoXCausalConv3d

    vae.drop_last_temporal_frames = False
    vae.use_framewise_decoding = True
    for block in vae.decoder.up_blocks:
        block.register_forward_hook(_without_leading, with_kwargs=True)
    for module in vae.decoder.modules():
        if isinstance(module, CogVideoXCausalConv3d):
            conv: Any = module
            conv.forward = partial(_continued, conv)


def decode(vae: Any, latents: Tensor, kind: torch.dtype) -> np.ndarray:
    """Normalised latents (1, C, f, h, w) as frames (F, H, W, 3) uint8, rounded down. `kind` is autocast to."""
    return np.concatenate(list(decode_chunks(vae, latents, kind)))


def decode_chunks(vae: Any, latents: Tensor, kind: torch.dtype) -> Iterator[np.ndarray]:
    """What `decode` gives, the frames of two latent frames after another; in tiles, the clip is one chunk.

    The loop is that of diffusers 0.42.1, models/autoencoders/autoencoder_kl_mochi.py (_decode).
    """
    config = vae.config
    mean, deviation = (_per_channel(values, latents) for values in (config.latents_mean, config.latents_std))
    latents = latents * deviation / config.scaling_factor + mean
    computing = partial(torch.autocast, latents.device.type, kind, enabled=kind != torch.float32)
    if vae.use_tiling:
        with computing():
            pixels = vae.decode(latents, return_dict=False)[0]
        yield to_uint8(pixels[0])
        return
    cache = None
    for some in latents.split(vae.num_latent_frames_batch_size, dim=2):
        with computing():
            pixels, cache = vae.decoder(some, conv_cache=cache)
        yield to_uint8(pixels[0])


def _continued(conv: Any, inputs: Tensor, conv_cache: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """A causal convolution's forward and the frames that its next call needs; before the first, that is repeated."""
    count = conv.time_kernel_size - 1
    before = inputs[:, :, :1].expand(-1, -1, count, -1, -1) if conv_cache is None else conv_cache
    joined = torch.cat((before, inputs), dim=2)
    width, height = conv.width_pad, conv.height_pad
    padded = F.pad(joined, (width, width, height, height, 0, 0), mode="replicate")
    return conv.conv(padded), joined[:, :, joined.shape[2] - count :].clone()


def _without_leading(block: nn.Module, inputs: Any, named: Any, output: tuple[Tensor, Any]) -> tuple[Tensor, Any]:
    frames, cache = output
    expansion: Any = block.temporal_expansion
    continues = bool(named["conv_cache"])
    return frames[:, :, 0 if continues else expansion - 1 :], cache


def _per_channel(values: Any, like: Tensor) -> Tensor:
    return torch.tensor(values, device=like.device, dtype=torch.float32).view(1, -1, 1, 1, 1)
