"""From a wish to the numbers of a run: noise levels, guidance and settings. No torch, no weights.

--guidance, --stg and --rescale are about the video; at 1 and 0, guidance and STG are off for the sound as well.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

from praxino.errors import UserError
from praxino.families import Sampling, Shape, Variant, _in_context
from praxino.families._phases import check_effects, checked_blocks, planned_guider, planned_star
from praxino.families._stock import reach
from praxino.families.ltx_2.identify import HOME, has_upsampler
from praxino.families.ltx_2.settings import Settings, from_options, to_options
from praxino.families.ltx_2.upsampler import FACTOR, ROLE
from praxino.families.ltx_2.variants import REFINING_SIGMAS
from praxino.recipe import Companion, GuidancePhase
from praxino.request import Request
from praxino.sampling import schedules

SHIFT_TOKENS = 4096
"""The authors shift every clip's schedule as one of so many latents (ltx_core/components/schedulers.py)."""
REFINING_LORA = "refining-lora"
"""The companion that is laid over the full checkpoint for the second stage."""
STG_MODE = "attention-values"
DOWNSCALE = "reference_downscale_factor"
"""Field of the metadata of an in-context LoRA's file."""
IN_CONTEXT_LORAS = {
    "canny": "Lightricks/LTX-2-19b-IC-LoRA-Canny-Control",
    "depth": "Lightricks/LTX-2-19b-IC-LoRA-Depth-Control",
    "pose": "Lightricks/LTX-2-19b-IC-LoRA-Pose-Control",
    "detailer": "Lightricks/LTX-2-19b-IC-LoRA-Detailer",
}
"""What the authors published, by what it follows."""


def plan(request: Request, variant: Variant, shape: Shape) -> Sampling:
    """See `Family.plan`."""
    _refuse_unknown(request)
    _in_context.check(request, "LTX-2", IN_CONTEXT_LORAS)
    settings = dataclasses.replace(from_options(variant.options), reference_downscale=_downscale(request))
    phase = _guidance(request, variant, settings)
    settings = _of_the_sound(request, settings, phase)
    schedule, sigmas = _noise_levels(request, variant)
    if shape.upscale:
        _check_upscale(shape)
        guided = any(one.scale > 1 for one in variant.guidance_phases)
        settings = dataclasses.replace(settings, first_steps=len(sigmas), keeps_first_sound=guided)
        sigmas += REFINING_SIGMAS
    guided = phase.scale > 1 or settings.sound_guidance > 1
    guider = planned_guider(request, guided, from_noise=True)
    negative = _negative_prompt(request, variant, guided)
    return Sampling(
        steps=len(sigmas),
        guidance_phases=(phase,),
        cfg_star=planned_star(request, variant, guided),
        stg_mode=STG_MODE,
        scheduler="euler",
        schedule=schedule,
        sigmas=sigmas,
        negative_prompt=negative,
        options=to_options(settings, **guider),
        companions=(*_of_second_stage(variant, shape), *_in_context.companions(request)),
        notes=tuple(_notes(request.prompt, negative, variant, settings)),
    )


def _of_second_stage(variant: Variant, shape: Shape) -> Iterator[Companion]:
    named = {REFINING_LORA: variant.options.get("refining_lora"), ROLE: variant.options.get(ROLE)}
    if (home := variant.options.get(HOME)) and has_upsampler(Path(home)):
        del named[ROLE]
    if shape.upscale:
        yield from (Companion(role, path) for role, path in named.items() if path)


def _notes(prompt: str, negative: str, variant: Variant, settings: Settings) -> Iterator[str]:
    """What Gemma does not read to the end, where the tokenizer is at hand."""
    if home := variant.options.get(HOME):
        reader = reach.Reader("Gemma", "tokenizer", settings.max_text_tokens)
        yield from reach.notes((reader,), Path(home), "", prompt, negative)


