"""From a wish to everything decided. No torch, no weights: this is where every user error is found."""

from __future__ import annotations

import dataclasses
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from praxino import media
from praxino.engine.conditions import Source, place_sources, read_sources
from praxino.engine.encoding import resolve_encoding
from praxino.engine.geometry import Geometry, resolve_geometry
from praxino.engine.machine import Machine, this_machine
from praxino.errors import UserError
from praxino.families import Variant
from praxino.recipe import Encoding, Lora, Recipe
from praxino.request import Request
from praxino.vocabulary import Understanding, Vocabulary
from praxino.weights import catalog
from praxino.weights.fingerprint import fingerprint

_DRAWN_SEEDS = 2**32


@dataclass(frozen=True)
class Resolution:
    """A recipe, and what the user should be told about how it came about."""

    recipe: Recipe
    notes: tuple[str, ...]


def resolve(
    request: Request,
    *,
    output: Path | None = None,
    find: Callable[[str], catalog.Entry] = catalog.find,
    machine: Machine | None = None,
) -> Resolution:
    """Decide everything that the request leaves open.

    Args:
        request: the wish.
        output: the file to write, when it is known: its extension decides the format.
        find: how a model's name becomes an entry.
        machine: what the run will use; found out when not given.

    Raises:
        UserError: the wish cannot be granted as written.
    """
    entry = find(request.model)
    path, variant = entry.require_path(), entry.variant
    encoding = resolve_encoding(request, output)
    sources = read_sources(request)
    task = _task(sources, variant)
    geometry = resolve_geometry(request, variant, sources[0].size if sources else None)
    _check_shape(request, encoding, geometry, output)
    sampling = entry.family.plan(request, variant, geometry.width, geometry.height, geometry.num_frames)
    caption, notes = _caption(request, variant, path, bool(sources))
    seed = secrets.randbelow(_DRAWN_SEEDS) if request.seed is None else request.seed
    recipe = Recipe(
        family=entry.family.name,
        variant=variant.name,
        model=entry.name,
        revision=fingerprint(path),
        task=task,
        prompt=request.prompt,
        caption=caption,
        width=geometry.width,
        height=geometry.height,
        num_frames=geometry.num_frames,
        fps=float(geometry.fps),
        guidance=max(phase.scale for phase in sampling.guidance_phases),
        seed=seed,
        n=request.n,
        dtype=request.dtype or (machine or this_machine()).dtype(variant.dtype),
        conditions=place_sources(sources, geometry.num_frames, variant.grid.frame_step),
        loras=tuple(_lora(text, entry) for text in request.lora),
        encoding=encoding,
        **{field.name: getattr(sampling, field.name) for field in dataclasses.fields(sampling)},
    )
    return Resolution(recipe, (*notes, *_shape_notes(request, geometry)))


def _task(sources: list[Source], variant: Variant) -> str:
    if not sources:
        task = "text-to-video"
    elif any(len(source.frames) > 1 for source in sources):
        task = "video-to-video"
    else:
        task = "image-to-video"
    if task not in variant.tasks:
        raise UserError(f"{variant.name} does not do {task}; it does {', '.join(variant.tasks)}.")
    return task


def _check_shape(request: Request, encoding: Encoding, geometry: Geometry, output: Path | None) -> None:
    if output is not None:
        media.check_output(output, encoding, geometry.num_frames)
    if encoding.format == "gif" and geometry.fps > 50:
        raise UserError(
            f"a GIF shows at most 50 frames a second, got {geometry.fps:g}; lower --fps or write a .webp or .mp4."
        )
    if encoding.format == "jpeg" and geometry.num_frames > 1 and not request.sheet:
        raise UserError("a JPEG holds one picture, not a clip; add --sheet, or write .gif, .webp or .mp4.")


def _caption(request: Request, variant: Variant, path: Path, has_picture: bool) -> tuple[str, list[str]]:
    if not variant.vocabulary:
        return request.prompt, []
    read = Vocabulary.read(path / variant.vocabulary).understand(request.prompt, has_picture=has_picture)
    return read.caption, [_understood(variant.name, read, has_picture)]


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
    name, scale = text, 1.0
    head, _, tail = text.rpartition(":")
    if head:
        try:
            name, scale = head, float(tail)
        except ValueError:
            name = text
    if not -10 <= scale <= 10:
        raise UserError(f"--lora {text}: the scale is {scale:g}; allowed is -10 to 10.")
    path = Path(name).expanduser()
    entry.family.check_lora(path)
    return Lora(name, scale, fingerprint(path))


def _shape_notes(request: Request, geometry: Geometry) -> list[str]:
    notes = []
    if request.seconds is not None:
        exact = geometry.num_frames / geometry.fps
        notes.append(f"{geometry.num_frames} frames at {geometry.fps:g} fps: {exact:.3g} seconds")
    if request.size is not None and ":" in request.size:
        notes.append(f"{request.size} is drawn as {geometry.width}x{geometry.height}")
    return notes
