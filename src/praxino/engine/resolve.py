"""From a wish to everything decided. No torch, no weights: this is where every user error is found."""

from __future__ import annotations

import dataclasses
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from praxino import media
from praxino.accel.speed import Item, decided
from praxino.engine import speeding
from praxino.engine.camera import with_camera
from praxino.engine.conditions import Source, at_frames, place_sources, read_sources, scaled
from praxino.engine.driving import read_driving, with_pose_control
from praxino.engine.encoding import resolve_encoding
from praxino.engine.extension import Joined, read_joined
from praxino.engine.geometry import check_enlarged, resolve_size, resolve_upscale
from praxino.engine.length import Length, length_notes, longest, of_clip, resolve_length
from praxino.engine.machine import Machine, this_machine
from praxino.engine.pieces import check_chain
from praxino.engine.rewriting import rewrite
from praxino.engine.soundtrack import resolve_sound, resolve_soundtrack, sound_notes
from praxino.engine.tasks import check_steering, task_of
from praxino.engine.timing import in_time
from praxino.errors import UserError
from praxino.families import Sampling, Shape, Variant
from praxino.recipe import Companion, Encoding, Lora, Pieces, Recipe
from praxino.request import Request
from praxino.styles import Dressed, dress
from praxino.vocabulary import Understanding, Vocabulary, words_beside
from praxino.weights import catalog, widths
from praxino.weights.fingerprint import fingerprint

_DRAWN_SEEDS = 2**32
_TOLD_CHARACTERS = 400


@dataclass(frozen=True)
class Resolution:
    """A recipe, and what the user should be told about how it came about."""

    recipe: Recipe
    notes: tuple[str, ...]
    speed: tuple[Item, ...] = ()
    """The means that make it faster, on or off."""


def resolve(
    request: Request,
    *,
    output: Path | None = None,
    find: Callable[[str], catalog.Entry] = catalog.find,
    machine: Machine | None = None,
    here: bool = True,
) -> Resolution:
    """Decide everything that the request leaves open.

    Args:
        request: the wish.
        output: the file to write, when it is known: its extension decides the format.
        find: how a model's name becomes an entry.
        machine: what the run will use; found out when not given.
        here: whether the model has to be on this machine. Without, a recipe has no fingerprints: it is only told of.

    Raises:
        UserError: the wish cannot be granted as written.
    """
    dressed = dress(request)
    dressed = dataclasses.replace(dressed, request=_with_guider(dressed.request))
    request = dressed.request
    entry = find(request.model)
    variant = entry.variant
    task = task_of(request, variant)
    variant = dataclasses.replace(variant, grid=variant.grid.of_task(task))
    check_steering(request, variant)
    path = entry.require_path() if here else None
    joined = read_joined(request)
    sources = read_sources(request, task, variant)
    if joined:
        sources = [joined.source(variant), *sources]
    wanted = _of_clip(request, variant, sources)
    shape, length = _measured(wanted, variant, sources, joined)
    drawn = length.pieces if length.pieces.num_frames else Pieces(length.num_frames)
    sources, timing_notes = in_time(at_frames(sources, shape.fps), shape.fps, drawn.span, length.num_frames)
    sources += read_driving(request, variant, shape, drawn)
    encoding = resolve_encoding(request, output, length.num_frames)
    _check_shape(request, encoding, dataclasses.replace(shape, num_frames=length.num_frames), output)
    dressed, rewritten = _rewritten(dressed, variant)
    loras = tuple(_lora(text, entry) for text in request.lora)
    shows = any(not source.role.startswith(("control:", "annotate:")) for source in sources)
    caption, notes = _caption(dressed, entry, loras, shows)
    caption, camera_notes = with_camera(caption, request.camera, variant)
    driven = dataclasses.replace(dressed, request=with_pose_control(dressed.request, variant))
    wish = _with_files(driven, loras)
    sampling = _plan(wish, caption, entry, shape, task)
    check_chain(length, sampling, lambda later: _plan(wish, caption, entry, shape, later), task)
    seed = secrets.randbelow(_DRAWN_SEEDS) if request.seed is None else request.seed
    sampled = {field.name: getattr(sampling, field.name) for field in dataclasses.fields(sampling)}
    del sampled["notes"]
    if here:
        catalog.check_here(companion.path for companion in sampling.companions)
        sampled["companions"] = tuple(_fingerprinted(companion) for companion in sampling.companions)
    if path is not None and loras:
        drawn_with = [path, *(catalog.locate(companion.path) for companion in sampling.companions)]
        for lora in loras:
            widths.check(catalog.locate_file(lora.path), drawn_with, entry.name)
    recipe = Recipe(
        family=entry.family.name,
        variant=variant.name,
        model=entry.name,
        revision=entry.fingerprint() if path is not None else "",
        task=task,
        prompt=request.prompt,
        caption=caption,
        width=shape.width,
        height=shape.height,
        num_frames=length.num_frames,
        fps=float(shape.fps),
        guidance=max(phase.scale for phase in sampling.guidance_phases),
        seed=seed,
        n=request.n,
        quality=request.quality,
        dtype=request.dtype or (machine or this_machine()).dtype(variant.dtype),
        conditions=place_sources(sources, length, variant.grid.frame_step),
        loras=loras,
        encoding=encoding,
        upscale=shape.upscale,
        pieces=length.pieces,
        extends=(joined.extended(variant),) if joined else (),
        sound=resolve_sound(request, variant, sources),
        soundtrack=resolve_soundtrack(request),
        **sampled,
    )
    device = (machine or this_machine()).device
    speed = speeding.items(recipe, variant, device, own_dtype=request.dtype is not None)
    paces = [note for source in sources if len(source.frames) > 1 and (note := media.pace_note(source.name))]
    drawn_notes = (
        *paces,
        *timing_notes,
        *_shape_notes(request, shape),
        *length_notes(wanted, length, shape.fps),
        *sound_notes(recipe),
        *_speed_notes(recipe, decided(recipe, speed)),
    )
    said = (*rewritten, *notes, *camera_notes, *sampling.notes, *drawn_notes)
    return Resolution(decided(recipe, speed), said, speed)


