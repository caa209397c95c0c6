"""Medians, spread and ratios of a bench; as JSON, as a table, and against an earlier one. Imports no torch.

A ratio says how many times as fast as plain diffusers a contender is: round by round, and the median of those. Files
of results hold nothing else that a comparison needs: absolute seconds of another machine mean nothing here.
"""

from __future__ import annotations

import datetime
import os
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from statistics import median
from typing import Any

from praxino.bench.rounds import COLD, MEASURES, WARM, Figures
from praxino.bench.work import DIFFUSERS, Work
from praxino.errors import UserError

PACKAGES = ("praxino", "torch", "diffusers", "transformers")
WATCHED = (COLD, WARM)
"""What `slower` compares."""
MOST_LOST = 0.10
"""Share of a ratio that may be lost before it is said."""


def summary(work: Work, found: Mapping[str, Sequence[Figures]]) -> dict[str, Any]:
    """Of all rounds: by measure and contender, the median, the least and the most, and the ratio to plain diffusers."""
    table: dict[str, Any] = {}
    for measure in MEASURES:
        row = {name: _cell(measure, found, name) for name in found if all(measure in one for one in found[name])}
        if row:
            table[measure] = row
    return {
        "date": datetime.date.today().isoformat(),
        "machine": machine(),
        "work": {name: value for name, value in vars(work).items() if name not in ("folder", "asked")}
        | {"asked": {name: value for name, value in work.asked.items() if name != "model"}},
        "rounds": len(found[DIFFUSERS]),
        "table": table,
    }


def _cell(measure: str, found: Mapping[str, Sequence[Figures]], name: str) -> dict[str, Any]:
    values = [one[measure] for one in found[name]]
    cell: dict[str, Any] = {"median": median(values), "range": [min(values), max(values)]}
    plain = found[DIFFUSERS]
    if name != DIFFUSERS and all(measure in one for one in plain):
        ratios = [a[measure] / b for a, b in zip(plain, values, strict=True)]
        cell |= {"ratio": median(ratios), "ratio_range": [min(ratios), max(ratios)]}
    return cell


def machine() -> dict[str, Any]:
    """What the figures were measured on, and how busy it was before."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    return {
        "cpu": _cpu_name(),
        "cores": os.cpu_count(),
        "load_before": None if load is None else round(load, 1),
        "packages": {name: found for name in PACKAGES if (found := _version(name))},
    }


def as_rows(results: Mapping[str, Any]) -> list[list[str]]:
    """A table for people: a row for each measure, a column for each contender, ratios behind."""
    names = list(next(iter(results["table"].values())))
    rows = [["", *names]]
    for measure, row in results["table"].items():
        rows.append([measure, *(_text(row[name]) if name in row else "" for name in names)])
    if floor := results.get("roofline", {}).get("floor_seconds"):
        warm = results["table"][WARM]
        rows.append(["warm, times the counted floor", *(f"{warm[name]['median'] / floor:.1f}" for name in names)])
    for measure in ("psnr_db", "ssim"):
        if any(measure in one for one in results.get("likeness", {}).values()):
            told = results["likeness"]
            rows.append(
                [f"{measure} to exact", *(_likeness(told[name], measure) if name in told else "" for name in names)]
            )
    return rows


def slower(results: Mapping[str, Any], committed: Mapping[str, Any]) -> dict[tuple[str, str], str]:
    """What is slower beside plain diffusers than it was, by more than `MOST_LOST`: a line by contender and measure.

    Raises:
        UserError: the two did not draw the same.
    """
    unlike = [k for k, v in committed["work"].items() if k not in ("device", "dtype") and results["work"].get(k) != v]
    if unlike:
        raise UserError(f"these results are of other work ({', '.join(unlike)}); compare with those of the same.")
    lines = {}
    for measure in WATCHED:
        before, now = committed["table"].get(measure, {}), results["table"].get(measure, {})
        for name in now:
            old, new = before.get(name, {}).get("ratio"), now[name].get("ratio")
            if name.startswith(DIFFUSERS) or old is None or new is None:
                continue
            if new < old * (1 - MOST_LOST):
                lines[name, measure] = f"{name}, {measure}: {new:.2f} times plain diffusers, {old:.2f} before"
    return lines


def _text(cell: Mapping[str, Any]) -> str:
    value = cell["median"]
    number = f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.3f}"
    return f"{number} (x{cell['ratio']:.2f})" if "ratio" in cell else number


def _likeness(told: Mapping[str, Any], measure: str) -> str:
    value = told[measure]
    return "equal" if value is None else f"{value:.1f}" if measure == "psnr_db" else f"{value:.4f}"


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _cpu_name() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as listed:
            names = (line.partition(":")[2].strip() for line in listed if line.startswith("model name"))
            return next(names, "") or platform.processor()
    except OSError:
        return platform.processor() or platform.machine()
