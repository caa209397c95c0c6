"""Which steps of a checkpoint can be left out: clips drawn exact, and again with every cache and bound. No torch.

A bound is tried until the clips are less like exact than they may be; what is then left is drawn with less guidance
at the end. What draws soonest of all that is like enough is kept for this checkpoint, and used by quality fast.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from praxino import settings
from praxino.accel.caches import KINDS, Kind, usual_longest, why_not
from praxino.accel.calibrations import LEAST_SSIM, UNGUIDED_SHARE, Calibration, Choice, keep
from praxino.accel.speed import (
    FEWEST_STEPS,
    REUSE,
    UNGUIDED,
    are_blocks_fed,
    caching_of,
    unguided_count,
    why_not_unguided,
)
from praxino.accel.ways import GRAPHS
from praxino.bench.likeness import psnr_db, ssim
from praxino.bench.work import prompt_of
from praxino.engine.machine import Machine, this_machine
from praxino.engine.resolve import resolve
from praxino.engine.run import run
from praxino.engine.speeding import measuring_ratios
from praxino.errors import UserError
from praxino.events import StepEvent
from praxino.recipe import Recipe
from praxino.request import Request

NUM_PROMPTS = 4
BOUNDS: Mapping[Kind, tuple[float, ...]] = {
    "easy": (0.025, 0.05, 0.1, 0.2),
    "first-block": (0.05, 0.08, 0.12, 0.2, 0.3),
    "mag": (0.03, 0.06, 0.12, 0.24),
    "taylor": (2, 3, 4, 5, 6),
}
"""From the most careful to the boldest, around what their authors use."""
SAME_SPEED = 1.1
"""Two measurements of one way differ by so much."""
SHARES = (0.2, 0.3, 0.4, 0.5)
"""Of the steps, at the end, without guidance; likewise."""


@dataclass(frozen=True)
class Trial:
    """The clips, drawn in one way."""

    choice: Choice
    """Its kind is none where no step is left out."""
    ssim: float
    """To exact, of the least alike clip; so is the next."""
    psnr_db: float
    """Infinite where nothing was left out."""
    speedup: float
    """Of denoising all of them, beside exact."""

    @property
    def is_worth_it(self) -> bool:
        """Whether it is like enough, and something was left out."""
        return self.ssim >= LEAST_SSIM and self.speedup > 1 and not math.isinf(self.psnr_db)


def calibrate(
    request: Request, prompts: Sequence[str], device: str | None, tell: Callable[[Trial], None]
) -> Calibration:
    """Measure, and keep it in `settings.calibrations_file()`.

    Args:
        request: model, size, steps and what else is drawn; its prompt, seed, number and quality are left out.
        prompts: of the clips; the bench's own where there are none.
        device: cpu, cuda, ...; this machine's best when not given.
        tell: told of each way, once it is measured.

    Raises:
        UserError: the request cannot be, or there is nothing that could be left out.
    """
    clips = _Clips(_recipes(request, prompts, device), device)
    trials: list[Trial] = []
    for ways in (_of_caches(clips), _of_guidance(clips, trials)):
        for trial in ways:
            trials.append(trial)
            tell(trial)
    found = calibrated(trials, clips.ratios, is_guided=clips.is_guided)
    keep(settings.calibrations_file(), clips.recipes[0].revision, found)
    return found


def calibrated(trials: Sequence[Trial], ratios: tuple[float, ...], *, is_guided: bool) -> Calibration:
    """What the fastest way that is worth it comes to; nothing is left out where there is none."""
    if (best := fastest(trials)) is None:
        return Calibration("none", 0.0, 0, ratios, 0.0, 1.0, math.inf, 1.0)
    choice = best.choice
    unguided = choice.unguided if is_guided else UNGUIDED_SHARE
    measured = (best.ssim, best.psnr_db, best.speedup)
    return Calibration(choice.kind, choice.bound, choice.longest, ratios, unguided, *measured)


def fastest(trials: Sequence[Trial]) -> Trial | None:
    """Of those that are worth it; of several that are as fast as can be told, the one most like exact."""
    worth = [trial for trial in trials if trial.is_worth_it]
    best = max((trial.speedup for trial in worth), default=0.0)
    return max((trial for trial in worth if trial.speedup >= best / SAME_SPEED), key=lambda one: one.ssim, default=None)


class _Clips:
    """What is drawn again and again, and how it is exact."""

    def __init__(self, recipes: Sequence[Recipe], device: str | None) -> None:
        self.recipes, self._device = [_without_graphs(recipe) for recipe in recipes], device
        first = self.recipes[0]
        self.is_guided = not why_not_unguided(first)
        self.kinds: list[Kind] = [
            kind for kind in KINDS if not why_not(kind, first.family, in_blocks=are_blocks_fed(first))
        ]
        # What is drawn first is slower than what comes after; it measures what takes no time instead.
        with measuring_ratios() as found:
            self._draw(first)
        self.ratios = found[0] if "mag" in self.kinds else ()
        self._exact = [self._draw(recipe) for recipe in self.recipes]

    def tried(self, choice: Choice) -> Trial:
        """All of them with a choice."""
        found = [self._draw(_left_out(recipe, choice)) for recipe in self.recipes]
        pairs = [(one, other) for (one, _), (other, _) in zip(found, self._exact, strict=True)]
        seconds, exact = (sum(seconds for _, seconds in drawn) for drawn in (found, self._exact))
        likeness = min(ssim(*pair) for pair in pairs)
        return Trial(choice, likeness, min(psnr_db(*pair) for pair in pairs), exact / seconds)

    def _draw(self, recipe: Recipe) -> tuple[np.ndarray, float]:
        """The frames, and the seconds that denoising took."""
        seconds = 0.0

        def heard(event: StepEvent) -> None:
            nonlocal seconds
            seconds = event.seconds if event.stage == "denoise" else seconds

        (frames,) = run(recipe, heard, device=self._device)
        return frames, seconds


def _of_caches(clips: _Clips) -> Iterator[Trial]:
    """Every cache that fits, each until its clips are not like enough."""
    family = clips.recipes[0].family
    for kind in clips.kinds:
        longest, ratios = (usual_longest(family), clips.ratios) if kind == "mag" else (0, ())
        for bound in BOUNDS[kind]:
            trial = clips.tried(Choice(kind, bound, longest=longest, ratios=ratios, unguided=0.0))
            yield trial
            if trial.ssim < LEAST_SSIM:
                break


def _of_guidance(clips: _Clips, trials: Sequence[Trial]) -> Iterator[Trial]:
    """What was the fastest, with less guidance; until its clips are not like enough."""
    best = fastest(trials)
    choice = best.choice if best else Choice("none", 0.0)
    for share in SHARES if clips.is_guided else ():
        trial = clips.tried(dataclasses.replace(choice, unguided=share))
        yield trial
        if trial.ssim < LEAST_SSIM:
            break


def _without_graphs(recipe: Recipe) -> Recipe:
    """Caches decide in Python, which no recorded call runs."""
    return dataclasses.replace(recipe, speed=tuple(one for one in recipe.speed if not one.startswith(GRAPHS)))


def _left_out(recipe: Recipe, choice: Choice) -> Recipe:
    """A recipe of quality exact, drawn with a choice."""
    means = [] if choice.kind == "none" else [f"{REUSE}:{caching_of(choice, recipe.steps)}"]
    if count := unguided_count(recipe, choice.unguided):
        means.append(f"{UNGUIDED}:{count}")
    return dataclasses.replace(recipe, quality="fast", speed=(*recipe.speed, *means))


def _recipes(request: Request, prompts: Sequence[str], device: str | None) -> list[Recipe]:
    """One for each prompt, of quality exact."""
    asked, machine = prompts or [prompt_of(index) for index in range(NUM_PROMPTS)], this_machine(device)
    wishes = [
        dataclasses.replace(request, prompt=prompt, seed=seed, n=1, quality="exact")
        for seed, prompt in enumerate(asked)
    ]
    recipes = [resolve(wish, machine=Machine(machine.device)).recipe for wish in wishes]
    first = recipes[0]
    if first.steps < FEWEST_STEPS:
        raise UserError(f"{first.steps} steps are too few to leave any out; ask for {FEWEST_STEPS} or more: --steps")
    if why := why_not("easy", first.family, in_blocks=False):
        raise UserError(f"leaving steps out {why}; there is nothing to calibrate.")
    return recipes
