"""The denoising loop of video and sound together: CFG, STG, guidance between the two, and rescale, of each.

Sources: diffusers 0.42.1, pipelines/ltx2/pipeline_ltx2_condition.py; Lightricks/LTX-2 at 400fd31,
ltx_core/components/guiders.py. All that guides is laid over estimates of what is clean, APG too, as its paper has it;
only CFG-zero* is about velocities. Knows tokens, not files, pictures or words.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from praxino.families.ltx_2.conditioning import Shape
from praxino.families.ltx_2.text import Told
from praxino.sampling import guidance

TIMESTEP_SCALE = 1000
"""The transformer takes sigmas in thousandths."""


@dataclass(frozen=True)
class Scales:
    """How one of the two is guided."""

    scale: float
    """Classifier-free guidance; 1 is off."""
    stg: float
    """Spatio-temporal skip guidance; 0 is off."""
    modality: float
    """Away from the prediction that does not look at the other; 1 is off."""
    rescale: float
    """1 leaves the guided prediction's deviation alone, 0 matches the text prediction's."""


@dataclass(frozen=True)
class Plan:
    """The numbers of the loop, out of a recipe."""

    sigmas: tuple[float, ...]
    video: Scales
    sound: Scales
    stg_blocks: tuple[int, ...]
    cross_timestep: bool
    guider: guidance.Guider = guidance.PLAIN

    @property
    def guided(self) -> bool:
        """Whether the negative text is read."""
        return self.video.scale > 1 or self.sound.scale > 1


@dataclass(frozen=True)
class Scene:
    """What stays the same throughout a loop."""

    told: Told
    """The negative text first, where it is read."""
    shape: Shape
    fps: float
    clean: Tensor
    """(1, N, C): what is held."""
    strengths: Tensor
    """(1, N, 1)."""
    video_coords: Tensor
    """(1, 3, N, 2): seconds, y and x, from and to."""
    sound_coords: Tensor
    """(1, 1, L, 2): seconds, from and to."""


Pair = tuple[Tensor, Tensor]
"""Of the video (1, N, C) and of the sound (1, L, D), float32."""
Running = tuple[Tensor | None, Tensor | None]
"""APG's running guidance of the two; None where there is none yet."""


@dataclass(frozen=True)
class Stepped:
    """What a step leaves."""

    x: Pair
    clean: Tensor
    """The estimate of the clean video that it was made with."""
    running: Running


@torch.no_grad()
def advance(transformer: Any, scene: Scene, plan: Plan, x: Pair, index: int, before: Running) -> Stepped:
    """One step."""
    sigmas = torch.tensor([*plan.sigmas, 0.0], dtype=torch.float32, device=x[0].device)
    sigma, sigma_next = sigmas[index], sigmas[index + 1]
    if index < plan.guider.zero_steps:
        (video, sound), running = x, before
    else:
        (video, sound), running = guided(transformer, scene, plan, x, sigma, before)
    video = video * (1 - scene.strengths) + scene.clean * scene.strengths
    stepped = (
        sample + (sigma_next - sigma) * ((sample - clean) / sigma)
        for sample, clean in zip(x, (video, sound), strict=True)
    )
    return Stepped((next(stepped), next(stepped)), video, running)


def guided(transformer: Any, scene: Scene, plan: Plan, x: Pair, sigma: Tensor, before: Running) -> tuple[Pair, Running]:
    """The estimates of what is clean, after guidance, and APG's running guidance. Needless passes are left out."""
    texts = 2 if plan.guided else 1
    first = _estimates(transformer, scene, plan, x, sigma, texts=texts)
    others: dict[str, Pair] = {}
    if plan.guided:
        others["negative"] = first[0][:1], first[1][:1]
    plain = first[0][-1:], first[1][-1:]
    if plan.guided and plan.guider.star:
        others["negative"] = _starred(x, plain, others["negative"], sigma)
    if plan.video.stg > 0 or plan.sound.stg > 0:
        others["perturbed"] = _estimates(transformer, scene, plan, x, sigma, blocks=plan.stg_blocks)
    if plan.video.modality > 1 or plan.sound.modality > 1:
        others["alone"] = _estimates(transformer, scene, plan, x, sigma, alone=True)
    (video, running), (sound, sound_running) = (
        combine(plain[i], {name: pair[i] for name, pair in others.items()}, scales, plan.guider, before[i])
        for i, scales in enumerate((plan.video, plan.sound))
    )
    return (video, sound), (running, sound_running)


def _starred(x: Pair, plain: Pair, negative: Pair, sigma: Tensor) -> Pair:
    """The estimates whose velocities are the negative ones after CFG-zero*."""
    video, sound = (
        sample - sigma * guidance.cfg_star((sample - clean) / sigma, (sample - other) / sigma)
        for sample, clean, other in zip(x, plain, negative, strict=True)
    )
    return video, sound


def combine(
    plain: Tensor,
    others: dict[str, Tensor],
    scales: Scales,
    guider: guidance.Guider = guidance.PLAIN,
    before: Tensor | None = None,
) -> tuple[Tensor, Tensor | None]:
    """One estimate out of that with the text and those that it is to be led away from, and APG's running guidance."""
    result, terms = plain, {"perturbed": scales.stg, "alone": scales.modality - 1}
    if "negative" in others and guider.projection is not None:
        result, before = guidance.apg(plain, others["negative"], scales.scale, guider.projection, before)
    else:
        terms = {"negative": scales.scale - 1, **terms}
    for name, weight in terms.items():
        if name in others:
            result = result + weight * (plain - others[name])
    share = 1 - scales.rescale
    if share > 0:
        axes = tuple(range(1, plain.ndim))
        matched = result * (plain.std(dim=axes, keepdim=True) / result.std(dim=axes, keepdim=True))
        result = share * matched + (1 - share) * result
    return result, before


def _estimates(
    transformer: Any,
    scene: Scene,
    plan: Plan,
    x: Pair,
    sigma: Tensor,
    *,
    texts: int = 1,
    blocks: tuple[int, ...] = (),
    alone: bool = False,
) -> Pair:
    """What is clean by the transformer's velocities, for so many of the texts, the last included."""
    told = scene.told if texts > 1 else scene.told.last()
    dtype = told.video.dtype
    t = (sigma * TIMESTEP_SCALE).expand(texts)
    frames, rows, columns = scene.shape
    velocities = transformer(
        hidden_states=torch.cat([x[0]] * texts).to(dtype),
        audio_hidden_states=torch.cat([x[1]] * texts).to(dtype),
        encoder_hidden_states=told.video,
        audio_encoder_hidden_states=told.sound,
        timestep=t.unsqueeze(-1) * (1 - torch.cat([scene.strengths] * texts).squeeze(-1)),
        audio_timestep=t,
        sigma=t,
        audio_sigma=t,
        encoder_attention_mask=told.mask,
        audio_encoder_attention_mask=told.mask,
        num_frames=frames,
        height=rows,
        width=columns,
        fps=scene.fps,
        audio_num_frames=x[1].shape[1],
        video_coords=scene.video_coords.repeat(texts, 1, 1, 1),
        audio_coords=scene.sound_coords.repeat(texts, 1, 1, 1),
        isolate_modalities=alone,
        spatio_temporal_guidance_blocks=list(blocks) or None,
        use_cross_timestep=plan.cross_timestep,
        return_dict=False,
    )
    video, sound = (sample - v.float() * sigma for sample, v in zip(x, velocities, strict=True))
    return video, sound
