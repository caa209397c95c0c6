"""What a worker process tells of itself, for the servers' /metrics: one small file each, in the shared folder.

    vitals/<incarnation>.prom       Prometheus text, replaced as a whole every few seconds

A process of its own cannot be asked from outside of its machine; a file can be read by every server.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, write_to_textfile

from praxino.events import StepEvent

FOLDER = "vitals"
SAVE_SECONDS = 5.0
FORGET_SECONDS = 86_400.0
STEP_BUCKETS = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
"""Seconds: from the bundled model on a CPU to the largest ones."""


class Vitals:
    """One process's own figures.

    Args:
        root: the shared folder.
        incarnation: of the worker.
        device_bytes: tells how much of the device's memory the process has taken at most; None where there is none.
    """

    def __init__(self, root: Path, incarnation: str, device_bytes: Callable[[], int | None] = lambda: None) -> None:
        self._path = root / FOLDER / f"{incarnation}.prom"
        self._path.parent.mkdir(exist_ok=True)
        self._device_bytes = device_bytes
        self._registry = CollectorRegistry()
        own, by_model = self._registry, ["model"]
        told = "Time of a denoising step."
        self._steps = Histogram("praxino_step_seconds", told, by_model, registry=own, buckets=STEP_BUCKETS)
        self._loads = Counter("praxino_model_loads", "Models loaded into memory.", by_model, registry=own)
        told = "The most memory that a worker has used."
        self._memory = Gauge("praxino_worker_memory_bytes", told, ["kind"], registry=own)
        self._before = StepEvent("load", 1, 1, 0.0)
        self._next_save = 0.0
        _forget_old(self._path.parent)

    def loaded(self, model: str) -> None:
        """A model had to be loaded."""
        self._loads.labels(model).inc()

    def step(self, event: StepEvent, model: str) -> None:
        """A step has ended. Cheap: the file is written every few seconds."""
        if event.stage == "denoise":
            before = self._before
            follows = (before.stage, before.sample, before.step) == (event.stage, event.sample, event.step - 1)
            seconds = event.seconds - before.seconds if follows else event.seconds / event.step
            self._steps.labels(model).observe(max(0.0, seconds))
        self._before = event
        if time.monotonic() >= self._next_save:
            self.save()

    def save(self) -> None:
        """Write the file. A disk that is full stops nobody's work: the figures are then old."""
        if (peak := _peak_bytes()) is not None:
            self._memory.labels("host").set(peak)
        if (device := self._device_bytes()) is not None:
            self._memory.labels("device").set(device)
        with contextlib.suppress(OSError):
            write_to_textfile(str(self._path), self._registry)
        self._next_save = time.monotonic() + SAVE_SECONDS


def read_vitals(root: Path, incarnations: Iterable[str]) -> dict[str, str]:
    """What workers told last, by incarnation; those that told nothing are missing."""
    texts = {}
    for incarnation in incarnations:
        try:
            texts[incarnation] = (root / FOLDER / f"{incarnation}.prom").read_text(encoding="utf-8")
        except OSError:
            continue
    return texts


def _forget_old(folder: Path) -> None:
    for path in folder.glob("*.prom*"):
        if path.stat().st_mtime < time.time() - FORGET_SECONDS:
            path.unlink(missing_ok=True)


def _peak_bytes() -> int | None:
    """The most memory that this process has had, where the system tells."""
    if os.name != "posix":
        return None
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
