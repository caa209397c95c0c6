"""The means that make a run faster: decided with the recipe, and in force while it is drawn.

Knows which there are from `praxino.accel.speed`. Imports torch only while something is drawn.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from praxino import settings
from praxino.accel.speed import REUSE, Hardware, Item, cpu_computes_bfloat16, phases_of, speed_plan, value_of
from praxino.families import LoopState, Variant
from praxino.recipe import Recipe

if TYPE_CHECKING:
    from torch import Tensor

    from praxino.accel.reuse import Reuse


def hardware(device: str) -> Hardware:
    """What of this machine decides which means pay."""
    return Hardware(device, device == "cpu" and cpu_computes_bfloat16())


def items(recipe: Recipe, variant: Variant, device: str, *, own_dtype: bool) -> tuple[Item, ...]:
    """Every means for a recipe that has none yet, on or off. Raises UserError as `speed_plan` does."""
    return speed_plan(hardware(device), variant, recipe, own_dtype=own_dtype, without=settings.without())


def as_run(recipe: Recipe) -> Recipe:
    """The recipe as a family is given it: with the guidance that its speed leaves."""
    phases = phases_of(recipe)
    return recipe if phases == recipe.guidance_phases else dataclasses.replace(recipe, guidance_phases=phases)


@contextmanager
def reusing(parts: Any, recipe: Recipe) -> Iterator[Reuse | None]:
    """While it holds, the recipe's denoisers reuse steps; None where it has no such means."""
    if not (value := value_of(recipe, REUSE)):
        yield None
        return
    from praxino.accel import reuse

    most_error, _, first = value.partition("/")
    with reuse.reusing(parts, reuse.Bounds(float(most_error), int(first), recipe.steps)) as found:
        yield found


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
