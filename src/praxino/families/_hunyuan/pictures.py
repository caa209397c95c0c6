"""Pictures and clips as the VAE takes them. Knows nothing of latents."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from praxino.families._hunyuan.sizes import cropped, resized


def prepare(frames: np.ndarray, width: int, height: int) -> Tensor:
    """Frames (F, H, W, 3) uint8 as (1, 3, F, height, width) float32 in [-1, 1]: bilinear, the middle cut out.

    Source: Tencent-Hunyuan/HunyuanVideo-I2V at 1481c1d, hyvideo/inference.py (ref_image_transform).
    """
    fitted = np.stack([_fitted(frame, (width, height)) for frame in frames])
    pixels = torch.from_numpy(fitted).permute(3, 0, 1, 2).float() / 255
    return ((pixels - 0.5) / 0.5)[None]


def _fitted(frame: np.ndarray, drawn: tuple[int, int]) -> np.ndarray:
    picture = Image.fromarray(frame)
    size = resized(picture.size, drawn)
    left, top = cropped(size, drawn)
    whole = picture.resize(size, Image.Resampling.BILINEAR)
    return np.asarray(whole.crop((left, top, left + drawn[0], top + drawn[1])))
