"""Guidance as a request asks for it, over what a variant does by default. No torch.

A flag replaces its own column in every phase of the variant; a flag that could change nothing is refused.
"""

from __future__ import annotations

import dataclasses

from praxino.errors import UserError
from praxino.families import Variant
from praxino.recipe import GuidancePhase
from praxino.request import Request

Phases = tuple[GuidancePhase, ...]


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
        phases = _replaced(phases, stg_blocks=_checked(request.stg_blocks, num_layers))
    if request.stg is not None:
        phases = _with_stg(phases, request.stg, variant, num_layers)
    if request.rescale is not None:
        phases = _replaced(phases, rescale=request.rescale)
    if any(phase.stg_scale for phase in phases):
        return phases
    for name in ("rescale", "stg_blocks", "stg_mode"):
        if getattr(request, name) is not None:
            spelled = "--" + name.replace("_", "-")
            raise UserError(
                f"{spelled} changes nothing here, as spatio-temporal guidance is off; turn it on with --stg 1."
            )
    return phases


def planned_star(request: Request, variant: Variant, phases: Phases) -> bool:
    """Whether CFG-zero* is on. Raises UserError where there is no guidance for it to change."""
    guided = any(phase.scale > 1 for phase in phases)
    if request.cfg_star and not guided:
        raise UserError("--cfg-star changes nothing here, as guidance is off; turn it on with --guidance 3.")
    return (variant.cfg_star if request.cfg_star is None else request.cfg_star) and guided


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


def _checked(blocks: tuple[int, ...], num_layers: int) -> tuple[int, ...]:
    for block in blocks:
        if not 0 <= block < num_layers:
            raise UserError(f"--stg-blocks names block {block}; this model's blocks are 0 to {num_layers - 1}.")
    return blocks
