"""`praxino bench`: how fast this machine is, beside plain diffusers."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from praxino.cli.wording import columns
from praxino.errors import UserError

if TYPE_CHECKING:
    from praxino.request import Request


@click.command("bench")
@click.option("-m", "--model", default="pocket", metavar="NAME|FOLDER", help="what draws [pocket]")
@click.option("--published", metavar="VARIANT", help="a published network with random weights, in place of --model")
@click.option("--blocks", type=click.IntRange(1, 100), help="of --published: no more blocks a network than these")
@click.option("--size", metavar="SIZE", help="as for a prompt")
@click.option("--frames", type=int, help="as for a prompt")
@click.option("--steps", type=int, help="as for a prompt")
@click.option("--guidance", type=float, help="as for a prompt")
@click.option("--contender", "named", multiple=True, metavar="NAME", help="besides plain diffusers; all that can be")
@click.option("--rounds", type=click.IntRange(1, 1000), default=5, show_default=True, help="each of them that often")
@click.option("--warm", type=click.IntRange(1, 1000), default=5, show_default=True, help="warm requests a round")
@click.option("--sweep", multiple=True, metavar="AXIS=N,N,...", help="how it grows with frames, pixels, steps, batch")
@click.option("--threads", type=click.IntRange(1, 1024), help="of every contender, as its libraries choose by default")
@click.option("--device", metavar="DEVICE", help="cpu, cuda, ...; the best there is by default")
@click.option("--no-roofline", is_flag=True, help="do not count the floor")
@click.option("-o", "--output", metavar="FILE.json", help="keep the results")
@click.option("--plots", metavar="FOLDER", help="a PNG of each sweep (needs praxino[train])")
@click.option("--check", metavar="FILE.json", help="fail where these results were faster beside plain diffusers")
def command(**asked: Any) -> None:
    """Measure Praxino beside plain diffusers.

    The same weights, prompts, seeds, steps and guidance, in turn. It means something on an idle machine alone.
    """
    from praxino.bench.measuring import Plan, lost, measure, write
    from praxino.bench.results import as_rows
    from praxino.bench.rounds import Bench
    from praxino.bench.work import compared, contenders, work_of
    from praxino.cli.spelling import arguments

    committed = _read(asked["check"])
    sweeps = dict(_sweep(text) for text in asked["sweep"])
    with tempfile.TemporaryDirectory(prefix="praxino-bench-") as scratch:
        request = _request(asked, Path(scratch))
        names = contenders(work_of(request, asked["device"]), asked["named"])
        if committed is not None:
            names = compared(names)
        plan = Plan(request, names, asked["rounds"], sweeps, not asked["no_roofline"], asked["device"])
        bench = Bench(Path(scratch), arguments, asked["warm"], asked["threads"])
        results = measure(bench, plan, _tell)
        lines = [] if committed is None else lost(bench, plan, results, committed, _tell)
    click.echo(columns(as_rows(results)))
    if asked["output"]:
        write(results, Path(asked["output"]))
    if asked["plots"]:
        _plot(results, Path(asked["plots"]), asked["published"] or asked["model"])
    if lines:
        click.echo("\n".join(f"slower: {line}" for line in lines), err=True)
        click.get_current_context().exit(1)


def _tell(line: str) -> None:
    click.echo(line, err=True)


def _request(asked: dict[str, Any], scratch: Path) -> Request:
    """What is drawn. A published network is made first."""
    from praxino.request import Request

    model, fields = asked["model"], {}
    if asked["blocks"] and not asked["published"]:
        raise UserError("--blocks belongs to --published; give that as well, or leave it out.")
    if asked["published"]:
        from praxino.bench.published import request_of, write
        from praxino.engine.machine import this_machine

        fields = request_of(asked["published"])
        click.echo(f"writing {asked['published']} with random weights", err=True)
        folder = scratch / asked["published"]
        write(asked["published"], folder, device=this_machine(asked["device"]).device, blocks=asked["blocks"])
        model = str(folder)
    given = {name: asked[name] for name in ("size", "frames", "steps", "guidance") if asked[name] is not None}
    return Request(model=model, **{**fields, **given})


def _sweep(text: str) -> tuple[Any, tuple[int, ...]]:
    from praxino.bench.work import AXES

    axis, _, values = text.partition("=")
    if axis not in AXES:
        raise UserError(f"--sweep {text[:60]!r} names no axis; allowed are {', '.join(AXES)}, as in steps=4,8,16.")
    try:
        return axis, tuple(int(value) for value in values.split(","))
    except ValueError:
        raise UserError(f"--sweep {text[:60]!r} has no whole numbers; write it as in {axis}=4,8,16.") from None


def _read(path: str | None) -> dict[str, Any] | None:
    if path is None:
        return None
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as problem:
        raise UserError(f"{path} holds no results of a bench ({problem}); write some with -o.") from problem


def _plot(results: dict[str, Any], folder: Path, model: str) -> None:
    from praxino.bench.plots import plot

    for axis, sweep in results.get("sweeps", {}).items():
        click.echo(str(plot(axis, sweep, f"{Path(model).name}, {results['machine']['cpu']}", folder / f"{axis}.png")))
