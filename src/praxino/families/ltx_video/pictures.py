"""Pictures as the VAE takes them. Knows nothing of latents.

Source of how a clip to follow is fitted: Lightricks/LTX-Video-Trainer, src/ltxv_trainer/ltxv_pipeline.py.
Source of the "lightricks" preparation: Lightricks/LTX-Video at 5260738, ltx_video/inference.py
(load_image_to_tensor_with_resize_and_crop), pipelines/crf_compressor.py and pipeline_ltx_video.py (resize_tensor).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from praxino.families._pixels import from_uint8
from praxino.families.ltx_video.sticker import with_room
from praxino.media.compressed import as_compressed

CRF = 29
BLUR_SIGMA = 1.0


@dataclass(frozen=True)
class Room:
    """Where a picture goes."""

    width: int
    height: int
    aspect: tuple[int, int]
    """Width and height of the frames in the end, whose aspect it is cropped to before it is stretched."""


def prepare(frames: np.ndarray, room: Room, preparation: str) -> Tensor:
    """Frames (F, H, W, 3) uint8 as (1, 3, F, height, width) float32 in [-1, 1], cropped in the middle."""
    if preparation == "sticker":
        frames = with_room(frames, *room.aspect)
    cropped = crop_to_aspect(frames, *room.aspect)
    pixels = from_uint8(cropped)
    size = room.height, room.width
    if preparation == "lightricks":
        pixels = torch.stack([compress(frame) for frame in blur(pixels)])
        pixels = F.interpolate(pixels, size=size, mode="bilinear", align_corners=False)
    elif pixels.shape[-2:] != size:
        pixels = F.interpolate(pixels, size=size, mode="bicubic", antialias=True).clamp(0, 1)
    return (pixels * 2 - 1).transpose(0, 1)[None]


def fit(frames: np.ndarray, width: int, height: int) -> Tensor:
    """Frames of a clip to follow as `prepare` gives them: made as large as covers the size, then its middle cut out."""
    pixels = from_uint8(frames)
    aspect = frames.shape[2] / frames.shape[1]
    wide = aspect > width / height
    covering = (height, int(height * aspect)) if wide else (int(width / aspect), width)
    covering = max(covering[0], height), max(covering[1], width)
    if pixels.shape[-2:] != covering:
        pixels = F.interpolate(pixels, size=covering, mode="bilinear", align_corners=False, antialias=True)
    top, left = round((covering[0] - height) / 2), round((covering[1] - width) / 2)
    return (pixels[:, :, top : top + height, left : left + width] * 2 - 1).transpose(0, 1)[None]


def crop_to_aspect(frames: np.ndarray, width: int, height: int) -> np.ndarray:
    """The largest middle part of (F, H, W, 3) with the aspect of width and height."""
    old_height, old_width = frames.shape[1:3]
    if old_width / old_height > width / height:
        new_width, new_height = max(int(old_height * (width / height)), 1), old_height
    else:
        new_width, new_height = old_width, max(int(old_width / (width / height)), 1)
    x, y = (old_width - new_width) // 2, (old_height - new_height) // 2
    return frames[:, y : y + new_height, x : x + new_width]


def blur(pixels: Tensor) -> Tensor:
    """A 3x3 Gaussian of sigma 1 over (F, 3, H, W), edges reflected."""
    offsets = torch.tensor([-1.0, 0.0, 1.0])
    kernel = torch.exp(-(offsets**2) / (2 * BLUR_SIGMA**2))
    kernel = kernel / kernel.sum()
    weight = (kernel[:, None] * kernel[None, :]).expand(3, 1, 3, 3)
    mode = "reflect" if min(pixels.shape[-2:]) > 1 else "replicate"
    return F.conv2d(F.pad(pixels, (1, 1, 1, 1), mode=mode), weight, groups=3)


def compress(pixels: Tensor) -> Tensor:
    """(3, H, W) in [0, 1] through one H.264 frame at crf 29, cut to even sides: what training clips looked like."""
    picture = (pixels * 255).byte().permute(1, 2, 0).numpy()
    return torch.from_numpy(as_compressed(picture, CRF)).permute(2, 0, 1).float() / 255
