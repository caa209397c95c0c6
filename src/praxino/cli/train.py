"""`praxino train`: make a model, or teach one something new, on this machine."""

from __future__ import annotations

import contextlib
import dataclasses
import signal
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from praxino.cli.app import Commands
from praxino.cli.options import Scalar
from praxino.errors import Cancelled, UserError

if TYPE_CHECKING:
    from praxino.recipe import Recipe
    from praxino.training.tuning.examples import Example, Survey
    from praxino.training.tuning.settings import Tuning


class TrainCommands(Commands):
    """`praxino train my-style.toml` is `praxino train run my-style.toml`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the name of the command in where a file stands in its place."""
        if args and args[0].endswith(".toml"):
            args = ["run", *args]
        return super().parse_args(ctx, args)


@click.group("train", cls=TrainCommands)
def command() -> None:
    """Teach a model a style or a thing from clips: praxino train my-style.toml."""


@command.command("new")
@click.argument("file", metavar="FILE.toml")
@click.option("--data", default="my-clips", metavar="FOLDER", help="folder of clips with their captions")
@click.option("-m", "--model", default="pocket", metavar="NAME|FOLDER", help="the checkpoint to begin from")
@click.option("--trigger", default="", metavar="WORD", help="the word that will call what is learnt")
def new(file: str, data: str, model: str, trigger: str) -> None:
    """Write a commented file of settings to begin with."""
    from praxino.training.tuning.settings import named_from, template
    from praxino.training.tuning.starts import samples_for, start_for
    from praxino.weights import catalog

    path = Path(file)
    if path.suffix != ".toml":
        raise UserError(f"{file} does not end in .toml; name it so.")
    if path.exists():
        raise UserError(f"{path} is there already; give another name.")
    entry, home = catalog.find(model), path.parent
    clips = Path(data) if Path(data).exists() else home / data
    values = {**start_for(entry.variant), **samples_for(entry, clips, trigger)}
    named = {"data": named_from(home, data), "model": named_from(home, model), "trigger": trigger}
    home.mkdir(parents=True, exist_ok=True)
    path.write_text(template({**named, **values}), encoding="utf-8")
    click.echo(f"wrote {path}; look it through, then: praxino train check {path}; praxino train {path}", err=True)


@command.command("caption")
@click.argument("folder", metavar="FOLDER")
def caption(folder: str) -> None:
    """Caption the clips that have no caption.

    The chat model of PRAXINO_REWRITER is asked, which has to see pictures; what it says lies beside each clip.
    """
    from praxino.engine.rewriting import ask
    from praxino.training.tuning.captioning import write_missing

    written = write_missing(Path(folder), lambda told, wish: ask(told, wish, "train caption"), _tell)
    look = "look them through, then" if written else "what is used, and what is not"
    click.echo(f"wrote {len(written)} captions; {look}: praxino train check {folder}", err=True)


@command.command("dataset")
@click.argument("source", metavar="NAME|FOLDER")
@click.argument("folder", metavar="FOLDER")
@click.option("--split", default="train", metavar="NAME", help="the part of the dataset [default train]")
@click.option("--media", default="", metavar="COLUMN", help="column of pictures or videos; by default the first such")
@click.option("--captions", default="", metavar="COLUMN", help="column of captions; by default caption, text or prompt")
def dataset(source: str, folder: str, split: str, media: str, captions: str) -> None:
    """Make a folder of clips of a dataset.

    NAME is one of Hugging Face's Hub, FOLDER one that its library datasets reads: pictures or videos with captions.
    """
    from praxino.training.tuning.from_dataset import Columns, write

    count = write(source, split, Columns(media, captions), Path(folder))
    click.echo(f"wrote {count} clips into {folder}; next: praxino train check {folder}", err=True)


@command.command("check")
@click.argument("source", metavar="FOLDER|FILE.toml")
@click.option("-m", "--model", default="pocket", metavar="NAME|FOLDER", help="for a folder: the checkpoint it is for")
def check(source: str, model: str) -> None:
    """Tell clip by clip what would be used and why something would not."""
    from praxino.training.tuning.settings import Tuning, read

    tuning = read(Path(source)) if source.endswith(".toml") else Tuning(data=source, model=model)
    from praxino.training.tuning.examples import check as checked

    for line in checked(tuning).lines():
        click.echo(line)


@command.command("run")
@click.argument("file", metavar="FILE.toml")
@click.option("--resume", is_flag=True, help="go on from the last save")
@click.option("--device", metavar="NAME", help="cpu, cuda, cuda:1; by default the best there is")
def run(file: str, resume: bool, device: str | None) -> None:
    """Train as a file of settings says."""
    from praxino.engine.machine import this_machine
    from praxino.training.tuning.examples import check as checked
    from praxino.training.tuning.settings import read

    tuning = read(Path(file))
    recipe_of = _sampler(tuning, checked(tuning))
    for number, prompt in enumerate((*tuning.samples, *tuning.prior_prompts)):
        recipe_of(prompt, tuning.seed, number)
    machine = this_machine(device)
    _ignore_mixed_formats()
    asked: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, frame: asked.append(number))
    try:
        from praxino.training.tuning.outputs import use
        from praxino.training.tuning.run import Run, train

        job = Run(tuning, resume, machine.device, recipe_of, _tell, lambda: bool(asked))
        out = train(job)
    except KeyboardInterrupt:
        raise Cancelled("cancelled; the same command with --resume goes on from the last save") from None
    except ModuleNotFoundError as problem:
        raise UserError(f"training needs the package {problem.name}; run: pip install {problem.name}") from problem
    if asked:
        click.echo(f"stopped and saved; go on with: praxino train {file} --resume", err=True)
        return
    click.echo(f"wrote {out}; try it: {use(tuning, str(out))}", err=True)


