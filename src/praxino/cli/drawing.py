"""A recipe becomes a file, watched: progress, Ctrl-C, the closing line. Shared by `generate` and `replay`."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from praxino.cli.interrupt import Interrupt, interruptible
from praxino.cli.options import Running
from praxino.cli.progress import Progress
from praxino.cli.terminal import examine
from praxino.cli.wording import amount, duration
from praxino.errors import Cancelled, PraxinoError, UserError
from praxino.events import StepEvent
from praxino.recipe import Recipe

if TYPE_CHECKING:
    import numpy as np

    from praxino.engine.drawn import Drawn
    from praxino.engine.early import EarlyFile

_PLAIN = 0.6
"""Share of the border that is of one colour where the ground is plain and a thing may touch the border."""


def draw(
    recipe: Recipe,
    path: Path,
    running: Running,
    notes: tuple[str, ...] = (),
    parent: int | None = None,
    *,
    faithful: bool = False,
) -> list[Path]:
    """Run `recipe`, write its file or files at `path`, and say so.

    Args:
        recipe: what to draw.
        path: the file, or the pattern of several files' names.
        running: how this run goes.
        notes: what to tell before it begins.
        parent: the id, in the history, of what is edited.
        faithful: draw the recipe's own pixels or none, however little memory there is.

    Raises:
        Cancelled: somebody pressed Ctrl-C; no file was left half written.
        PraxinoError: the run failed.
    """
    report = Report(running)
    report.resolved(recipe, notes)
    began = time.monotonic()
    try:
        recipe, written = _run(recipe, path, running, report, faithful)
    except PraxinoError as problem:
        report.failed(problem)
        raise
    seconds = time.monotonic() - began
    ids = note_down(recipe, written, parent, report) if running.history else []
    report.wrote(written, recipe, seconds, ids)
    return written


def note_down(recipe: Recipe, written: list[Path], parent: int | None, report: Report) -> list[int]:
    """Put the files into the history; their ids. A history that cannot be written is told of, and stops nothing."""
    from praxino.history import Journal, drawn

    journal = Journal()
    try:
        if parent is None and recipe.parent and (known := journal.of_identity(recipe.parent)):
            parent = known.id
        return journal.add(drawn(recipe, written, parent))
    except (UserError, OSError) as problem:
        report.warned(str(problem))
        return []


def _run(recipe: Recipe, path: Path, running: Running, report: Report, faithful: bool) -> tuple[Recipe, list[Path]]:
    """The recipe as it was drawn, and the files."""
    with interruptible() as interrupt, report.watching(interrupt) as on_step:
        saving = False
        try:
            from praxino.engine.checkpoint import clear
            from praxino.engine.early import EarlyFile

            with EarlyFile(path, running.metadata) as early:
                recipe, clips = _drawn(recipe, on_step, running, faithful, early)
                interrupt.check()
                _check_ground([clip.frames for clip in clips], recipe, report)
                interrupt.stepping, saving = False, True
                written = early.save(clips, recipe)
                interrupt.stepping = True
            if running.checkpoint is not None:
                clear(running.checkpoint)
            return recipe, written
        except (Cancelled, KeyboardInterrupt):
            raise Cancelled(_cancelled_message(recipe, running, saving)) from None


def _drawn(
    recipe: Recipe, on_step: Callable[[StepEvent], None], running: Running, faithful: bool, early: EarlyFile
) -> tuple[Recipe, list[Drawn]]:
    from praxino.accel.launched import count_launched
    from praxino.engine.fitting import draw_as_fits
    from praxino.engine.run import draw
    from praxino.engine.together import lead

    given: dict[str, Any] = {"checkpoint": running.checkpoint, "device": running.device, "early": early}
    if (count := count_launched()) > 1:
        return lead(recipe, on_step, count, **given, faithful=faithful)
    if faithful:
        return recipe, draw(recipe, on_step, **given)
    return draw_as_fits(recipe, on_step, **given)


def _check_ground(clips: list[np.ndarray], recipe: Recipe, report: Report) -> None:
    """Warn when --transparent is told to take away a plain ground, and there is none."""
    from praxino.media import plainness

    if recipe.encoding.matting == "ground" and min(map(plainness, clips)) < _PLAIN:
        report.close()
        report.warned(
            "the ground is not of one colour: parts of it may stay. Ask for a plain one in the prompt, "
            "or cut out the subject with --matting rembg."
        )


def _cancelled_message(recipe: Recipe, running: Running, saving: bool) -> str:
    if saving and recipe.n > 1 and not recipe.encoding.grid:
        return "cancelled while writing; the files that were complete are kept"
    if running.checkpoint is not None:
        return f"cancelled; nothing was written. The same command goes on from {running.checkpoint}"
    return "cancelled; nothing was written"


class Report:
    """What the user sees of a run: people on stderr, programs on stdout."""

    def __init__(self, running: Running) -> None:
        """Show nothing yet."""
        self._running = running
        self._talks = not (running.quiet or running.json)
        self._progress = Progress(sys.stderr, examine(sys.stderr), running.preview) if self._talks else None

    @property
    def shows_previews(self) -> bool:
        """Whether a preview would be seen."""
        return self._progress is not None and self._progress.shows_previews

    def resolved(self, recipe: Recipe, notes: tuple[str, ...]) -> None:
        """Everything is decided; the run begins."""
        self._event("resolved", recipe=recipe.to_json(), notes=list(notes))
        self._note(notes)
        self.announce(f"loading {recipe.model}")

    def submitted(self, job_id: str, notes: tuple[str, ...]) -> None:
        """A server has taken the job."""
        self._event("submitted", job=job_id, notes=list(notes))
        self._note(notes)

    def announce(self, text: str) -> None:
        """Show a line until the first step."""
        if self._progress is not None:
            self._progress.announce(text)

    def _note(self, notes: tuple[str, ...]) -> None:
        for note in notes if self._talks else ():
            click.echo(note, err=True)

    def watching(self, interrupt: Interrupt) -> _Watching:
        """A context manager that gives the engine's on_step."""
        return _Watching(self, interrupt)

    def step(self, event: StepEvent) -> None:
        """A step has ended, or there is something to say."""
        if event.note:
            self.close()
            self.warned(event.note)
            return
        left = round(event.seconds_left, 3)
        named = ("stage", "step", "num_steps", "sample", "num_samples")
        self._event("step", **{k: getattr(event, k) for k in named}, seconds=round(event.seconds, 3), seconds_left=left)
        if self._progress is not None:
            self._progress.show(event)

    def close(self) -> None:
        """Wipe the live display away."""
        if self._progress is not None:
            self._progress.close()

    def failed(self, problem: PraxinoError) -> None:
        """The run has failed, or was cancelled."""
        self._event("failed", error=type(problem).__name__, message=str(problem))

    def warned(self, warning: str) -> None:
        """Something is amiss, and stops nothing."""
        self._event("warning", message=warning)
        if self._talks:
            click.echo(warning, err=True)

    def wrote(self, paths: list[Path], recipe: Recipe, seconds: float, ids: list[int]) -> None:
        """The files are there; `ids` are theirs in the history."""
        self._event("written", files=[str(path) for path in paths], seconds=round(seconds, 3), history=ids)
        if self._talks:
            click.echo(closing_line(paths, recipe, seconds), err=True)
        if not self._running.json and (self._running.quiet or not sys.stdout.isatty()):
            for path in paths:
                click.echo(str(path))

    def _event(self, kind: str, **values: Any) -> None:
        if self._running.json:
            click.echo(json.dumps({"event": kind, **values}))


