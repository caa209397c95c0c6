"""The denoising loop, as Tencent runs it: latents in float32 from step to step, the picture put in again at each.

Source: Tencent-Hunyuan/HunyuanVideo-I2V at 1481c1d, hyvideo/diffusion/pipelines/pipeline_hunyuan_video.py. Knows
latents and embeddings, not files, pictures or prompts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from praxino.families import LoopState
from praxino.families._guider import kept, phase_at, running_in
from praxino.families._hunyuan.rope import placed
from praxino.families._hunyuan.settings import Kind, Motion
from praxino.families._hunyuan.text import Embedded
from praxino.families._passes import predicted
from praxino.families._perturb import Surgery, perturbed
from praxino.families._walk import walk
from praxino.recipe import GuidancePhase
from praxino.sampling.guidance import PLAIN, Guider, combine
from praxino.sampling.noise import NoiseSource
from praxino.sampling.samplers import SAMPLERS, Step, denoised

THOUSANDTHS = 1000
"""The transformer takes noise levels and the guidance scale in thousandths."""
NOISE_SHARE = 0.999
"""Of what a stable run starts from; the rest is the picture."""


def _both_streams(video: Tensor, text: Tensor, attn: Any) -> tuple[Tensor, Tensor]:
    if attn.to_out is not None:
        video = attn.to_out[0](video)
    return video, text if attn.to_add_out is None else attn.to_add_out(text)


def attention_values(
    attn: Any, hidden_states: Tensor, encoder_hidden_states: Tensor, **_: Any
) -> tuple[Tensor, Tensor]:
    """Attention that looks nowhere: each token of video and text gets its own value."""
    of_text = attn.to_v if attn.add_v_proj is None else attn.add_v_proj
    return _both_streams(attn.to_v(hidden_states), of_text(encoder_hidden_states), attn)


def attention_skip(attn: Any, hidden_states: Tensor, encoder_hidden_states: Tensor, **_: Any) -> tuple[Tensor, Tensor]:
    """Attention left out but for its output projections."""
    return _both_streams(hidden_states, encoder_hidden_states, attn)


SURGERY = Surgery("attn", {"attention-values": attention_values, "attention-skip": attention_skip}, streams=2)


@dataclass(frozen=True)
class Start:
    """What the loop begins with, and what stays the same throughout."""

    latents: Tensor
    """(1, C, f, h, w) float32."""
    picture: Tensor | None
    """(1, C, 1, h, w) float32: the scaled latents of the first frame, None when words alone are drawn."""
    text: Embedded
    negative: Embedded | None
    """None when nothing is guided by it."""


@dataclass(frozen=True)
class Plan:
    """The numbers of the loop, out of a recipe."""

    sigmas: tuple[float, ...]
    kind: Kind
    guidance: float | None
    """What the transformer is told as its guidance, None for one that is told nothing."""
    phases: tuple[GuidancePhase, ...]
    """Of these, what they say of skip guidance."""
    true_guidance: float = 1.0
    guider: Guider = PLAIN
    stg_mode: str = "transformer-block"
    scheduler: str = "euler"
    num_frames: int = 1
    """That are drawn."""


def embedded_guidance(scale: float) -> float:
    """The guidance scale as the published weights saw it, in thousandths of bfloat16: 6 is told as 6016."""
    return float(torch.tensor(scale, dtype=torch.bfloat16) * THOUSANDTHS)


def begin(noise: Tensor, picture: Tensor | None, motion: Motion) -> Tensor:
    """The latents before the first step; a stable run has a thousandth of the picture in each of its frames."""
    if picture is None or motion == "dynamic":
        return noise
    share = torch.tensor([NOISE_SHARE], device=noise.device)
    return noise * share + picture.expand_as(noise) * (1 - share)


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
    x = state.tensors["latents"].to(device)
    v, running = guided_velocity(transformer, x, start, plan, state)
    before = state.tensors.get("denoised")
    before = None if before is None else before.to(device)
    t_token = torch.tensor(t, device=device)
    stepped = SAMPLERS[plan.scheduler](x, v, t_token, Step.at(plan.sigmas, state.step), before, noise)
    clean = denoised(x, v, t_token)
    tensors = {"latents": held(stepped, start, plan), "denoised": held(clean, start, plan), "generator": noise.state()}
    return LoopState(state.step + 1, kept(tensors, running))


def held(latents: Tensor, start: Start, plan: Plan) -> Tensor:
    """The latents with the picture as their first frame, where that is how it is held."""
    if plan.kind != "token-replace" or start.picture is None:
        return latents
    return torch.cat([start.picture, latents[:, :, 1:]], 2)


def model_input(x: Tensor, start: Start, plan: Plan) -> Tensor:
    """What the transformer is shown, (1, C, f, h, w), or (1, 2 C + 1, f, h, w) with picture and mask beside the noise.

    The mask is 1 on the first frame, which is the only one that the picture's channels have.
    """
    if plan.kind != "latent-concat" or start.picture is None:
        return held(x, start, plan)
    beside = torch.zeros_like(x)
    beside[:, :, :1] = start.picture
    mask = torch.zeros_like(x[:, :1])
    mask[:, :, 0] = 1
    return torch.cat([x, beside, mask], 1)


def guided_velocity(
    transformer: Any, x: Tensor, start: Start, plan: Plan, state: LoopState
) -> tuple[Tensor, Tensor | None]:
    """The velocity after guidance, (1, C, f, h, w) float32, and APG's running guidance, without needless passes."""
    t, before = plan.sigmas[state.step], running_in(state, x)
    if state.step < plan.guider.zero_steps:
        return torch.zeros_like(x), before
    phase = phase_at(plan.phases, t)

    def of(words: Embedded) -> Tensor:
        return velocity(transformer, x, start, plan, (words, t))

    def skipping() -> Tensor:
        blocks = nn.ModuleList([*transformer.transformer_blocks, *transformer.single_transformer_blocks])
        with perturbed(blocks, phase.stg_blocks, plan.stg_mode, SURGERY):
            return of(start.text)

    v_t, v_u, v_p = predicted(
        partial(of, start.text),
        partial(of, start.negative) if plan.true_guidance > 1 and start.negative is not None else None,
        skipping if phase.stg_scale > 0 else None,
    )
    scales = (plan.true_guidance, phase.stg_scale, phase.rescale)
    return combine(v_t, v_u, v_p, scales, plan.guider, before)


def velocity(transformer: Any, x: Tensor, start: Start, plan: Plan, given: tuple[Embedded, float]) -> Tensor:
    """The transformer's prediction for a text at a noise level, (1, C, f, h, w) float32."""
    text, t = given
    told = None if plan.guidance is None else torch.tensor([plan.guidance], device=x.device)
    with placed(transformer, plan.num_frames):
        predicted = transformer(
            hidden_states=model_input(x, start, plan).to(transformer.dtype),
            timestep=torch.tensor([t * THOUSANDTHS], device=x.device),
            encoder_hidden_states=text.states,
            encoder_attention_mask=text.mask,
            pooled_projections=text.pooled,
            guidance=told,
            return_dict=False,
        )[0]
    return predicted.float()
