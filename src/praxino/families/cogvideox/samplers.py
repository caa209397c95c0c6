"""One step of a variance-preserving diffusion sampler: x = alpha x_0 + sqrt(1 - alpha^2) n. Knows no model.

Source: zai-org/CogVideo at 7a1af71, sat/sgm/modules/diffusionmodules/sampling.py (VPSDEDPMPP2MSampler and
VideoDDIMSampler).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from praxino.sampling.noise import NoiseSource


@dataclass(frozen=True)
class Step:
    """The levels of one step, as alphas: 0 is pure noise, 1 the clip."""

    alpha: float
    alpha_next: float
    alpha_before: float | None = None
    """The level of the step before; None for the first."""


def sde_dpmpp_2m(x: Tensor, x0: Tensor, before: Tensor | None, step: Step, noise: NoiseSource) -> Tensor:
    """SDE-DPM-Solver++(2M) (Lu et al. 2022, arXiv 2211.01095). The last step draws no noise.

    From the second step on noise is drawn twice and the first is not used, as in the authors' code, so that a seed
    means the same.
    """
    a, b = step.alpha, step.alpha_next
    if b == 1:
        return x0
    h = _log_snr(b) - _log_snr(a)
    shape = tuple(x.shape)
    fresh = noise.draw(shape)
    if before is not None and step.alpha_before is not None:
        share = h / (2 * (_log_snr(a) - _log_snr(step.alpha_before)))
        x0 = (1 + share) * x0 - share * before
        fresh = noise.draw(shape)
    kept = math.sqrt((1 - b * b) / (1 - a * a)) * math.exp(-h)
    spread = math.sqrt((1 - b * b) * -math.expm1(-2 * h))
    return kept * x - math.expm1(-2 * h) * b * x0 + spread * fresh.to(x)


def ddim(x: Tensor, x0: Tensor, before: Tensor | None, step: Step, noise: NoiseSource) -> Tensor:
    """DDIM without noise (Song et al. 2020, arXiv 2010.02502, equation 12)."""
    a, b = step.alpha, step.alpha_next
    kept = math.sqrt((1 - b * b) / (1 - a * a))
    return kept * x + (b - a * kept) * x0


def _log_snr(alpha: float) -> float:
    """Lambda, the logarithm of alpha / sigma."""
    return math.log(alpha / math.sqrt(1 - alpha * alpha)) if alpha > 0 else -math.inf


Sampler = Callable[[Tensor, Tensor, Tensor | None, Step, NoiseSource], Tensor]

SAMPLERS: dict[str, Sampler] = {"dpm++-sde": sde_dpmpp_2m, "ddim": ddim}
"""By the names that a Recipe uses."""