class _Watching:
    """Context manager: gives the engine's on_step, and wipes the live display whatever happens."""

    def __init__(self, report: Report, interrupt: Interrupt) -> None:
        self._report, self._interrupt = report, interrupt

    def __enter__(self) -> Callable[[StepEvent], None]:
        def on_step(event: StepEvent) -> None:
            self._interrupt.check()
            self._report.step(event)

        return on_step

    def __exit__(self, *ended: object) -> None:
        self._report.close()


def closing_line(paths: list[Path], recipe: Recipe, seconds: float) -> str:
    """Where the file is, what is in it and how long it took."""
    files = str(paths[0]) if len(paths) == 1 else f"{paths[0]} ... {paths[-1].name}"
    frames = "1 frame" if recipe.num_frames == 1 else f"{recipe.num_frames} frames"
    seeds = f"seed {recipe.seed}" if recipe.n == 1 else f"seeds {recipe.seed} to {recipe.seed + recipe.n - 1}"
    length = [] if recipe.num_frames == 1 else [duration(recipe.num_frames / recipe.fps)]
    width, height = recipe.size
    facts = ", ".join([f"{width}x{height}", frames, *length, seeds, _size(paths)])
    return f"wrote {files} in {duration(seconds)}  ({facts})"


def _size(paths: list[Path]) -> str:
    files = [file for path in paths for file in (path.iterdir() if path.is_dir() else [path])]
    return amount(sum(file.stat().st_size for file in files))
