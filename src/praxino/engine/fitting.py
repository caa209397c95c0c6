"""Which plan a recipe is run on here: what it needs against what the machine has. Imports no torch until it draws.

`praxino.engine.run.draw` keeps to the recipe's own pixels; `draw_as_fits` goes further where nothing else is left, and
gives the recipe as it was drawn, so that the file tells the truth. The first is for what has to be the same again.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

from praxino.accel.plan import PIXELS, Estimate, Plan, choose, estimate, ladder
from praxino.accel.speed import value_of
from praxino.accel.ways import PASSES
from praxino.accel.weight import Stage, need_of
from praxino.engine import loaded
from praxino.engine.drawn import Drawn
from praxino.engine.early import EarlyFile
from praxino.engine.machine import Machine, this_machine
from praxino.errors import OutOfMemory, UserError
from praxino.events import OnStep, StepEvent
from praxino.families import Shape
from praxino.recipe import Recipe
from praxino.weights import catalog


def estimates(recipe: Recipe, device: str, *, may_change: bool = True) -> tuple[Estimate, ...]:
    """The plans for a recipe on a device, from the fastest to the smallest, and what each is expected to take.

    Raises:
        UserError: the recipe's plan is not known, or a LoRA or a companion is not on this machine.
    """
    return _estimates(recipe, catalog.find(recipe.model), device, may_change=may_change)


def _estimates(recipe: Recipe, entry: catalog.Entry, device: str, *, may_change: bool) -> tuple[Estimate, ...]:
    width, height = recipe.size
    shape = Shape(width, height, recipe.drawn.num_frames, recipe.fps)
    variant = entry.variant
    if value_of(recipe, PASSES):  # one branch of guidance at a time takes what a run without guidance does
        variant = dataclasses.replace(variant, guidance_phases=())
    need = need_of(entry.path, variant, shape, recipe.dtype, tuple(_beside(recipe, entry)))
    plans = ladder(device, recipe.plan, may_change=may_change, castable=_castable(recipe))
    return tuple(estimate(plan, need) for plan in plans)


def is_crowded(recipe: Recipe, device: str) -> bool:
    """Whether its networks can all stay on a device only where the branches of guidance take turns."""
    free = loaded.memory(device)
    together, in_turn = (
        estimates(dataclasses.replace(recipe, speed=speed), device)[0].fits(free) for speed in ((), (f"{PASSES}:1",))
    )
    return together is False and in_turn is True


def uncounted(recipe: Recipe) -> tuple[str, ...]:
    """The companions of a model that is not here, as far as they are not here either: `estimates` leaves them out."""
    return _uncounted(recipe, catalog.find(recipe.model))


def usual_estimates(entry: catalog.Entry, device: str) -> tuple[Estimate, ...]:
    """The same for what a model draws when nothing else is asked for; little is known of one that is not here."""
    variant = entry.variant
    shape = Shape(variant.width, variant.height, variant.num_frames, variant.fps)
    need = need_of(entry.path, variant, shape, Machine(device).dtype(variant.dtype))
    return tuple(estimate(plan, need) for plan in ladder(device))


def chosen(found: tuple[Estimate, ...], device: str) -> Plan:
    """The plan that a run begins with."""
    return choose(found, loaded.memory(device))


def steps_down(recipe: Recipe, entry: catalog.Entry, device: str) -> tuple[Estimate, ...]:
    """The plan that a run of a model begins with and those that are smaller; all of them draw the recipe's pixels."""
    found = _estimates(recipe, entry, device, may_change=False)
    begin = chosen(found, device)
    return found[[one.plan for one in found].index(begin) :]


def settled(recipe: Recipe, device: str | None = None) -> Recipe:
    """The recipe with the pixels that it can be drawn with here: its own, unless not even the weights have room."""
    name = this_machine(device).device
    return dataclasses.replace(recipe, plan=chosen(estimates(recipe, name), name).pixels)


def smaller(recipe: Recipe) -> Recipe | None:
    """The recipe with the next pixels that take less memory; None when there are none."""
    further = PIXELS[PIXELS.index(recipe.plan) + 1 :]
    usable = [pixels for pixels in further if pixels != "float8" or _castable(recipe)]
    return dataclasses.replace(recipe, plan=usable[0]) if usable else None


def draw_as_fits(
    recipe: Recipe,
    on_step: OnStep,
    *,
    checkpoint: Path | None = None,
    device: str | None = None,
    early: EarlyFile | None = None,
) -> tuple[Recipe, list[Drawn]]:
    """Draw a recipe, with other pixels where its own do not fit. Arguments and errors as of `praxino.engine.run.draw`.

    Returns:
        the recipe as it was drawn: only `plan` may differ; and the n samples.
    """
    from praxino.engine.run import draw

    wanted = settled(recipe, device)
    while True:
        if wanted.plan != recipe.plan:
            on_step(StepEvent("load", 1, 1, 0.0, num_samples=recipe.n, note=_changes(wanted)))
        try:
            return wanted, draw(wanted, on_step, checkpoint=checkpoint, device=device, early=early)
        except OutOfMemory:
            if (less := smaller(wanted)) is None:
                raise
        wanted = less


def _changes(recipe: Recipe) -> str:
    return f"memory is short: drawn with the plan {recipe.plan!r}, whose pixels differ a little; the file says so"


def _castable(recipe: Recipe) -> bool:
    """Whether nothing is laid over the denoiser, so that its weights can be kept in 8 bits."""
    return not (recipe.loras or recipe.companions)


def _beside(recipe: Recipe, entry: catalog.Entry) -> Iterator[tuple[Stage, Path]]:
    """LoRAs and companions; an adapter that is not here is counted with the image checkpoint under it."""
    left_out = _uncounted(recipe, entry)
    for lora in recipe.loras:
        yield "denoise", catalog.locate_file(lora.path)
    for companion in recipe.companions:
        if companion.path in left_out or (companion.role == "spatial-base" and entry.path is None):
            continue
        yield "encode" if companion.role == "image-encoder" else "denoise", catalog.locate(companion.path)


def _uncounted(recipe: Recipe, entry: catalog.Entry) -> tuple[str, ...]:
    if entry.path is not None:
        return ()
    beside = (companion.path for companion in recipe.companions if companion.role != "spatial-base")
    return tuple(path for path in beside if not _is_here(path))


def _is_here(path: str) -> bool:
    try:
        catalog.locate(path)
    except UserError:
        return False
    return True
