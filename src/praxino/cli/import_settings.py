"""`praxino import`: a picture of AUTOMATIC1111 or ComfyUI, or a workflow's file, becomes a command line."""

from __future__ import annotations

import dataclasses
import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from praxino.cli.generate import draw_request, named_format, output_option
from praxino.cli.options import GroupedCommand, GroupedOption, Running, given, request_options, running_options
from praxino.cli.spelling import arguments
from praxino.errors import UserError
from praxino.request import Request, flag, overlaid

if TYPE_CHECKING:
    from praxino.foreign import Settings


def import_settings(running: Running, file: str, run: bool, output: str | None, **params: Any) -> None:
    """Read the settings of another program.

    FILE is a picture or clip that AUTOMATIC1111's web UI or ComfyUI has written, or a text file: a ComfyUI workflow
    (JSON), or AUTOMATIC1111's parameters. Prints the command that says the same; with --json, the Request. What cannot
    be said here is listed. Options given here are put in place of those in FILE.
    """
    from praxino.foreign import read

    settings = read(Path(file).expanduser())
    wanted = given(named_format(params, output))
    model = _known_model(settings.checkpoint) if "model" not in wanted else None
    own = {**settings.fields, **({"model": model} if model else {})}
    request = Request(**overlaid(own, wanted))
    lacks = _lacks(settings, wanted, model)
    _tell(settings, lacks, running)
    if run:
        if lacks:
            raise UserError(f"{lacks[0]}.")
        draw_request(request, output, running)
    elif running.json:
        click.echo(json.dumps(_plain(settings, request, lacks), indent=2, ensure_ascii=False))
    else:
        destination = [] if output is None else ["-o", output]
        click.echo(shlex.join(["praxino", *destination, *arguments(request)]))


def _known_model(checkpoint: str) -> str | None:
    """The name here of a checkpoint that is named by its file; None when there is none."""
    from praxino.foreign.checkpoints import repository, stem
    from praxino.weights.catalog import entries

    if not checkpoint:
        return None
    wanted, published = stem(checkpoint), repository(checkpoint)
    for entry in entries():
        source = entry.variant.source
        named = {stem(name) for name in (entry.name, entry.path.name if entry.path else "", source) if name}
        if wanted in named or (published and source == published):
            return entry.name
    return None


def _lacks(settings: Settings, wanted: dict[str, Any], model: str | None) -> list[str]:
    """What has to be given before it can be run as it was meant."""
    lacks = []
    if model is None and "model" not in wanted:
        named = f"the model {settings.checkpoint} is not known here" if settings.checkpoint else "no model is named"
        lacks.append(f"{named}; give one with -m")
    if settings.missing and settings.missing not in wanted:
        spelled = flag(settings.missing)
        lacks.append(f"they were used with a picture that is not told; give it: {spelled} FILE")
    return lacks


def _tell(settings: Settings, lacks: list[str], running: Running) -> None:
    if running.quiet or running.json:
        return
    click.echo(f"settings of {settings.program}", err=True)
    for one in settings.unmapped:
        click.echo(f"not taken over: {one.what} ({one.why})", err=True)
    for lack in lacks:
        click.echo(lack, err=True)


def _plain(settings: Settings, request: Request, lacks: list[str]) -> dict[str, Any]:
    return {
        "program": settings.program,
        "checkpoint": settings.checkpoint,
        "request": request.to_json(),
        "unmapped": [dataclasses.asdict(one) for one in settings.unmapped],
        "lacks": lacks,
    }


command = click.command("import", cls=GroupedCommand)(running_options(import_settings))
command.params = [
    click.Argument(["file"]),
    GroupedOption(["--run"], is_flag=True, group="run", help="draw it, rather than print the command"),
    output_option,
    *(option for option in request_options() if option.name != "prompt"),
    *command.params,
]
