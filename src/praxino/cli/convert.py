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


@command.command("diffusers")
@click.argument("source", metavar="SRC")
@click.argument("target", metavar="DST")
@click.option("--allow-pickle", is_flag=True, help="read .pt and .pth too; only their tensors are read")
def diffusers(source: str, target: str, allow_pickle: bool) -> None:
    """Convert the folder SRC, as a model's authors publish it, into the new folder DST.

    Wan, Wan Animate, CogVideoX (SAT), HunyuanVideo (1.5 too) and Mochi. All weights become safetensors in diffusers'
    names.
    """
    from praxino.weights.originals import convert

    title = convert(Path(source), Path(target), allow_pickle=allow_pickle)
    click.echo(f"wrote {target}: {title}", err=True)