def _of_clip(request: Request, variant: Variant, sources: list[Source]) -> Request:
    """The request, of the length and rate of a clip that is changed where it says nothing of them."""
    clip = next((source for source in sources if source.role == "video"), None)
    return request if clip is None else of_clip(request, variant, len(clip.frames), clip.fps)


def _measured(request: Request, variant: Variant, sources: list[Source], joined: Joined | None) -> tuple[Shape, Length]:
    """What is drawn at once, and how long the clip is. A clip that is extended keeps its size and its rate."""
    shaping = next((source.size for source in sources if source.role != "reference"), None)
    keeps_size = joined is not None or any(source.role == "image" for source in sources)
    if variant.upscale and shaping and request.size is None:
        check_enlarged(shaping, variant)
    size = resolve_size(request, variant, shaping, keeps_size=keeps_size)
    fps = joined.fps if joined else variant.fps if request.fps is None else request.fps
    length = resolve_length(request, variant, fps, len(joined.frames) if joined else 0)
    if length.pieces.count > 1 and any(source.role == "video" for source in sources):
        raise UserError(f"{variant.name} changes at most {longest(variant.grid)} frames of a clip; ask for less.")
    upscale = resolve_upscale(request.upscale or variant.upscale or None, size, variant.grid)
    return Shape(*size, length.at_once, fps, upscale), length


def _rewritten(dressed: Dressed, variant: Variant) -> tuple[Dressed, list[str]]:
    """The same in other words, where that is asked for, and a note of them."""
    if dressed.request.rewrite is None:
        return dressed, []
    words = rewrite(dressed.request, variant)
    said = words if len(words) <= _TOLD_CHARACTERS else f"{words[:_TOLD_CHARACTERS]} ..."
    return dress(dataclasses.replace(dressed.request, prompt=words)), [f"rewritten: {said}"]


def _with_guider(request: Request) -> Request:
    """The same, with CFG-zero* and plain guidance said by `cfg_star` alone."""
    if request.guider not in ("cfg", "cfg-zero-star"):
        return request
    return dataclasses.replace(request, guider=None, cfg_star=request.guider == "cfg-zero-star")


