"""Pictures and clips as the VAE takes them. Knows pixels, not latents.

Sources: zai-org/CogVideo, sat/sample_video.py at b43951a (1.0: resize_for_rectangle_crop) and at 7a1af71 (1.5).
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from praxino.families._pixels import from_uint8
from praxino.families.cogvideox.variants import SHORT_SIDE

MULTIPLE = 16


def prepare(frames: np.ndarray, width: int, height: int, resize: str) -> Tensor:
    """Frames (F, H, W, 3) uint8 as (1, 3, F, height, width) float32, about [-1, 1]; `resize` is a Settings' one."""
    if resize == "lanczos":
        pixels = torch.stack([_lanczos(frame, width, height) for frame in frames])
    else:
        pixels = _covering(from_uint8(frames), width, height)
    return (pixels * 2 - 1).transpose(0, 1)[None]


def own_size(width: int, height: int) -> tuple[int, int]:
    """The size in which CogVideoX1.5 sets a picture in motion: shorter side 768, the other the nearest of 16."""
    if height < width:
        return _nearest(width / height * SHORT_SIDE), SHORT_SIDE
    return SHORT_SIDE, _nearest(height / width * SHORT_SIDE)


def _nearest(side: float) -> int:
    below = side // MULTIPLE * MULTIPLE
    return int(below if side - below < MULTIPLE / 2 else below + MULTIPLE)


def _covering(pixels: Tensor, width: int, height: int) -> Tensor:
    """(F, 3, h, w) resized by bicubic interpolation to cover the size, and the middle cut out."""
    old_height, old_width = pixels.shape[-2:]
    if old_width / old_height > width / height:
        size = height, int(old_width * height / old_height)
    else:
        size = int(old_height * width / old_width), width
    if (old_height, old_width) != size:
        pixels = F.interpolate(pixels, size=size, mode="bicubic", align_corners=False, antialias=True)
    top, left = (size[0] - height) // 2, (size[1] - width) // 2
    return pixels[..., top : top + height, left : left + width]


def _lanczos(frame: np.ndarray, width: int, height: int) -> Tensor:
    """(H, W, 3) uint8 resized to the size; cut to its aspect first where that is not the picture's own."""
    image = Image.fromarray(frame)
    if own_size(*image.size) != (width, height):
        scale = min(image.width / width, image.height / height)
        across, down = round(width * scale), round(height * scale)
        left, top = (image.width - across) // 2, (image.height - down) // 2
        image = image.crop((left, top, left + across, top + down))
    return from_uint8(np.asarray(image.resize((width, height), Image.Resampling.LANCZOS))[None])[0]
