"""`praxino convert`: a model from its authors' layout to diffusers' own."""

from __future__ import annotations

from pathlib import Path

import click

from praxino.cli.app import Commands


@click.group("convert", cls=Commands)
def command() -> None:
    """Write a model in diffusers' format."""


@command.command("hotshot-xl")
@click.argument("source", metavar="SRC")
@click.argument("target", metavar="DST")
def hotshot_xl(source: str, target: str) -> None:
    """Convert the Hotshot-XL folder SRC into the new folder DST.

    SRC is the original repository, or a folder with its unet/ alone. It draws the same pixels from DST.
    """
    from praxino.families.hotshot_xl.convert import convert

    written = convert(Path(source), Path(target))
    click.echo(f"wrote {target}: {', '.join(written)}", err=True)
