"""Runs a Recipe: the only place that loads weights and draws pixels. Decides nothing, writes no output file."""

from __future__ import annotations

import dataclasses
import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from praxino import media, settings
from praxino.accel.paces import Clock
from praxino.accel.plan import Estimate
from praxino.accel.speed import QUANTISED, value_of
from praxino.accel.trouble import is_out_of_memory
from praxino.engine import fitting, loaded, reading, speeding, trying
from praxino.engine.checkpoint import RunCheckpoint
from praxino.engine.drawn import Drawn
from praxino.engine.early import EarlyFile, Put
from praxino.engine.finish import finished, source_of
from praxino.engine.machine import this_machine
from praxino.engine.pieces import pictures_of, recipe_of
from praxino.errors import OutOfMemory, UserError
from praxino.events import OnStep, Stage, StepEvent
from praxino.families import DecodesInChunks, DrawsSound, Family, LoopState
from praxino.media.sound import Sound
from praxino.recipe import Companion, Lora, Recipe
from praxino.weights import catalog, editions
from praxino.weights.fingerprint import fingerprint

if TYPE_CHECKING:
    from praxino.accel.reuse import Reuse
    from praxino.engine.together import Together

_Named = TypeVar("_Named", Lora, Companion)


def run(
    recipe: Recipe, on_step: OnStep, *, checkpoint: Path | None = None, device: str | None = None
) -> list[np.ndarray]:
    """The frames alone of what `draw` gives: n clips, each (F, H, W, 3) uint8."""
    return [drawn.frames for drawn in draw(recipe, on_step, checkpoint=checkpoint, device=device)]


def draw(
    recipe: Recipe,
    on_step: OnStep,
    *,
    checkpoint: Path | None = None,
    device: str | None = None,
    early: EarlyFile | None = None,
    together: Together | None = None,
) -> list[Drawn]:
    """Draw every sample of a recipe.

    Args:
        recipe: everything decided.
        on_step: called after each step; it stops the run by raising `Cancelled`.
        checkpoint: a folder for the state, saved by time; a run that finds its own state there goes on from it.
        device: cpu, cuda, ...; this machine's best when not given.
        early: what takes the frames as they are decoded, where family and format allow; to be saved by the caller.
        together: the processes that all draw this, where there are several; then it has the checkpoint.

    Returns:
        n samples.

    Raises:
        UserError: the checkpoint's files are not those of the recipe, or a picture is gone.
        ModelError: the weights cannot be loaded.
        OutOfMemory: the smallest plan that draws these pixels takes more than there is.
    """
    entry = catalog.find(recipe.model)
    _check_revision(recipe, entry.fingerprint())
    own = RunCheckpoint(checkpoint, recipe, settings.checkpoint_seconds()) if checkpoint else None
    saved = together.saved if together else own
    begin = None if early is None else partial(early.begin, recipe)
    recipe = dataclasses.replace(
        recipe,
        loras=tuple(_located(lora, catalog.locate_file) for lora in recipe.loras),
        companions=tuple(_located(companion, catalog.locate) for companion in recipe.companions),
    )
    pictures = [media.load(condition.media) for condition in recipe.conditions]
    source = source_of(recipe)

    def tell(note: str) -> None:
        on_step(StepEvent("load", 1, 1, 0.0, num_samples=recipe.n, note=note))

    def attempt(plan: Estimate, name: str) -> list[Drawn]:
        clock = speeding.clock(recipe, entry.variant, plan.plan, name) if together is None else Clock(_untold)
        with (
            _ready(recipe, entry, plan, name, on_step) as parts,
            nullcontext() if together else trying.in_ways(parts, recipe, entry.variant, plan.plan, name, tell),
            together.splitting(parts) if together else speeding.compiling(parts, recipe, plan.plan, name, tell),
            speeding.reusing(parts, recipe) as reuse,
        ):
            samples = (
                _Sample(recipe, entry.family, parts, reuse, clock, i, on_step, saved, begin, together)
                for i in range(recipe.n)
            )
            return [finished(recipe, sample.draw(pictures), source) for sample in samples]

    name = this_machine(device).device
    plans = fitting.steps_down(recipe, entry, name)
    return _staying(plans[0], name, attempt) if together else _stepping_down(plans, name, attempt, tell)


