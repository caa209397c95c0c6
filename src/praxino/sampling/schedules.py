"""Where the noise levels of the steps lie. Pure numpy; knows no torch and no model.

Every schedule returns the sigmas of the steps, falling from 1, without the final 0 that the last step ends at.
Uniform, SD3 and FLUX are worked out in float32, as the originals do: the networks take them times 1000, where a
difference in the seventh digit already shows.
Sources: Esser et al. 2024 (arXiv 2403.03206, section 5.3.2) for the resolution-dependent shift; Polyak et al. 2024
(Movie Gen, arXiv 2410.13720, section 3.4.3) for linear-quadratic; constants from Lightricks/LTX-Video at 5260738,
ltx_video/schedulers/rf.py, and black-forest-labs/flux at 802fb47, src/flux/sampling.py (get_schedule).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from praxino.errors import UserError

Sigmas = tuple[float, ...]

SHIFT_AT_TOKENS = ((1024, 0.95), (4096, 2.05))
"""The line that gives the shift mu for a number of latent tokens."""
FLUX_SHIFT_AT_TOKENS = ((256, 0.5), (4096, 1.15))
"""The same line for FLUX.1."""
SHIFT_TERMINAL = 0.1
"""The last sigma of the stretched SD3 schedule."""
MAX_SHIFT = 80.0
"""Beyond it float32 overflows."""
UNIPC_START = float(np.float32(0.999))
"""Where Wan's UniPC begins: its scheduler never reaches pure noise."""
LINEAR_END_NOISE = 0.025
"""How much noise the linear half of linear-quadratic removes."""


def uniform(num_steps: int) -> Sigmas:
    """Equal steps from 1 to 0."""
    return _plain(_falling(num_steps, 1 / num_steps))


def sd3(num_steps: int, num_tokens: int) -> Sigmas:
    """Equal steps, shifted towards noise for larger clips, then stretched so that the last sigma is 0.1.

    Raises:
        UserError: the clip is so large that float32, in which this is defined, cannot tell the steps apart.
    """
    if num_steps == 1:
        return (1.0,)
    one = np.float32(1)
    shifted = _shifted(_falling(num_steps, 1 / num_steps), SHIFT_AT_TOKENS, num_tokens)
    if not (np.diff(shifted) < 0).all():
        raise UserError(
            f"the sd3 schedule cannot space {num_steps} steps for a clip of {num_tokens} latent tokens.\n"
            "Draw a smaller or shorter clip, take fewer steps, or give --schedule linear-quadratic."
        )
    stretch = (one - shifted[-1]) / np.float32(1 - SHIFT_TERMINAL)
    return _plain(np.minimum(one - (one - shifted) / stretch, one))


def flux(num_steps: int, num_tokens: int) -> Sigmas:
    """Equal steps from 1 to 0, shifted towards noise for larger pictures."""
    return _plain(_shifted(_falling(num_steps + 1, 0)[:-1], FLUX_SHIFT_AT_TOKENS, num_tokens))


def shifted(num_steps: int, shift: float, start: float = 1.0) -> Sigmas:
    """Equal steps from `start` to 0, shifted towards noise once: shift t / (1 + (shift - 1) t), in float64.

    Wan-Video/Wan2.1 at 9737cba, wan/utils/fm_solvers.py (get_sampling_sigmas) and fm_solvers_unipc.py (set_timesteps).
    """
    t = np.linspace(start, 0, num_steps + 1)[:-1]
    return _plain(shift * t / (1 + (shift - 1) * t))


def hunyuan(num_steps: int, shift: float) -> Sigmas:
    """As `shifted` from 1, but worked out in float32 throughout.

    Tencent-Hunyuan/HunyuanVideo-I2V at 1481c1d, diffusion/schedulers/scheduling_flow_match_discrete.py.
    """
    t = _falling(num_steps + 1, 0)[:-1]
    return _plain(np.float32(shift) * t / (np.float32(1) + np.float32(shift - 1) * t))


def linear_quadratic(num_steps: int) -> Sigmas:
    """Half the steps linearly through the first 2.5 % of the noise, the other half quadratically through the rest."""
    if num_steps == 1:
        return (1.0,)
    linear = num_steps // 2
    rest = num_steps - linear
    i = np.arange(num_steps, dtype=np.float64)
    excess = linear - LINEAR_END_NOISE * num_steps
    quadratic = excess / (linear * rest**2)
    slope = LINEAR_END_NOISE / linear - 2 * excess / rest**2
    removed = np.where(i < linear, i * LINEAR_END_NOISE / linear, quadratic * i**2 + slope * i + quadratic * linear**2)
    return _plain(1 - removed)


def explicit(sigmas: Sequence[float]) -> Sigmas:
    """The noise levels as given.

    Raises:
        UserError: they are none, not strictly falling, or not in (0, 1].
    """
    if not sigmas:
        raise UserError("the list of sigmas is empty; give at least one, as in 1,0.9,0.5.")
    for sigma in sigmas:
        if not 0 < sigma <= 1:
            raise UserError(f"sigma {sigma:g} is out of range; allowed is above 0 up to 1 (a final 0 is understood).")
    for before, after in itertools.pairwise(sigmas):
        if not after < before:
            raise UserError(f"the sigmas must fall: {after:g} comes after {before:g}. Sort them from noise to picture.")
    return tuple(float(sigma) for sigma in sigmas)


def _shifted(sigmas: np.ndarray, line: tuple[tuple[int, float], tuple[int, float]], num_tokens: int) -> np.ndarray:
    """Float32 sigmas shifted by exp(mu), with mu on a line over the number of tokens."""
    (tokens0, mu0), (tokens1, mu1) = line
    slope = (mu1 - mu0) / (tokens1 - tokens0)
    shift = np.float32(np.exp(min(slope * num_tokens + (mu0 - slope * tokens0), MAX_SHIFT)))
    one = np.float32(1)
    return one / (shift + (one / sigmas - one)) * shift


def _falling(count: int, end: float) -> np.ndarray:
    """From 1 to `end`, float32, counted from both ends as torch.linspace does."""
    if count == 1:
        return np.ones(1, np.float32)
    index = np.arange(count, dtype=np.float64)
    last = np.float32(end)
    gap = np.float64((last - np.float32(1)) / np.float32(count - 1))
    from_end = np.float64(last) - gap * (count - 1 - index)
    return np.where(index < count // 2, 1 + gap * index, from_end).astype(np.float32)


def _plain(sigmas: np.ndarray) -> Sigmas:
    return tuple(sigmas.tolist())
