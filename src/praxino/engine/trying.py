"""Other ways of computing what denoisers answer: used where a recipe has them, tried where nothing is known of them.

Imports torch only while something is drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from praxino import settings
from praxino.accel import paces
from praxino.accel.paces import Pace, Tried
from praxino.accel.plan import Plan
from praxino.accel.speed import COMPILE, value_of, why_not_tried
from praxino.accel.trouble import is_out_of_memory
from praxino.accel.ways import FUSED, GRAPHS, PRODUCTS, WAYS
from praxino.families import Variant
from praxino.recipe import Recipe

_compiled_as: list[tuple[str, ...]] = [()]
"""The ways that this process last compiled blocks in."""


@contextmanager
def in_ways(
    parts: Any, recipe: Recipe, variant: Variant, plan: Plan, device: str, tell: Callable[[str], None]
) -> Iterator[None]:
    """While it holds, the recipe's denoisers compute as it says; where it says nothing, other ways may be tried.

    Args:
        parts: what its family has loaded.
        recipe: what is drawn.
        variant: what draws it.
        plan: how its networks share memory.
        device: that it is drawn on.
        tell: told which ways were tried, and which are not to be had here.
    """
    names = tuple(f"{name}:{value}" for name in WAYS if (value := value_of(recipe, name)))

    def failed(problem: RuntimeError) -> None:
        said = f"a call could not be recorded or played: {str(problem)[:120]}"
        tell(f"{said}; the denoiser computes plainly from here")
        _strike_off(recipe, device, [name for name in names if name.startswith(GRAPHS)], said, tell)

    with ExitStack() as undo:
        if names:
            _lay(parts, names, plan, tell, failed, undo)
        elif not _why_not(recipe, variant, plan):
            _try(parts, recipe, plan, device, tell, undo)
        if value_of(recipe, COMPILE):
            _forget_code_of_others(names)
        try:
            yield
        except RuntimeError as problem:
            takes_memory = (FUSED, PRODUCTS, GRAPHS)
            blamed = [name for name in names if not is_out_of_memory(problem) or name.startswith(takes_memory)]
            _strike_off(recipe, device, blamed, f"a run ended in an error with it: {str(problem)[:120]}", tell)
            raise


def _strike_off(recipe: Recipe, device: str, blamed: list[str], said: str, tell: Callable[[str], None]) -> None:
    """What went wrong once is not to go wrong again; of memory that ran out, what takes some is the cause."""
    file, kind = settings.paces_file(), paces.kind_of(recipe, recipe.dtype, device)
    known = paces.read(file).get(kind, Pace()).tried
    if not {one.name for one in known} & set(blamed):
        return
    tried = tuple(Tried(one.name, problem=said) if one.name in blamed else one for one in known)
    paces.remember(file, kind, Pace(tried=tried))
    tell(f"later runs of this kind do without {', '.join(blamed)}")


def _lay(
    parts: Any,
    names: tuple[str, ...],
    plan: Plan,
    tell: Callable[[str], None],
    failed: Callable[[RuntimeError], None],
    undo: ExitStack,
) -> None:
    from praxino.accel.graphs import graphing
    from praxino.accel.trials import laid

    for name in names:
        if name.startswith((FUSED, PRODUCTS)) and _works_on_layers(plan):
            tell(f"{name} is left out: the memory plan {plan.name} works on layers one by one")
            continue
        if name.startswith(GRAPHS) and plan.moves_weights:
            tell(f"{name} is left out: the memory plan {plan.name} moves the weights")
            continue
        try:
            undo.enter_context(graphing(parts, failed) if name.startswith(GRAPHS) else laid(parts, [name]))
        except (KeyError, RuntimeError) as problem:
            tell(f"{name} is not to be had here, the denoiser computes plainly: {str(problem)[:200]}")


def _why_not(recipe: Recipe, variant: Variant, plan: Plan) -> str:
    if value_of(recipe, COMPILE):
        return "its blocks are compiled: what is plain could not be told"
    if _works_on_layers(plan):
        return "layers come one by one: what a call takes is what that takes"
    return why_not_tried(variant, recipe)


def _works_on_layers(plan: Plan) -> bool:
    return plan.placement == "group" or plan.pixels == "float8"


def _try(parts: Any, recipe: Recipe, plan: Plan, device: str, tell: Callable[[str], None], undo: ExitStack) -> None:
    file, kind, off = settings.paces_file(), paces.kind_of(recipe, recipe.dtype, device), settings.without()
    off = (*off, GRAPHS) if plan.moves_weights else off
    known = paces.read(file).get(kind, Pace())
    if known.tried_all or not set(WAYS) - set(off):
        return
    from praxino.accel.trials import trying

    done = {one.name for one in known.tried}

    def told(found: tuple[Tried, ...], is_all: bool) -> None:
        paces.remember(file, kind, Pace(tried=(*known.tried, *found), tried_all=is_all))
        names = ", ".join(one.name for one in found)
        tell(
            f"tried on the first call, once for runs of this kind (--explain tells what came of it): {names or 'none'}"
        )

    def is_wanted(name: str) -> bool:
        return name not in done and name.partition(":")[0] not in off

    num_calls = recipe.steps * recipe.n * recipe.pieces.count
    undo.enter_context(trying(parts, num_calls, is_wanted, told))


def _forget_code_of_others(names: tuple[str, ...]) -> None:
    """Compiled code of a block is taken up by torch without asking which kernel of attention it was made for."""
    import torch

    if _compiled_as[0] != names:
        torch.compiler.reset()
    _compiled_as[0] = names
