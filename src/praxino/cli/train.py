"""`praxino train`: make a model on this machine."""

from __future__ import annotations

from pathlib import Path

import click

from praxino.cli.app import Commands
from praxino.cli.options import Scalar
from praxino.errors import Cancelled, UserError


@click.group("train", cls=Commands)
def command() -> None:
    """Train a model."""


@command.command("pocket")
@click.option("--minutes", type=Scalar("--minutes", float), required=True, metavar="N", help="how long to train")
@click.option(
    "--out", required=True, metavar="FOLDER", help="where the model goes; its training state is in FOLDER.work"
)
@click.option(
    "--seed", type=Scalar("--seed", int), default=0, metavar="N", help="of weights, data and noise [default 0]"
)
@click.option("--resume", is_flag=True, help="go on from the state in FOLDER.work")
@click.option("--device", metavar="NAME", help="cpu, cuda, cuda:1; by default the best there is")
def pocket(minutes: float, out: str, seed: int, resume: bool, device: str | None) -> None:
    """Train the bundled model anew, from rendered emoji alone."""
    folder = Path(out)
    if not 0 < minutes < float("inf"):
        raise UserError(f"--minutes is {minutes:g}; it must be more than 0.")
    if not resume and folder.is_dir() and any(folder.iterdir()):
        raise UserError(f"{folder} is not empty; add --resume to go on from what is there, or give another folder.")

    try:
        from praxino.training.pocket import train

        written = train(minutes, folder, seed=seed, resume=resume, device=device, on_event=_tell)
    except KeyboardInterrupt:
        raise Cancelled(
            f"cancelled; the same command with --resume goes on from the last save in {folder}.work"
        ) from None
    except ModuleNotFoundError as problem:
        raise UserError(f"training needs the package {problem.name}; run: pip install {problem.name}") from problem
    click.echo(f'wrote {written}; try it: praxino "a rocket flying up" -m {written}', err=True)


def _tell(line: str) -> None:
    click.echo(line, err=True)
