"""`praxino edit`: the next turn of a conversation about a picture. Each result knows what it was made from."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from praxino.cli.edited import edited_of, first_of_folder, identity_of
from praxino.cli.generate import Origin, draw_request, named_format, output_option, server_option
from praxino.cli.options import GroupedCommand, Running, request_of, request_options, running_options
from praxino.errors import UserError

if TYPE_CHECKING:
    from praxino.families import Variant
    from praxino.request import Request

EDITS = ("instruction-editing", "image-to-image", "image-to-video")
"""Tasks that begin with a picture, the likeliest meant first."""
TAKEN = ("image", "first", "video", "join")
"""Fields that `edit` fills in itself."""


def edit(running: Running, what: str, output: str | None, server: str | None, **params: Any) -> None:
    """Change a picture: draw PROMPT from it.

    WHAT is `last` (the newest of the history), an id of the history, or a file. The model is the one that drew it,
    unless -m names another. Any point of a chain can be edited again: see praxino history.
    """
    if params["prompt"] is None:
        raise UserError(f'say what to change: praxino edit {what[:200]} "make it watercolour"')
    edited = edited_of(what, running)
    model = params["model"] or edited.model or None
    picture, notes = _picture(edited.path, _variant(model, server), params)
    request = request_of({**named_format(params, output), **picture, "model": model})
    origin = Origin(identity_of(edited), edited.entry.id if edited.entry else None, notes)
    if server is None:
        draw_request(request, output, running, origin)
        return
    from praxino.cli.remote import draw_remotely

    draw_remotely(_with_frame_inside(request), output, server, running, origin)


def _variant(model: str | None, server: str | None) -> Variant | None:
    """What the model can do; None of one that only the server knows."""
    from praxino.request import Request
    from praxino.weights.catalog import find

    try:
        return find(model or Request().model).variant
    except UserError:
        if server is None:
            raise
        return None


def _with_frame_inside(request: Request) -> Request:
    """A request whose picture is a file, or a data URL where it is a frame of a clip: a server takes no such names."""
    if request.image is None or "#frame=" not in request.image:
        return request
    from praxino import media

    picture = media.embed(media.read_picture(request.image), "")
    return dataclasses.replace(request, image=picture.data)


def _picture(path: Path, variant: Variant | None, params: dict[str, Any]) -> tuple[dict[str, str], tuple[str, ...]]:
    """The Request's field for what is edited, and what to tell of it.

    A clip goes to a model that changes clips; of one for any other model, the first frame is taken.
    """
    from praxino import media

    if path.is_dir():
        return {"image": str(first_of_folder(path))}, (f"{path}: its first frame is taken",)
    clip = media.is_clip(path)
    if clip and variant is not None and _changes_clips(variant):
        return {"video": str(path)}, ()
    if variant is not None and not (params["mask"] or params["expand"]):
        _check_edits(variant)
    if clip:
        return {"image": f"{path}#frame=0"}, (f"{path} is a clip: its first frame is taken",)
    return {"image": str(path)}, ()


def _changes_clips(variant: Variant) -> bool:
    return "video-to-video" in variant.tasks and "extend" not in variant.steering


def _check_edits(variant: Variant) -> None:
    from praxino.weights.catalog import entries

    if any(task in EDITS for task in variant.tasks):
        return
    able = {task: [e for e in entries() if task in e.variant.tasks] for task in EDITS}
    here = [f"{entry.name} ({task})" for task, found in able.items() for entry in found if entry.path is not None]
    others = [f"{entry.name} ({task})" for task, found in able.items() for entry in found if entry.path is None]
    raise UserError(
        f"{variant.name} cannot change a picture; it does {', '.join(variant.tasks)}. Name one that can with -m.\n"
        f"Here: {', '.join(here[:8]) or 'none'}. To be fetched: {', '.join(others[:8]) or 'none'}."
    )


command = click.command("edit", cls=GroupedCommand)(running_options(edit))
command.params = [
    click.Argument(["what"], metavar="WHAT"),
    output_option,
    *(option for option in request_options() if option.name not in TAKEN),
    *command.params,
    server_option,
]