def _untold(first: float, later: float) -> None:
    """What a step takes that several processes share says nothing of this machine's paces."""


def _stepping_down(
    plans: Sequence[Estimate],
    device: str,
    attempt: Callable[[Estimate, str], list[Drawn]],
    tell: Callable[[str], None],
) -> list[Drawn]:
    """Draw on the first plan that has room; where memory runs out all the same, on the next smaller one."""
    told = ""
    for plan, less in itertools.zip_longest(plans, plans[1:]):
        try:
            return attempt(plan, device)
        except Exception as problem:
            if not is_out_of_memory(problem):
                raise
            told = f"{device} ran out of memory on the plan {plan.plan.name} ({_said(problem)})"
        loaded.forget()
        if less is not None:
            tell(f"{told}; going on with {less.plan.name}")
    raise OutOfMemory(
        f"{told}, and no smaller one draws the same pixels.\nDraw it smaller or shorter; --fit tells more."
    )


def _staying(plan: Estimate, device: str, attempt: Callable[[Estimate, str], list[Drawn]]) -> list[Drawn]:
    """Draw on the first plan that has room, or not at all: one of several processes cannot turn to another."""
    try:
        return attempt(plan, device)
    except Exception as problem:
        if not is_out_of_memory(problem):
            raise
        raise OutOfMemory(
            f"{device} ran out of memory on the plan {plan.plan.name} ({_said(problem)}), and several GPUs keep to "
            "theirs.\nDraw it smaller or shorter, with more GPUs, or on one, which turns to smaller plans."
        ) from problem


def _said(problem: Exception) -> str:
    return (str(problem).splitlines() or [type(problem).__name__])[0][:200]


def _check_revision(recipe: Recipe, found: str) -> None:
    if found != recipe.revision:
        known = editions.POCKET.get(recipe.revision)
        edition = f" ({known})" if known else ""
        raise UserError(
            f"the recipe was made with revision {recipe.revision[:12]} of {recipe.model!r}{edition}; here is "
            f"{found[:12]}, which draws other pixels.\nInstall that revision, or run its prompt anew: "
            f"praxino {recipe.prompt[:60]!r} --seed {recipe.seed}"
        )


def _located(named: _Named, locate: Callable[[str], Path]) -> _Named:
    """A LoRA or companion with the path where it lies here, which its recipe has not."""
    path = locate(named.path)
    if fingerprint(path) != named.sha256:
        raise UserError(
            f"{named.path} is no longer what the recipe was made with; it would draw other pixels.\n"
            "Put the original back, or run the prompt anew."
        )
    return dataclasses.replace(named, path=str(path))


@contextmanager
def _ready(recipe: Recipe, entry: catalog.Entry, plan: Estimate, device: str, on_step: OnStep) -> Iterator[Any]:
    """The networks, equipped, and laid out as a plan says while the block runs."""
    from praxino.accel.placement import placed, store_in_float8

    began = time.monotonic()
    path, resident = entry.require_path(), plan.plan.placement == "resident"
    home, in_float8 = device if resident else "cpu", plan.plan.pixels == "float8"
    quantised = value_of(recipe, QUANTISED)
    key = loaded.Key(str(path.resolve()), recipe.revision, recipe.dtype, home, in_float8, quantised)

    def load() -> Any:
        loaded.make_room(device, plan.device_bytes, key)
        with reading.late(entry.variant):
            parts = entry.family.load(path, entry.variant, recipe.dtype, home)
        if quantised:  # in 8 bits already, whatever the plan
            from praxino.accel.quantised import quantise

            quantise(parts := entry.family.equip(parts, recipe), quantised, device)
        elif in_float8:
            store_in_float8(parts := entry.family.equip(parts, recipe))
        return parts

    parts = loaded.take(key, recipe.model, load, plan.weights_bytes if resident else plan.main_bytes)
    reading.ready(parts, recipe, plan.plan)
    parts = entry.family.equip(parts, recipe)
    loaded.measure(key)
    loaded.make_room(device, plan.device_bytes, key)
    with placed(parts, plan.plan, device), reading.answering(parts, recipe, entry.variant):
        on_step(StepEvent("load", 1, 1, time.monotonic() - began, num_samples=recipe.n))
        yield parts


