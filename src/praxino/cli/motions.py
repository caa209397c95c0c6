"""`praxino motions`: how figures move, to steer models that follow a pose."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from praxino.cli.app import Commands
from praxino.cli.wording import aligned, columns, duration
from praxino.errors import UserError

if TYPE_CHECKING:
    from praxino.motions.motion import Motion

PREVIEW_SIDE = 256
PREVIEW_FPS = 12.0


@click.group("motions", cls=Commands)
def command() -> None:
    """List driving motions, or show one.

    A motion is followed with --motion-template NAME, by models that can.
    """


@command.command("list")
def list_motions() -> None:
    """List the motions that are built in."""
    from praxino.motions import find, names

    found = [find(name) for name in names()]
    click.echo(columns([["NAME", "LENGTH", "ABOUT"], *([m.name, duration(m.seconds), m.about] for m in found)]))
    click.echo("yours are .json files; see how one is written: praxino motions show wave --json", err=True)


@command.command("show")
@click.argument("name", metavar="NAME|FILE.json")
@click.option("--json", "as_json", is_flag=True, help="print the tracks of the joints")
@click.option("-o", "--output", metavar="FILE", help="draw it once through, as .gif, .webp or .mp4")
def show_motion(name: str, as_json: bool, output: str | None) -> None:
    """Show a motion: what it is, its tracks, or how it looks."""
    from praxino.motions import find
    from praxino.motions.motion import to_json

    motion = find(name)
    if as_json:
        click.echo(to_json(motion))
        return
    if output is not None:
        click.echo(str(_draw(motion, Path(output))))
        return
    rows = [("name", motion.name), ("about", motion.about), ("length", duration(motion.seconds))]
    rows += [("frames", f"{len(motion.frames)} at {motion.fps:g} fps"), ("repeats", "yes" if motion.loop else "no")]
    click.echo(aligned(rows))


def _draw(motion: Motion, path: Path) -> Path:
    from praxino import media
    from praxino.engine.encoding import resolve_encoding
    from praxino.motions.render import render
    from praxino.request import Request

    if media.format_of(path) is None:
        raise UserError(f"{path} has no extension that is known; write a .gif, .webp or .mp4.")
    num_frames = max(1, round(motion.seconds * PREVIEW_FPS))
    encoding = resolve_encoding(Request(), path, num_frames)
    media.check_output(path, encoding, num_frames)
    frames = render(motion, num_frames, PREVIEW_FPS, PREVIEW_SIDE, PREVIEW_SIDE)
    return media.save([frames], path, encoding, PREVIEW_FPS, None)
