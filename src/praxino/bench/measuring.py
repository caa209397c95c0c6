"""A whole bench: contenders in turn, how alike their frames are, the counted floor, and sweeps. Imports no torch."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from praxino.bench.likeness import psnr_db, ssim
from praxino.bench.results import slower, summary
from praxino.bench.rounds import Bench, in_turn
from praxino.bench.work import DIFFUSERS, Axis, Work, swept, work_of
from praxino.recipe import QUALITIES
from praxino.request import Request

EXACT = "exact"


@dataclass(frozen=True)
class Plan:
    """What is to be measured."""

    request: Request
    names: tuple[str, ...]
    """Contenders, plain diffusers first."""
    rounds: int
    sweeps: dict[Axis, tuple[int, ...]]
    roofline: bool = True
    device: str | None = None


def measure(bench: Bench, plan: Plan, tell: Callable[[str], None]) -> dict[str, Any]:
    """Run everything; the results as plain JSON."""
    work = work_of(plan.request, plan.device)
    results = summary(work, in_turn(bench, work, plan.names, plan.rounds, tell))
    results["likeness"] = likeness(bench, work, plan.names)
    if plan.roofline:
        tell("counting the floor")
        results["roofline"] = roofline(bench, work)
    for axis, values in plan.sweeps.items():
        works = [work_of(swept(plan.request, axis, value), plan.device) for value in values]
        found: dict[str, dict[str, float]] = {}
        for name in plan.names:
            seconds = bench.warm_seconds(works, name)
            tell(f"{axis}, {name}: warm {', '.join(f'{one:.3f}' for one in seconds)} s")
            found[name] = {str(value): one for value, one in zip(values, seconds, strict=True)}
        results.setdefault("sweeps", {})[axis] = found
    return results


def lost(
    bench: Bench, plan: Plan, results: Mapping[str, Any], committed: Mapping[str, Any], tell: Callable[[str], None]
) -> list[str]:
    """What is slower beside plain diffusers than in committed results, one line each.

    Whatever seems so is measured once more, and told only if it is slower again: noise seldom comes twice.

    Raises:
        UserError: the two did not draw the same.
    """
    suspects = slower(results, committed)
    if not suspects:
        return []
    tell(f"{len(suspects)} slower; measuring once more")
    named = {contender for contender, _ in suspects}
    names = [name for name in plan.names if name in named | {DIFFUSERS}]
    work = work_of(plan.request, plan.device)
    again = slower(summary(work, in_turn(bench, work, names, plan.rounds, tell)), committed)
    return [line for suspect, line in again.items() if suspect in suspects]


def likeness(bench: Bench, work: Work, names: Sequence[str]) -> dict[str, dict[str, float | None]]:
    """Of near and fast, PSNR and SSIM to exact over the samples of one request; None where they are equal."""
    compared = [name for name in names if name in QUALITIES]
    if EXACT not in compared or len(compared) < 2:
        return {}
    drawn = {name: _frames(bench, work, name) for name in compared}
    pairs = {name: (frames, drawn[EXACT]) for name, frames in drawn.items() if name != EXACT}
    return {
        name: {"psnr_db": None if np.array_equal(*pair) else psnr_db(*pair), "ssim": ssim(*pair)}
        for name, pair in pairs.items()
    }


def roofline(bench: Bench, work: Work) -> dict[str, Any]:
    """What `ceilings` counts and measures."""
    return json.loads(bench.child(["-m", "praxino.bench.ceilings", str(bench.described(work))]).printed)


def _frames(bench: Bench, work: Work, name: str) -> np.ndarray:
    kept = bench.scratch / f"{name}.npy"
    kept.unlink(missing_ok=True)
    bench.workload([work], name, kept, 1)
    return np.load(kept)


def write(results: dict[str, Any], path: Path) -> None:
    """Keep results as JSON, whole or not at all."""
    partial = path.with_name(path.name + ".part")
    path.parent.mkdir(parents=True, exist_ok=True)
    partial.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    partial.replace(path)
