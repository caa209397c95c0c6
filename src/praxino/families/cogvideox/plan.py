"""From a wish to the numbers of a run: steps, guidance and settings. No torch, no weights."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from praxino.errors import UserError
from praxino.families import Sampling, Shape, Variant
from praxino.families._phases import (
    Phases,
    is_guided,
    planned_guider,
    planned_negative,
    planned_phases,
    planned_star,
)
from praxino.families._sampler import planned_sampler
from praxino.families._t5 import unread_notes
from praxino.families.cogvideox.schedule import NUM_TRAINED
from praxino.families.cogvideox.settings import Settings, from_options, to_options
from praxino.families.cogvideox.variants import TEMPORAL_RATIO
from praxino.request import Request

SAMPLER_NAMES = ("dpm++-sde", "ddim")
"""The keys of `samplers.SAMPLERS`, which needs torch."""


def plan(request: Request, variant: Variant, shape: Shape, task: str) -> Sampling:
    """See `Family.plan`."""
    _check(request, variant, shape)
    _check_given(request, variant, task)
    settings = from_options(variant.options)
    phases = planned_phases(request, variant, settings.num_layers)
    negative = planned_negative(request, variant, phases)
    guider = planned_guider(request, is_guided(phases), from_noise=task != "video-to-video")
    num_steps = request.steps or variant.steps
    if num_steps >= NUM_TRAINED:
        raise UserError(f"--steps is {num_steps}; CogVideoX has {NUM_TRAINED} noise levels: take fewer than that.")
    return Sampling(
        steps=_run_steps(request, variant, num_steps) if task == "video-to-video" else num_steps,
        guidance_phases=phases,
        cfg_star=planned_star(request, variant, is_guided(phases)),
        stg_mode=request.stg_mode or variant.stg_mode,
        scheduler=planned_sampler(request, variant, "CogVideoX", SAMPLER_NAMES),
        schedule="scheduler",
        sigmas=(),
        negative_prompt=negative,
        options=to_options(dataclasses.replace(settings, schedule_steps=num_steps), **guider),
        notes=_notes(request, variant, settings, negative, phases),
    )


def _scale_of(text: str) -> float:
    """The scale of "KIND=FILE[:SCALE]", 1 when there is none."""
    try:
        return float(text.rpartition(":")[2])
    except ValueError:
        return 1.0


def first_step(settings: Settings, run_steps: int) -> int:
    """The step of the whole schedule that a run of its last steps begins with."""
    return settings.schedule_steps - run_steps


def _check(request: Request, variant: Variant, shape: Shape) -> None:
    if request.sigmas is not None or request.schedule is not None:
        flag = "--sigmas" if request.sigmas is not None else "--schedule"
        raise UserError(f"{flag} is not for CogVideoX: its sigmas are picked from a table of its own; give --steps.")
    if shape.num_frames == 1:
        raise UserError(f"--frames is 1; {variant.name} draws clips, of {variant.grid.frame_step + 1} frames or more.")


def _check_given(request: Request, variant: Variant, task: str) -> None:
    """What is given has to count for something."""
    if task == "image-to-video" and request.strength is not None:
        raise UserError(f"--strength changes nothing here: {variant.name} keeps the picture; leave it out.")
    if variant.needs and len(request.control) != 1:
        raise UserError(f"{variant.name} follows one clip, got {len(request.control)}: give --control pose-map=FILE.")
    for text in request.control:
        kind = text.partition("=")[0]
        if _scale_of(text) != 1:
            raise UserError(f"--control {text[:200]}: {variant.name} follows a clip wholly; leave the scale out.")
        if not kind.endswith("-map"):
            raise UserError(
                f"--control {text[:200]}: CogVideoX makes no {kind} maps; give a ready clip of them: "
                f"--control {kind}-map=FILE"
            )


def _run_steps(request: Request, variant: Variant, num_steps: int) -> int:
    """How many of the steps a clip that is changed is run through."""
    strength = variant.options.get("strength", 0.8) if request.strength is None else request.strength
    run_steps = int(num_steps * strength)
    if run_steps < 1:
        raise UserError(
            f"--strength is {strength:g}: of {num_steps} steps none would be run; give {1 / num_steps:.3g} or more."
        )
    return run_steps


def _notes(request: Request, variant: Variant, settings: Settings, negative: str, phases: Phases) -> tuple[str, ...]:
    folder = variant.options.get("folder")
    if not folder:
        return ()
    tokenizer = Path(folder) / variant.options.get("components", "") / "tokenizer"
    return tuple(
        note for text in (request.prompt, negative) for note in unread_notes(text, tokenizer, settings.max_text_tokens)
    )


def latent_frames(num_frames: int, settings: Settings) -> int:
    """How many latent frames are drawn; one of them is dropped again where tokens hold two."""
    frames = (num_frames - 1) // TEMPORAL_RATIO + 1
    return frames + frames % settings.temporal_patch
