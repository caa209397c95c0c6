"""Pixels to latents and back, in float32 and in one piece, as the authors run the VAE at every precision.

Source: Wan-Video/Wan2.1 at 9737cba, wan/modules/vae.py (WanVAE) and wan/utils/utils.py (cache_video).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from praxino.families._pixels import to_uint8

TEMPORAL_RATIO = 4
"""Frames of a latent frame but the first, which is one frame."""


def num_latent_frames(num_frames: int) -> int:
    """Latent frames of a clip of 4 k + 1 frames."""
    return (num_frames - 1) // TEMPORAL_RATIO + 1


def encode(vae: Any, pixels: Tensor) -> Tensor:
    """Pixels (F, 3, H, W) in [-1, 1] as normalised latents (1, C, f, h, w): the posterior's mean."""
    clip = pixels.transpose(0, 1)[None].to(vae.device, torch.float32)
    mean, inverse_std = _statistics(vae)
    return (vae.encode(clip).latent_dist.mode() - mean) * inverse_std


def decode_chunks(vae: Any, latents: Tensor) -> Iterator[np.ndarray]:
    """Normalised latents (1, C, f, h, w) as frames (n, H, W, 3) uint8, cut down to whole bytes as the authors do.

    Each chunk is one latent frame's; no more than that is held in float32. In tiles, the clip is one chunk. The loop is
    that of diffusers 0.42.1, models/autoencoders/autoencoder_kl_wan.py (AutoencoderKLWan._decode).
    """
    mean, inverse_std = _statistics(vae)
    scaled = latents.to(vae.device, torch.float32) / inverse_std + mean
    if vae.use_tiling:
        yield to_uint8(vae.decode(scaled, return_dict=False)[0][0])
        return
    vae.clear_cache()
    try:
        for number, latent_frame in enumerate(vae.post_quant_conv(scaled).split(1, dim=2)):
            pixels = vae.decoder(latent_frame, feat_cache=vae._feat_map, feat_idx=[0], first_chunk=number == 0)
            yield to_uint8(_unpatched(vae, pixels)[0])
    finally:
        vae.clear_cache()


def _unpatched(vae: Any, pixels: Tensor) -> Tensor:
    """Pixels as they are shown: the VAE of Wan 2.2's 5B makes patches of them."""
    from diffusers.models.autoencoders.autoencoder_kl_wan import unpatchify

    return pixels if vae.config.patch_size is None else unpatchify(pixels, patch_size=vae.config.patch_size)


def _statistics(vae: Any) -> tuple[Tensor, Tensor]:
    """The latents' mean and the inverse of their deviation, (1, C, 1, 1, 1)."""
    mean, std = (
        torch.tensor(values, device=vae.device)[None, :, None, None, None]
        for values in (vae.config.latents_mean, vae.config.latents_std)
    )
    return mean, 1.0 / std
