"""The blocks that the autoencoder is made of. Tensors are (B, C, F, H, W), with their channels last in memory."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from praxino.families.ltx_video.networks.norm import rms_norm
from praxino.families.ltx_video.networks.packed import Conv3d
from praxino.families.ltx_video.networks.time_embed import TimestepEmbedder

NORM_EPS = 1e-8
STRIDES = {"spatial": (1, 2, 2), "temporal": (2, 1, 1), "spatiotemporal": (2, 2, 2)}
"""Of `downsample_type`: frames, rows, columns."""

Stride = tuple[int, int, int]


@dataclass(frozen=True)
class Shape:
    """What a block's layers have in common."""

    given: int
    """Channels that come in."""
    width: int
    """Channels that go out."""
    layers: int
    causal: bool
    """Whether a frame knows those before it alone."""
    eps: float
    noisy: bool = False
    """Whether noise is added inside."""
    timed: bool = False
    """Whether it is told a level of noise."""


def channels_last(x: Tensor) -> Tensor:
    """(B, C, F, H, W) as (B, F, H, W, C)."""
    return x.movedim(1, -1)


def normalised(x: Tensor) -> Tensor:
    """RMS norm over the channels."""
    return rms_norm(channels_last(x), NORM_EPS).movedim(-1, 1)


