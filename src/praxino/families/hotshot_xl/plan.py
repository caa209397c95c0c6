"""From a wish to the numbers of a run. No torch, no weights.

A picture or a clip that is given is noised, and the last of the noise levels are run: `levels` in the options is how
many there are in all, the recipe's steps are those that are run.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from praxino.errors import UserError
from praxino.families import Sampling, Shape, Variant
from praxino.families._stock import annotate
from praxino.families.hotshot_xl.layout import check_base
from praxino.families.hotshot_xl.variants import ANNOTATORS, CONTROLNETS
from praxino.recipe import Companion, GuidancePhase
from praxino.request import Request, flag

IMAGE_SHARE = 0.85
"""The share of the noise levels that is run when a picture is set in motion: it leaves the picture's layout in every
frame to begin with, and the rest to be drawn."""
LCM_LEVELS = 50
"""The levels that a consistency model was distilled on."""
UNKNOWN = ("schedule", "sigmas", "stg", "stg_blocks", "stg_mode", "cfg_star", "last", "keyframes", "extend")
"""Fields that mean nothing here."""


def plan(request: Request, variant: Variant, shape: Shape, task: str) -> Sampling:
    """See `Family.plan`."""
    for name in UNKNOWN:
        if getattr(request, name) not in (None, (), False):
            raise UserError(f"{flag(name)} is not for {variant.name}: {_why(name)}")
    if task == "image-to-video" and shape.num_frames == 1:
        raise UserError("--frames 1 leaves nothing to set in motion; give 2 to 24 frames, or leave out the picture.")
    levels = request.steps or variant.steps
    scheduler = request.scheduler or variant.scheduler
    if scheduler == "lcm" and levels > LCM_LEVELS:
        raise UserError(f"--steps is {levels}; the sampler lcm takes at most {LCM_LEVELS}.")
    phases = _guidance(request, variant)
    return Sampling(
        steps=_run_steps(request, variant, task, levels),
        guidance_phases=phases,
        cfg_star=False,
        stg_mode=variant.stg_mode,
        scheduler=scheduler,
        schedule=variant.schedule,
        sigmas=(),
        negative_prompt=_negative_prompt(request, variant, phases),
        options=_options(request, variant, levels),
        companions=(*_base(request, variant), *_controls(request)),
    )


def _why(name: str) -> str:
    if name in ("schedule", "sigmas"):
        return "its sigmas are spaced by its --scheduler."
    if name in ("last", "keyframes"):
        return "a picture can only be its first frame; give --image FILE."
    if name == "extend":
        return "it changes a clip that is given, and cannot extend it."
    return "it is guided by --guidance and --rescale alone."


def _run_steps(request: Request, variant: Variant, task: str, levels: int) -> int:
    if task == "text-to-video" or (task == "image-to-video" and request.strength == 0):
        return levels
    if task == "image-to-video":
        return max(1, int(levels * IMAGE_SHARE))
    share = variant.options["strength"] if request.strength is None else request.strength
    if int(levels * share) < 1:
        raise UserError(
            f"--strength {share:g} of {levels} steps is not one step, which would leave the clip as it is; "
            f"give at least {1 / levels:.3g}."
        )
    return int(levels * share)


def _guidance(request: Request, variant: Variant) -> tuple[GuidancePhase, ...]:
    phases = variant.guidance_phases
    if request.guidance is not None:
        phases = tuple(dataclasses.replace(phase, scale=request.guidance) for phase in phases)
    if request.rescale is not None:
        if not _guided(phases):
            raise UserError("--rescale changes nothing here, as guidance is off; turn it on with --guidance 5.")
        phases = tuple(dataclasses.replace(phase, rescale=request.rescale) for phase in phases)
    return phases


def _guided(phases: tuple[GuidancePhase, ...]) -> bool:
    return any(phase.scale > 1 for phase in phases)


def _negative_prompt(request: Request, variant: Variant, phases: tuple[GuidancePhase, ...]) -> str:
    if _guided(phases):
        return variant.negative_prompt if request.negative_prompt is None else request.negative_prompt
    if request.negative_prompt:
        raise UserError("--negative changes nothing here, as guidance is off; turn it on with --guidance 5.")
    return ""


def _options(request: Request, variant: Variant, levels: int) -> dict[str, Any]:
    return {
        "original_size": variant.options["original_size"],
        "target_size": variant.options["target_size"],
        "levels": levels,
        "lora_blocks": request.lora_blocks.split(",") if request.lora_blocks else [],
    }


def _base(request: Request, variant: Variant) -> Iterator[Companion]:
    if request.spatial_base is None:
        if "spatial-base" in variant.needs:
            raise UserError(
                f"this holds Hotshot-XL's temporal layers alone; name the SDXL checkpoint to lay them over: "
                f"{flag('spatial_base')} FOLDER or FILE.safetensors"
            )
        return
    path = Path(request.spatial_base).expanduser()
    with suppress(OSError):  # a name that is none of a file
        if path.exists():
            check_base(path)
    yield Companion("spatial-base", request.spatial_base)


def _controls(request: Request) -> Iterator[Companion]:
    """A ControlNet for each control, in their order, and what makes maps of photos."""
    for index, text in enumerate(request.control):
        said = text.partition("=")[0]
        kind = said.removesuffix("-map")
        yield Companion(f"controlnet:{kind}", request.controlnet[index] if request.controlnet else CONTROLNETS[kind])
        if said == kind:
            annotate.check(kind)
            for name in annotate.NEEDED[kind]:
                yield Companion(f"annotator:{name}", ANNOTATORS.get(name, annotate.MODELS[f"annotator:{name}"]))
