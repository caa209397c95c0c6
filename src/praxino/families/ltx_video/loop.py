"""The denoising loop, as the authors run it: packed tokens, per-token noise levels, CFG, STG and rescale.

Source: Lightricks/LTX-Video at 5260738, ltx_video/pipelines/pipeline_ltx_video.py. Knows tokens and embeddings, not
files, pictures or prompts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor

from praxino.families import LoopState
from praxino.families._guider import kept, phase_at, running_in
from praxino.families._passes import are_shared, predicted
from praxino.families._perturb import perturbed
from praxino.families._walk import walk
from praxino.families.ltx_video.text import Embedded
from praxino.recipe import GuidancePhase
from praxino.sampling import guidance
from praxino.sampling.noise import NoiseSource
from praxino.sampling.samplers import SAMPLERS, Step, denoised, hold

FIRM = 1 - 1e-6
"""Tokens held more firmly than this get fresh noise before each step."""
TIMESTEP_SCALE = 1000
"""The transformer takes sigmas in thousandths."""
Asked = dict[str, Tensor]
"""Arguments of the transformer."""


@dataclass(frozen=True)
class Start:
    """What the loop begins with, and what stays the same throughout."""

    tokens: Tensor
    """(1, N, C) float32: noise with the conditions mixed in, extra tokens of conditions first."""
    coords: Tensor
    """(1, 3, N) float32: seconds, y, x."""
    strengths: Tensor | None
    """(1, N) float32: how firmly each token is held, None when nothing is."""
    text: Embedded
    negative: Embedded | None
    """None when no step is guided by it."""
    _asked: dict[tuple[int, ...], Asked] = field(default_factory=dict, repr=False)

    def asked(self, *texts: Embedded) -> Asked:
        """What the transformer is asked besides the tokens, by the text, by the negative, or by both.

        The same tensors at each call: a transformer may know them again.
        """
        known = tuple(map(id, texts))
        if known not in self._asked:
            self._asked[known] = {
                "encoder_hidden_states": torch.cat([text.states for text in texts]),
                "encoder_attention_mask": torch.cat([text.mask for text in texts]),
                "video_coords": self.coords.expand(len(texts), -1, -1),
            }
        return self._asked[known]


@dataclass(frozen=True)
class Plan:
    """The numbers of the loop, out of a recipe."""

    sigmas: tuple[float, ...]
    phases: tuple[GuidancePhase, ...]
    guider: guidance.Guider
    stg_mode: str
    scheduler: str
    image_noise: float


def denoise(
    transformer: Any, start: Start, plan: Plan, noise: NoiseSource, state: LoopState | None = None
) -> Iterator[LoopState]:
    """Yield the state before the first step and after every one; a given state is the first one yielded."""
    return walk(start.tokens, len(plan.sigmas), partial(advance, transformer, start, plan, noise), noise, state)


@torch.no_grad()
def advance(transformer: Any, start: Start, plan: Plan, noise: NoiseSource, state: LoopState) -> LoopState:
    """One step. The new state's "denoised" is the estimate of the clean tokens that it was made with."""
    device = start.tokens.device
    t = plan.sigmas[state.step]
    x = model_input(state.tensors["latents"].to(device), start, t, plan.image_noise, noise)
    v, running = guided_velocity(transformer, x, start, plan, state)
    t_start = torch.ones(1, 1, device=device) if start.strengths is None else 1 - start.strengths
    t_token = t_start.clamp(max=t)[..., None]
    before = state.tensors.get("denoised")
    before = None if before is None else before.to(device)
    stepped = SAMPLERS[plan.scheduler](x, v, t_token, Step.at(plan.sigmas, state.step), before, noise)
    tensors = {
        "latents": hold(x, stepped, t, t_start),
        "denoised": denoised(x, v, t_token),
        "generator": noise.state(),
    }
    return LoopState(state.step + 1, kept(tensors, running))


def model_input(x: Tensor, start: Start, t: float, image_noise: float, noise: NoiseSource) -> Tensor:
    """The tokens with noise of deviation `image_noise` t^2 on those that are held firmly, anew at each step."""
    if start.strengths is None or image_noise == 0:
        return x
    noised = start.tokens + image_noise * t**2 * noise.draw(tuple(x.shape)).to(x)
    return torch.where(start.strengths[..., None] > FIRM, noised, x)


def guided_velocity(
    transformer: Any, x: Tensor, start: Start, plan: Plan, state: LoopState
) -> tuple[Tensor, Tensor | None]:
    """The velocity after guidance, (1, N, C) float32, and APG's running guidance. Needless passes are left out."""
    t = plan.sigmas[state.step]
    phase = phase_at(plan.phases, t)
    t_token = torch.full((1, 1), t, device=x.device)
    if start.strengths is not None:
        t_token = torch.minimum(t_token, 1 - start.strengths)

    def of(*texts: Embedded) -> Tensor:
        return _velocity(transformer, x, start.asked(*texts), t_token)

    def skipping() -> Tensor:
        with perturbed(transformer.transformer_blocks, phase.stg_blocks, plan.stg_mode):
            return of(start.text)

    negative, more = start.negative if phase.scale > 1 else None, skipping if phase.stg_scale > 0 else None
    if negative is None or are_shared():
        apart = None if negative is None else partial(of, negative)
        v_t, v_u, v_p = predicted(partial(of, start.text), apart, more)
    else:
        v_u, v_t = of(negative, start.text).split(1)
        v_p = more() if more else None
    scales = (phase.scale, phase.stg_scale, phase.rescale)
    return guidance.combine(v_t, v_u, v_p, scales, plan.guider, running_in(state, x))


def _velocity(transformer: Any, x: Tensor, asked: Asked, t_token: Tensor) -> Tensor:
    """The transformer's prediction for each of the texts, (texts, N, C) float32."""
    count = len(asked["video_coords"])
    predicted = transformer(
        hidden_states=x.expand(count, -1, -1).to(transformer.dtype),
        timestep=(t_token * TIMESTEP_SCALE).expand(count, -1),
        **asked,
        return_dict=False,
    )[0]
    return predicted.float()
