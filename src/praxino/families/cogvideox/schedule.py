"""The noise levels of CogVideoX: float32 square roots of the cumulated alphas, as the authors' code has them. No torch.

Source: zai-org/CogVideo at 7a1af71, sat/sgm/modules/diffusionmodules/discretizer.py (ZeroSNRDDPMDiscretization) and
denoiser.py (DiscreteDenoiser). The rescaling to zero terminal SNR is that of Lin et al. 2023 (arXiv 2305.08891).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

NUM_TRAINED = 1000
"""Levels of the full table."""
BETA_START, BETA_END = 0.00085, 0.0120
GUIDANCE_EXPONENT = 5


@dataclass(frozen=True)
class Levels:
    """From pure noise (alpha 0) to the clip (alpha 1)."""

    alphas: tuple[float, ...]
    """One more than there are steps; x = alpha x_0 + sqrt(1 - alpha^2) n."""
    denoising: tuple[float, ...]
    """What the network's prediction is turned into x_0 with: each step's nearest entry of the full table."""
    timesteps: tuple[int, ...]
    """What the network is told, 999 to 0."""


def levels(num_steps: int, shift_scale: float, spacing: str) -> Levels:
    """The levels of a run of `num_steps`; `spacing` is a Settings' levels."""
    full = _rescaled(_shifted(shift_scale))
    if spacing == "trailing":
        picked = np.round(np.arange(NUM_TRAINED, 0, -NUM_TRAINED / num_steps)).astype(int)[:num_steps] - 1
        alphas = full[picked]
        return Levels((*alphas.tolist(), 1.0), tuple(alphas.tolist()), tuple(picked.tolist()))
    ascending = np.linspace(NUM_TRAINED - 1, 0, num_steps, endpoint=False).astype(int)[::-1]
    alphas = _rescaled(_shifted(shift_scale)[ascending])[::-1]
    nearest = full[np.abs(alphas[:, None] - full).argmin(axis=1)]
    return Levels((*alphas.tolist(), 1.0), tuple(nearest.tolist()), tuple(ascending[::-1].tolist()))


def dynamic_scale(scale: float, timestep: int, num_steps: int) -> float:
    """The guidance scale of a step (guiders.py, DynamicCFG): between 1 and 1 + scale."""
    share = (num_steps - timestep) / num_steps
    return 1 + scale * (1 - math.cos(math.pi * share**GUIDANCE_EXPONENT)) / 2


def noise_level(alpha: float) -> float:
    """How much noise there is at a level, 0 to 1: what guidance phases begin at."""
    return math.sqrt(1 - alpha * alpha)


def _shifted(shift_scale: float) -> np.ndarray:
    """Cumulated alphas of the full table, float64, with the SNR divided by `shift_scale`."""
    betas = np.linspace(BETA_START**0.5, BETA_END**0.5, NUM_TRAINED) ** 2
    cumulated = np.cumprod(1 - betas)
    return cumulated / (shift_scale + (1 - shift_scale) * cumulated)


def _rescaled(cumulated: np.ndarray) -> np.ndarray:
    """Square roots, float32, moved and stretched so that the last is 0 and the first stays."""
    roots = np.sqrt(cumulated.astype(np.float32))
    first, last = roots[0], roots[-1]
    if len(roots) == 1:
        return np.zeros(1, np.float32)
    return (roots - last) * (first / (first - last))
