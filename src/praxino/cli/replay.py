"""`praxino replay`: the same pixels again, from the file alone."""

from __future__ import annotations

import dataclasses
import filecmp
from pathlib import Path
from typing import TYPE_CHECKING

import click

from praxino.cli.gpus import spread
from praxino.cli.options import GroupedCommand, GroupedOption, Running, running_options
from praxino.errors import UserError

if TYPE_CHECKING:
    from praxino.recipe import Recipe


@click.command("replay", cls=GroupedCommand)
@click.argument("file")
@click.option(
    "-o",
    "--output",
    cls=GroupedOption,
    group="file",
    metavar="FILE",
    help="where to write; by default NAME-replay beside FILE. Another extension draws the same pixels in that format",
)
@click.option(
    "--server",
    cls=GroupedOption,
    group="run",
    metavar="URL",
    help="have that server draw it; PRAXINO_API_KEY is its key",
)
@running_options
def command(running: Running, file: str, output: str | None, server: str | None) -> None:
    """Draw FILE again from the recipe inside it.

    Says whether every byte is the same. A server draws again what was asked for in words, or with one picture; it has
    to have the same model.
    """
    from praxino.engine.encoding import encoding_for
    from praxino.engine.output import read_recipe
    from praxino.media import check_output

    original = Path(file)
    recipe = read_recipe(original)
    path = Path(output) if output is not None else original.with_stem(original.stem + "-replay")
    if path.resolve() == original.resolve():
        raise UserError(f"{path} is the file to replay; give another name with -o.")
    again = dataclasses.replace(recipe, encoding=encoding_for(recipe.encoding, path))
    check_output(path, again.encoding, again.num_frames)

    written = _drawn(again, path, server, running)
    if again == recipe and running.metadata and not running.quiet and not running.json:
        same = len(written) == 1 and identical(original, written[0])
        other = "the bytes are not" if server is None else "all that decides pixels, though not every byte, is"
        click.echo(f"{'every byte is' if same else other} as in {original}", err=True)


def _drawn(recipe: Recipe, path: Path, server: str | None, running: Running) -> list[Path]:
    if server is not None:
        from praxino.cli.remote import replay_remotely

        return replay_remotely(recipe, path, server, running)
    from praxino.cli.drawing import draw

    spread(running.gpus, running.device)
    return draw(recipe, path, running, faithful=True)


def identical(one: Path, other: Path) -> bool:
    """Whether two files, or two folders of files, hold the same bytes."""
    if one.is_dir():
        names = sorted(file.name for file in one.iterdir())
        same_names = names == sorted(file.name for file in other.iterdir())
        return same_names and sorted(filecmp.cmpfiles(one, other, names, shallow=False)[0]) == names
    return filecmp.cmp(one, other, shallow=False)
