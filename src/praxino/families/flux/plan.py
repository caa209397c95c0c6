"""From a wish to the numbers of a run: noise levels, guidance, settings and companions. No torch, no weights.

A flag that could change nothing is refused.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

from praxino.errors import UserError
from praxino.families import Sampling, Shape, Variant
from praxino.families._sampler import planned_sampler
from praxino.families.flux.names import brings_map
from praxino.families.flux.settings import Settings, from_options, to_options
from praxino.families.flux.variants import (
    CONTROL_GUIDANCE,
    CONTROL_UNION,
    DEPTH_ANYTHING,
    MULTIPLE,
    REDUX,
)
from praxino.families.flux.words import unread_notes
from praxino.recipe import Companion, GuidancePhase
from praxino.request import Request, flag
from praxino.sampling import schedules

SCHEDULE_NAMES = ("uniform", "linear-quadratic")
"""What --schedule can name here, besides the default."""
MAKES_NO_USE = ("rescale", "cfg_star", "stg", "stg_blocks", "stg_mode")
STARTS_FROM_PICTURE = ("image-to-image", "inpainting")
MADE_MAPS = ("canny", "depth")
"""The kinds of map that are made of photos."""
BASE = "flux-dev"
"""What Redux draws with."""


@dataclasses.dataclass(frozen=True)
class Wish:
    """What is planned for, and what was found out about it."""

    request: Request
    variant: Variant
    task: str
    settings: Settings
    kinds: tuple[str, ...]
    """Of the maps to follow."""
    on_channels: bool
    """Whether a map goes on the transformer's channels: a Control checkpoint, or a LoRA that makes one of [dev]."""


def plan(request: Request, variant: Variant, shape: Shape, task: str) -> Sampling:
    """See `Family.plan`."""
    wish = _wish(request, variant, task)
    _check(wish, shape)
    schedule, sigmas = _noise_levels(wish, shape)
    settings = wish.settings
    folder = variant.options.get("folder")
    home = Path(folder) / variant.options.get("components", "") if folder else None
    return Sampling(
        steps=len(sigmas),
        guidance_phases=(GuidancePhase(start=1.0, scale=_guidance(wish)),),
        cfg_star=False,
        stg_mode=variant.stg_mode,
        scheduler=planned_sampler(request, variant, "FLUX.1"),
        schedule=schedule,
        sigmas=sigmas,
        negative_prompt=_negative_prompt(request, settings),
        options=to_options(settings),
        companions=tuple(_companions(wish)),
        notes=tuple(unread_notes(request.prompt, home, settings.max_text_tokens)) if home else (),
    )


def _wish(request: Request, variant: Variant, task: str) -> Wish:
    settings = dataclasses.replace(
        from_options(variant.options),
        true_guidance=1.0 if request.true_guidance is None else request.true_guidance,
        lora_blocks=request.lora_blocks or "",
    )
    kinds = tuple(text.partition("=")[0].removesuffix("-map") for text in request.control)
    on_channels = settings.kind == "control" or any(brings_map(_lora_path(text)) for text in request.lora)
    return Wish(request, variant, task, settings, kinds, on_channels)


def _lora_path(text: str) -> Path:
    """The file of "FILE[:SCALE]"."""
    head, _, tail = text.rpartition(":")
    try:
        float(tail)
    except ValueError:
        return Path(text).expanduser()
    return Path(head or text).expanduser()


def _check(wish: Wish, shape: Shape) -> None:
    request, variant = wish.request, wish.variant
    for name, side in (("width", shape.width), ("height", shape.height)):
        if side % MULTIPLE:
            below = side // MULTIPLE * MULTIPLE
            raise UserError(
                f"{name} {side} is not a multiple of {MULTIPLE}; "
                f"the nearest allowed are {below} and {below + MULTIPLE}."
            )
    for name in MAKES_NO_USE:
        if getattr(request, name) not in (None, False):
            raise UserError(f"{flag(name)} changes nothing here: FLUX.1 has no such guidance; leave it out.")
    if request.lora_blocks and not request.lora:
        raise UserError("--lora-blocks is about a LoRA: add --lora FILE.")
    if "reference" in variant.needs and not request.reference:
        raise UserError(f"{variant.name} draws in the likeness of a picture: add --reference FILE.")
    _check_controls(wish)


