"""From a wish to the numbers of a run, for any family of this adapter. No torch, no weights.

A picture that is changed is noised, and the last of the noise levels are run: `levels` in the options is how many
there are in all, `strength` the share that is run, and the recipe's steps are those that are run.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from praxino.errors import UserError
from praxino.families import Sampling, Shape, Variant
from praxino.families._stock import annotate, reach
from praxino.picture_names import scaled_name
from praxino.recipe import Companion, GuidancePhase
from praxino.request import Request, flag

if TYPE_CHECKING:
    from praxino.families._stock.family import StockFamily

FOREIGN = ("stg", "stg_blocks", "stg_mode", "cfg_star", "schedule")
"""Fields that mean nothing to a pipeline which owns its loop."""
HOME = "home"
"""The option of an identified variant that says in which folder it lies."""
OF_CLIPS = ("last", "first", "keyframes", "extend")
"""Fields that mean nothing besides to one that draws pictures."""


def plan(family: StockFamily, request: Request, variant: Variant, shape: Shape, task: str) -> Sampling:
    """See `Family.plan`."""
    _refuse_unknown(family, request, variant)
    _check_controls(family, request, variant, task)
    _check_references(family, request, variant)
    scheduler = request.scheduler or variant.scheduler
    known = variant.options.get("schedulers", family.schedulers)
    if request.scheduler and request.scheduler not in known:
        raise UserError(f"--scheduler is {request.scheduler}; {family.title} is sampled with {', '.join(known)}.")
    phases = _guidance(family, request, variant, task)
    steps, options = _steps(family, request, variant, task)
    negative = _negative_prompt(request, variant, phases)
    return Sampling(
        steps=steps,
        guidance_phases=phases,
        cfg_star=False,
        stg_mode=variant.stg_mode,
        scheduler=scheduler,
        schedule="explicit" if request.sigmas else "scheduler",
        sigmas=request.sigmas or variant.sigmas,
        negative_prompt=negative,
        options={**options, **_steering(request)},
        companions=tuple(_companions(family, request, variant)),
        notes=tuple(_notes(family, request, variant, task, negative)),
    )


def _notes(family: StockFamily, request: Request, variant: Variant, task: str, negative: str) -> Iterator[str]:
    """What of the texts is not read; nothing of a variant that lies nowhere."""
    if home := variant.options.get(HOME):
        yield from reach.notes(text_readers(family, variant), Path(home), task, request.prompt, negative)


def text_readers(family: StockFamily, variant: Variant) -> tuple[reach.Reader, ...]:
    """The text encoders that read a long text in part: the variant's own, else the family's."""
    return variant.options.get("text_readers", family.text_readers)


def _companions(family: StockFamily, request: Request, variant: Variant) -> Iterator[Companion]:
    """The other checkpoints that a wish needs: those that it names, else those of the variant's options."""
    own = variant.options.get("companions", {})
    for index, text in enumerate(request.control):
        kind, _, _ = text.partition("=")
        role = f"controlnet:{kind.removesuffix('-map')}"
        if not family.follows_maps:
            yield Companion(role, request.controlnet[index] if request.controlnet else _own(own, role, "--controlnet"))
        for name in () if kind.endswith("-map") else annotate.NEEDED[kind]:
            role = f"annotator:{name}"
            yield Companion(role, own.get(role, annotate.MODELS[role]))
    if request.reference and not shows_references(family, variant):
        yield Companion("ip-adapter", request.ip_adapter or _own(own, "ip-adapter", "--ip-adapter"))
        yield Companion("image-encoder", _image_encoder(request, own))
    for text in request.embedding:
        path, token = split_embedding(text)
        if token not in request.prompt and token not in (request.negative_prompt or ""):
            raise UserError(f"--embedding {text[:200]}: no prompt has its word {token!r}; write it where it is meant.")
        yield Companion(f"embedding:{token}", path)


def _image_encoder(request: Request, own: dict[str, str]) -> str:
    """The one beside an adapter that is named by its file, else the model's own."""
    beside = Path(request.ip_adapter or "").expanduser().parent / "image_encoder"
    return str(beside) if request.ip_adapter and beside.is_dir() else _own(own, "image-encoder", "--ip-adapter")


def _check_controls(family: StockFamily, request: Request, variant: Variant, task: str) -> None:
    kinds = [text.partition("=")[0] for text in request.control]
    known = variant.options.get("pipelines", family.pipelines)
    if kinds and not family.follows_maps and _pipeline_key(request, task) not in known:
        said = "--control inpaint-map" if "inpaint-map" in kinds else "--control"
        raise UserError(f"{said}: {family.title} does not follow such maps in {task}; leave it out.")
    if len(kinds) > 1 and (family.one_map or "inpaint-map" in kinds):
        alone = "one map at a time" if family.one_map else "no map beside inpaint-map"
        raise UserError(f"--control is given {len(kinds)} times; {family.title} follows {alone}.")
    if request.controlnet and family.follows_maps:
        raise UserError(f"--controlnet: {family.title} follows maps itself; leave it out.")
    for kind in kinds:
        if kinds.count(kind) > 1:
            raise UserError(f"--control {kind} is given {kinds.count(kind)} times; give each kind of map once.")
        if not kind.endswith("-map"):
            annotate.check(kind)


