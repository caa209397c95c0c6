"""`praxino replay`: the same pixels again, from the file alone."""

from __future__ import annotations

import dataclasses
import filecmp
from pathlib import Path

import click

from praxino.cli.options import GroupedCommand, GroupedOption, Running, running_options
from praxino.errors import UserError


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
@running_options
def command(running: Running, file: str, output: str | None) -> None:
    """Draw FILE again from the recipe inside it.

    Says whether every byte is the same.
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

    from praxino.cli.drawing import draw

    written = draw(again, path, running, faithful=True)
    if again == recipe and running.metadata and not running.quiet and not running.json:
        same = len(written) == 1 and identical(original, written[0])
        click.echo(f"{'every byte is' if same else 'the bytes are not'} as in {original}", err=True)


def identical(one: Path, other: Path) -> bool:
    """Whether two files, or two folders of files, hold the same bytes."""
    if one.is_dir():
        names = sorted(file.name for file in one.iterdir())
        same_names = names == sorted(file.name for file in other.iterdir())
        return same_names and sorted(filecmp.cmpfiles(one, other, names, shallow=False)[0]) == names
    return filecmp.cmp(one, other, shallow=False)
