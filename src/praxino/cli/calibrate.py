"""`praxino calibrate`: which steps of a checkpoint can be left out, measured and kept for quality fast."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from praxino.cli.wording import columns

if TYPE_CHECKING:
    from praxino.bench.calibrating import Trial


@click.command("calibrate")
@click.option("-m", "--model", required=True, metavar="NAME|FOLDER", help="what draws")
@click.option("-p", "--prompt", "prompts", multiple=True, metavar="TEXT", help="again for each clip; four by default")
@click.option("--first", metavar="FILE", help="the picture that clips begin with, as for a prompt")
@click.option("--size", metavar="SIZE", help="as for a prompt")
@click.option("--frames", type=int, help="as for a prompt")
@click.option("--steps", type=int, help="as for a prompt")
@click.option("--schedule", metavar="NAME", help="as for a prompt")
@click.option("--guidance", type=float, help="as for a prompt")
@click.option("--device", metavar="DEVICE", help="cpu, cuda, ...; the best there is by default")
def command(model: str, prompts: tuple[str, ...], device: str | None, **asked: Any) -> None:
    """Measure which steps of a model can be left out.

    Draws each clip exact, then with every step cache and bound. What draws soonest with an SSIM of 0.90 or more
    to exact is used by --quality fast from then on. It takes as long as some fifteen draws of every clip, and means
    something on an idle machine alone.
    """
    from praxino.bench.calibrating import calibrate
    from praxino.request import Request

    fields = {name: value for name, value in asked.items() if value is not None}
    trials: list[Trial] = []

    def tell(trial: Trial) -> None:
        trials.append(trial)
        click.echo(" ".join(_row(trial)), err=True)

    found = calibrate(Request("", model=model, **fields), prompts, device, tell)
    click.echo(columns([["CACHE", "BOUND", "UNGUIDED", "SSIM", "DB", "SPEED"], *map(_row, trials)]))
    kept = "nothing" if found.kind == "none" and not found.unguided else f"{found.kind} {found.bound:g}"
    click.echo(f"fast leaves out: {kept}; {found.speedup:.2f} times as fast, SSIM {found.ssim:.3f}")


def _row(trial: Trial) -> list[str]:
    choice = trial.choice
    likeness = [f"{trial.ssim:.3f}", f"{trial.psnr_db:.1f}"]
    return [choice.kind, f"{choice.bound:g}", f"{choice.unguided:.0%}", *likeness, f"{trial.speedup:.2f}x"]
