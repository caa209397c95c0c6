"""From a wish to the numbers of a run: noise levels, guidance and settings. No torch, no weights.

A flag that could change nothing is refused.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

from praxino.errors import UserError
from praxino.families import Sampling, Shape, Variant
from praxino.families._hunyuan.settings import HIDDEN_FRAMES, Settings, from_options, to_options
from praxino.families._hunyuan.template import IMAGE_TOKEN
from praxino.families._hunyuan.words import unread_notes
from praxino.families._phases import check_effects, checked_blocks, planned_guider, planned_star, rescaled
from praxino.families._sampler import planned_sampler
from praxino.recipe import GuidancePhase
from praxino.request import Request
from praxino.sampling import schedules

SIDE_MULTIPLE = 16
FRAME_STEP = 4
STG_MODES = ("attention-values", "attention-skip", "transformer-block")
TURN_ON = "--true-guidance 2 (it doubles the time)"
"""What turns classifier-free guidance on, beside the guidance that is an input."""


def plan(request: Request, variant: Variant, shape: Shape, task: str) -> Sampling:
    """See `Family.plan`."""
    settings = _settings(request, variant)
    _check(request, variant, shape, settings)
    schedule, sigmas = _noise_levels(request, variant, settings, task)
    phases = _phases(request, variant, settings)
    guided = settings.true_guidance > 1
    guider = planned_guider(request, guided, from_noise=task != "video-to-video", turn_on=TURN_ON)
    return Sampling(
        steps=len(sigmas),
        guidance_phases=phases,
        cfg_star=planned_star(request, variant, guided, TURN_ON),
        stg_mode=_stg_mode(request, variant, phases),
        scheduler=planned_sampler(request, variant, variant.name),
        schedule=schedule,
        sigmas=sigmas,
        negative_prompt=_negative_prompt(request, variant, settings),
        options=to_options(settings, lora_blocks=request.lora_blocks or "", **guider),
        notes=tuple(_notes(request, variant, shape, settings)),
    )


def _settings(request: Request, variant: Variant) -> Settings:
    own = from_options(variant.options)
    return dataclasses.replace(
        own,
        motion=request.motion or own.motion,
        true_guidance=own.true_guidance if request.true_guidance is None else request.true_guidance,
    )


def _check(request: Request, variant: Variant, shape: Shape, settings: Settings) -> None:
    if (shape.num_frames - 1) % FRAME_STEP:
        below = (shape.num_frames - 1) // FRAME_STEP * FRAME_STEP + 1
        raise UserError(
            f"{shape.num_frames} frames are not 4k + 1; the nearest that can be drawn are {below} and "
            f"{below + FRAME_STEP}."
        )
    if settings.kind != "text" and shape.num_frames == 1:
        raise UserError(f"{variant.name} sets a picture in motion: one frame is no motion; the least are 5.")
    for name, side in (("width", shape.width), ("height", shape.height)):
        if side % SIDE_MULTIPLE:
            below = side // SIDE_MULTIPLE * SIDE_MULTIPLE
            raise UserError(
                f"{name} {side} is not a multiple of {SIDE_MULTIPLE}; "
                f"the nearest allowed are {below} and {below + SIDE_MULTIPLE}."
            )
    if settings.kind != "text" and request.strength not in (None, 1):
        raise UserError(f"--strength changes nothing here: {variant.name} keeps its picture as it is; leave it out.")
    if request.lora_blocks and not request.lora:
        raise UserError("--lora-blocks is about a LoRA: add --lora FILE.")
    if IMAGE_TOKEN in request.prompt + (request.negative_prompt or ""):
        raise UserError(f"the prompt holds {IMAGE_TOKEN}, which the language model takes for a picture; leave it out.")


def _noise_levels(request: Request, variant: Variant, settings: Settings, task: str) -> tuple[str, schedules.Sigmas]:
    if request.schedule is not None:
        raise UserError(
            f"--schedule is {request.schedule}; {variant.name} is sampled as its authors do: leave it out, or give the "
            "noise levels themselves with --sigmas."
        )
    if request.sigmas is not None:
        name, sigmas = "explicit", schedules.explicit(request.sigmas)
    else:
        name = "shifted"
        sigmas = schedules.hunyuan(request.steps or variant.steps, variant.options["shifts"][settings.motion])
    return name, _of_clip(sigmas, request, variant) if task == "video-to-video" else sigmas


def _of_clip(sigmas: schedules.Sigmas, request: Request, variant: Variant) -> schedules.Sigmas:
    """The levels that are run when the first of them is reached by noising a clip."""
    strength = variant.options["strength"]["video-to-video"] if request.strength is None else request.strength
    run = int(len(sigmas) * strength)
    if run < 1:
        raise UserError(
            f"--strength {strength:g} of {len(sigmas)} steps is not one step, which would leave the clip as it is; "
            f"give a --strength of at least {1 / len(sigmas):.3g}."
        )
    return sigmas[len(sigmas) - run :]


def _phases(request: Request, variant: Variant, settings: Settings) -> tuple[GuidancePhase, ...]:
    phase = variant.guidance_phases[0]
    if request.guidance is not None:
        if not settings.embeds_guidance and request.guidance != 1:
            raise UserError(
                f"--guidance changes nothing here: {variant.name} takes none as an input; use --true-guidance."
            )
        phase = dataclasses.replace(phase, scale=request.guidance)
    if request.stg:
        blocks = variant.options["stg_blocks"] if request.stg_blocks is None else request.stg_blocks
        phase = dataclasses.replace(
            phase, stg_scale=request.stg, stg_blocks=checked_blocks(blocks, settings.num_blocks)
        )
    guided = settings.true_guidance > 1
    check_effects(request, (phase,), guided, TURN_ON)
    return (rescaled(request, phase, guided),)


def _stg_mode(request: Request, variant: Variant, phases: tuple[GuidancePhase, ...]) -> str:
    mode = request.stg_mode or variant.stg_mode
    if mode not in STG_MODES:
        raise UserError(f"--stg-mode is {mode}; allowed are {', '.join(STG_MODES)}.")
    return mode


def _negative_prompt(request: Request, variant: Variant, settings: Settings) -> str:
    if settings.true_guidance > 1:
        return request.negative_prompt or variant.negative_prompt
    if request.negative_prompt:
        raise UserError(
            f"--negative changes nothing here, as {variant.name} is run without classifier-free guidance; "
            f"turn it on with {TURN_ON}."
        )
    return ""


def _notes(request: Request, variant: Variant, shape: Shape, settings: Settings) -> list[str]:
    notes = []
    if settings.kind == "latent-concat":
        drawn = settings.drawn_frames(shape.num_frames)
        notes.append(
            f"{variant.name} draws {drawn} frames and its first {HIDDEN_FRAMES} are left away, as its authors do: "
            f"{shape.num_frames} frames"
        )
    if folder := variant.options.get("folder"):
        home = Path(folder) / variant.options.get("components", "")
        notes.extend(unread_notes(request.prompt, home, settings, shape.num_frames))
    return notes
