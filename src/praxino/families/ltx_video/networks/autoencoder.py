"""The autoencoder of clips (as diffusers' AutoencoderKLLTXVideo), in the structures of all published versions.

Activations lie in memory with their channels last: norms read them so, and oneDNN's convolutions too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from praxino.families.ltx_video.networks.autoencoder_blocks import (
    CausalConv,
    DownBlock,
    DownBlock095,
    MidBlock,
    Shape,
    UpBlock,
    normalised,
)
from praxino.families.ltx_video.networks.network import Network
from praxino.families.ltx_video.networks.time_embed import TimestepEmbedder

LEAST_LOGVAR, MOST_LOGVAR = -30.0, 20.0


@dataclass(frozen=True)
class Config:
    """The fields of the autoencoder's config.json that its shape depends on."""

    in_channels: int = 3
    out_channels: int = 3
    latent_channels: int = 128
    block_out_channels: tuple[int, ...] = (128, 256, 512, 512)
    down_block_types: tuple[str, ...] = ("LTXVideoDownBlock3D",) * 4
    decoder_block_out_channels: tuple[int, ...] = (128, 256, 512, 512)
    layers_per_block: tuple[int, ...] = (4, 3, 3, 3, 4)
    decoder_layers_per_block: tuple[int, ...] = (4, 3, 3, 3, 4)
    spatio_temporal_scaling: tuple[bool, ...] = (True, True, True, False)
    decoder_spatio_temporal_scaling: tuple[bool, ...] = (True, True, True, False)
    decoder_inject_noise: tuple[bool, ...] = (False,) * 5
    downsample_type: tuple[str, ...] = ("conv",) * 4
    upsample_residual: tuple[bool, ...] = (False,) * 4
    upsample_factor: tuple[int, ...] = (1,) * 4
    timestep_conditioning: bool = False
    patch_size: int = 4
    resnet_norm_eps: float = 1e-6
    encoder_causal: bool = True
    decoder_causal: bool = False


class Posterior(NamedTuple):
    """What a clip is encoded as: a normal distribution."""

    mean: Tensor
    std: Tensor


class Encoded(NamedTuple):
    """Named as diffusers' answer."""

    latent_dist: Posterior


class Decoded(NamedTuple):
    """Named as diffusers' answer."""

    sample: Tensor


class Encoder(nn.Module):
    """Pixels to the parameters of a posterior."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.patch_size = config.patch_size
        widths, causal, eps = config.block_out_channels, config.encoder_causal, config.resnet_norm_eps
        later = config.down_block_types[-1] == "LTXVideo095DownBlock3D"
        given = widths[0]
        self.conv_in = CausalConv(config.in_channels * config.patch_size**2, given, causal)
        self.down_blocks = nn.ModuleList()
        for index in range(len(widths) - later):
            width = widths[min(index + 1, len(widths) - 1)]
            shape = Shape(given, width, config.layers_per_block[index], causal, eps)
            scales = config.spatio_temporal_scaling[index]
            if config.down_block_types[index] == "LTXVideoDownBlock3D":
                self.down_blocks.append(DownBlock(shape, scales))
            else:
                self.down_blocks.append(DownBlock095(shape, scales, config.downsample_type[index]))
            given = width
        self.mid_block = MidBlock(Shape(given, given, config.layers_per_block[-1], causal, eps))
        self.conv_out = CausalConv(given, config.latent_channels + 1, causal)

    def forward(self, pixels: Tensor) -> Tensor:
        """(B, 3, F, H, W) to (B, 2 C, f, h, w): means, and the one logarithm of the variance that all channels have."""
        p = self.patch_size
        x = pixels.unflatten(4, (-1, p)).unflatten(3, (-1, p)).permute(0, 1, 6, 4, 2, 3, 5).flatten(1, 3)
        x = self.conv_in(x.contiguous(memory_format=torch.channels_last_3d))
        for block in self.down_blocks:
            x = block(x)
        x = self.conv_out(F.silu(normalised(self.mid_block(x))))
        return torch.cat([x, x[:, -1:].repeat(1, x.shape[1] - 2, 1, 1, 1)], dim=1)


class Decoder(nn.Module):
    """Latents to pixels."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.patch_size, timed = config.patch_size, config.timestep_conditioning
        causal, eps = config.decoder_causal, config.resnet_norm_eps
        layers, noisy = config.decoder_layers_per_block[::-1], config.decoder_inject_noise[::-1]
        factors, residual = config.upsample_factor[::-1], config.upsample_residual[::-1]
        widths, scales = config.decoder_block_out_channels[::-1], config.decoder_spatio_temporal_scaling[::-1]
        width = widths[0]
        self.conv_in = CausalConv(config.latent_channels, width, causal)
        self.mid_block = MidBlock(Shape(width, width, layers[0], causal, eps, noisy[0], timed))
        self.up_blocks = nn.ModuleList()
        for index in range(len(widths)):
            given, width = width // factors[index], widths[index] // factors[index]
            shape = Shape(given, width, layers[index + 1], causal, eps, noisy[index + 1], timed)
            self.up_blocks.append(UpBlock(shape, scales[index], factors[index], residual[index]))
        self.conv_out = CausalConv(width, config.out_channels * config.patch_size**2, causal)
        if timed:
            self.timestep_scale_multiplier = nn.Parameter(torch.empty(()))
            self.time_embedder = TimestepEmbedder(2 * width)
            self.scale_shift_table = nn.Parameter(torch.empty(2, width))

    def forward(self, latents: Tensor, timestep: Tensor | None) -> Tensor:
        """(B, C, f, h, w), and (B) levels of noise where it is told them, to (B, 3, F, H, W)."""
        timed = hasattr(self, "time_embedder")
        level = timestep * self.timestep_scale_multiplier if timed and timestep is not None else None
        x = self.mid_block(self.conv_in(latents.contiguous(memory_format=torch.channels_last_3d)), level)
        for block in self.up_blocks:
            x = block(x, level)
        x = normalised(x)
        if level is not None:
            table = self.time_embedder(level.flatten()).unflatten(-1, (2, -1)) + self.scale_shift_table
            shift, scale = table[..., None, None, None].unbind(1)
            x = x * (1 + scale) + shift
        x = self.conv_out(F.silu(x)).unflatten(1, (-1, self.patch_size, self.patch_size))
        return x.permute(0, 1, 4, 5, 3, 6, 2).flatten(5, 6).flatten(3, 4)


class Autoencoder(Network):
    """Between pixels and latents that are not normalised."""

    config_class = Config
    fixed: ClassVar = {"patch_size_t": 1}

    latents_mean: Tensor
    latents_std: Tensor

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.encoder, self.decoder = Encoder(config), Decoder(config)
        self.register_buffer("latents_mean", torch.zeros(config.latent_channels))
        self.register_buffer("latents_std", torch.ones(config.latent_channels))

    def encode(self, pixels: Tensor) -> Encoded:
        """(B, 3, F, H, W) in [-1, 1] to a posterior of (B, C, f, h, w)."""
        mean, logvar = self.encoder(pixels).chunk(2, dim=1)
        return Encoded(Posterior(mean, (0.5 * logvar.clamp(LEAST_LOGVAR, MOST_LOGVAR)).exp()))

    def decode(self, latents: Tensor, timestep: Tensor | None = None, return_dict: bool = False) -> Decoded:
        """(B, C, f, h, w) to pixels (B, 3, F, H, W), about [-1, 1]."""
        return Decoded(self.decoder(latents, timestep))
