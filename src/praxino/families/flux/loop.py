"""The denoising loop, as the authors run it: packed tokens, one noise level for all, guidance as an input.

Source: black-forest-labs/flux at 802fb47, src/flux/sampling.py (denoise). The latents stay in the network's number
format between steps, as there. Knows tokens and embeddings, not files, pictures or prompts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from praxino.families import LoopState
from praxino.families._passes import predicted
from praxino.families._walk import walk
from praxino.families.flux.controlnet import Control, residuals
from praxino.families.flux.text import Text
from praxino.sampling import guidance
from praxino.sampling.noise import NoiseSource
from praxino.sampling.samplers import SAMPLERS, Step, denoised


@dataclass(frozen=True)
class Beside:
    """A picture as further tokens behind those that are drawn (Kontext)."""

    tokens: Tensor
    """(1, M, C)."""
    positions: Tensor
    """(M, 3)."""


@dataclass(frozen=True)
class Kept:
    """What of a picture is held while the rest is drawn anew."""

    picture: Tensor
    """(1, N, C): its tokens."""
    noise: Tensor
    """(1, N, C): the noise that was mixed in."""
    mask: Tensor
    """(1, N, C) in [0, 1]: 1 is drawn, 0 is held."""


@dataclass(frozen=True)
class Start:
    """What the loop begins with, and what stays the same throughout."""

    tokens: Tensor
    """(1, N, C): noise, or a noised picture."""
    positions: Tensor
    """(N, 3) float32."""
    text: Text
    negative: Text | None
    """None without true guidance."""
    channels: Tensor | None = None
    """(1, N, K): what goes on the channels beside the tokens (Fill, Control)."""
    beside: Beside | None = None
    kept: Kept | None = None
    controls: Sequence[Control] = ()


@dataclass(frozen=True)
class Plan:
    """The numbers of the loop, out of a recipe."""

    sigmas: tuple[float, ...]
    guidance: float
    true_guidance: float
    scheduler: str


def denoise(
    transformer: Any, start: Start, plan: Plan, noise: NoiseSource, state: LoopState | None = None
) -> Iterator[LoopState]:
    """Yield the state before the first step and after every one; a given state is the first one yielded."""
    return walk(start.tokens, len(plan.sigmas), partial(advance, transformer, start, plan, noise), noise, state)


@torch.no_grad()
def advance(transformer: Any, start: Start, plan: Plan, noise: NoiseSource, state: LoopState) -> LoopState:
    """One step. The new state's "denoised" is the estimate of the clean tokens that it was made with."""
    step = Step.at(plan.sigmas, state.step)
    x = state.tensors["latents"].to(start.tokens)
    v = guided_velocity(transformer, x, start, plan, step.t)
    before = state.tensors.get("denoised")
    before = None if before is None else before.to(x)
    t = torch.tensor(step.t)
    stepped = SAMPLERS[plan.scheduler](x, v, t, step, before, noise)
    tensors = {
        "latents": held(stepped, start.kept, step.t_next),
        "denoised": denoised(x, v, t),
        "generator": noise.state(),
    }
    return LoopState(state.step + 1, tensors)


def guided_velocity(transformer: Any, x: Tensor, start: Start, plan: Plan, t: float) -> Tensor:
    """The velocity, (1, N, C); with true guidance away from the negative text's."""

    def of(words: Text) -> Tensor:
        return velocity(transformer, x, start, words, (t, plan.guidance))

    if start.negative is None:
        return of(start.text)
    v_t, v_u = predicted(partial(of, start.text), partial(of, start.negative))
    return guidance.cfg(v_t, v_u, plan.true_guidance)


def velocity(transformer: Any, x: Tensor, start: Start, text: Text, levels: tuple[float, float]) -> Tensor:
    """The transformer's prediction for the tokens that are drawn, (1, N, C).

    Args:
        transformer: the network.
        x: (1, N, C), the noised tokens.
        start: what stays the same throughout.
        text: the words to follow.
        levels: the noise level and the guidance scale. The network multiplies both by 1000 in its own number format.
    """
    t, scale = (torch.tensor([level], device=x.device, dtype=x.dtype) for level in levels)
    hidden, positions = x, start.positions
    if start.channels is not None:
        hidden = torch.cat((hidden, start.channels), dim=-1)
    if start.beside is not None:
        hidden = torch.cat((hidden, start.beside.tokens), dim=1)
        positions = torch.cat((positions, start.beside.positions))
    given: dict[str, Any] = {
        "encoder_hidden_states": text.states,
        "pooled_projections": text.pooled,
        "timestep": t,
        "img_ids": positions,
        "txt_ids": torch.zeros(text.states.shape[1], 3, device=x.device),
    }
    added = residuals(start.controls, transformer, x, {**given, "img_ids": start.positions}, scale)
    if transformer.config.guidance_embeds:
        given["guidance"] = scale
    return transformer(hidden_states=hidden, **given, **added, return_dict=False)[0][:, : x.shape[1]]


def held(x: Tensor, kept: Kept | None, t_next: float) -> Tensor:
    """The tokens with what is kept put back, noised to the level that the step ended at."""
    if kept is None:
        return x
    picture = t_next * kept.noise + (1 - t_next) * kept.picture
    return kept.mask * x + (1 - kept.mask) * picture
