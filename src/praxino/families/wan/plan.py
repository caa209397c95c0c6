"""From a wish to the numbers of a run: noise levels, guidance and settings. No torch, no weights.

A flag that could change nothing is refused.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

from praxino.errors import UserError
from praxino.families import Sampling, Shape, Variant
from praxino.families._phases import is_guided, planned_guider, planned_negative, planned_phases, planned_star
from praxino.families._sampler import planned_sampler
from praxino.families._stock import annotate
from praxino.families._t5 import unread_notes
from praxino.families.wan import maps
from praxino.families.wan.settings import TEXT_TOKENS, Settings, from_options, to_options
from praxino.families.wan.variants import SMALL_AREA
from praxino.recipe import Companion, GuidancePhase
from praxino.request import Request
from praxino.sampling import schedules

SAMPLER_NAMES = ("unipc", "dpm++-2m", "euler")
"""The last is what distillation LoRAs are made for; they run on the levels of dpm++-2m."""
DEFAULT_STRENGTH = 0.8
"""The share of the noise levels that is run over a clip, where the request does not say."""


def plan(request: Request, variant: Variant, shape: Shape, task: str) -> Sampling:
    """See `Family.plan`."""
    settings = dataclasses.replace(from_options(variant.options), lora_blocks=request.lora_blocks or "")
    _check(request, variant, shape, settings)
    phases = _merged(planned_phases(request, variant, settings.num_layers))
    schedule, sigmas = _noise_levels(request, variant, shape, settings)
    changes = task == "video-to-video" and not request.mask
    guider = planned_guider(request, is_guided(phases), from_noise=not changes)
    if changes:
        sigmas = _from_clip(request, sigmas)
    elif request.strength is not None:
        raise UserError("--strength changes nothing here: Wan holds pictures as they are; leave it out.")
    folder = variant.options.get("folder")
    home = Path(folder) / variant.options.get("components", "") if folder else None
    return Sampling(
        steps=len(sigmas),
        guidance_phases=phases,
        cfg_star=planned_star(request, variant, is_guided(phases)),
        stg_mode=request.stg_mode or variant.stg_mode,
        scheduler=planned_sampler(request, variant, "Wan", SAMPLER_NAMES),
        schedule=schedule,
        sigmas=sigmas,
        negative_prompt=planned_negative(request, variant, phases),
        options=to_options(settings, **guider),
        companions=tuple(_companions(request)),
        notes=tuple(unread_notes(request.prompt, home / "tokenizer", TEXT_TOKENS)) if home else (),
    )


def _check(request: Request, variant: Variant, shape: Shape, settings: Settings) -> None:
    for problem in _problems(request, variant, shape, settings):
        raise UserError(problem)


def _problems(request: Request, variant: Variant, shape: Shape, settings: Settings) -> Iterator[str]:
    step = variant.grid.size_multiple
    for name, side in (("width", shape.width), ("height", shape.height)):
        if side % step:
            below = side // step * step
            yield f"{name} {side} is not a multiple of {step}; the nearest allowed are {below} and {below + step}."
    if (shape.num_frames - 1) % 4:
        below = (shape.num_frames - 1) // 4 * 4 + 1
        yield f"{shape.num_frames} frames cannot be drawn; Wan draws 4 k + 1, as in {below} and {below + 4}."
    if request.last and not (request.first or request.image) and settings.kind != "vace":
        yield f"--last alone is not enough: {variant.name} draws from a first frame to it; add --first FILE."
    if "last-frame" in variant.needs and not request.last:
        yield f"{variant.name} draws from a first frame to a last: add --last FILE."
    if request.lora_blocks and not request.lora:
        yield "--lora-blocks is about a LoRA: add --lora FILE."
    if len(request.control) > 1:
        yield f"{variant.name} follows one map, got {len(request.control)}: give --control once."
    if request.control and request.video:
        yield "--control and --video exclude each other: both are the clip that is followed; give one of them."
    for text in request.control:
        kind = text.partition("=")[0]
        if not kind.endswith("-map") and kind not in maps.MADE:
            yield (
                f"--control {text[:200]}: of a clip are made {', '.join(maps.MADE)} maps, but no {kind} maps; "
                f"give a ready clip of them: --control {kind}-map=FILE"
            )
        if kind == "pose":
            annotate.check(kind)


def _companions(request: Request) -> Iterator[Companion]:
    for text in request.control:
        kind = text.partition("=")[0]
        yield from maps.companions(kind) if kind in maps.MADE else ()


def _merged(phases: tuple[GuidancePhase, ...]) -> tuple[GuidancePhase, ...]:
    """Neighbours that do the same, as one."""
    merged: list[GuidancePhase] = []
    for phase in phases:
        if not merged or dataclasses.replace(phase, start=merged[-1].start) != merged[-1]:
            merged.append(phase)
    return tuple(merged)


def _noise_levels(request: Request, variant: Variant, shape: Shape, settings: Settings) -> tuple[str, schedules.Sigmas]:
    if request.sigmas is not None:
        return "explicit", schedules.explicit(request.sigmas)
    if request.schedule is not None:
        raise UserError(
            f"--schedule is {request.schedule}; Wan is sampled on its authors' own levels: leave it out, "
            "or give the levels themselves with --sigmas."
        )
    is_small = shape.width * shape.height <= SMALL_AREA
    shift = settings.small_shift if is_small and settings.small_shift else settings.shift
    start = schedules.UNIPC_START if planned_sampler(request, variant, "Wan", SAMPLER_NAMES) == "unipc" else 1.0
    return variant.schedule, schedules.shifted(request.steps or variant.steps, shift, start)


def _from_clip(request: Request, sigmas: schedules.Sigmas) -> schedules.Sigmas:
    """The levels that are run when the first of them is reached by noising a clip: the last share of them."""
    strength = DEFAULT_STRENGTH if request.strength is None else request.strength
    if request.sigmas is not None:
        if request.strength is not None:
            raise UserError("--strength and --sigmas exclude each other: the first of the sigmas is the strength.")
        return sigmas
    count = min(int(len(sigmas) * strength), len(sigmas))
    if request.strength is None:
        count = max(count, 1)
    if count == 0:
        raise UserError(
            f"--strength {strength:g} with {len(sigmas)} steps runs none of them: the clip would stay as it is;\n"
            f"give --strength {1 / len(sigmas):.3g} or more, or more --steps."
        )
    return sigmas[-count:]
