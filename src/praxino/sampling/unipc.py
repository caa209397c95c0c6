"""UniPC of second order over a rectified flow: a predictor, and a corrector that mends the step before. Knows no model.

Zhao et al. 2023 (arXiv 2302.04867), B(h) = e^h - 1, data prediction, alpha = 1 - t and sigma = t, as in
Wan-Video/Wan2.1 at 9737cba, wan/utils/fm_solvers_unipc.py (FlowUniPCMultistepScheduler, solver_order 2, bh2). All that
is carried from step to step is in `History`, tensors only, so that a checkpoint can save it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class History:
    """What a step leaves for the next."""

    denoised: Tensor
    """The estimate of x_0 at this step."""
    corrected: Tensor
    """The sample that this step went out from, after correction."""
    denoised_before: Tensor | None = None
    """The estimate of x_0 at the step before; None after the first."""


def step(x: Tensor, v: Tensor, sigmas: Sequence[float], index: int, history: History | None) -> tuple[Tensor, History]:
    """From sigmas[index] to the next level.

    Args:
        x: the sample, of any shape, float32.
        v: the network's prediction for it, n - x_0.
        sigmas: all levels of the run, falling, without the final 0.
        index: of the step.
        history: what the step before returned; None at the first step.

    Returns:
        The sample at the next level (0 after the last), and what the next step needs.
    """
    x0 = x - sigmas[index] * v
    if history is not None:
        x = _corrected(x0, sigmas, index, history)
    t_next = sigmas[index + 1] if index + 1 < len(sigmas) else 0.0
    kept = History(x0, x, None if history is None else history.denoised)
    return _predicted(kept, sigmas, index, t_next), kept


def _predicted(kept: History, sigmas: Sequence[float], index: int, t_next: float) -> Tensor:
    """UniP: of first order at the first and the last step."""
    t = sigmas[index]
    if t_next == 0:
        return kept.denoised
    h = _lambda(t_next) - _lambda(t)
    phi = math.expm1(-h)
    moved = t_next / t * kept.corrected - (1 - t_next) * phi * kept.denoised
    if kept.denoised_before is None:
        return moved
    r = (_lambda(sigmas[index - 1]) - _lambda(t)) / h
    return moved - (1 - t_next) * phi * 0.5 * (kept.denoised_before - kept.denoised) / r


def _corrected(x0: Tensor, sigmas: Sequence[float], index: int, history: History) -> Tensor:
    """UniC: the step that led here, taken again now that the estimate at its end is known."""
    t_from, t = sigmas[index - 1], sigmas[index]
    h = _lambda(t) - _lambda(t_from)
    phi = math.expm1(-h)
    moved = t / t_from * history.corrected - (1 - t) * phi * history.denoised
    change = x0 - history.denoised
    if history.denoised_before is None:
        return moved - (1 - t) * phi * 0.5 * change
    r = (_lambda(sigmas[index - 2]) - _lambda(t_from)) / h
    phi_2 = phi / -h - 1
    phi_3 = phi_2 / -h - 0.5
    b_1, b_2 = phi_2 / phi, 2 * phi_3 / phi
    rho_before = (b_1 - b_2) / (1 - r)
    rho = b_1 - rho_before
    return moved - (1 - t) * phi * (rho_before * (history.denoised_before - history.denoised) / r + rho * change)


def _lambda(t: float) -> float:
    """Half the logarithm of the signal-to-noise ratio; at t = 1 there is no signal, and none of it moves."""
    return math.log1p(-t) - math.log(t) if t < 1 else -math.inf
