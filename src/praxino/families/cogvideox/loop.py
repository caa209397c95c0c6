"""The denoising loop, as the authors run it: latents, levels and guidance in float32, the network in its own format.

Source: zai-org/CogVideo at 7a1af71, sat/sgm/modules/diffusionmodules (sampling.py, guiders.py, denoiser.py). Knows
latents and embeddings, no files and no prompts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from praxino.families import LoopState
from praxino.families._guider import kept, phase_at, running_in
from praxino.families._passes import are_shared, predicted
from praxino.families._perturb import Surgery, perturbed
from praxino.families._walk import walk
from praxino.families.cogvideox.positions import Rotary
from praxino.families.cogvideox.samplers import SAMPLERS, Step
from praxino.families.cogvideox.schedule import Levels, dynamic_scale, noise_level
from praxino.recipe import GuidancePhase
from praxino.sampling import guidance
from praxino.sampling.noise import NoiseSource

OFS = 2.0
"""What CogVideoX1.5 is told beside a picture."""


@dataclass(frozen=True)
class Start:
    """What the loop begins with, and what stays the same throughout."""

    latents: Tensor
    """(1, f, C, h, w) float32."""
    text: Tensor
    """(1, tokens, channels)."""
    negative: Tensor | None
    """As the text; None when no step is guided by it."""
    beside: Tensor | None
    """(1, f, C, h, w): a first frame, or maps, on further channels."""
    rotary: Rotary | None


@dataclass(frozen=True)
class Plan:
    """The numbers of the loop, out of a recipe."""

    levels: Levels
    first_step: int
    phases: tuple[GuidancePhase, ...]
    dynamic: bool
    guider: guidance.Guider
    stg_mode: str
    scheduler: str

    @property
    def num_steps(self) -> int:
        """Of the whole schedule."""
        return len(self.levels.timesteps)


def attention_values(attn: Any, hidden_states: Tensor, encoder_hidden_states: Tensor, **named: Any) -> Any:
    """Attention that looks nowhere: each token of video and text gets its own value."""
    return tuple(attn.to_out[0](attn.to_v(tokens)) for tokens in (hidden_states, encoder_hidden_states))


def attention_skip(attn: Any, hidden_states: Tensor, encoder_hidden_states: Tensor, **named: Any) -> Any:
    """Attention left out but for its output projection."""
    return tuple(attn.to_out[0](tokens) for tokens in (hidden_states, encoder_hidden_states))


SURGERY = Surgery(processors={"attention-values": attention_values, "attention-skip": attention_skip}, streams=2)


def denoise(
    transformer: Any, start: Start, plan: Plan, noise: NoiseSource, state: LoopState | None = None
) -> Iterator[LoopState]:
    """Yield the state before the first step and after every one; a given state is the first one yielded."""
    steps = plan.num_steps - plan.first_step
    return walk(start.latents, steps, partial(advance, transformer, start, plan, noise), noise, state)


@torch.no_grad()
def advance(transformer: Any, start: Start, plan: Plan, noise: NoiseSource, state: LoopState) -> LoopState:
    """One step. The new state's "denoised" is the estimate of the clean latents that it was made with."""
    index = plan.first_step + state.step
    alphas = plan.levels.alphas
    x = state.tensors["latents"].to(start.latents.device)
    v, running = guided_velocity(transformer, x, start, plan, state)
    a = plan.levels.denoising[index]
    x0 = a * x - noise_level(a) * v
    before = state.tensors.get("denoised")
    before = None if before is None else before.to(x.device)
    step = Step(alphas[index], alphas[index + 1], alphas[index - 1] if state.step else None)
    stepped = SAMPLERS[plan.scheduler](x, x0, before, step, noise)
    return LoopState(state.step + 1, kept({"latents": stepped, "denoised": x0, "generator": noise.state()}, running))


def guided_velocity(
    transformer: Any, x: Tensor, start: Start, plan: Plan, state: LoopState
) -> tuple[Tensor, Tensor | None]:
    """The velocity after guidance, as x, and APG's running guidance. Needless passes are left out."""
    index, before = plan.first_step + state.step, running_in(state, x)
    if state.step < plan.guider.zero_steps:
        return torch.zeros_like(x), before
    timestep = plan.levels.timesteps[index]
    phase = phase_at(plan.phases, noise_level(plan.levels.alphas[index]))
    scale, negative = phase.scale, start.negative if phase.scale > 1 else None
    if negative is not None and plan.dynamic:
        scale = dynamic_scale(scale, timestep, plan.num_steps)

    def of(*texts: Tensor) -> Tensor:
        return velocity(transformer, x, start, texts, timestep)

    def skipping() -> Tensor:
        with perturbed(transformer.transformer_blocks, phase.stg_blocks, plan.stg_mode, SURGERY):
            return of(start.text)

    more = skipping if phase.stg_scale > 0 else None
    if negative is None or are_shared():
        apart = None if negative is None else partial(of, negative)
        v_t, v_u, v_p = predicted(partial(of, start.text), apart, more)
    else:
        v_u, v_t = of(negative, start.text).split(1)
        v_p = more() if more else None
    return guidance.combine(v_t, v_u, v_p, (scale, phase.stg_scale, phase.rescale), plan.guider, before)


def ofs_of(transformer: Any, device: torch.device) -> Tensor | None:
    """What a transformer is told beside a picture, (1,); None for one that is told nothing."""
    return None if transformer.ofs_embedding is None else torch.full((1,), OFS, device=device)


def velocity(transformer: Any, x: Tensor, start: Start, texts: tuple[Tensor, ...], timestep: int) -> Tensor:
    """The transformer's prediction for each of the texts, (texts, f, C, h, w) float32."""
    count = len(texts)
    given = x if start.beside is None else torch.cat((x, start.beside), dim=2)
    predicted = transformer(
        hidden_states=given.to(transformer.dtype).expand(count, -1, -1, -1, -1),
        encoder_hidden_states=torch.cat(texts),
        timestep=torch.full((count,), timestep, device=x.device),
        ofs=ofs_of(transformer, x.device),
        image_rotary_emb=start.rotary,
        return_dict=False,
    )[0]
    return predicted.float()
