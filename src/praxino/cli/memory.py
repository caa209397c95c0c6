"""What runs take of a machine's memory, told: `praxino "..." --fit`, and what `doctor` and `models show` say of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from praxino.cli.wording import amount, columns

if TYPE_CHECKING:
    from praxino.accel.memory import Memory
    from praxino.accel.plan import Estimate, Plan
    from praxino.recipe import Recipe
    from praxino.weights.catalog import Entry

NOT_KNOWN = "not known until it is pulled"


def explain(recipe: Recipe, device: str | None, as_json: bool) -> None:
    """Print the plans for a recipe, what each is expected to take here, and which one is chosen. Draws nothing."""
    from praxino.accel.memory import memory_of
    from praxino.engine import fitting
    from praxino.engine.machine import this_machine

    name = this_machine(device).device
    found, memory = fitting.estimates(recipe, name), memory_of(name)
    plan, left_out = fitting.chosen(found, name), fitting.uncounted(recipe)
    if as_json:
        told = [told_of(one, memory) | {"chosen": one.plan == plan} for one in found]
        about = {"device": name, "free_bytes": memory.device_free, "plans": told, "not_counted": left_out}
        click.echo(json.dumps(about, indent=2))
        return
    width, height = recipe.size
    count = recipe.drawn.num_frames
    frames = "1 frame" if count == 1 else f"{count} frames"
    click.echo(
        f"{recipe.model} at {width}x{height}, {frames}, {recipe.dtype}, on {name}: "
        f"{_said(memory.device_free)} free of {_said(memory.device_total)}"
    )
    click.echo(columns(table(found, plan, memory)))
    for path in left_out:
        click.echo(f"not counted, as it is not here: {path}")


def table(found: Sequence[Estimate], chosen: Plan, memory: Memory) -> list[list[str]]:
    """Rows of cells: what each plan takes, whether that fits, and what it does."""
    heads = ["", "PLAN", "EXPECTED PEAK", "FITS", "PIXELS", "WHAT IT DOES"]
    fits = {True: "yes", False: "no", None: "?"}
    rows = [
        [
            "*" if one.plan == chosen else "",
            one.plan.name,
            _peak(one),
            fits[one.fits(memory)],
            "the same" if one.plan.exact else "differ",
            one.plan.does,
        ]
        for one in found
    ]
    return [heads, *rows]


def told_of(one: Estimate, memory: Memory) -> dict[str, Any]:
    """A plan as plain JSON."""
    return {
        "plan": one.plan.name,
        "does": one.plan.does,
        "exact": one.plan.exact,
        "device_bytes": one.device_bytes,
        "main_bytes": one.main_bytes,
        "fits": one.fits(memory),
    }


def peaks(entry: Entry, device: str) -> dict[str, int | None]:
    """What each plan for a device is expected to take of it, at the model's own size and length."""
    from praxino.engine import fitting

    return {one.plan.name: one.device_bytes for one in fitting.usual_estimates(entry, device)}


def peaks_in_words(found: dict[str, int | None]) -> str:
    """As in "resident 12 GB, offload 8 GB, group 3 GB"."""
    known = [f"{name} {amount(num_bytes)}" for name, num_bytes in found.items() if num_bytes is not None]
    return ", ".join(known) or NOT_KNOWN


def plans_here() -> list[dict[str, Any]]:
    """For each model on this machine, the plan that it is run on here and what that is expected to take."""
    from praxino.engine import fitting
    from praxino.engine.machine import this_machine
    from praxino.weights.catalog import entries

    device, told = this_machine().device, []
    for entry in entries():
        if entry.path is not None:
            found = fitting.usual_estimates(entry, device)
            plan = fitting.chosen(found, device)
            (one,) = [one for one in found if one.plan == plan]
            told.append({"model": entry.name, "plan": plan.name, "device_bytes": one.device_bytes})
    return told


def _peak(one: Estimate) -> str:
    if one.device_bytes is None:
        return NOT_KNOWN
    return amount(one.device_bytes) + (f" + {amount(one.main_bytes)} of main memory" if one.main_bytes else "")


def _said(num_bytes: int | None) -> str:
    return "an unknown amount" if num_bytes is None else amount(num_bytes)
