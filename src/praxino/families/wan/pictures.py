"""Pictures and clips as the VAE and CLIP take them, resized as the authors do it. Knows nothing of latents.

Sources: Wan-Video/Wan2.1 at 9737cba, wan/image2video.py, wan/first_last_frame2video.py, wan/modules/clip.py (visual),
wan/vace.py (prepare_source) and wan/utils/vace_processor.py (resize_crop); Wan-Video/Wan2.2 at 42bf4cf,
wan/textimage2video.py (i2v). Pixels are float32 in [-1, 1].
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from praxino.families._pixels import from_uint8

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)
FLOORED = 16
"""Pixels by which the authors' own sizes may fall short of a picture's aspect."""


def to_pixels(frames: np.ndarray) -> Tensor:
    """(F, H, W, 3) uint8 as (F, 3, H, W)."""
    return (from_uint8(frames) - 0.5) / 0.5


def squashed(frames: np.ndarray, width: int, height: int) -> Tensor:
    """Frames resized as they are by bicubic interpolation without antialiasing, (F, 3, height, width).

    What is further off the aspect than the authors' sizes can be is cropped in the middle first.
    """
    aspect = frames.shape[2] / frames.shape[1]
    if abs(width - height * aspect) >= FLOORED * max(1.0, aspect):
        frames = cropped(frames, width / height)
    return F.interpolate(to_pixels(frames), size=(height, width), mode="bicubic")


def cropped(frames: np.ndarray, aspect: float) -> np.ndarray:
    """The largest middle part of (F, H, W, 3) with that width / height."""
    height, width = frames.shape[1:3]
    wide, high = min(width, max(round(height * aspect), 1)), min(height, max(round(width / aspect), 1))
    x, y = (width - wide) // 2, (height - high) // 2
    return frames[:, y : y + high, x : x + wide]


def for_clip(frames: np.ndarray, side: int) -> Tensor:
    """Frames squashed to a square and normalised for CLIP, (F, 3, side, side)."""
    pixels = F.interpolate(to_pixels(frames), size=(side, side), mode="bicubic", align_corners=False)
    mean, std = (torch.tensor(values)[:, None, None] for values in (CLIP_MEAN, CLIP_STD))
    return (pixels * 0.5 + 0.5 - mean) / std


def covering(frame: np.ndarray, width: int, height: int) -> Tensor:
    """A picture (H, W, 3) uint8 that covers the size by Lanczos, cut in the middle, (1, 3, height, width)."""
    scale = max(width / frame.shape[1], height / frame.shape[0])
    size = round(frame.shape[1] * scale), round(frame.shape[0] * scale)
    resized = np.array(Image.fromarray(frame).resize(size, Image.Resampling.LANCZOS))
    x, y = (size[0] - width) // 2, (size[1] - height) // 2
    return to_pixels(resized[None, y : y + height, x : x + width])


def clip_covering(frames: np.ndarray, width: int, height: int) -> Tensor:
    """A clip (F, H, W, 3) uint8 that covers the size by antialiased bicubic, in bytes, cut in the middle."""
    pixels = torch.from_numpy(np.ascontiguousarray(frames)).permute(0, 3, 1, 2)
    high, wide = pixels.shape[-2:]
    if (high, wide) != (height, width):
        scale = max(width / wide, height / high)
        size = round(scale * high), round(scale * wide)
        pixels = F.interpolate(pixels, size=size, mode="bicubic", antialias=True)
        x, y = (size[1] - width) // 2, (size[0] - height) // 2
        pixels = pixels[:, :, y : y + height, x : x + width]
    return pixels.float() / 127.5 - 1


def on_canvas(frame: np.ndarray, width: int, height: int) -> Tensor:
    """A reference (H, W, 3) uint8, whole, in the middle of a white canvas, (1, 3, height, width)."""
    pixels = to_pixels(frame[None])
    if pixels.shape[-2:] == (height, width):
        return pixels
    scale = min(height / frame.shape[0], width / frame.shape[1])
    high, wide = max(int(frame.shape[0] * scale), 1), max(int(frame.shape[1] * scale), 1)
    canvas = torch.ones(1, 3, height, width)
    y, x = (height - high) // 2, (width - wide) // 2
    canvas[:, :, y : y + high, x : x + wide] = F.interpolate(
        pixels, size=(high, wide), mode="bilinear", align_corners=False
    )
    return canvas


def mask_of(frames: np.ndarray, width: int, height: int) -> Tensor:
    """A mask (F, H, W, 3) uint8, white where it is drawn anew, as (F, 1, height, width) of 0 and 1."""
    covered = clip_covering(frames, width, height)[:, :1]
    return ((covered + 1) / 2 > 0.5).float()
