"""How the predictions of a step are combined into one. Pure functions of tensors; knows no model.

v_t is the prediction with the text, v_u with the negative text, v_p with the text through perturbed blocks. All are
(B, ...), float32; statistics run over everything but the batch. The order (star, CFG or APG, STG, rescale) is that of
Lightricks/LTX-Video at 5260738, ltx_video/pipelines/pipeline_ltx_video.py, and of diffusers' guiders (0.42.1).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

STAR_EPSILON = 1e-8


def cfg(v_t: Tensor, v_u: Tensor, scale: float) -> Tensor:
    """Classifier-free guidance (Ho and Salimans 2022, arXiv 2207.12598): away from the negative, through the text."""
    return v_u + scale * (v_t - v_u)


def cfg_star(v_t: Tensor, v_u: Tensor) -> Tensor:
    """The negative prediction scaled to its projection on the text's (CFG-Zero*, Fan et al. 2025, arXiv 2503.18886)."""
    text, negative = v_t.flatten(1), v_u.flatten(1)
    alpha = (text * negative).sum(1) / (negative.square().sum(1) + STAR_EPSILON)
    return _per_sample(alpha, v_u) * v_u


ZERO_STEPS = 1
"""Of the first steps of CFG-Zero* (arXiv 2503.18886, section 4), whose prediction is nothing at all: the network's own
is worse than that there."""


@dataclass(frozen=True)
class Projection:
    """The numbers of `apg`. The defaults are those that MeiGen-AI/MultiTalk samples Wan with.

    A norm grows with the root of the number of values: 55 for the two million of a clip of 480p and 81 frames is as 10
    for a picture of SDXL.
    """

    eta: float = 0.0
    """How much of the guidance along the text prediction is kept, which is what oversaturates."""
    norm_threshold: float = 55.0
    """The guidance's norm is cut down to this; 0 leaves it."""
    momentum: float = -0.75
    """The share of the guidance so far that is added to each step's; below 0 it dwells on what is new."""


def apg(v_t: Tensor, v_u: Tensor, scale: float, projection: Projection, before: Tensor | None) -> tuple[Tensor, Tensor]:
    """Adaptive projected guidance (Sadat et al. 2024, arXiv 2410.02416, algorithm 1): CFG without its oversaturation.

    `before` is the running guidance that the step before returned (None at the first). Returns the prediction and
    this step's running guidance, both shaped as v_t.
    """
    running = v_t - v_u if before is None else v_t - v_u + projection.momentum * before
    update = running
    if projection.norm_threshold > 0:
        norm = running.flatten(1).norm(dim=1)
        update = running * _per_sample((projection.norm_threshold / norm).clamp(max=1), running)
    text, wide = v_t.double().flatten(1), update.double().flatten(1)
    text = torch.nn.functional.normalize(text, dim=1)
    along = (wide * text).sum(1, keepdim=True) * text
    kept = (wide - along + projection.eta * along).to(v_t.dtype).view_as(v_t)
    return v_t + (scale - 1) * kept, running


def stg(v: Tensor, v_t: Tensor, v_p: Tensor, scale: float) -> Tensor:
    """Spatio-temporal skip guidance (Hyung et al. 2024, arXiv 2411.18664): away from the perturbed prediction."""
    return v + scale * (v_t - v_p)


def rescale(v: Tensor, v_t: Tensor, share: float) -> Tensor:
    """Pull v's deviation towards the text prediction's by `share` (Lin et al. 2023, arXiv 2305.08891, section 3.4)."""
    ratio = v_t.flatten(1).std(1) / v.flatten(1).std(1)
    return v * _per_sample(share * ratio + (1 - share), v)


@dataclass(frozen=True)
class Guider:
    """What stands for classifier-free guidance throughout a run; by default it is that itself."""

    star: bool = False
    """Project the negative prediction on the text's first (CFG-zero*)."""
    zero_steps: int = 0
    """Of the first steps, whose prediction is nothing; the loop leaves their passes out."""
    projection: Projection | None = None
    """Adaptive projected guidance, with these numbers."""


PLAIN = Guider()
"""Classifier-free guidance as it is."""


def combine(
    v_t: Tensor,
    v_u: Tensor | None,
    v_p: Tensor | None,
    scales: tuple[float, float, float],
    guider: Guider,
    before: Tensor | None = None,
) -> tuple[Tensor, Tensor | None]:
    """One prediction from those at hand, and APG's running guidance for the next step.

    `scales` are guidance, STG and rescale (1 leaves the deviation alone, 0 matches the text's). v_u None means no
    classifier-free guidance, v_p None no STG; without either the text's prediction is left as it is. `before` is what
    the step before returned.
    """
    guidance_scale, stg_scale, left = scales
    v = v_t
    if v_u is not None and guider.projection is not None:
        v, before = apg(v_t, v_u, guidance_scale, guider.projection, before)
    elif v_u is not None:
        v = cfg(v_t, cfg_star(v_t, v_u) if guider.star else v_u, guidance_scale)
    if v_p is not None:
        v = stg(v, v_t, v_p, stg_scale)
    if v is not v_t and left != 1:
        v = rescale(v, v_t, 1 - left)
    return v, before


def phase_index(starts: tuple[float, ...], sigma: float) -> int:
    """Which phase holds at `sigma`: the last whose start is at least sigma (starts fall; the first is 1 or above)."""
    return max(sum(start >= sigma for start in starts) - 1, 0)


def _per_sample(values: Tensor, like: Tensor) -> Tensor:
    """One number for each sample, (B,), so that it broadcasts over the sample."""
    return values.view(-1, *(1,) * (like.ndim - 1))
