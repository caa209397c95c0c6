"""Guidance as a request asks for it, over what a variant does by default. No torch.

A flag replaces its own column in every phase of the variant; a flag that could change nothing is refused. Every family
with classifier-free guidance has the same rules: plain guidance, CFG-zero* and APG exclude one another; each goes
together with STG, and rescale with whatever guides.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from praxino.errors import UserError
from praxino.families import Variant
from praxino.recipe import GuidancePhase
from praxino.request import Request, flag

Phases = tuple[GuidancePhase, ...]
APG, ZERO_STEPS = "apg", "zero_steps"
"""Options of a recipe: adaptive projected guidance; the first steps whose prediction is nothing (CFG-zero*)."""
ZEROED = 1
"""Of the steps of a run with CFG-zero* (Fan et al. 2025, arXiv 2503.18886, section 4), where the network's own
prediction is worse than none; as many as diffusers' guider zeroes."""


def planned_phases(request: Request, variant: Variant, num_layers: int) -> Phases:
    """The phases of a run.

    Raises:
        UserError: guidance below 1, blocks that the model has not, or a flag without effect.
    """
    if request.guidance is not None and request.guidance < 1:
        raise UserError(f"--guidance is {request.guidance:g}; allowed is 1 (off) and above.")
    phases = variant.guidance_phases
    if request.guidance is not None:
        phases = _replaced(phases, scale=request.guidance)
    if request.stg_blocks is not None:
        phases = _replaced(phases, stg_blocks=checked_blocks(request.stg_blocks, num_layers))
    if request.stg is not None:
        phases = _with_stg(phases, request.stg, variant, num_layers)
    check_effects(request, phases, is_guided(phases))
    return tuple(rescaled(request, phase, phase.scale > 1) for phase in phases)


def check_effects(request: Request, phases: Phases, guided: bool, turn_on: str = "--guidance 3") -> None:
    """Refuse what is said of STG where that is off, and rescale where nothing guides. Raises UserError."""
    if any(phase.stg_scale for phase in phases):
        return
    for name in ("stg_blocks", "stg_mode"):
        if getattr(request, name) is not None:
            raise UserError(
                f"{flag(name)} changes nothing here, as spatio-temporal guidance is off; turn it on with --stg 1."
            )
    check_rescale(request, guided, f"{turn_on}, or --stg 1")


def check_rescale(request: Request, guided: bool, turn_on: str = "--guidance 3") -> None:
    """Refuse rescale where nothing guides. Raises UserError."""
    if request.rescale is not None and not guided:
        raise UserError(f"--rescale changes nothing here, as nothing guides; add {turn_on}.")


def rescaled(request: Request, phase: GuidancePhase, guided: bool) -> GuidancePhase:
    """A phase with its rescale: a variant's own belongs to its STG, one that is asked for to whatever guides."""
    own = phase.rescale if phase.stg_scale else 1.0
    asked = request.rescale if guided or phase.stg_scale else None
    return dataclasses.replace(phase, rescale=own if asked is None else asked)


def is_guided(phases: Phases) -> bool:
    """Whether some step has classifier-free guidance."""
    return any(phase.scale > 1 for phase in phases)


def planned_star(request: Request, variant: Variant, guided: bool, turn_on: str = "--guidance 3") -> bool:
    """Whether CFG-zero* is on. Raises UserError where there is no guidance for it to change."""
    if request.cfg_star and not guided:
        raise UserError(f"--cfg-star changes nothing here, as guidance is off; turn it on with {turn_on}.")
    default = variant.cfg_star and request.guider is None
    return (default if request.cfg_star is None else request.cfg_star) and guided


def planned_guider(
    request: Request, guided: bool, *, from_noise: bool, turn_on: str = "--guidance 3"
) -> dict[str, Any]:
    """Options that say what stands for classifier-free guidance, beside the recipe's cfg_star.

    `from_noise`: the run begins with noise alone, and its authors zero its first steps where CFG-zero* is on. Raises
    UserError where there is no guidance to change.
    """
    if request.guider == "apg" and not guided:
        raise UserError(f"--guider apg changes nothing here, as guidance is off; turn it on with {turn_on}.")
    if request.guider == "apg":
        return {APG: True}
    return {ZERO_STEPS: ZEROED} if request.cfg_star and from_noise else {}


def planned_negative(request: Request, variant: Variant, phases: Phases) -> str:
    """The negative prompt, "" without guidance. Raises UserError when it could change nothing."""
    guided = any(phase.scale > 1 for phase in phases)
    if request.negative_prompt and not guided:
        raise UserError(
            f"--negative changes nothing here, as {variant.name} is run without guidance; turn it on with --guidance 3."
        )
    if not guided:
        return ""
    return variant.negative_prompt if request.negative_prompt is None else request.negative_prompt


def _replaced(phases: Phases, **column: object) -> Phases:
    return tuple(dataclasses.replace(phase, **column) for phase in phases)


def _with_stg(phases: Phases, scale: float, variant: Variant, num_layers: int) -> Phases:
    """A phase without blocks to skip stays without STG."""
    phases = tuple(dataclasses.replace(phase, stg_scale=scale if phase.stg_blocks else 0.0) for phase in phases)
    if scale > 0 and not any(phase.stg_scale for phase in phases):
        raise UserError(
            f"--stg needs to know which transformer blocks to skip: {variant.name} has no default.\n"
            f"Give --stg-blocks with numbers from 0 to {num_layers - 1}."
        )
    return phases


def checked_blocks(blocks: tuple[int, ...], num_layers: int) -> tuple[int, ...]:
    """The blocks that STG skips, where the model has them. Raises UserError."""
    for block in blocks:
        if not 0 <= block < num_layers:
            raise UserError(f"--stg-blocks names block {block}; this model's blocks are 0 to {num_layers - 1}.")
    return blocks