class CausalConv(nn.Module):
    """A convolution that repeats the first frame in front or, where it is not causal, an outer frame on either side."""

    def __init__(self, given: int, width: int, causal: bool, size: int = 3, stride: int = 1) -> None:
        super().__init__()
        self.before, self.after = (size - 1, 0) if causal else (size // 2, size // 2)
        self.conv = Conv3d(given, width, size, stride, padding=(0, size // 2, size // 2))

    def forward(self, x: Tensor) -> Tensor:
        """(B, given, F, H, W) to (B, width, ...)."""
        parts = [x[:, :, :1]] * self.before + [x] + [x[:, :, -1:]] * self.after
        return self.conv(torch.cat(parts, dim=2) if len(parts) > 1 else x)


class Resnet(nn.Module):
    """Two convolutions and what came in."""

    def __init__(self, given: int, width: int, shape: Shape) -> None:
        super().__init__()
        self.conv1, self.conv2 = CausalConv(given, width, shape.causal), CausalConv(width, width, shape.causal)
        if given != width:
            self.norm3 = nn.LayerNorm(given, eps=shape.eps)
            self.conv_shortcut = CausalConv(given, width, shape.causal, size=1)
        if shape.noisy:
            self.per_channel_scale1, self.per_channel_scale2 = (
                nn.Parameter(torch.empty(given, 1, 1)) for _ in range(2)
            )
        if shape.timed:
            self.scale_shift_table = nn.Parameter(torch.empty(4, given))

    def forward(self, x: Tensor, level: Tensor | None = None) -> Tensor:
        """(B, given, F, H, W), and an embedded level (B, 4 given), to (B, width, F, H, W)."""
        inner, shift, scale = normalised(x), None, None
        if level is not None:
            table = level.unflatten(1, (4, -1)) + self.scale_shift_table
            shift_1, scale_1, shift, scale = table[..., None, None, None].unbind(1)
            inner = inner * (1 + scale_1) + shift_1
        inner = self._noised(self.conv1(F.silu(inner)), "per_channel_scale1")
        inner = normalised(inner)
        if shift is not None and scale is not None:
            inner = inner * (1 + scale) + shift
        inner = self._noised(self.conv2(F.silu(inner)), "per_channel_scale2")
        if hasattr(self, "conv_shortcut"):
            x = self.conv_shortcut(self.norm3(channels_last(x)).movedim(-1, 1))
        return inner + x

    def _noised(self, x: Tensor, name: str) -> Tensor:
        """Noise of torch's global generator, the same in every frame, by a scale a channel."""
        scale = getattr(self, name, None)
        if scale is None:
            return x
        noise = torch.randn(x.shape[-2:], device=x.device, dtype=x.dtype)
        return x + (noise[None] * scale)[None, :, None]


class Timed(nn.Module):
    """A block whose resnets are told a level of noise, or none."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        if shape.timed:
            self.time_embedder = TimestepEmbedder(4 * shape.given)
        self.resnets = nn.ModuleList([Resnet(shape.width, shape.width, shape) for _ in range(shape.layers)])

    def embedded(self, level: Tensor | None) -> Tensor | None:
        """A level, (B), as (B, 4 given)."""
        return self.time_embedder(level.flatten()) if level is not None else None

    def through(self, x: Tensor, embedded: Tensor | None) -> Tensor:
        """What the resnets make of it."""
        for resnet in self.resnets:
            x = resnet(x, embedded)
        return x


class MidBlock(Timed):
    """Resnets of one width."""

    def forward(self, x: Tensor, level: Tensor | None = None) -> Tensor:
        """(B, C, F, H, W)."""
        return self.through(x, self.embedded(level))


class DownBlock(nn.Module):
    """Resnets, a strided convolution, and a resnet that widens."""

    def __init__(self, shape: Shape, scales: bool) -> None:
        super().__init__()
        self.resnets = nn.ModuleList([Resnet(shape.given, shape.given, shape) for _ in range(shape.layers)])
        count = 1 if scales else 0
        convs = [CausalConv(shape.given, shape.given, shape.causal, stride=2) for _ in range(count)]
        self.downsamplers = nn.ModuleList(convs)
        if shape.given != shape.width:
            self.conv_out = Resnet(shape.given, shape.width, shape)

    def forward(self, x: Tensor) -> Tensor:
        """(B, given, F, H, W) to (B, width, ...)."""
        for layer in (*self.resnets, *self.downsamplers):
            x = layer(x)
        return self.conv_out(x) if hasattr(self, "conv_out") else x


class DownBlock095(nn.Module):
    """Resnets, then a convolution whose pixels become channels (from version 0.9.5)."""

    def __init__(self, shape: Shape, scales: bool, kind: str) -> None:
        super().__init__()
        self.resnets = nn.ModuleList([Resnet(shape.given, shape.given, shape) for _ in range(shape.layers)])
        self.downsamplers = nn.ModuleList([Downsampler(shape, STRIDES[kind])] if scales else [])

    def forward(self, x: Tensor) -> Tensor:
        """(B, given, F, H, W) to (B, width, ...)."""
        for layer in (*self.resnets, *self.downsamplers):
            x = layer(x)
        return x


class Downsampler(nn.Module):
    """Blocks of pixels to channels, of a convolution and, averaged, of what came in."""

    def __init__(self, shape: Shape, stride: Stride) -> None:
        super().__init__()
        block = stride[0] * stride[1] * stride[2]
        self.stride, self.group_size = stride, shape.given * block // shape.width
        self.conv = CausalConv(shape.given, shape.width // block, shape.causal)

    def forward(self, x: Tensor) -> Tensor:
        """(B, given, F, H, W) to (B, width, ...)."""
        x = torch.cat([x[:, :, : self.stride[0] - 1], x], dim=2)
        residual = self._folded(x).unflatten(1, (-1, self.group_size)).mean(dim=2)
        return (self._folded(self.conv(x)) + residual).contiguous(memory_format=torch.channels_last_3d)

    def _folded(self, x: Tensor) -> Tensor:
        frames, rows, columns = self.stride
        x = x.unflatten(4, (-1, columns)).unflatten(3, (-1, rows)).unflatten(2, (-1, frames))
        return x.permute(0, 1, 3, 5, 7, 2, 4, 6).flatten(1, 4)


class Upsampler(nn.Module):
    """Channels to blocks of 2 x 2 x 2 pixels, of a convolution and perhaps of what came in."""

    def __init__(self, given: int, shape: Shape, factor: int, residual: bool) -> None:
        super().__init__()
        self.factor, self.residual = factor, residual
        self.conv = CausalConv(given, given * 8 // factor, shape.causal)

    def forward(self, x: Tensor) -> Tensor:
        """(B, given, F, H, W) to (B, given / factor, 2 F - 1, 2 H, 2 W)."""
        larger = unfolded(self.conv(x))
        if self.residual:
            larger = larger + unfolded(x).repeat(1, 8 // self.factor, 1, 1, 1)
        return larger[:, :, 1:]


def unfolded(x: Tensor) -> Tensor:
    """(B, 8 C, F, H, W) to (B, C, 2 F, 2 H, 2 W), channels last in memory."""
    x = x.unflatten(1, (-1, 2, 2, 2)).permute(0, 5, 2, 6, 3, 7, 4, 1)
    return x.flatten(5, 6).flatten(3, 4).flatten(1, 2).movedim(-1, 1)


class UpBlock(Timed):
    """A resnet that changes the width, an upsampler, and resnets."""

    def __init__(self, shape: Shape, scales: bool, factor: int, residual: bool) -> None:
        super().__init__(shape)
        if shape.given != shape.width:
            self.conv_in = Resnet(shape.given, shape.width, shape)
        self.upsamplers = nn.ModuleList([Upsampler(shape.width * factor, shape, factor, residual)] if scales else [])

    def forward(self, x: Tensor, level: Tensor | None = None) -> Tensor:
        """(B, given, F, H, W) to (B, width, ...)."""
        if hasattr(self, "conv_in"):
            x = self.conv_in(x, level)
        for upsampler in self.upsamplers:
            x = upsampler(x)
        return self.through(x, self.embedded(level))
