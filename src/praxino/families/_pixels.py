"""Between frames of 8 bits and pixels that networks take. Knows no size and no aspect: each family fits its own way."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def from_uint8(frames: np.ndarray) -> Tensor:
    """(F, H, W, 3) uint8 as (F, 3, H, W) float32 from 0 to 1."""
    return torch.from_numpy(np.array(frames)).permute(0, 3, 1, 2).float() / 255


def to_uint8(pixels: Tensor) -> np.ndarray:
    """(3, F, H, W) in [-1, 1], whatever lies beyond cut off, as (F, H, W, 3), rounded down."""
    scaled = (pixels.float() / 2 + 0.5).clamp(0, 1) * 255
    return scaled.byte().permute(1, 2, 3, 0).cpu().numpy()
