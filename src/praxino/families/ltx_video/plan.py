"""From a wish to the numbers of a run: noise levels, guidance and settings. No torch, no weights.

A guidance flag replaces its own column in every phase: `--guidance 5` on the 13B gives every step scale 5 and leaves
the authors' STG and rescale lists as they are. A flag that could change nothing is refused.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

from praxino.errors import UserError
from praxino.families import Sampling, Shape, Variant, _in_context
from praxino.families._phases import is_guided, planned_guider, planned_negative, planned_phases, planned_star
from praxino.families._sampler import planned_sampler
from praxino.families._stock import reach
from praxino.families.ltx_video import refine
from praxino.families.ltx_video.identify import HOME
from praxino.families.ltx_video.settings import Settings, from_options, to_options
from praxino.recipe import GuidancePhase
from praxino.request import Request
from praxino.sampling import schedules

IN_CONTEXT_LORAS = {
    "canny": "Lightricks/LTX-Video-ICLoRA-canny-13b-0.9.7",
    "depth": "Lightricks/LTX-Video-ICLoRA-depth-13b-0.9.7",
    "pose": "Lightricks/LTX-Video-ICLoRA-pose-13b-0.9.7",
    "detailer": "Lightricks/LTX-Video-ICLoRA-detailer-13b-0.9.8",
}
"""What the authors published, by what it follows."""


def plan(request: Request, variant: Variant, shape: Shape) -> Sampling:
    """See `Family.plan`."""
    _in_context.check(request, "LTX-Video", IN_CONTEXT_LORAS)
    settings = from_options(variant.options)
    second = refine.wanted(request, variant, shape)
    size = (shape.width, shape.height) if second is None else refine.first_size(shape, settings)
    schedule, sigmas = _noise_levels(request, variant, _num_tokens(size, shape.num_frames, settings))
    phases = _merged(planned_phases(request, variant, settings.num_layers))
    if second is not None:
        refined = refine.refinement(request, second, size, len(sigmas))
        settings = dataclasses.replace(settings, refinement=refined, tone_map=second.tone_map)
        sigmas += second.sigmas
    negative = planned_negative(request, variant, phases)
    guider = planned_guider(request, is_guided(phases), from_noise=False)
    return Sampling(
        steps=len(sigmas),
        guidance_phases=phases,
        cfg_star=planned_star(request, variant, is_guided(phases)),
        stg_mode=request.stg_mode or variant.stg_mode,
        scheduler=planned_sampler(request, variant, "LTX-Video"),
        schedule=schedule,
        sigmas=sigmas,
        negative_prompt=negative,
        options=to_options(settings, **guider),
        companions=(*refine.companions(second), *_in_context.companions(request)),
        notes=tuple(_notes(request.prompt, negative, variant, settings)),
    )


def _notes(prompt: str, negative: str, variant: Variant, settings: Settings) -> Iterator[str]:
    """What T5 does not read to the end, where the tokenizer is at hand."""
    if home := variant.options.get(HOME):
        reader = reach.Reader("T5", "tokenizer", settings.max_text_tokens)
        yield from reach.notes((reader,), Path(home), "", prompt, negative)


def _num_tokens(size: tuple[int, int], num_frames: int, settings: Settings) -> int:
    latent_frames = (num_frames - 1) // settings.temporal_ratio + 1
    return latent_frames * (size[0] // settings.spatial_ratio) * (size[1] // settings.spatial_ratio)


def _noise_levels(request: Request, variant: Variant, num_tokens: int) -> tuple[str, schedules.Sigmas]:
    if request.sigmas is not None:
        return "explicit", schedules.explicit(request.sigmas)
    schedule = request.schedule or variant.schedule
    if schedule == "explicit":
        return schedule, _distilled(request, variant)
    num_steps = request.steps or variant.steps
    skipped = variant.options.get("skip_final_steps", 0)
    if num_steps <= skipped:
        raise UserError(
            f"--steps is {num_steps}; {variant.name} leaves out the last {skipped} steps of its schedule, "
            f"so it needs at least {skipped + 1}."
        )
    if schedule == "sd3":
        sigmas = schedules.sd3(num_steps, num_tokens)
    elif schedule == "linear-quadratic":
        sigmas = schedules.linear_quadratic(num_steps)
    else:
        sigmas = schedules.uniform(num_steps)
    return schedule, sigmas[: num_steps - skipped]


def _distilled(request: Request, variant: Variant) -> schedules.Sigmas:
    sigmas = schedules.explicit(variant.sigmas)
    if request.steps not in (None, len(sigmas)):
        raise UserError(
            f"--steps is {request.steps}; {variant.name} is made for its own {len(sigmas)} noise levels.\n"
            "Leave --steps out, or space them yourself with --schedule or --sigmas."
        )
    return sigmas


def _merged(phases: tuple[GuidancePhase, ...]) -> tuple[GuidancePhase, ...]:
    """Neighbours that do the same, as one; without STG, no blocks."""
    merged: list[GuidancePhase] = []
    for phase in phases:
        if phase.stg_scale == 0:
            phase = dataclasses.replace(phase, stg_blocks=())
        if not merged or dataclasses.replace(phase, start=merged[-1].start) != merged[-1]:
            merged.append(phase)
    return tuple(merged)
