"""The means that make a run faster: decided with the recipe, and in force while it is drawn.

Knows which there are from `praxino.accel.speed`. Imports torch only while something is drawn.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from praxino import settings
from praxino.accel import calibrations, paces
from praxino.accel.caches import Caching
from praxino.accel.hardware import Hardware, cpu_computes_bfloat16
from praxino.accel.memory import capability_of
from praxino.accel.plan import Plan
from praxino.accel.speed import (
    COMPILE,
    REUSE,
    Item,
    phases_of,
    speed_plan,
    value_of,
    why_not_compiled,
)
from praxino.engine import fitting
from praxino.families import LoopState, Variant
from praxino.recipe import Recipe
from praxino.weights import catalog
from praxino.weights.fingerprint import fingerprint

if TYPE_CHECKING:
    from torch import Tensor

    from praxino.accel.reuse import Reuse

MEASURING = Caching("mag", bound=0.0, first=0)
_measured: ContextVar[list[tuple[float, ...]] | None] = ContextVar("measured", default=None)
_compiled: set[str] = set()
"""Kinds of runs whose blocks this process has compiled."""


def hardware(device: str) -> Hardware:
    """What of this machine decides which means pay."""
    has_torchao = _is_installed("torchao")
    in_bfloat16 = device == "cpu" and cpu_computes_bfloat16()
    capability = capability_of(device) if has_torchao else (0, 0)
    return Hardware(device, in_bfloat16, can_compile(device), capability, has_torchao)


@cache
def _is_installed(package: str) -> bool:
    """Looked up once a process: it goes through every folder of packages."""
    return importlib.util.find_spec(package) is not None


def can_compile(device: str) -> bool:
    """Whether torch finds what it compiles with: on a CPU a C++ compiler, on a GPU Triton and a C compiler."""
    kind = device.partition(":")[0]
    if kind == "cuda":
        return importlib.util.find_spec("triton") is not None and any(map(shutil.which, ("gcc", "clang")))
    return kind == "cpu" and any(map(shutil.which, (os.environ.get("CXX", "g++"), "clang++", "cl")))


def items(recipe: Recipe, variant: Variant, device: str, *, own_dtype: bool) -> tuple[Item, ...]:
    """Every means for a recipe that has none yet, on or off. Raises UserError as `speed_plan` and `choice` do."""
    known, choice = paces.read(settings.paces_file()), None
    if recipe.quality == "fast":
        choice = calibrations.choice(recipe.family, recipe.variant, settings.reuse(), _calibration(recipe))
    without = settings.without()
    return speed_plan(
        hardware(device),
        variant,
        recipe,
        own_dtype=own_dtype,
        without=without,
        paces=known,
        is_crowded=partial(fitting.is_crowded, recipe, device),
        choice=choice,
        plan=lambda: fitting.chosen(fitting.estimates(recipe, device), device),
    )


def _calibration(recipe: Recipe) -> calibrations.Calibration | None:
    """That of its checkpoint, also where the recipe is only to be told and knows no revision."""
    known = calibrations.read(settings.calibrations_file())
    path = catalog.find(recipe.model).path if known and not recipe.revision else None
    return known.get(fingerprint(path) if path else recipe.revision)


def as_run(recipe: Recipe) -> Recipe:
    """The recipe as a family is given it: with the guidance that its speed leaves."""
    phases = phases_of(recipe)
    return recipe if phases == recipe.guidance_phases else dataclasses.replace(recipe, guidance_phases=phases)


@contextmanager
def compiling(parts: Any, recipe: Recipe, plan: Plan, device: str, tell: Callable[[str], None]) -> Iterator[None]:
    """While it holds, the recipe's denoisers are compiled, if it says so and the memory plan leaves their blocks alone.

    Args:
        parts: what its family has loaded.
        recipe: what is drawn.
        plan: how its networks share memory.
        device: that it is drawn on.
        tell: told why blocks that should be are not compiled.
    """
    if not value_of(recipe, COMPILE):
        yield
        return
    if why := _why_plain(plan, device):
        tell(f"blocks are not compiled: {why}")
        yield
        return
    from praxino.accel import compiled

    def failed(problem: str) -> None:
        paces.remember(settings.paces_file(), paces.kind_of(recipe, recipe.dtype, device), paces.Pace(failed=True))
        tell(f"blocks cannot be compiled here, and compute plainly: {problem}")

    with compiled.compiling(parts, settings.compiled_folder(), failed):
        yield


def clock(recipe: Recipe, variant: Variant, plan: Plan, device: str) -> paces.Clock:
    """What times a run's steps and remembers them, where compiled blocks could come to pay for such runs."""
    kind = paces.kind_of(recipe, recipe.dtype, device)
    is_compared = not variant.vocabulary and can_compile(device) and not why_not_compiled(recipe)

    def told(first: float, later: float) -> None:
        if not is_compared or _why_plain(plan, device):
            return
        pace = paces.Pace(plain=later)
        if value_of(recipe, COMPILE):
            pace = paces.Pace(compiled=later, first=0.0 if kind in _compiled else max(first - later, 0.0))
            _compiled.add(kind)
        paces.remember(settings.paces_file(), kind, pace)

    return paces.Clock(told)


def _why_plain(plan: Plan, device: str) -> str:
    """Why a recipe's blocks stay plain in this run."""
    if plan.placement == "group" or plan.pixels == "float8":
        return f"the memory plan {plan.name} works on their layers one by one"
    return "" if can_compile(device) else f"there is no compiler for {device}"


@contextmanager
def reusing(parts: Any, recipe: Recipe) -> Iterator[Reuse | None]:
    """While it holds, the recipe's denoisers reuse steps; None where it has no such means."""
    measured, value = _measured.get(), value_of(recipe, REUSE)
    if measured is None and not value:
        yield None
        return
    from praxino.accel import reuse

    caching = Caching.of(value) if measured is None else MEASURING
    with reuse.reusing(parts, caching, recipe.steps) as found:
        yield found
        if measured is not None:
            measured.append(found.ratios())


@contextmanager
def measuring_ratios() -> Iterator[list[tuple[float, ...]]]:
    """While it holds, runs leave nothing out; each adds what MagCache needs to know of its steps (`Caching.ratios`)."""
    token = _measured.set(found := [])
    try:
        yield found
    finally:
        _measured.reset(token)


def begun(reuse: Reuse | None, state: LoopState | None) -> LoopState | None:
    """The state for the family, without what is known of reused steps: that is put back by `at_first`."""
    if reuse is None or state is None:
        return state
    own = {name: tensor for name, tensor in state.tensors.items() if not reuse.owns(name)}
    return LoopState(state.step, own)


def at_first(reuse: Reuse | None, saved: LoopState | None) -> None:
    """Begin to reuse, as with a saved state or anew, once a family stands before its first step."""
    if reuse is not None:
        reuse.restore(saved.tensors if saved else {})


def known(reuse: Reuse | None) -> dict[str, Tensor]:
    """What a saved state keeps of reused steps."""
    return {} if reuse is None else reuse.state()
