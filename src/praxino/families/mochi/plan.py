"""From a wish to the numbers of a run: noise levels and guidance. No torch, no weights."""

from __future__ import annotations

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
from praxino.request import Request
from praxino.sampling import schedules

STG_MODES = ("attention-values", "transformer-block")
"""Its text stream is narrower than its attention, so that the latter cannot be left out without its values."""


def plan(request: Request, variant: Variant, shape: Shape) -> Sampling:
    """See `Family.plan`."""
    phases = planned_phases(request, variant, variant.options["num_layers"])
    schedule, sigmas = _noise_levels(request, variant)
    guider = planned_guider(request, is_guided(phases), from_noise=True)
    return Sampling(
        steps=len(sigmas),
        guidance_phases=phases,
        cfg_star=planned_star(request, variant, is_guided(phases)),
        stg_mode=_stg_mode(request, variant),
        scheduler=planned_sampler(request, variant, "Mochi"),
        schedule=schedule,
        sigmas=sigmas,
        negative_prompt=planned_negative(request, variant, phases),
        options={"max_text_tokens": variant.options["max_text_tokens"], **guider},
        notes=_notes(request, variant, phases),
    )


def _stg_mode(request: Request, variant: Variant) -> str:
    mode = request.stg_mode or variant.stg_mode
    if mode not in STG_MODES:
        raise UserError(f"--stg-mode is {mode}; Mochi's blocks can be perturbed by {' or '.join(STG_MODES)}.")
    return mode


def _noise_levels(request: Request, variant: Variant) -> tuple[str, schedules.Sigmas]:
    if request.sigmas is not None:
        return "explicit", schedules.explicit(request.sigmas)
    schedule = request.schedule or variant.schedule
    num_steps = request.steps or variant.steps
    if schedule == "linear-quadratic":
        return schedule, schedules.linear_quadratic(num_steps)
    if schedule == "uniform":
        return schedule, schedules.uniform(num_steps)
    raise UserError(f"--schedule is {schedule}; Mochi is sampled with linear-quadratic or uniform.")


def _notes(request: Request, variant: Variant, phases: Phases) -> tuple[str, ...]:
    folder = variant.options.get("folder")
    if not folder:
        return ()
    tokenizer = Path(folder) / variant.options.get("components", "") / "tokenizer"
    texts = (request.prompt, planned_negative(request, variant, phases))
    return tuple(note for text in texts for note in unread_notes(text, tokenizer, variant.options["max_text_tokens"]))