@dataclass
class _Sample:
    """One sample being drawn."""

    recipe: Recipe
    family: Family
    parts: Any
    reuse: Reuse | None
    clock: Clock
    index: int
    on_step: OnStep
    saved: RunCheckpoint | None
    begin: Callable[[], Put | None] | None
    """See `EarlyFile.begin`."""
    together: Together | None

    def draw(self, pictures: list[np.ndarray]) -> list[Drawn]:
        """Every piece."""
        done: list[Drawn] = []
        for piece in range(self.recipe.pieces.count):
            drawn = self.saved.finished(self.index, piece) if self.saved else None
            if drawn is None:
                before = done[-1].frames if done else None
                drawn = self._piece(piece, pictures_of(self.recipe, piece, pictures, before))
                if self.saved:
                    self.saved.finish(self.index, drawn, piece)
            done.append(drawn)
        return done

    def _piece(self, piece: int, pictures: list[np.ndarray]) -> Drawn:
        recipe, count = speeding.as_run(recipe_of(self.recipe, piece)), self.recipe.pieces.count
        found = self.saved.state(self.index, piece) if self.saved else None
        began = time.monotonic()
        resumed_from = found.step if found else 0
        state = speeding.begun(self.reuse, found)
        states = self.family.denoise(recipe, self.parts, pictures, recipe.seed + self.index, state)
        for state in self.clock.steps(states):
            done = state.step - resumed_from
            if done == 0:
                speeding.at_first(self.reuse, found)
                self._tell("encode", piece + 1, count, time.monotonic() - began)
                began = time.monotonic()
                continue
            if self.saved:
                self.saved.save_in_time(self.index, state, piece, partial(speeding.known, self.reuse))
            step = piece * recipe.steps + state.step
            pace = (time.monotonic() - began) * step / done
            self._tell("denoise", step, count * recipe.steps, pace, self._preview(recipe, state))
        if state is None:
            raise RuntimeError(f"{self.family.name} yielded no state")
        began = time.monotonic()
        with self.together.decoding(self.parts) if self.together else nullcontext():
            frames = self._decoded(recipe, state)
        sound = None
        if recipe.sound == "drawn" and isinstance(self.family, DrawsSound):
            sound = Sound(*self.family.sound(recipe, self.parts, state))
        self._tell("decode", piece + 1, count, time.monotonic() - began)
        return Drawn(frames, sound)

    def _decoded(self, recipe: Recipe, state: LoopState) -> np.ndarray:
        family = self.family
        if self.begin is None or not isinstance(family, DecodesInChunks) or (put := self.begin()) is None:
            return self.family.decode(recipe, self.parts, state)
        chunks = []
        for chunk in family.decode_chunks(recipe, self.parts, state):
            put(chunk)
            chunks.append(chunk)
        return np.concatenate(chunks)

    def _preview(self, recipe: Recipe, state: LoopState) -> Callable[[], np.ndarray]:
        return lambda: self.family.preview(recipe, self.parts, state)

    def _tell(
        self, stage: Stage, step: int, num_steps: int, seconds: float, preview: Callable[[], np.ndarray] | None = None
    ) -> None:
        self.on_step(StepEvent(stage, step, num_steps, seconds, self.index, self.recipe.n, preview))