def _downscale(request: Request) -> int:
    """What the LoRAs say in their files of how small a clip to follow is shown; 1 where none says anything.

    Raises:
        UserError: they do not agree.
    """
    if not request.control:
        return 1
    told = {_told_downscale(Path(text.rpartition(":")[0] or text)) for text in request.lora}
    if len(told) > 1:
        raise UserError("the LoRAs were trained with clips of different sizes to follow; take one of them at a time.")
    return told.pop() if told else 1


def _told_downscale(path: Path) -> int:
    from safetensors import safe_open

    with safe_open(path, "np") as file:
        return int((file.metadata() or {}).get(DOWNSCALE, 1))


def _refuse_unknown(request: Request) -> None:
    if request.scheduler not in (None, "euler"):
        raise UserError(f"--scheduler is {request.scheduler}; LTX-2 is sampled with euler.")
    if request.stg_mode not in (None, STG_MODE):
        raise UserError(f"--stg-mode is {request.stg_mode}; LTX-2 knows {STG_MODE}.")


def _noise_levels(request: Request, variant: Variant) -> tuple[str, schedules.Sigmas]:
    if request.sigmas is not None:
        return "explicit", schedules.explicit(request.sigmas)
    schedule = request.schedule or variant.schedule
    if schedule == "explicit":
        if request.steps not in (None, len(variant.sigmas)):
            raise UserError(
                f"--steps is {request.steps}; {variant.name} is made for its own {len(variant.sigmas)} noise levels.\n"
                "Leave --steps out, or space them yourself with --schedule or --sigmas."
            )
        return schedule, schedules.explicit(variant.sigmas)
    num_steps = request.steps or variant.steps
    if schedule == "sd3":
        return schedule, schedules.sd3(num_steps, SHIFT_TOKENS)
    if schedule == "linear-quadratic":
        return schedule, schedules.linear_quadratic(num_steps)
    return schedule, schedules.uniform(num_steps)


def _guidance(request: Request, variant: Variant, settings: Settings) -> GuidancePhase:
    if request.guidance is not None and request.guidance < 1:
        raise UserError(f"--guidance is {request.guidance:g}; allowed is 1 (off) and above.")
    phase = variant.guidance_phases[0]
    checked_blocks(request.stg_blocks or (), settings.num_layers)
    wished = {
        "scale": request.guidance,
        "stg_scale": request.stg,
        "stg_blocks": request.stg_blocks,
        "rescale": request.rescale,
    }
    phase = dataclasses.replace(phase, **{name: value for name, value in wished.items() if value is not None})
    if phase.stg_scale and not phase.stg_blocks:
        raise UserError(
            f"--stg needs to know which transformer blocks to perturb: {variant.name} has no default.\n"
            f"Give --stg-blocks with numbers from 0 to {settings.num_layers - 1}."
        )
    check_effects(request, (phase,), phase.scale > 1 or settings.modality_scale > 1)
    return phase


def _of_the_sound(request: Request, settings: Settings, phase: GuidancePhase) -> Settings:
    off = {}
    if request.guidance == 1:
        off["sound_guidance"] = 1.0
    if request.stg == 0 or not phase.stg_blocks:
        off["sound_stg"] = 0.0
    return dataclasses.replace(settings, **off)


def _check_upscale(shape: Shape) -> None:
    if any(to > FACTOR * side for to, side in zip(shape.upscale, (shape.width, shape.height), strict=True)):
        raise UserError(
            f"--upscale: {shape.upscale[0]}x{shape.upscale[1]} is more than {FACTOR} times "
            f"{shape.width}x{shape.height}, which is what the latent upsampler does. Draw it larger with --size."
        )


def _negative_prompt(request: Request, variant: Variant, guided: bool) -> str:
    if request.negative_prompt and not guided:
        raise UserError(
            f"--negative changes nothing here, as {variant.name} is run without guidance; turn it on with --guidance 3."
        )
    if not guided:
        return ""
    return variant.negative_prompt if request.negative_prompt is None else request.negative_prompt