def _check_controls(wish: Wish) -> None:
    request, variant = wish.request, wish.variant
    kinds = tuple(name.partition(":")[2] for name in variant.steering if name.startswith("control:"))
    if wish.on_channels and len(wish.kinds) != 1:
        which = " or ".join(f"--control {kind}=FILE" for kind in kinds if kind in CONTROL_GUIDANCE)
        raise UserError(f"{variant.name} follows one map here, got {len(wish.kinds)}: give {which} once.")
    for kind in wish.kinds:
        if kind not in kinds:
            raise UserError(f"{variant.name} does not follow {kind} maps; it follows {', '.join(kinds) or 'none'}.")
    for text in request.control:
        kind = text.partition("=")[0]
        if not kind.endswith("-map") and kind not in MADE_MAPS:
            raise UserError(
                f"--control {text[:200]}: FLUX.1 makes {' and '.join(MADE_MAPS)} maps itself, but no {kind} maps; "
                f"give a ready one: --control {kind}-map=FILE"
            )
    if wish.on_channels and request.controlnet:
        raise UserError(f"--controlnet changes nothing here: {variant.name} follows the map itself; leave it out.")
    if wish.on_channels and _scale_of(request.control[0]) != 1:
        raise UserError(
            f"--control {request.control[0]}: {variant.name} follows a map wholly; a scale is for ControlNets."
        )


def _scale_of(text: str) -> float:
    """The scale of "KIND=FILE[:SCALE]", 1 when there is none."""
    try:
        return float(text.rpartition(":")[2])
    except ValueError:
        return 1.0


def _noise_levels(wish: Wish, shape: Shape) -> tuple[str, schedules.Sigmas]:
    request, variant = wish.request, wish.variant
    starts_from_picture = wish.task in STARTS_FROM_PICTURE and wish.settings.kind in ("plain", "control")
    if request.strength is not None and not starts_from_picture:
        raise UserError(f"--strength changes nothing here: {variant.name} does not start {wish.task} from a picture.")
    if request.sigmas is not None:
        if request.strength is not None:
            raise UserError("--strength and --sigmas exclude each other: the first of the sigmas is the strength.")
        return "explicit", schedules.explicit(request.sigmas)
    schedule = request.schedule or variant.schedule
    if request.schedule not in (None, *SCHEDULE_NAMES):
        raise UserError(
            f"--schedule is {request.schedule}; FLUX.1 is sampled with {' or '.join(SCHEDULE_NAMES)}, "
            "or without --schedule as its authors do."
        )
    num_steps = request.steps or variant.steps
    num_tokens = (shape.width // MULTIPLE) * (shape.height // MULTIPLE)
    spaced = {
        "flux": lambda: schedules.flux(num_steps, num_tokens),
        "uniform": lambda: schedules.uniform(num_steps),
        "linear-quadratic": lambda: schedules.linear_quadratic(num_steps),
    }[schedule]()
    return schedule, _from_picture(spaced, wish) if starts_from_picture else spaced


def _from_picture(sigmas: schedules.Sigmas, wish: Wish) -> schedules.Sigmas:
    """The levels that are run when the first of them is reached by noising a picture (the authors' demo_gr.py)."""
    strength, count = wish.request.strength, len(sigmas)
    if strength is None:
        own = int((1 - float(wish.variant.options["strength"])) * count)
        return sigmas[max(own, 1 if count > 1 else 0) :]
    first = int((1 - strength) * count)
    if first >= count:
        raise UserError(f"--strength is {strength:g}: no step would be run. Allowed is above 0 to 1.")
    if first == 0 and strength < 1 and wish.task == "image-to-image":
        raise UserError(
            f"--strength {strength:g} with {count} steps starts from noise alone: the picture would change nothing;\n"
            f"give --strength {1 - 1 / count:.3g} or less, or more --steps."
        )
    return sigmas[first:]


def _guidance(wish: Wish) -> float:
    given, variant = wish.request.guidance, wish.variant
    own = variant.guidance_phases[0].scale
    if not variant.options["guided"]:
        if given not in (None, own):
            raise UserError(f"--guidance changes nothing here: {variant.name} takes none; leave it out.")
        return own
    if given is not None:
        return given
    return CONTROL_GUIDANCE.get(wish.kinds[0], own) if wish.on_channels else own


def _negative_prompt(request: Request, settings: Settings) -> str:
    if request.negative_prompt and settings.true_guidance == 1:
        raise UserError(
            "--negative changes nothing here, as FLUX.1 is run without classifier-free guidance; "
            "turn it on with --true-guidance 2 (it doubles the time)."
        )
    return (request.negative_prompt or "") if settings.true_guidance > 1 else ""


def _own_redux(variant: Variant) -> str:
    """The checkpoint itself; a pulled one by the name that it has on every machine."""
    folder = variant.options.get("folder", REDUX)
    return REDUX if f"models--{REDUX.replace('/', '--')}" in Path(folder).parts else folder


def _companions(wish: Wish) -> Iterator[Companion]:
    request = wish.request
    if wish.settings.kind == "redux":
        yield Companion("base", BASE)
        yield Companion("redux", request.ip_adapter or _own_redux(wish.variant))
    elif request.reference:
        yield Companion("redux", request.ip_adapter or REDUX)
    if not wish.on_channels:
        named = request.controlnet or (CONTROL_UNION,) * len(wish.kinds)
        for kind, name in zip(wish.kinds, named, strict=True):
            yield Companion(f"controlnet:{kind}", name)
    for text in request.control:
        if text.partition("=")[0] == "depth":
            yield Companion("annotator:depth", DEPTH_ANYTHING)
