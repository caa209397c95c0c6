"""What a denoising step took on this machine, plain and compiled, remembered in a file. Imports no torch.

Decides nothing: `speed` does, by what is known here.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import platform
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TypeVar

from praxino.plain import from_plain, to_plain
from praxino.recipe import Recipe

MOST_KEPT = 1000
"""Kinds of runs; those measured last stay."""
PROCESSORS = {"cpu": (Path("/proc"), "cpuinfo"), "cuda": (Path("/proc/driver/nvidia/gpus"), "*/information")}

_State = TypeVar("_State")


@dataclass(frozen=True)
class Tried:
    """A way of computing a denoiser's answer, as it was tried on one call (`praxino.accel.trials`)."""

    name: str
    """As NAME:VALUE."""
    seconds: float = 0.0
    plain: float = 0.0
    """What the plain way took."""
    error: float = 0.0
    """How far its answer was off, in parts of the largest value."""
    problem: str = ""
    """Why it does not do here."""

    @property
    def gain(self) -> float:
        """The part of the plain way's time that it saves; below 0 where it takes longer."""
        return 0.0 if self.problem or not self.plain else 1 - self.seconds / self.plain


@dataclass(frozen=True)
class Pace:
    """Seconds of a kind of run; 0: not measured."""

    plain: float = 0.0
    """A step, after the first."""
    compiled: float = 0.0
    """The same with compiled blocks."""
    first: float = 0.0
    """What the first compiled step of a process took more than the later ones, the last time."""
    failed: bool = False
    """Whether compiling ended in an error."""
    tried: tuple[Tried, ...] = ()
    """Other ways of computing."""
    tried_all: bool = False
    """Whether those are all that there were to try."""


def kind_of(recipe: Recipe, dtype: str, device: str) -> str:
    """All that a run's pace depends on."""
    guided = any(phase.scale > 1 for phase in recipe.guidance_phases)
    shape = f"{recipe.width}x{recipe.height}x{recipe.num_frames}"
    return (
        f"{recipe.variant} {shape} {dtype} {'guided' if guided else 'unguided'} "
        f"{'fast' if recipe.quality == 'fast' else 'whole'} | {device}: {_processor(device)} | {_versions()}"
    )


def read(file: Path) -> Mapping[str, Pace]:
    """By kind of run, what is known; nothing where the file is missing or broken."""
    try:
        told = json.loads(file.read_text(encoding="utf-8"))
        return {kind: from_plain(Pace, pace) for kind, pace in told.items()}
    except (OSError, ValueError, AttributeError):
        return {}


def remember(file: Path, kind: str, measured: Pace) -> None:
    """Keep what was measured, beside what is known of the same kind of run. A file that cannot be written is left."""
    known = dict(read(file))
    new = {field.name: value for field in dataclasses.fields(Pace) if (value := getattr(measured, field.name))}
    known[kind] = dataclasses.replace(known.pop(kind, Pace()), **new)
    kept = dict(list(known.items())[-MOST_KEPT:])
    temporary = file.with_name(f".{file.name}.{os.getpid()}.part")
    with contextlib.suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(json.dumps(to_plain(kept), indent=1), encoding="utf-8")
        temporary.replace(file)


class Clock:
    """Times the steps of the first loop that goes through it.

    Args:
        told: called once, with the seconds of the first step and the mean of the later ones, of which there are two
            at least.
    """

    def __init__(self, told: Callable[[float, float], None]) -> None:
        self._told = told
        self._is_done = False

    def steps(self, states: Iterator[_State]) -> Iterator[_State]:
        """The states of a loop: the first stands before its first step. Time between them is not counted."""
        if self._is_done:
            yield from states
            return
        self._is_done, seconds = True, list[float]()
        while True:
            began = time.perf_counter()
            state = next(states, None)
            if state is None or len(seconds) < 2:
                wait()
            seconds.append(time.perf_counter() - began)
            if state is None:
                break
            yield state
        # The last entry is what the device still had to do when the loop had ended.
        if (count := len(seconds) - 3) >= 2:
            self._told(seconds[1], sum(seconds[2:]) / count)


def wait() -> None:
    """Until the devices that this process uses have done what they were given."""
    torch = sys.modules.get("torch")
    if torch is None:
        return
    for device in (torch.cuda, torch.xpu):
        if device.is_initialized():
            device.synchronize()
    if torch.backends.mps.is_available():
        torch.mps.synchronize()


@cache
def _versions() -> str:
    return ", ".join(f"{package} {version(package)}" for package in ("torch", "diffusers"))


@cache
def _processor(device: str) -> str:
    """As in "NVIDIA H200", where the machine tells."""
    folder, pattern = PROCESSORS.get(device.partition(":")[0], (Path(), ""))
    with contextlib.suppress(OSError):
        for file in sorted(folder.glob(pattern)) if pattern else ():
            told = file.read_text(encoding="utf-8", errors="replace")
            if found := re.search(r"^model(?: name)?[ \t]*:[ \t]*(\S*[^\d\s].*)$", told, re.MULTILINE | re.IGNORECASE):
                return found[1]
    return platform.machine()
