"""How like two clips are. Imports no torch."""

from __future__ import annotations

import math

import numpy as np

WINDOW = 7
"""Pixels a side, as scikit-image's default."""


def psnr_db(one: np.ndarray, other: np.ndarray) -> float:
    """Peak signal to noise of two arrays of uint8; infinite where they are equal."""
    error = float(np.mean((one.astype(np.float64) - other.astype(np.float64)) ** 2))
    return math.inf if error == 0 else 10 * math.log10(255**2 / error)


def ssim(one: np.ndarray, other: np.ndarray) -> float:
    """Mean structural similarity of grey frames: Wang et al. 2004, in flat windows with sample variances.

    Args:
        one: (..., H, W, 3) uint8.
        other: of the same shape.
    """
    x, y = (clip.astype(np.float64).mean(-1) for clip in (one, other))
    share = WINDOW**2 / (WINDOW**2 - 1)
    mx, my = _means(x), _means(y)
    vx, vy, vxy = (share * (_means(a * b) - _means(a) * _means(b)) for a, b in ((x, x), (y, y), (x, y)))
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    return float(((2 * mx * my + c1) * (2 * vxy + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2))).mean())


def _means(values: np.ndarray) -> np.ndarray:
    """Of all windows that lie inside, by summed areas."""
    summed = np.pad(values.cumsum(-1).cumsum(-2), [(0, 0)] * (values.ndim - 2) + [(1, 0), (1, 0)])
    w = WINDOW
    total = summed[..., w:, w:] - summed[..., :-w, w:] - summed[..., w:, :-w] + summed[..., :-w, :-w]
    return total / w**2