def _pipeline_key(request: Request, task: str) -> str:
    """The key of `StockFamily.pipelines` that a wish amounts to; "+union" is known when the ControlNet is loaded."""
    if not request.control:
        return task
    return task + ("+inpaint" if request.control[0].startswith("inpaint-map=") else "+control")


def split_embedding(text: str) -> tuple[str, str]:
    """The file or name, and the token, of "FILE[:TOKEN]"; without one, the token is the name without its extension."""
    path, colon, token = text.rpartition(":")
    if not colon or not token or "/" in token or "\\" in token or token.endswith(".safetensors"):
        path, token = text, text.replace("\\", "/").rpartition("/")[2].removesuffix(".safetensors")
    return path, token


def shows_references(family: StockFamily, variant: Variant) -> bool:
    """Whether its pipelines are shown references with no adapter: the variant's own word, else the family's."""
    return variant.options.get("shows_references", family.shows_references)


def _check_references(family: StockFamily, request: Request, variant: Variant) -> None:
    if "reference" in variant.needs and not request.reference:
        raise UserError(f"{variant.name} draws in the likeness of a picture: add --reference FILE.")
    one = variant.options.get("one_reference", family.one_reference)
    if one and len(request.reference) > 1:
        raise UserError(f"--reference is given {len(request.reference)} times; {variant.name} reads one.")
    if not shows_references(family, variant):
        return
    if request.ip_adapter:
        raise UserError(f"--ip-adapter: {family.title} looks at --reference pictures itself; leave it out.")
    for text in request.reference:
        if scaled_name(text)[2]:
            raise UserError(f"--reference {text[:200]}: {family.title} cannot weigh a reference; leave out the number.")


def _own(own: dict[str, str], role: str, said: str) -> str:
    if role not in own:
        raise UserError(f"this model names no {role.replace(':', ' for ')} of its own; name one with {said}.")
    return own[role]


def _refuse_unknown(family: StockFamily, request: Request, variant: Variant) -> None:
    pictures = variant.grid.max_frames == 1
    for name in (*FOREIGN, *(OF_CLIPS if pictures else ())):
        if getattr(request, name) not in (None, (), False):
            why = ", which draws pictures" if pictures else ""
            raise UserError(f"{flag(name)} means nothing to {variant.name}{why}; leave it out.")
    if request.last and not (request.first or request.image):
        raise UserError(f"--last: {variant.name} needs the first frame too; add --first FILE.")
    if request.sigmas is None:
        return
    if not family.flow:
        raise UserError(f"--sigmas: {variant.name} has its sigmas spaced by its --scheduler; give --steps instead.")
    if list(request.sigmas) != sorted(set(request.sigmas), reverse=True) or request.sigmas[-1] <= 0:
        raise UserError(f"--sigmas are {request.sigmas}; they must fall from at most 1 and stay above 0.")


def _guidance(family: StockFamily, request: Request, variant: Variant, task: str) -> tuple[GuidancePhase, ...]:
    phases = variant.guidance_phases
    if request.guidance is not None:
        phases = tuple(dataclasses.replace(phase, scale=request.guidance) for phase in phases)
    if request.rescale is not None:
        if task not in family.rescaling or request.control:
            raise UserError(f"--rescale: {family.title} does not rescale its guidance in {task}; leave it out.")
        phases = tuple(dataclasses.replace(phase, rescale=request.rescale) for phase in phases)
    return phases


def _negative_prompt(request: Request, variant: Variant, phases: tuple[GuidancePhase, ...]) -> str:
    if phases[0].scale > 1:
        return variant.negative_prompt if request.negative_prompt is None else request.negative_prompt
    if request.negative_prompt:
        raise UserError(
            f"--negative changes nothing here, as {variant.name} is run without guidance; turn it on with --guidance 3."
        )
    return ""


def _steps(family: StockFamily, request: Request, variant: Variant, task: str) -> tuple[int, dict[str, Any]]:
    levels = len(request.sigmas) if request.sigmas else request.steps or variant.steps
    if _pipeline_key(request, task) in family.whole:
        if request.strength is not None:
            raise UserError(f"--strength: beside --control, {family.title} fills in masks whole; leave it out.")
        return levels, {"levels": levels}
    if task not in variant.options.get("strength", {}):
        return levels, {"levels": levels}
    strength = variant.options["strength"][task] if request.strength is None else request.strength
    if task == "outpainting":
        strength = 1.0
    if _ran(family, levels, strength) < 1:
        needed = math.ceil(1 / strength) if strength else 0
        if request.steps is not None or not needed or needed > 1000:
            raise UserError(
                f"--strength {strength:g} of {levels} steps is not one step, which would leave the picture as it is; "
                f"give a --strength of at least {1 / levels:.3g}" + (f", or --steps {needed}." if needed else ".")
            )
        levels = needed
    return _ran(family, levels, strength), {"levels": levels, "strength": strength}


def _ran(family: StockFamily, levels: int, strength: float) -> int:
    """How many of the noise levels are run. Pipelines round the share down, those of flow matching the rest of it."""
    return levels - int(max(levels - levels * strength, 0)) if family.flow else int(levels * strength)


def _steering(request: Request) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if request.lora_blocks:
        if not request.lora:
            raise UserError("--lora-blocks says where LoRAs are laid: add --lora FILE.")
        found["lora_blocks"] = [pattern.strip() for pattern in request.lora_blocks.split(",")]
    if request.reference:
        found["reference_use"] = request.reference_use or "all"
    return found
