"""`praxino show`: the recipe inside a file, for people or for programs."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path

import click

from praxino.cli.wording import aligned, duration
from praxino.recipe import Condition, Encoding, Extended, GuidancePhase, Recipe


@click.command("show")
@click.argument("file")
@click.option("--json", "as_json", is_flag=True, help="print the whole recipe as JSON")
def command(file: str, as_json: bool) -> None:
    """Show how FILE was made, from the recipe inside it."""
    from praxino.engine.output import read_recipe

    recipe = read_recipe(Path(file))
    if as_json:
        click.echo(json.dumps(recipe.to_json(), indent=2, ensure_ascii=False))
    else:
        click.echo(aligned(rows(recipe)))


def rows(recipe: Recipe) -> list[tuple[str, str]]:
    """What there is to tell about a recipe; what is off or empty is left out."""
    clip = recipe.num_frames > 1
    length = f" ({duration(recipe.num_frames / recipe.fps)} at {recipe.fps:g} fps)" if clip else ""
    seeds = str(recipe.seed) if recipe.n == 1 else f"{recipe.seed} to {recipe.seed + recipe.n - 1}"
    table = [
        ("prompt", recipe.prompt),
        ("read as", recipe.caption if recipe.caption != recipe.prompt else ""),
        ("negative prompt", recipe.negative_prompt),
        ("task", recipe.task),
        ("model", f"{recipe.model} ({recipe.family}, {recipe.variant}, revision {recipe.revision[:12]})"),
        ("size", f"{recipe.width}x{recipe.height}"),
        ("frames", f"{recipe.num_frames}{length}"),
        ("drawn", _pieces(recipe)),
        *_numbered("extends", [_extended(e) for e in recipe.extends]),
        ("upscaled to", "x".join(map(str, recipe.upscale))),
        ("sound", recipe.sound if recipe.sound != "none" else ""),
        *_numbered("soundtrack", [laid.source for laid in recipe.soundtrack]),
        ("seed" if recipe.n == 1 else "seeds", seeds),
        ("steps", f"{recipe.steps}, {recipe.scheduler}, {recipe.schedule}"),
        ("sigmas", " ".join(f"{sigma:.4g}" for sigma in recipe.sigmas)),
        *_numbered("guidance", [_phase(phase) for phase in recipe.guidance_phases]),
        ("CFG-zero*", "on" if recipe.cfg_star else ""),
        ("number format", recipe.dtype),
        ("drawn in quality", recipe.quality if recipe.quality != "exact" else ""),
        *_numbered("picture", [_condition(condition) for condition in recipe.conditions]),
        *_numbered("LoRA", [f"{lora.path} at {lora.scale:g}" for lora in recipe.loras]),
        *((name.replace("_", " "), json.dumps(value, ensure_ascii=False)) for name, value in recipe.options.items()),
        ("file", _encoding(recipe.encoding, clip)),
        ("edited from", recipe.parent),
        ("recipe version", str(recipe.version)),
    ]
    return [(name, value) for name, value in table if value]


def _pieces(recipe: Recipe) -> str:
    pieces = recipe.pieces
    if not pieces.num_frames:
        return ""
    if pieces.count == 1:
        return f"{pieces.num_frames} frames"
    return f"{pieces.count} pieces of {pieces.num_frames} frames, {pieces.overlap} in common"


def _extended(extended: Extended) -> str:
    return f"{extended.media.source.rpartition('#frames=')[0]}, {extended.num_frames} frames"


def _numbered(name: str, values: list[str]) -> list[tuple[str, str]]:
    return [(name if index == 0 else "", value) for index, value in enumerate(values)]


def _phase(phase: GuidancePhase) -> str:
    said = f"{phase.scale:g}" if phase.scale != 1 else "off"
    if phase.stg_scale:
        said += f", STG {phase.stg_scale:g} on blocks {','.join(map(str, phase.stg_blocks))}"
    if phase.rescale != 1:
        said += f", rescale {phase.rescale:g}"
    return said if phase.start >= 1 else f"{said}, from sigma {phase.start:g} down"


def _condition(condition: Condition) -> str:
    shape = embedded_shape(condition.media.data)
    what = f"{shape} from" if shape else "read again from"
    held = "" if condition.strength == 1 else f", strength {condition.strength:g}"
    return f"{what} {condition.media.source} at frame {condition.frame}{held}"


def embedded_shape(data: str) -> str:
    """WIDTHxHEIGHT of an embedded picture, and how many frames if it is a clip; "" when nothing is embedded."""
    if not data:
        return ""
    from PIL import Image

    with Image.open(io.BytesIO(base64.b64decode(data.partition("base64,")[2]))) as picture:
        frames = getattr(picture, "n_frames", 1)
        return f"{picture.width}x{picture.height}" + (f", {frames} frames," if frames > 1 else "")


def _encoding(encoding: Encoding, clip: bool) -> str:
    said = [encoding.format]
    if encoding.format == "gif":
        said.append(f"{encoding.gif} palette")
    elif encoding.format in ("webp", "avif", "jpeg", "mp4", "webm"):
        said.append(f"quality {encoding.quality}")
    if encoding.codec != "none":
        said.append(encoding.codec)
    if clip and encoding.format in ("gif", "webp", "avif", "png"):
        said.append("loops for ever" if encoding.loop == 0 else f"plays {encoding.loop} times")
    facts = (
        ("samples side by side", encoding.grid),
        ("frames side by side", encoding.sheet),
        (f"see-through ({encoding.matting})", encoding.matting != "none"),
    )
    said += [word for word, on in facts if on]
    return ", ".join(said)
