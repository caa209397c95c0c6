"""Between pixels and latents: the VAE, as the authors use it. Latents are (1, f, C, h, w), frames before channels."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from torch import Tensor

from praxino.families._pixels import to_uint8
from praxino.sampling.noise import NoiseSource

MAX_GROUPS = 10
"""The authors decode in at most so many groups of latent frames."""


def encode(vae: Any, pixels: Tensor, noise: NoiseSource | None) -> Tensor:
    """Pixels (1, 3, F, H, W) as latents, float32, not scaled: drawn from the posterior, or without noise its mean."""
    posterior = vae.encode(pixels.to(vae.dtype)).latent_dist
    latents = posterior.mean.float()
    if noise is not None:
        latents = latents + posterior.std.float() * noise.draw(tuple(latents.shape)).to(latents)
    return latents.transpose(1, 2)


def decode(vae: Any, latents: Tensor) -> np.ndarray:
    """Scaled latents as frames (F, H, W, 3) uint8, rounded down."""
    return np.concatenate(list(decode_chunks(vae, latents)))


def decode_chunks(vae: Any, latents: Tensor) -> Iterator[np.ndarray]:
    """What `decode` gives, one group of latent frames after another; in tiles, the clip is one chunk.

    The loop is that of diffusers 0.42.1, models/autoencoders/autoencoder_kl_cogvideox.py (_decode).
    """
    unscaled = (latents / vae.config.scaling_factor).transpose(1, 2).to(vae.dtype)
    num_frames = unscaled.shape[2]
    length = group_length(num_frames)
    if vae.use_tiling:
        yield to_uint8(_in_tiles(vae, unscaled, length)[0])
        return
    first = min(num_frames, length + num_frames % length)
    cache = None
    for group in unscaled.split([first, *[length] * ((num_frames - first) // length)], dim=2):
        if vae.post_quant_conv is not None:
            group = vae.post_quant_conv(group)
        pixels, cache = vae.decoder(group, conv_cache=cache)
        yield to_uint8(pixels[0])


def _in_tiles(vae: Any, unscaled: Tensor, length: int) -> Tensor:
    before = vae.num_latent_frames_batch_size
    vae.num_latent_frames_batch_size = length
    try:
        return vae.decode(unscaled, return_dict=False)[0]
    finally:
        vae.num_latent_frames_batch_size = before


def group_length(num_frames: int) -> int:
    """How many latent frames are decoded together; the first group has what is left over besides.

    The authors (zai-org/CogVideo at 7a1af71, sat/diffusion_video.py, decode_first_stage) cut 41 into 5, 4, 4, ... and
    21 into 3, 2, 2, .... Lengths that they never draw they would cut into odd groups, which the VAE cannot double in
    time: those are decoded by twos.
    """
    groups = min(MAX_GROUPS, max(num_frames // 2, 1))
    length, rest = divmod(num_frames, groups)
    return length if rest <= 1 and length % 2 == 0 else 2
