"""What makes runs faster, told: `praxino "..." --explain`, and what `doctor` says of it."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING

import click

from praxino import settings
from praxino.cli.wording import amount, columns

if TYPE_CHECKING:
    from praxino.engine.resolve import Resolution


def explain(resolution: Resolution, as_json: bool, num_gpus: int | None = None) -> None:
    """Print every means of speed, whether the run has it, why, and what it does to the pixels; and how GPUs share it.

    Raises:
        UserError: so many GPUs cannot share it.
    """
    from praxino.accel.split import lines_of

    recipe = resolution.recipe
    shared = lines_of(recipe, num_gpus or 1)
    if as_json:
        told = {"quality": recipe.quality, "dtype": recipe.dtype, "speed": list(recipe.speed), "gpus": shared}
        click.echo(json.dumps(told | {"means": [dataclasses.asdict(item) for item in resolution.speed]}, indent=2))
        return
    click.echo(f"{recipe.model}, {recipe.steps} steps, quality {recipe.quality}, {recipe.dtype}")
    heads = ["", "MEANS", "FROM", "WHY", "ERROR"]
    rows = [["*" if item.is_on else "", item.name, item.degree, item.why, item.error] for item in resolution.speed]
    click.echo("\n".join([columns([heads, *rows]), *shared]))


def speeds_here() -> dict[str, str]:
    """What this machine can do to be faster, by quality, and why not more."""
    from praxino.accel.speed import FEWEST_STEPS
    from praxino.engine.machine import this_machine
    from praxino.engine.speeding import hardware

    found = hardware(this_machine().device)
    if found.device != "cpu":
        near = f"models are drawn in half precision on {found.device} in any case"
        if found.device.startswith("cuda") and not found.has_torchao:
            near += "; for layers in 8 bits: pip install 'praxino[quantised]'"
    else:
        near = "bfloat16" if found.computes_bfloat16 else "this processor has no bfloat16 instructions"
    near += "; compiled blocks, where they pay" if found.compiles else "; there is nothing to compile blocks with"
    off = ", ".join(settings.without())
    return {
        "exact": f"answers of text encoders are kept, {_kept()}",
        "near": near,
        "fast": f"near, and steps left out of {FEWEST_STEPS} or more; {_calibrated()}",
        "tried": _tried(),
        **({"switched off": off} if off else {}),
    }


def _kept() -> str:
    folder, most = settings.answers_folder(), settings.answers_bytes()
    files = [file.stat().st_size for file in folder.glob("*.safetensors")]
    return f"{len(files)} in {amount(sum(files))} of {amount(most)}"


def _calibrated() -> str:
    from praxino.accel import calibrations

    count = len(calibrations.read(settings.calibrations_file()))
    told = f"which ones was measured on {count} checkpoint{'' if count == 1 else 's'}"
    return told if count else "praxino calibrate measures which ones, on a checkpoint"


def _tried() -> str:
    """What came of trying other ways of computing, over all kinds of runs."""
    from praxino.accel import paces, ways

    found = [one for pace in paces.read(settings.paces_file()).values() for one in pace.tried]
    if not found:
        return "no other way of computing yet: runs that take long enough do it"
    return "; ".join(
        f"{name} {ways.summary([one for one in found if one.name == name])}"
        for name in dict.fromkeys(one.name for one in found)
    )
