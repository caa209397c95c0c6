"""A plot of each sweep, as PNG. Needs matplotlib."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

UNITS = {"frames": "frames", "pixels": "pixels a side", "steps": "denoising steps", "batch": "samples a request"}


def plot(axis: str, sweep: Mapping[str, Mapping[str, float]], title: str, path: Path) -> Path:
    """Warm seconds of each contender over one measure; from zero, so that lengths compare.

    Args:
        axis: what grows.
        sweep: by contender, seconds by value.
        title: of the picture.
        path: the PNG to write.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    axes: Any = figure.add_subplot()
    for name, seconds in sweep.items():
        values = [int(value) for value in seconds]
        axes.plot(values, list(seconds.values()), marker="o", label=name)
    axes.set_xticks([int(value) for value in next(iter(sweep.values()))])
    axes.set_xlabel(UNITS[axis])
    axes.set_ylabel("warm request to file, s")
    axes.set_title(title)
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    axes.legend()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)
    return path
