"""The networks that sharpen a small clip's latents after they are stretched; diffusers has none of them.

Source: Tencent-Hunyuan/HunyuanVideo-1.5 at 60783e7, hyvideo/models/transformers/modules/upsample.py. Names of weights
are Tencent's, but for shortcuts, which diffusers' block calls otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from diffusers.models.autoencoders.autoencoder_kl_hunyuanvideo15 import (
    HunyuanVideo15CausalConv3d,
    HunyuanVideo15ResnetBlock,
    HunyuanVideo15RMS_norm,
)
from torch import Tensor, nn


class Residual(nn.Module):
    """Three convolutions over what they are added to."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        conv = HunyuanVideo15CausalConv3d
        self.block = nn.Sequential(
            conv(channels, channels), nn.SiLU(), conv(channels, channels), nn.SiLU(), conv(channels, channels)
        )

    def forward(self, latents: Tensor) -> Tensor:
        """(B, C, f, h, w) to the same."""
        return latents + self.block(latents)


class To720p(nn.Module):
    """SRTo720pUpsampler."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        hidden_channels: int | None = None,
        num_blocks: int = 6,
        global_residual: bool = False,
    ) -> None:
        super().__init__()
        width = hidden_channels or 64
        self.in_conv = HunyuanVideo15CausalConv3d(in_channels, width)
        self.blocks = nn.ModuleList([Residual(width) for _ in range(num_blocks)])
        self.out_conv = HunyuanVideo15CausalConv3d(width, out_channels)
        self.adds = global_residual and in_channels == out_channels

    def forward(self, latents: Tensor) -> Tensor:
        """(B, C, f, h, w) to the same."""
        hidden = self.in_conv(latents)
        for block in self.blocks:
            hidden = block(hidden)
        found = self.out_conv(hidden)
        return found + latents if self.adds else found


class Level(nn.Module):
    """Resnets of one width."""

    def __init__(self, in_channels: int, channels: int, num_blocks: int) -> None:
        super().__init__()
        widths = [in_channels, *[channels] * num_blocks]
        self.block = nn.ModuleList([HunyuanVideo15ResnetBlock(before, channels) for before in widths[:num_blocks]])

    def forward(self, hidden: Tensor) -> Tensor:
        """(B, C, f, h, w) to the same, of other channels."""
        for block in self.block:
            hidden = block(hidden)
        return hidden


class To1080p(nn.Module):
    """SRTo1080pUpsampler."""

    def __init__(
        self,
        z_channels: int,
        out_channels: int,
        block_out_channels: list[int],
        num_res_blocks: int = 2,
        is_residual: bool = False,
    ) -> None:
        super().__init__()
        first, *_ = block_out_channels
        self.repeats = first // z_channels
        self.conv_in = HunyuanVideo15CausalConv3d(z_channels, first)
        before = [first, *block_out_channels[:-1]]
        self.up = nn.ModuleList(
            [Level(*pair, num_res_blocks + 1) for pair in zip(before, block_out_channels, strict=True)]
        )
        self.norm_out = HunyuanVideo15RMS_norm(block_out_channels[-1], images=False)
        self.conv_out = HunyuanVideo15CausalConv3d(block_out_channels[-1], out_channels)

    def forward(self, latents: Tensor) -> Tensor:
        """(B, C, f, h, w) to the same."""
        hidden = self.conv_in(latents) + latents.repeat_interleave(self.repeats, dim=1)
        for level in self.up:
            hidden = level(hidden)
        return self.conv_out(nn.functional.silu(self.norm_out(hidden)))


def filled(config: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> To720p | To1080p:
    """The upsampler of Tencent's config.json and weights, in float32.

    Raises:
        ValueError: the config is of another network.
        RuntimeError: the weights are.
    """
    plain = {name: value for name, value in config.items() if not name.startswith("_")}
    try:
        with torch.device("meta"):
            network = To1080p(**plain) if "z_channels" in plain else To720p(**plain)
    except TypeError as problem:
        raise ValueError(f"its config.json is of no upsampler: {problem}") from problem
    named = {name.replace(".nin_shortcut.", ".conv_shortcut."): tensor.float() for name, tensor in tensors.items()}
    network.load_state_dict(named, strict=True, assign=True)
    return network
