"""Owns what a run leaves beside its weights: metrics line by line, a plot of them, samples, and a card."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any, Literal

import numpy as np

from praxino import media
from praxino.recipe import Encoding
from praxino.training.tuning.settings import Tuning

EMBEDDING_FILE = "learned_embeds.safetensors"
"""The name that diffusers looks for in a folder of a textual inversion."""
METRICS = "metrics.jsonl"
PLOT = "loss.png"
SAMPLES = "samples"
SMOOTHING = 0.95


class Metrics:
    """A line of JSON for every step; cut back to where a run is taken up."""

    def __init__(self, folder: Path, step: int) -> None:
        self.path = folder / METRICS
        self.rows = [row for row in _rows(self.path) if row["step"] <= step]
        partial = self.path.with_suffix(".part")
        partial.write_text("".join(json.dumps(row) + "\n" for row in self.rows), encoding="utf-8")
        partial.replace(self.path)
        self._board = _tensorboard(folder)

    def add(self, row: dict[str, Any]) -> None:
        """Note one step: "step" and figures by name."""
        self.rows.append(row)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        if self._board is not None:
            for name, value in row.items():
                if name != "step":
                    self._board.add_scalar(name, value, row["step"])

    def plot(self) -> Path | None:
        """Draw the losses over the steps; None where matplotlib is not installed."""
        try:
            from matplotlib.backends.backend_agg import FigureCanvasAgg
            from matplotlib.figure import Figure
        except ImportError:
            return None
        figure = Figure(figsize=(7, 4), layout="constrained")
        axes = figure.add_subplot()
        steps, losses = [row["step"] for row in self.rows], [row["loss"] for row in self.rows]
        axes.plot(steps, losses, color="0.8", linewidth=0.8, label="each step")
        axes.plot(steps, smoothed(losses), color="tab:blue", label="smoothed")
        held = [(row["step"], row["held_out_loss"]) for row in self.rows if "held_out_loss" in row]
        if held:
            axes.plot(*zip(*held, strict=True), color="tab:orange", marker="o", markersize=3, label="held out")
        axes.set(xlabel="step", ylabel="loss")
        axes.grid(alpha=0.3)
        axes.legend()
        FigureCanvasAgg(figure).print_png(str(self.path.with_name(PLOT)))
        return self.path.with_name(PLOT)


def smoothed(losses: list[float]) -> list[float]:
    """A running mean that begins at the first value's own."""
    total, weight, means = 0.0, 0.0, []
    for loss in losses:
        total, weight = SMOOTHING * total + loss, SMOOTHING * weight + 1
        means.append(total / weight)
    return means


def write_samples(folder: Path, step: int, clips: list[tuple[np.ndarray, float]]) -> list[Path]:
    """The samples of a step: an animated GIF and a contact sheet of each clip (F, H, W, 3) uint8 with its rate."""
    place = folder / SAMPLES
    place.mkdir(exist_ok=True)
    written = []
    for index, (frames, fps) in enumerate(clips):
        stem = f"step-{step:06d}-{index}"
        if len(frames) > 1:
            path = place / f"{stem}.gif"
            written.append(media.save([frames], path, _encoding("gif"), fps, None))
        path = place / f"{stem}.png"
        written.append(media.save([frames], path, _encoding("png", sheet=len(frames) > 1), fps, None))
    return written


def _encoding(kind: Literal["gif", "png"], *, sheet: bool = False) -> Encoding:
    return Encoding(kind, loop=0, gif="good", quality=90, codec="none", grid=False, sheet=sheet)


def use(tuning: Tuning, folder: str) -> str:
    """The command that draws with what a run has left in a folder."""
    prompt = (tuning.samples or (tuning.trigger or "...",))[0]
    if tuning.method == "full":
        flags = ["-m", f"{folder}/model"]
    elif tuning.method == "textual-inversion":
        flags = ["-m", tuning.model, "--embedding", f"{folder}/{EMBEDDING_FILE}:{tuning.trigger}"]
    else:
        flags = ["-m", tuning.model, "--lora", folder]
    if tuning.spatial_base:
        flags += ["--spatial-base", tuning.spatial_base]
    if tuning.control:
        flags += ["--control", f"{tuning.control}=CLIP"]
    return f'praxino "{prompt}" {shlex.join(flags)}'


def write_card(folder: Path, about: dict[str, str], tuning: Tuning) -> Path:
    """A model card: what it was made from and how it is used."""
    lines = [
        "---", f"base_model: {tuning.model}", f"tags: [praxino, {tuning.method}]", "---", "",
        f"# {folder.name}", "", "| | |", "| --- | --- |",
        *(f"| {name} | {value} |" for name, value in about.items()), "",
        "```", use(tuning, folder.name), "```", "",
    ]  # fmt: skip
    path = folder / "README.md"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def _rows(path: Path) -> list[dict[str, Any]]:
    """The whole lines of a metrics file; a last line that was cut short is left out."""
    if not path.exists():
        return []
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError:
            break
    return rows


def _tensorboard(folder: Path) -> Any:
    """A writer for TensorBoard, None where that is not installed."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(folder / "tensorboard"))
