"""The denoising loop, as the authors run it: whole latents in float32, one or two transformers, guidance in float32.

Sources: Wan-Video/Wan2.1 at 9737cba (wan/text2video.py, image2video.py, vace.py), Wan-Video/Wan2.2 at 42bf4cf
(wan/text2video.py, textimage2video.py). Knows latents and embeddings, not files, pictures or prompts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from praxino.families import LoopState
from praxino.families._guider import RUNNING, kept, phase_at
from praxino.families._passes import predicted
from praxino.families._perturb import perturbed
from praxino.families.wan.settings import LATENT_KIND_CHANNELS
from praxino.recipe import GuidancePhase
from praxino.sampling import guidance, unipc
from praxino.sampling.noise import NoiseSource
from praxino.sampling.samplers import SAMPLERS, Step, denoised

TIMESTEPS = 1000
"""The transformers take noise levels in whole thousandths."""


@dataclass(frozen=True)
class Start:
    """What the loop begins with, and what stays the same throughout. All float32."""

    latents: Tensor
    """(1, C, f, h, w): noise, or a noised clip."""
    text: Tensor
    """(1, 512, D)."""
    negative: Tensor | None
    """None when no step is guided by it."""
    channels: Tensor | None = None
    """(1, 20, f, h, w): 4 channels of mask and 16 of pictures, behind those of the latents."""
    held: Tensor | None = None
    """(1, C, 1, h, w): the first latent frame, which stays as it is and whose tokens stand at time 0."""
    inputs: Mapping[str, Tensor] = field(default_factory=dict)
    """What else the transformer is given, by its argument: CLIP's features, what VACE reads."""
    negative_inputs: Mapping[str, Tensor] = field(default_factory=dict)
    """What of that is another with the negative text."""


@dataclass(frozen=True)
class Plan:
    """The numbers of the loop, out of a recipe."""

    sigmas: tuple[float, ...]
    phases: tuple[GuidancePhase, ...]
    scheduler: str
    guider: guidance.Guider = guidance.PLAIN
    stg_mode: str = ""
    boundary: float = 0.0
    """From this noise level up the first transformer is used, below it the last."""


Transformers = tuple[Any, ...]


def denoise(
    transformers: Transformers, start: Start, plan: Plan, noise: NoiseSource, state: LoopState | None = None
) -> Iterator[LoopState]:
    """Yield the state before the first step and after every one; a given state is the first one yielded."""
    if state is None:
        state = LoopState(0, {"latents": start.latents if start.held is None else hold(start.latents, start.held)})
    yield state
    for _ in range(state.step, len(plan.sigmas)):
        state = advance(transformers, start, plan, noise, state)
        yield state


@torch.no_grad()
def advance(transformers: Transformers, start: Start, plan: Plan, noise: NoiseSource, state: LoopState) -> LoopState:
    """One step. The new state's "denoised" is the estimate of the clean latents that it was made with."""
    before = {name: tensor.to(start.latents) for name, tensor in state.tensors.items()}
    x, level = before["latents"], plan.sigmas[state.step]
    transformer = transformers[0] if level >= plan.boundary else transformers[-1]
    v, running = guided_velocity(transformer, x, start, plan, state.step, before.get(RUNNING))
    if plan.scheduler == "unipc":
        tensors = _unipc(x, v, plan, state.step, before)
    else:
        tensors = _one_step(x, v, plan, state.step, before, noise)
    if start.held is not None:
        tensors["latents"] = hold(tensors["latents"], start.held)
    return LoopState(state.step + 1, kept(tensors, running))


def hold(latents: Tensor, first: Tensor) -> Tensor:
    """The latents with another first frame."""
    return torch.cat((first.to(latents), latents[:, :, 1:]), dim=2)


def guided_velocity(
    transformer: Any, x: Tensor, start: Start, plan: Plan, step: int, before: Tensor | None
) -> tuple[Tensor, Tensor | None]:
    """The velocity after guidance, shaped as x, and APG's running guidance. Needless passes are left out."""
    level = plan.sigmas[step]
    if step < plan.guider.zero_steps:
        return torch.zeros_like(x), before
    phase = phase_at(plan.phases, level)
    text = partial(velocity, transformer, x, start, level)

    def skipping() -> Tensor:
        with perturbed(transformer.blocks, phase.stg_blocks, plan.stg_mode):
            return text()

    guided = phase.scale > 1 and start.negative is not None
    v_t, v_u, v_p = predicted(
        text, partial(text, negative=True) if guided else None, skipping if phase.stg_scale > 0 else None
    )
    scales = (phase.scale, phase.stg_scale, phase.rescale)
    return guidance.combine(v_t, v_u, v_p, scales, plan.guider, before)


def velocity(transformer: Any, x: Tensor, start: Start, level: float, *, negative: bool = False) -> Tensor:
    """The transformer's prediction with the text, or with the negative one, shaped as x, float32."""
    predicted = transformer(
        hidden_states=x if start.channels is None else torch.cat((x, start.channels), dim=1),
        timestep=_timesteps(x, start, int(TIMESTEPS * level), per_token=takes_token_times(transformer)),
        encoder_hidden_states=start.negative if negative else start.text,
        return_dict=False,
        **{**start.inputs, **(start.negative_inputs if negative else {})},
    )[0]
    return predicted.float()


def takes_token_times(transformer: Any) -> bool:
    """Whether each token has a time of its own, as in Wan 2.2's 5B."""
    return transformer.config.in_channels == LATENT_KIND_CHANNELS


def _timesteps(x: Tensor, start: Start, t: int, *, per_token: bool) -> Tensor:
    """(1,), or (1, tokens) with zeros for those of a held first frame; two by two latents make a token."""
    if not per_token:
        return torch.tensor([t], device=x.device)
    _, _, frames, height, width = x.shape
    times = torch.full((frames, height // 2 * (width // 2)), float(t), device=x.device)
    if start.held is not None:
        times[0] = 0
    return times.reshape(1, -1)


def _unipc(x: Tensor, v: Tensor, plan: Plan, index: int, before: dict[str, Tensor]) -> dict[str, Tensor]:
    history = None
    if "corrected" in before:
        history = unipc.History(before["denoised"], before["corrected"], before.get("denoised_before"))
    stepped, kept = unipc.step(x, v, _in_float32(plan.sigmas), index, history)
    tensors = {"latents": stepped, "denoised": kept.denoised, "corrected": kept.corrected}
    return tensors if kept.denoised_before is None else {**tensors, "denoised_before": kept.denoised_before}


def _one_step(
    x: Tensor, v: Tensor, plan: Plan, index: int, before: dict[str, Tensor], noise: NoiseSource
) -> dict[str, Tensor]:
    levels = (*_in_float32(plan.sigmas), 0.0)
    step = Step(levels[index], levels[index + 1], levels[index - 1] if index else None)
    t = torch.tensor(step.t)
    stepped = SAMPLERS[plan.scheduler](x, v, t, step, before.get("denoised"), noise)
    return {"latents": stepped, "denoised": denoised(x, v, t)}


def _in_float32(sigmas: tuple[float, ...]) -> list[float]:
    """The authors' solvers count with levels rounded to float32, which near 1 decides how much signal there is."""
    return np.asarray(sigmas, np.float32).tolist()
