"""`praxino generate`: the implicit command."""

from __future__ import annotations

import dataclasses
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from praxino.cli.gpus import spread, takes_several
from praxino.cli.options import GroupedCommand, GroupedOption, Running, request_of, request_options, running_options
from praxino.errors import UserError
from praxino.request import Request

if TYPE_CHECKING:
    from praxino.engine.resolve import Resolution

PICTURES = ("image", "first", "last", "keyframes", "video")
"""Fields that say what to draw even without a prompt."""


def generate(
    running: Running, output: str | None, server: str | None, local: bool, fit: bool, explain: bool, **params: Any
) -> None:
    """Draw PROMPT into a file.

    The file knows how it was made: see praxino show and praxino replay.
    The word "generate" can be left out unless the prompt is the name of a command.
    A prompt that starts with "-" goes after "--".
    """
    if params["prompt"] is None and not any(params[name] for name in PICTURES):
        raise UserError('nothing to draw. Say it: praxino "a rocket flying up on a blue background"')
    request = request_of(named_format(params, output))
    if fit or explain:
        _tell(request, output, server, running, of_memory=fit)
        return
    if server is not None:
        from praxino.cli.remote import draw_remotely

        if local:
            raise UserError("--local and --server exclude each other; give one of them.")
        draw_remotely(request, output, server, running)
    elif local or takes_several(running.gpus) or not _drawn_by_resident(request, output, running):
        draw_request(request, output, running)


def _drawn_by_resident(request: Request, output: str | None, running: Running) -> bool:
    """Whether a server of this machine has drawn it."""
    from praxino.cli import resident

    found = resident.found(request, running)
    if found is None:
        return False
    from praxino.cli.remote import draw_by_resident

    return draw_by_resident(request, output, found, running)


def _tell(request: Request, output: str | None, server: str | None, running: Running, *, of_memory: bool) -> None:
    """Tell how the run would fit into memory, or what makes it faster, and draw nothing."""
    from praxino.cli import memory, speed

    if server is not None:
        raise UserError(f"{'--fit' if of_memory else '--explain'} is about this machine; leave it out with --server.")
    resolution, _ = _resolve(request, Path(output) if output is not None else None, running, here=False)
    if of_memory:
        memory.explain(resolution.recipe, running.device, running.json)
    else:
        speed.explain(resolution, running.json, running.gpus)


def named_format(params: dict[str, Any], output: str | None) -> dict[str, Any]:
    """The parameters, with the format that a slash at the output's end asks for."""
    if output is not None and output.endswith(("/", os.sep)) and params["format"] is None:
        return {**params, "format": "frames"}
    return params


@dataclass(frozen=True)
class Origin:
    """What is edited."""

    identity: str
    """See `Recipe.parent`."""
    id: int | None
    """In the history, where it is kept."""
    notes: tuple[str, ...]
    """What to tell of it."""


NO_ORIGIN = Origin("", None, ())


def draw_request(request: Request, output: str | None, running: Running, origin: Origin = NO_ORIGIN) -> None:
    """Decide everything, draw it and write it. Raises UserError before anything is loaded."""
    from praxino.cli.drawing import draw
    from praxino.engine.checkpoint import resolve_or_resume

    spread(running.gpus, running.device)
    resolution, path = _resolve(request, Path(output) if output is not None else None, running)
    recipe = dataclasses.replace(resolution.recipe, parent=origin.identity)
    resolution = dataclasses.replace(resolution, recipe=recipe)
    if running.checkpoint is not None:
        resolution = resolve_or_resume(request, running.checkpoint, resolution)
    draw(resolution.recipe, path, running, (*origin.notes, *resolution.notes), origin.id)


def _resolve(request: Request, named: Path | None, running: Running, *, here: bool = True) -> tuple[Resolution, Path]:
    """Decide everything, the output's name included. Raises UserError; nothing is written when it does."""
    from praxino.engine.machine import this_machine
    from praxino.engine.output import default_path, sample_paths
    from praxino.engine.resolve import resolve
    from praxino.media import check_output

    resolution = resolve(request, output=named, machine=this_machine(running.device), here=here)
    recipe = resolution.recipe
    num_files = 1 if recipe.encoding.grid else recipe.n
    path = named or default_path(request.prompt, recipe.encoding.format, Path(), num_files)
    for file in sample_paths(path, recipe.n, recipe.encoding.grid):
        check_output(file, recipe.encoding, recipe.num_frames)
    return resolution, path


output_option = GroupedOption(
    ["-o", "--output"], group="file", metavar="FILE", help="where to write; by default named after the prompt, here"
)
server_option = GroupedOption(
    ["--server"], group="run", metavar="URL", help="have that server draw it; PRAXINO_API_KEY is its key"
)
local_option = GroupedOption(
    ["--local"], is_flag=True, group="run", help="draw in this process, even where praxino serve runs on this machine"
)
fit_option = GroupedOption(
    ["--fit"], is_flag=True, group="run", help="say how it fits into memory, and which plan it would get; draw nothing"
)
explain_option = GroupedOption(
    ["--explain"], is_flag=True, group="run", help="say what makes it faster, what does not and why; draw nothing"
)
command = click.command("generate", cls=GroupedCommand)(running_options(generate))
command.params = [
    output_option,
    *request_options(),
    *command.params,
    server_option,
    local_option,
    fit_option,
    explain_option,
]