def _plan(dressed: Dressed, caption: str, entry: catalog.Entry, shape: Shape, task: str) -> Sampling:
    """The family's plan for what the text encoder reads. A style's negative prompt stays away where it has no place."""
    request = dataclasses.replace(dressed.request, prompt=caption)
    if not dressed.brings_negative:
        return entry.family.plan(request, entry.variant, shape, task)
    without = dataclasses.replace(request, negative_prompt=None)
    if entry.variant.vocabulary:
        return entry.family.plan(without, entry.variant, shape, task)
    try:
        return entry.family.plan(request, entry.variant, shape, task)
    except UserError:
        sampling = entry.family.plan(without, entry.variant, shape, task)
    note = f"{entry.variant.name} as it is run takes no negative prompt: that of the style {request.style} is left out"
    return dataclasses.replace(sampling, notes=(*sampling.notes, note))


def _with_files(dressed: Dressed, loras: tuple[Lora, ...]) -> Dressed:
    """With the files that LoRAs' names mean: a plan may hang on what is in them."""
    named = tuple(f"{catalog.locate_file(lora.path)}:{lora.scale}" for lora in loras)
    return dataclasses.replace(dressed, request=dataclasses.replace(dressed.request, lora=named))


def _fingerprinted(companion: Companion) -> Companion:
    return dataclasses.replace(companion, sha256=fingerprint(catalog.locate(companion.path)))


def _check_shape(request: Request, encoding: Encoding, shape: Shape, output: Path | None) -> None:
    if output is not None:
        media.check_output(output, encoding, shape.num_frames)
    if encoding.format == "gif" and shape.fps > 50:
        raise UserError(
            f"a GIF shows at most 50 frames a second, got {shape.fps:g}; lower --fps or write a .webp or .mp4."
        )
    if encoding.format in media.STILL and shape.num_frames > 1 and not request.sheet:
        named = media.STILL[encoding.format]
        raise UserError(f"{named} holds one picture, not a clip; add --sheet, or write .gif, .webp or .mp4.")


def _caption(
    dressed: Dressed, entry: catalog.Entry, loras: tuple[Lora, ...], has_picture: bool
) -> tuple[str, list[str]]:
    """What the text encoder reads, and notes of how it came about."""
    request, variant = dressed.request, entry.variant
    if not variant.vocabulary:
        return dressed.caption, []
    words = [word for lora in loras for word in words_beside(catalog.locate_file(lora.path))]
    vocabulary = Vocabulary.read(entry.require_path() / variant.vocabulary).taught(words)
    read = vocabulary.understand(request.prompt, has_picture=has_picture)
    notes = [_understood(variant.name, read, has_picture)]
    if dressed.rewrites:
        lost = f"the words of the style {request.style} are" if dressed.settles else f"the style {request.style} is"
        notes.append(f"{variant.name} reads only the words it knows: {lost} ignored")
    return read.caption, notes


def _understood(name: str, read: Understanding, has_picture: bool) -> str:
    known = ", ".join(read.known)
    note = (
        f"{name} knows: {known}"
        if read.known
        else f"{name} knows no word of this prompt (see: praxino models show {name})"
    )
    if read.chosen:
        note += f"; {'chose' if read.known else 'so it chose'}: {', '.join(read.chosen)}"
    if read.ignored:
        shown = ", ".join(word[:40] for word in read.ignored[:8])
        note += f"; ignored: {shown}" + (f" and {len(read.ignored) - 8} more" if len(read.ignored) > 8 else "")
    return note


def _lora(text: str, entry: catalog.Entry) -> Lora:
    name, _ = scaled(text, 1.0, f"--lora {text}", -10, 10)
    path = catalog.locate_file(name)
    meant = entry.family.check_lora(path)
    _, scale = scaled(text, 1.0 if meant is None else meant, f"--lora {text}", -10, 10)
    return Lora(name, scale, fingerprint(path))


def _speed_notes(wished: Recipe, found: Recipe) -> tuple[str, ...]:
    if found.quality == wished.quality:
        return ()
    told = f"nothing makes {found.variant} faster here in quality {wished.quality}: drawn as exact (--explain says why)"
    return (told,)


def _shape_notes(request: Request, shape: Shape) -> Iterator[str]:
    """What a size or a larger one became that was not said in pixels."""
    if request.size is not None and ":" in request.size:
        yield f"{request.size} is drawn as {shape.width}x{shape.height}"
    size = "x".join(map(str, shape.upscale))
    if request.upscale and request.upscale.lower() != size:
        yield f"--upscale {request.upscale} draws {size} of {shape.width}x{shape.height}"
