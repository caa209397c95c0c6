"""What every contender of a bench draws, and which contenders there are. Imports no torch."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
from dataclasses import dataclass
from typing import Any, Literal

from praxino.engine.machine import Machine, this_machine
from praxino.engine.resolve import resolve
from praxino.errors import UserError
from praxino.recipe import QUALITIES
from praxino.request import Request
from praxino.weights.catalog import find

DIFFUSERS, COMPILED, CACHE_DIT = "diffusers", "diffusers-compiled", "cache-dit"
CONTENDERS = {
    DIFFUSERS: "diffusers, as its docs write it",
    COMPILED: "diffusers, as its docs on speed write it: repeated blocks compiled",
    CACHE_DIT: "diffusers with cache-dit's step cache",
    "exact": "Praxino: the pixels of the plain networks",
    "near": "Praxino with other number formats",
    "fast": "Praxino with computations left out",
}
"""By name, what it is. The first is what the others are compared with."""
SUBJECTS = ("a rocket", "a frog", "a red apple", "a cat face", "a balloon", "a ghost", "a banana", "a pizza")
GROUNDS = ("blue", "white", "green", "yellow")

Axis = Literal["frames", "pixels", "steps", "batch"]
AXES: tuple[Axis, ...] = ("frames", "pixels", "steps", "batch")


@dataclass(frozen=True)
class Work:
    """One request's shape, the same for all contenders. Pixels, frames, frames a second."""

    asked: dict[str, Any]
    """The fields of the Request, but prompt, seed and quality."""
    folder: str
    """The checkpoint, a diffusers folder."""
    width: int
    height: int
    num_frames: int
    fps: float
    steps: int
    guidance: float
    max_text_tokens: int
    dtype: str
    """Of plain diffusers, and of exact."""
    device: str
    n: int
    """Samples a request."""

    def to_json(self) -> str:
        """For a child process."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Work:
        """What `to_json` wrote."""
        return cls(**json.loads(text))

    def request(self, quality: str, index: int) -> Request:
        """The request of that number, from 0, as Praxino is asked for it."""
        return Request.from_json({**self.asked, "prompt": prompt_of(index), "seed": index, "quality": quality})


def prompt_of(index: int) -> str:
    """Another prompt each time, so that no contender lives on the answers that it has kept."""
    return (
        f"{SUBJECTS[index % len(SUBJECTS)]} spinning on a {GROUNDS[index // len(SUBJECTS) % len(GROUNDS)]} background"
    )


def work_of(request: Request, device: str | None = None) -> Work:
    """What a request comes to; its prompt, seed and quality are left out. Plain diffusers skips no blocks (STG).

    Raises:
        UserError: the request cannot be, or the model is no folder that diffusers reads.
    """
    folder = find(request.model).require_path()
    if not (folder / "model_index.json").is_file():
        raise UserError(f"{folder} is no diffusers folder, so there is nothing to compare with; give one with -m.")
    machine = this_machine(device)
    asked = {k: v for k, v in request.to_json().items() if k not in ("prompt", "seed", "quality")}
    work = Work({**asked, "model": str(folder)}, str(folder), 0, 0, 0, 0.0, 0, 0.0, 0, "", machine.device, request.n)
    recipe = resolve(work.request("exact", 0), machine=machine).recipe
    if any(phase.stg_scale for phase in recipe.guidance_phases):
        work = dataclasses.replace(work, asked={**work.asked, "stg": 0.0})
        recipe = resolve(work.request("exact", 0), machine=machine).recipe
    return dataclasses.replace(
        work,
        width=recipe.width,
        height=recipe.height,
        num_frames=recipe.num_frames,
        fps=recipe.fps,
        steps=recipe.steps,
        guidance=recipe.guidance_phases[0].scale,
        max_text_tokens=find(str(folder)).variant.max_text_tokens,
        dtype=recipe.dtype,
    )


def swept(request: Request, axis: Axis, value: int) -> Request:
    """The request with one measure changed; "pixels" is the length of a square's side."""
    changed: dict[Axis, dict[str, Any]] = {
        "frames": {"frames": value, "seconds": None},
        "pixels": {"size": f"{value}x{value}"},
        "steps": {"steps": value},
        "batch": {"n": value},
    }
    return dataclasses.replace(request, **changed[axis])


def contenders(work: Work, names: tuple[str, ...] = ()) -> tuple[str, ...]:
    """The contenders to measure: those named, or all that can be; plain diffusers always, and first.

    Raises:
        UserError: there is no contender of a name, it is not installed, or nothing is faster in a quality.
    """
    if unknown := [name for name in names if name not in CONTENDERS]:
        raise UserError(f"there is no contender {unknown[0][:60]!r}; there are {', '.join(CONTENDERS)}.")
    if CACHE_DIT in names and not _has_cache_dit():
        raise UserError("cache-dit is not installed; leave it out, or run: pip install cache-dit")
    if slow := [name for name in names if name in QUALITIES and name not in _qualities(work)]:
        raise UserError(f"nothing is faster in quality {slow[0]} than in exact here; leave that contender out.")
    if names:
        return (DIFFUSERS, *(name for name in CONTENDERS if name in names and name != DIFFUSERS))
    offered = {*_qualities(work), DIFFUSERS, COMPILED, *([CACHE_DIT] if _has_cache_dit() else [])}
    return tuple(name for name in CONTENDERS if name in offered)


def compared(names: tuple[str, ...]) -> tuple[str, ...]:
    """Of contenders, plain diffusers and those that a regression check holds against it."""
    return tuple(name for name in names if name == DIFFUSERS or name in QUALITIES)


def _qualities(work: Work) -> list[str]:
    """Those in which something else is drawn."""
    machine = Machine(work.device)
    return [q for q in QUALITIES if resolve(work.request(q, 0), machine=machine).recipe.quality == q]


def _has_cache_dit() -> bool:
    return importlib.util.find_spec("cache_dit") is not None
