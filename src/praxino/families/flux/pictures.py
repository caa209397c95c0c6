"""Pictures and masks as the VAE and the transformer take them. Knows pixels, not latents.

Prepared as the authors do: black-forest-labs/flux at 802fb47, src/flux/sampling.py.
"""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from praxino.families.flux.latents import PATCH, SPATIAL_RATIO


def resized(frame: np.ndarray, width: int, height: int) -> np.ndarray:
    """(H, W, 3) uint8 in another size, by Lanczos; as it is where it has that size."""
    if frame.shape[:2] == (height, width):
        return frame
    return np.asarray(Image.fromarray(frame).resize((width, height), Image.Resampling.LANCZOS))


def to_pixels(frame: np.ndarray) -> Tensor:
    """(H, W, 3) uint8 as (1, 3, H, W) float32 in [-1, 1]."""
    return (torch.from_numpy(np.array(frame)).float() / 127.5 - 1).permute(2, 0, 1)[None]


def to_mask(frame: np.ndarray) -> Tensor:
    """(H, W, 3) uint8, white where something is drawn, as (1, 1, H, W) float32 in [0, 1]; soft edges stay soft."""
    return (torch.from_numpy(np.array(Image.fromarray(frame).convert("L"))).float() / 255)[None, None]


def mask_tokens(mask: Tensor) -> Tensor:
    """(1, 1, H, W) as (1, N, 256): the pixels of every latent as its channels, then two by two."""
    side = SPATIAL_RATIO * PATCH
    rows, columns = mask.shape[2] // side, mask.shape[3] // side
    cells = mask.reshape(1, rows, PATCH, SPATIAL_RATIO, columns, PATCH, SPATIAL_RATIO)
    return cells.permute(0, 1, 4, 3, 6, 2, 5).reshape(1, rows * columns, side**2)
