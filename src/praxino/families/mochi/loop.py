"""The denoising loop, as the authors run it: noise levels, latents and guidance in float32, only the network autocast.

Source: genmoai/mochi at 0c86aeb, src/genmo/mochi_preview/pipelines.py (sample_model). Their network predicts
z_0 - n; here it is v = n - z_0, which the samplers take. Knows latents and embeddings, no files and no prompts.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from praxino.families import LoopState
from praxino.families._guider import kept, phase_at, running_in
from praxino.families._passes import predicted
from praxino.families._perturb import Surgery, perturbed
from praxino.families._walk import walk
from praxino.families.mochi.text import Embedded
from praxino.recipe import GuidancePhase
from praxino.sampling import guidance
from praxino.sampling.noise import NoiseSource
from praxino.sampling.samplers import SAMPLERS, Step, denoised

TIMESTEP_SCALE = 1000
"""The transformer takes 1 - sigma in thousandths."""


@dataclass(frozen=True)
class Start:
    """What the loop begins with, and what stays the same throughout."""

    latents: Tensor
    """(1, C, f, h, w) float32 noise."""
    text: Embedded
    negative: Embedded | None
    """None when no step is guided by it."""


@dataclass(frozen=True)
class Plan:
    """The numbers of the loop, out of a recipe."""

    sigmas: tuple[float, ...]
    phases: tuple[GuidancePhase, ...]
    guider: guidance.Guider
    stg_mode: str
    scheduler: str
    dtype: torch.dtype
    """What the network is autocast to."""


def attention_values(attn: Any, hidden_states: Tensor, encoder_hidden_states: Tensor, **named: Any) -> Any:
    """Joint attention that looks nowhere: each token of both streams gets its own value."""
    words = attn.add_v_proj(encoder_hidden_states)
    words = attn.to_add_out(words) if hasattr(attn, "to_add_out") else words
    return attn.to_out[0](attn.to_v(hidden_states)), words


SURGERY = Surgery(processors={"attention-values": attention_values}, streams=2)


def denoise(
    transformer: Any, start: Start, plan: Plan, noise: NoiseSource, state: LoopState | None = None
) -> Iterator[LoopState]:
    """Yield the state before the first step and after every one; a given state is the first one yielded."""
    return walk(start.latents, len(plan.sigmas), partial(advance, transformer, start, plan, noise), noise, state)


@torch.no_grad()
def advance(transformer: Any, start: Start, plan: Plan, noise: NoiseSource, state: LoopState) -> LoopState:
    """One step. The new state's "denoised" is the estimate of the clean latents that it was made with."""
    device = start.latents.device
    t = plan.sigmas[state.step]
    z = state.tensors["latents"].to(device)
    v, running = guided_velocity(transformer, z, start, plan, state)
    before = state.tensors.get("denoised")
    before = None if before is None else before.to(device)
    level = torch.full((1, 1, 1, 1, 1), t, device=device)
    step = Step.at(plan.sigmas, state.step)
    stepped = SAMPLERS[plan.scheduler](z, v, level, step, before, noise)
    tensors = {"latents": stepped, "denoised": denoised(z, v, level), "generator": noise.state()}
    return LoopState(state.step + 1, kept(tensors, running))


def guided_velocity(
    transformer: Any, z: Tensor, start: Start, plan: Plan, state: LoopState
) -> tuple[Tensor, Tensor | None]:
    """The velocity after guidance, as z, and APG's running guidance. Needless passes are left out."""
    t, before = plan.sigmas[state.step], running_in(state, z)
    if state.step < plan.guider.zero_steps:
        return torch.zeros_like(z), before
    phase = phase_at(plan.phases, t)

    def of(words: Embedded) -> Tensor:
        return velocity(transformer, z, words, t, plan.dtype)

    def skipping() -> Tensor:
        with perturbed(transformer.transformer_blocks, phase.stg_blocks, plan.stg_mode, SURGERY):
            return of(start.text)

    v_t, v_u, v_p = predicted(
        partial(of, start.text),
        partial(of, start.negative) if phase.scale > 1 and start.negative is not None else None,
        skipping if phase.stg_scale > 0 else None,
    )
    return guidance.combine(v_t, v_u, v_p, (phase.scale, phase.stg_scale, phase.rescale), plan.guider, before)


def velocity(transformer: Any, z: Tensor, text: Embedded, t: float, dtype: torch.dtype) -> Tensor:
    """The transformer's prediction for one text, n - z_0, float32."""
    moment = (1 - torch.tensor([t], dtype=torch.float32, device=z.device)) * TIMESTEP_SCALE
    with torch.autocast(z.device.type, dtype, enabled=dtype != torch.float32), rope_in_float32():
        predicted = transformer(
            hidden_states=z,
            encoder_hidden_states=text.states,
            timestep=moment,
            encoder_attention_mask=text.mask,
            return_dict=False,
        )[0]
    return -predicted.float()


@contextmanager
def rope_in_float32() -> Iterator[None]:
    """Around position frequencies diffusers asks for autocast to float32, which torch takes as off and says so."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "In (CPU|CUDA) autocast, but the target dtype is not supported", UserWarning)
        yield