def _sampler(tuning: Tuning, told: Survey) -> Callable[[str, int, int], Recipe]:
    """How a prompt is resolved: as the command would at the size that is trained, but that the trigger is a known word.

    Models that set a picture in motion begin with first frames of the clips, in turn.
    """
    from praxino.engine.resolve import resolve
    from praxino.request import Request
    from praxino.training.tuning.buckets import fitting
    from praxino.training.tuning.examples import caption_for
    from praxino.weights import catalog

    entry = catalog.find(tuning.model)
    frames = fitting(tuning.frames, entry.variant.grid.frame_step) if tuning.frames else None
    base = tuning.spatial_base or None
    wish = Request("", model=tuning.model, size=tuning.size or None, frames=frames, spatial_base=base)

    def recipe_of(prompt: str, seed: int, number: int) -> Recipe:
        asked = dataclasses.replace(wish, prompt=prompt, seed=seed)
        if entry.variant.tasks[0] != "image-to-video":
            recipe = resolve(asked).recipe
        else:
            with _ends(told.examples[number % len(told.examples)], "last-frame" in entry.variant.needs) as pictures:
                recipe = resolve(dataclasses.replace(asked, **pictures)).recipe
        return dataclasses.replace(recipe, caption=caption_for(prompt, entry, tuning.trigger))

    return recipe_of


@contextlib.contextmanager
def _ends(example: Example, with_last: bool) -> Iterator[dict[str, str]]:
    """The first frame of an example and, where it is needed, the last, as files for as long as the block runs."""
    from PIL import Image

    clip, frames = example.clip.read()[0], example.piece.frames
    names = {"image": clip[frames[0]], **({"last": clip[frames[-1]]} if with_last else {})}
    with tempfile.TemporaryDirectory() as folder:
        files = {name: str(Path(folder) / f"{name}.png") for name in names}
        for name, frame in names.items():
            Image.fromarray(frame).save(files[name])
        yield files


@command.command("example")
@click.argument("folder", metavar="FOLDER")
def example(folder: str) -> None:
    """Write ten GIFs of a small robot, with captions, to try training on."""
    from praxino.training.tuning.zib import NAME, write

    written = write(Path(folder))
    click.echo(f"wrote {len(written)} clips of {NAME} into {folder}; next:", err=True)
    click.echo(f"praxino train new {NAME}.toml --data {folder} --trigger {NAME}", err=True)


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
@click.option("--edition", type=click.IntRange(1, 2), default=1, help="1 ships; 2 knows far more [default 1]")
@click.option(
    "--stage", metavar="NAME", help="of edition 2: autoencoder, decoder, stills, teacher, student, halving, finish"
)
@click.option(
    "--pause-after",
    type=Scalar("--pause-after", float),
    default=float("inf"),
    metavar="N",
    help="of edition 2: save and leave off after so many minutes; the same command goes on",
)
def pocket(
    minutes: float,
    out: str,
    seed: int,
    resume: bool,
    device: str | None,
    edition: int,
    stage: str | None,
    pause_after: float,
) -> None:
    """Train the bundled model anew, from rendered emoji alone.

    Edition 2 is trained a stage a command, each going on where it was left.
    """
    folder = Path(out)
    if not 0 < minutes < float("inf"):
        raise UserError(f"--minutes is {minutes:g}; it must be more than 0.")
    if (edition == 2) != (stage is not None):
        raise UserError("--stage goes with --edition 2, and --edition 2 with --stage; see docs/how-to/pocket-second.md")
    if stage is not None:
        _train_stage(stage, minutes, folder, seed, device, pause_after)
        return
    if not resume and folder.is_dir() and any(folder.iterdir()):
        raise UserError(f"{folder} is not empty; add --resume to go on from what is there, or give another folder.")

    _ignore_mixed_formats()
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


def _train_stage(stage: str, minutes: float, out: Path, seed: int, device: str | None, pause_after: float) -> None:
    _ignore_mixed_formats()
    try:
        from praxino.training.second import train_stage

        left = train_stage(stage, minutes, out, seed=seed, device=device, pause_after=pause_after, on_event=_tell)
    except KeyboardInterrupt:
        raise Cancelled("cancelled; the same command goes on from the last save") from None
    except ModuleNotFoundError as problem:
        raise UserError(f"training needs the package {problem.name}; run: pip install {problem.name}") from problem
    click.echo(f"{stage}: {left}", err=True)


def _ignore_mixed_formats() -> None:
    """Networks compute in bfloat16 with float32 weights, and torch says so once: that is meant."""
    warnings.filterwarnings("ignore", "Mismatch dtype between input and weight", UserWarning)


def _tell(line: str) -> None:
    click.echo(line, err=True)
