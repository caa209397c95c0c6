"""Between pixels and scaled latents: the VAE, tiled as Tencent tiles it. Knows no conditions and no steps."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from praxino.families._stock import preview as linear

TILE_PX, TILE_STRIDE_PX = 256, 192
TILE_FRAMES, TILE_STRIDE_FRAMES = 64, 48


def tile(vae: Any) -> None:
    """Set the tiles that Tencent decodes in: 256 pixels and 64 frames, three quarters of them new in each."""
    vae.enable_tiling(
        tile_sample_min_height=TILE_PX,
        tile_sample_min_width=TILE_PX,
        tile_sample_min_num_frames=TILE_FRAMES,
        tile_sample_stride_height=TILE_STRIDE_PX,
        tile_sample_stride_width=TILE_STRIDE_PX,
        tile_sample_stride_num_frames=TILE_STRIDE_FRAMES,
    )


def shape_of(vae: Any, width: int, height: int, num_frames: int) -> tuple[int, int, int, int, int]:
    """The shape of the latents of a clip, (1, C, f, h, w)."""
    spatial, temporal = vae.spatial_compression_ratio, vae.temporal_compression_ratio
    frames = (num_frames - 1) // temporal + 1
    return 1, vae.config.latent_channels, frames, height // spatial, width // spatial


def encode(vae: Any, pixels: Tensor) -> Tensor:
    """Pixels (1, 3, F, H, W) in [-1, 1] as scaled latents (1, C, f, h, w) float32: the posterior's mode.

    A single picture is encoded in one piece, a clip in tiles. Pixels are where the VAE computes.
    """
    vae.use_tiling = pixels.shape[2] > 1
    try:
        moments = vae.encode(pixels.to(vae.dtype)).latent_dist
    finally:
        vae.use_tiling = True
    return moments.mode().float() * vae.config.scaling_factor


def decode(vae: Any, latents: Tensor) -> Tensor:
    """Scaled latents (1, C, f, h, w) as pixels (3, F, H, W) in [-1, 1], in the VAE's number format."""
    return torch.cat(list(decode_chunks(vae, latents)), dim=1)


def decode_chunks(vae: Any, latents: Tensor) -> Iterator[Tensor]:
    """What `decode` gives, some frames at a time: a tile's are final once they are blended with the tile before.

    The loop is that of diffusers 0.42.1, models/autoencoders/autoencoder_kl_hunyuan_video.py (_temporal_tiled_decode).
    """
    scaled = (latents / vae.config.scaling_factor).to(vae.dtype)
    ratio, num_frames = vae.temporal_compression_ratio, scaled.shape[2]
    covered, stride = vae.tile_sample_min_num_frames // ratio, vae.tile_sample_stride_num_frames // ratio
    overlap = vae.tile_sample_min_num_frames - vae.tile_sample_stride_num_frames
    if num_frames <= covered:
        yield vae.decode(scaled, return_dict=False)[0][0]
        return
    before = None
    # Of a tile but the first, the first frame is dropped: one latent frame alone would add none.
    for start in range(0, num_frames - 1, stride):
        tile = _of_a_moment(vae, scaled[:, :, start : start + covered + 1])
        if before is not None:
            tile = vae.blend_t(before, tile[:, :, 1:], overlap)
        yield tile[0, :, : stride * ratio + (before is None)]
        before = tile


def _of_a_moment(vae: Any, latents: Tensor) -> Tensor:
    """A tile in time, decoded in tiles of its pictures where those are large."""
    ratio = vae.spatial_compression_ratio
    height, width = latents.shape[3:]
    if height > vae.tile_sample_min_height // ratio or width > vae.tile_sample_min_width // ratio:
        return vae.tiled_decode(latents, return_dict=False)[0]
    return vae.decoder(vae.post_quant_conv(latents))


def colours(vae: Any, device: torch.device) -> Tensor:
    """The linear map from latents to colours, for previews."""

    def stills(pictures: Tensor) -> Tensor:
        return torch.cat([encode(vae, picture[None, :, None].to(device))[:, :, 0] for picture in pictures])

    return linear.fit(stills, vae.spatial_compression_ratio)
