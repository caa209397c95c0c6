"""One step of a rectified-flow sampler, from sigma t to the next. Pure functions of tensors; knows no model.

x_t = (1 - t) x_0 + t n, and the network predicts v = n - x_0, so x_0 = x - t v. All that a sampler carries from step to
step is the last estimate of x_0, `before`: the loop keeps it and a checkpoint saves it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from praxino.sampling.noise import NoiseSource

HELD_EPSILON = 1e-6
"""Tokens whose own noise level is this close to the step's are denoised with it."""


@dataclass(frozen=True)
class Step:
    """The noise levels of one step."""

    t: float
    t_next: float
    t_before: float | None = None
    """The level of the step before; None for the first, or when its estimate is not at hand."""

    @classmethod
    def at(cls, sigmas: Sequence[float], index: int) -> Step:
        """The step from the level at `index`: to the one after it, or to 0 from the last."""
        t_next = sigmas[index + 1] if index + 1 < len(sigmas) else 0.0
        return cls(sigmas[index], t_next, sigmas[index - 1] if index else None)


def denoised(x: Tensor, v: Tensor, t_token: Tensor) -> Tensor:
    """The estimate of x_0; t_token broadcasts over x's tokens, (1, N or 1, 1)."""
    return x - t_token * v


def euler(x: Tensor, v: Tensor, t_token: Tensor, step: Step, before: Tensor | None, noise: NoiseSource) -> Tensor:
    """The straight step: x - (t - t') v."""
    return x - (t_token - step.t_next) * v


def euler_ancestral(
    x: Tensor, v: Tensor, t_token: Tensor, step: Step, before: Tensor | None, noise: NoiseSource
) -> Tensor:
    """Go all the way to x_0 and noise it afresh: (1 - t') x_0 + t' n (Lightricks' stochastic sampling)."""
    fresh = noise.draw(tuple(x.shape)).to(x)
    return (1 - step.t_next) * denoised(x, v, t_token) + step.t_next * fresh


def dpmpp_2m(x: Tensor, v: Tensor, t_token: Tensor, step: Step, before: Tensor | None, noise: NoiseSource) -> Tensor:
    """DPM-Solver++(2M) (Lu et al. 2022, arXiv 2211.01095, algorithm 2) with alpha = 1 - t and sigma = t.

    The first and the last step are of first order, where it equals Euler.
    """
    t, t_next = step.t, step.t_next
    x0 = denoised(x, v, t_token)
    if before is not None and step.t_before is not None and step.t_before < 1 and t_next > 0:
        h, h_before = _log_snr(t_next) - _log_snr(t), _log_snr(t) - _log_snr(step.t_before)
        x0 = x0 + (x0 - before) * (h / (2 * h_before))
    return t_next / t * x + (1 - t_next / t) * x0


def hold(x: Tensor, stepped: Tensor, t: float, t_start: Tensor) -> Tensor:
    """Keep tokens as they are until t has come down to their own noise level t_start, (1, N)."""
    moves = t - HELD_EPSILON < t_start
    return torch.where(moves[..., None], stepped, x)


def _log_snr(t: float) -> float:
    """Lambda, the logarithm of alpha / sigma."""
    return math.log((1 - t) / t)


Sampler = Callable[[Tensor, Tensor, Tensor, Step, Tensor | None, NoiseSource], Tensor]

SAMPLERS: dict[str, Sampler] = {"euler": euler, "dpm++-2m": dpmpp_2m, "euler-ancestral": euler_ancestral}
"""By the names that a Recipe uses."""
