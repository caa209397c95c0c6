"""Owns what an error costs: its shape, what of an example counts, and how much each noise level does.

Knows tensors and settings, and no family. Sources: min-SNR, Hang et al. 2023 (arXiv:2303.09556), section 3.4; of flow
matching, Esser et al. 2024 (arXiv:2403.03206), section 3.1; pseudo-Huber, Khrapov et al. 2024 (arXiv:2403.16728).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from praxino.training.tuning.settings import Tuning
from praxino.training.tuning.trainee import Batch, Task

LEAST_TIME = 1e-3
"""What times below it count as: nearer to data, an error's weight would know no bounds."""


def error(answer: Tensor, target: Tensor, task: Task, tuning: Tuning) -> Tensor:
    """What each number is off by, as a cost of the same shape.

    "huber" is 2 c (sqrt(d^2 + c^2) - c), which for small d is d^2, with a c for each example (huggingface/diffusers,
    examples/research_projects/scheduled_huber_loss_training, conditional_loss).
    """
    square = (answer - target).square()
    if tuning.loss == "square":
        return square
    c = _huber_c(task, tuning).view(-1, *[1] * (square.dim() - 1)).to(square)
    return 2 * c * ((square + c**2).sqrt() - c)


def _huber_c(task: Task, tuning: Tuning) -> Tensor:
    """(B,), or (1,) where it is one for all."""
    least = tuning.huber_c
    if tuning.huber_schedule == "exponential" and task.times is not None:
        return least**task.times
    if tuning.huber_schedule == "snr" and task.snr is not None:
        return (1 - least) / (1 + task.snr.rsqrt()) ** 2 + least
    return torch.tensor([least])


def mean(error: Tensor, batch: Batch, task: Task) -> Tensor:
    """The mean cost (B, ...) of what counts; a mask's grey counts in part."""
    weights = of_level(batch.tuning, task)
    if weights is not None:
        error = error * weights.view(-1, *[1] * (error.dim() - 1))
    counts = None if task.learnt is None else task.learnt.expand_as(error)
    if "mask" in batch.clips:
        white = _laid(batch, task)
        counts = white if counts is None else counts * white
    return error.mean() if counts is None else (error * counts).sum() / counts.sum()


def _laid(batch: Batch, task: Task) -> Tensor:
    """The masks (B, h, w) in the target's shape."""
    latents, masks = batch.clips["latents"], batch.clips["mask"]
    white = masks.view(len(masks), *[1] * (latents.dim() - 3), *masks.shape[1:]).expand_as(latents)
    return white if task.pack is None else task.pack(white)


def of_level(tuning: Tuning, task: Task) -> Tensor | None:
    """How much each example's noise level counts, (B,); None is all alike."""
    if task.snr is not None and tuning.min_snr:
        return of_snr(tuning.min_snr, task.snr, task.predicts)
    if task.times is not None and task.snr is None and tuning.weighting != "none":
        return of_time(tuning.weighting, task.times)
    return None


def of_snr(gamma: float, snr: Tensor, predicts: str) -> Tensor:
    """How much examples count whose signal has a power of `snr` (B,) times the noise's.

    min(snr, gamma) of the clean latents' error, which is the answer's error divided by snr for noise ("epsilon"), by
    snr + 1 for v ("v_prediction"), and by 1 for the latents themselves ("sample").
    """
    if predicts == "epsilon":
        return (gamma / snr).clamp(max=1)
    least = snr.clamp(max=gamma)
    return least / (snr + 1) if predicts == "v_prediction" else least


def of_time(weighting: str, t: Tensor) -> Tensor:
    """How much examples count at times t (B,) between data, 0, and noise, 1, by "sigma-sqrt" or "cosmap".

    As huggingface/diffusers, training_utils.py, compute_loss_weighting_for_sd3.
    """
    if weighting == "sigma-sqrt":
        return t.clamp(min=LEAST_TIME) ** -2.0
    return 2 / (math.pi * (1 - 2 * t + 2 * t**2))
