"""Contenders in turn: each round starts the processes of every one of them, A B C A B C ... Imports no torch.

A round is a cold run of the whole program, from its start to the file, and a process that makes several files, of
which all but the first are warm. Caches on disk lie in a folder of the bench's own: the first round fills them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from praxino.bench.work import CACHE_DIT, COMPILED, Work
from praxino.errors import ModelError
from praxino.recipe import QUALITIES
from praxino.request import Request

COLD, WARM = "cold: process start to file, s", "warm: request to file, s"
MEMORY, GPU_MEMORY = "peak memory, MiB", "peak GPU memory, MiB"
PARTS = {"whole": WARM, "load": "load, s", "encode": "encode text, ms", "step": "a denoising step, ms",
         "decode": "decode, ms", "file": "write the file, ms"}  # fmt: skip
MEASURES = (COLD, *PARTS.values(), MEMORY, GPU_MEMORY)

Figures = dict[str, float]
"""By measure, of one contender in one round."""


@dataclass(frozen=True)
class Child:
    """What a process took: wall seconds, peak resident bytes, and what it printed."""

    seconds: float
    peak_bytes: int
    printed: str


@dataclass(frozen=True)
class Bench:
    """Where a bench runs."""

    scratch: Path
    arguments: Callable[[Request], list[str]]
    """A request as the command spells it."""
    warm_requests: int = 5
    threads: int | None = None
    """Of every contender; as many as its libraries choose when not given."""

    def child(self, arguments: Sequence[str]) -> Child:
        """Run Python to its end. Raises ModelError with its last words when it fails."""
        environment = {**os.environ, **self._environment()}
        with tempfile.TemporaryFile() as said, tempfile.TemporaryFile() as complained:
            began = time.perf_counter()
            process = subprocess.Popen([sys.executable, *arguments], stdout=said, stderr=complained, env=environment)
            peak_bytes = _wait(process)
            seconds = time.perf_counter() - began
            said.seek(0)
            complained.seek(0)
            if process.returncode:
                words = complained.read().decode(errors="replace").strip().splitlines()
                raise ModelError(f"{' '.join(arguments[:4])} ended with {process.returncode}: {' '.join(words[-3:])}")
            return Child(seconds, peak_bytes, said.read().decode())

    def _environment(self) -> dict[str, str]:
        threads = {"OMP_NUM_THREADS": str(self.threads)} if self.threads else {}
        return {
            "PRAXINO_HOME": str(self.scratch / "home"),
            "TORCHINDUCTOR_CACHE_DIR": str(self.scratch / "inductor"),
            "PYTHONDONTWRITEBYTECODE": "",  # what pip installs is compiled; a checkout is by its first run
            **threads,
        }

    def one_round(self, work: Work, contender: str) -> Figures:
        """Every measure of a contender, once."""
        cold = self.child(self._cold(work, contender))
        (warm,) = self.workload([work], contender, self._out(work, contender), 1 + self.warm_requests)
        requests = warm["requests"]
        figures = {COLD: cold.seconds, MEMORY: cold.peak_bytes / 2**20}
        if gpu_peak_bytes := warm["gpu_peak_bytes"]:
            figures[GPU_MEMORY] = gpu_peak_bytes / 2**20
        for part, measure in PARTS.items():
            counted = requests[:1] if part == "load" else requests[1:]
            if found := [seconds[part] for seconds in counted if part in seconds]:
                figures[measure] = median(found) * (1000 if measure.endswith("ms") else 1)
        return figures

    def warm_seconds(self, works: Sequence[Work], contender: str) -> list[float]:
        """Of each work, a request to a process that has made one such file: the median."""
        told = self.workload(works, contender, self._out(works[0], contender), 1 + self.warm_requests)
        return [median(request["whole"] for request in one["requests"][1:]) for one in told]

    def workload(self, works: Sequence[Work], contender: str, out: Path, requests: int) -> list[dict[str, Any]]:
        """What a process of `workload` tells of each work."""
        printed = self.child(self._workload(works, contender, out, requests)).printed
        return [json.loads(line) for line in printed.splitlines()]

    def _cold(self, work: Work, contender: str) -> list[str]:
        """The whole program: for Praxino, its command."""
        out = self._out(work, contender)
        if contender in QUALITIES:
            return ["-m", "praxino", *self.arguments(work.request(contender, 0)), "--local", "-o", str(out)]
        return self._workload([work], contender, out, 1)

    def _workload(self, works: Sequence[Work], contender: str, out: Path, requests: int) -> list[str]:
        files = [self.described(work, f"work-{index}") for index, work in enumerate(works)]
        return ["-m", "praxino.bench.workload", contender, str(out), str(requests), *map(str, files)]

    def described(self, work: Work, name: str = "work") -> Path:
        """A file that tells a child process of a work."""
        path = self.scratch / f"{name}.json"
        path.write_text(work.to_json(), encoding="utf-8")
        return path

    def _out(self, work: Work, contender: str) -> Path:
        return self.scratch / f"{contender}{'.gif' if work.num_frames > 1 else '.png'}"


def in_turn(
    bench: Bench, work: Work, names: Sequence[str], rounds: int, tell: Callable[[str], None]
) -> dict[str, list[Figures]]:
    """Every contender's figures, round by round. One that fails is told of and left out, but not plain diffusers."""
    found: dict[str, list[Figures]] = {name: [] for name in names}
    for count in range(rounds):
        for name in list(found):
            try:
                found[name].append(bench.one_round(work, name))
            except ModelError as problem:
                if name not in (COMPILED, CACHE_DIT):
                    raise
                tell(f"{name} is left out: {problem}")
                del found[name]
                continue
            figures = found[name][-1]
            tell(f"round {count + 1} of {rounds}, {name}: cold {figures[COLD]:.2f} s, warm {figures[WARM]:.3f} s")
    return found


def _wait(process: subprocess.Popen[bytes]) -> int:
    """Wait for its end; its peak resident bytes, 0 where the system does not tell."""
    if not hasattr(os, "wait4"):
        process.wait()
        return 0
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return used.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
