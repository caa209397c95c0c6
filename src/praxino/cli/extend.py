"""`praxino extend`: a clip goes on, or begins earlier; its own frames stay as they are."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from praxino.cli.edited import edited_of, identity_of
from praxino.cli.generate import Origin, draw_request, output_option
from praxino.cli.options import GroupedCommand, GroupedOption, Running, request_of, request_options, running_options
from praxino.errors import UserError

if TYPE_CHECKING:
    from praxino.recipe import Recipe

TAKEN = ("image", "first", "video", "keyframes", "extend", "join", "mask", "expand", "fps", "strength")
"""Fields that `extend` fills in itself, or that have no place beside a clip that stays as it is."""


def extend(running: Running, what: str, direction: str, output: str | None, **params: Any) -> None:
    """Draw how a clip goes on, and write both as one.

    WHAT is `last` (the newest of the history), an id of the history, or a file. Prompt, model and LoRAs are those that
    drew it, unless others are given. --seconds is how much is added.
    """
    from praxino.media import is_clip

    edited = edited_of(what, running)
    if edited.path.is_dir() or not is_clip(edited.path):
        raise UserError(f"{edited.path} is no clip; to set a picture in motion: praxino --image {edited.path} ...")
    before = _before(edited.recipe, params)
    if not (params["prompt"] or before.get("prompt")):
        raise UserError(f'{edited.path} does not say what it shows: praxino extend {what[:200]} "what happens next"')
    if not (params["model"] or edited.model):
        raise UserError(f"{edited.path} does not say what drew it; name a model with -m.")
    model = params["model"] or edited.model
    given = {name: value for name, value in params.items() if value not in (None, ())}
    fields = {**before, **given, "model": model, "video": str(edited.path), "extend": direction, "join": True}
    named = output if output is not None else str(_extended(edited.path))
    origin = Origin(identity_of(edited), edited.entry.id if edited.entry else None, ())
    draw_request(request_of(fields), named, running, origin)


def _before(recipe: Recipe | None, params: dict[str, Any]) -> dict[str, Any]:
    """What the clip was drawn with; its LoRAs only for the model that they were laid over."""
    if recipe is None:
        return {}
    same = params["model"] in (None, recipe.model)
    loras = tuple(f"{lora.path}:{lora.scale:g}" for lora in recipe.loras) if same else ()
    return {"prompt": recipe.prompt, "lora": loras}


def _extended(path: Path) -> Path:
    """A name beside the clip that is not taken, of its own format, or MP4 where that is not written."""
    from praxino.media import format_of

    suffix = path.suffix if format_of(path) is not None else ".mp4"
    named, number = path.with_name(f"{path.stem}-extended{suffix}"), 1
    while named.exists():
        number += 1
        named = path.with_name(f"{path.stem}-extended-{number}{suffix}")
    return named


direction_option = GroupedOption(
    ["--direction"],
    group="pictures",
    type=click.Choice(["forward", "backward"]),
    default="forward",
    help="put what is drawn after the clip, or before it  [default forward]",
)
command = click.command("extend", cls=GroupedCommand)(running_options(extend))
command.params = [
    click.Argument(["what"], metavar="WHAT"),
    output_option,
    direction_option,
    *(option for option in request_options() if option.name not in TAKEN),
    *command.params,
]
