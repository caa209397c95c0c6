"""Owns the encoder that is never trained as what it is: one affine map of blocks of pixels, a product of matrices.

Must not know how it came to be (`vae` writes it). The convolutions of the stock class hold this map between zeros, and
computing them takes some thirty times the operations.
"""

import math
from typing import Any

import torch
from diffusers.models.autoencoders.autoencoder_kl_ltx import AutoencoderKLLTXVideo
from torch import Tensor

from praxino.training.vae import FIXED_CONSTANT, causal_blocks, patchify


class AffineEncoder:
    """Encodes as a `vae` does whose encoder was started not to learn, to about a thousandth of the latents' scale."""

    @torch.no_grad()
    def __init__(self, vae: AutoencoderKLLTXVideo) -> None:
        encoder: Any = vae.encoder
        config: Any = vae.config
        latents: int = config.latent_channels
        patches, heads = encoder.conv_in.conv, encoder.conv_out.conv
        blocks = encoder.down_blocks[0].downsamplers[0].conv
        width = patches.weight.shape[0]
        self.device = patches.weight.device
        # From a block's patches, (2 2 2 192), through its components, (2 2 2 width), to latents.
        inner = blocks.weight[:latents, :, 1:, 1:, 1:].permute(0, 2, 3, 4, 1)
        weight = (inner @ patches.weight[:, :, 2, 1, 1]).flatten(1)
        bias = blocks.bias[:latents] + (inner @ patches.bias).flatten(1).sum(1)
        gain = heads.weight[:latents, :, 2, 1, 1].diagonal() / (2 * FIXED_CONSTANT)
        gain = gain / math.sqrt((width - latents) / width) / vae.latents_std
        self._weight = (weight * gain[:, None]).T.contiguous()
        self._bias = bias * gain + (heads.bias[:latents] - vae.latents_mean) / vae.latents_std

    @torch.no_grad()
    def __call__(self, video: Tensor) -> Tensor:
        """(B, 3, F, H, W) in -1..1 -> normalised latent tokens (B, T, K)."""
        rows = causal_blocks(patchify(video)).flatten(1, 3)
        return rows @ self._weight + self._bias
