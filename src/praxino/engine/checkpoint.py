"""A run's state on disk, so that a run that was killed goes on from its last saved step and ends in the same pixels.

One folder holds one run: `run.json` (the request and its recipe), `state.safetensors` (the piece of a sample being
drawn) and `sample-N[.piece-P].safetensors` (those done). Knows nothing of what the tensors mean.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from praxino.engine.drawn import Drawn
from praxino.engine.resolve import Resolution
from praxino.errors import UserError
from praxino.families import LoopState
from praxino.media.sound import Sound
from praxino.recipe import Recipe
from praxino.request import Request

if TYPE_CHECKING:
    import torch

_COST_SHARE = 0.02
"""Saving takes at most this share of the time."""


def resolve_or_resume(request: Request, folder: Path, resolution: Resolution) -> Resolution:
    """The resolution that was begun in `folder` for this very request (with the seed drawn then), else the new one.

    Raises:
        UserError: the folder holds the state of another request, or cannot be written.
    """
    file = folder / "run.json"
    if not file.exists():
        _begin(folder, request, resolution)
        return resolution
    begun = _read_json(file)
    if begun.get("request") != request.to_json():
        raise UserError(
            f"{folder} holds the state of another run ({str(begun.get('request', {}).get('prompt', ''))[:60]!r}); "
            "give another folder, or delete it."
        )
    recipe = Recipe.from_json(begun.get("recipe"))
    if recipe.identity() != _as_begun(resolution.recipe, recipe, request).identity():
        raise UserError(
            f"{folder} holds the state of this request, but the model or a picture has changed since; "
            "delete the folder."
        )
    return Resolution(recipe, (*resolution.notes, f"going on from {folder}"), resolution.speed)


def clear(folder: Path) -> None:
    """Remove a finished run's state (and the folder, when nothing else is in it)."""
    for file in (*folder.glob("sample-*.safetensors"), folder / "state.safetensors", folder / "run.json"):
        file.unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        folder.rmdir()


class RunCheckpoint:
    """The state of one run, saved by time.

    Raises:
        UserError: the folder holds the state of another run.
    """

    def __init__(self, folder: Path, recipe: Recipe, interval_seconds: float) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        begun = folder / "run.json"
        if begun.exists() and not _is_of(recipe, Recipe.from_json(_read_json(begun).get("recipe"))):
            raise UserError(f"{folder} holds the state of another run; give another folder, or delete it.")
        self._folder = folder
        self._identity = recipe.identity()
        self._interval = interval_seconds
        self._last_save = time.monotonic()

    def state(self, sample: int, piece: int = 0) -> LoopState | None:
        """The saved state of a piece of a sample, if there is one."""
        if (read := self._read("state.safetensors")) is None:
            return None
        if (read[1]["sample"], read[1].get("piece", "0")) != (str(sample), str(piece)):
            return None
        return LoopState(int(read[1]["step"]), read[0])

    def finished(self, sample: int, piece: int = 0) -> Drawn | None:
        """A finished piece of a sample."""
        if (read := self._read(_name(sample, piece))) is None:
            return None
        tensors, facts = read
        sound = Sound(tensors["sound"].numpy(), int(facts["sample_rate"])) if "sound" in tensors else None
        return Drawn(tensors["frames"].numpy(), sound)

    def save_in_time(
        self, sample: int, state: LoopState, piece: int = 0, more: Callable[[], dict[str, torch.Tensor]] = dict
    ) -> None:
        """Save the state, and what `more` gives beside it, if enough time has gone by since the last save."""
        began = time.monotonic()
        if began - self._last_save < self._interval:
            return
        facts = {"sample": str(sample), "piece": str(piece), "step": str(state.step)}
        self._write("state.safetensors", {**state.tensors, **more()}, facts)
        self._last_save = time.monotonic()
        self._interval = max(self._interval, (self._last_save - began) / _COST_SHARE)

    def finish(self, sample: int, drawn: Drawn, piece: int = 0) -> None:
        """Keep a finished piece of a sample until the whole run is done."""
        import torch

        tensors = {"frames": torch.from_numpy(np.ascontiguousarray(drawn.frames))}
        facts = {}
        if drawn.sound is not None:
            tensors["sound"] = torch.from_numpy(np.ascontiguousarray(drawn.sound.samples))
            facts["sample_rate"] = str(drawn.sound.sample_rate)
        self._write(_name(sample, piece), tensors, facts)

    def _write(self, name: str, tensors: dict[str, torch.Tensor], facts: dict[str, str]) -> None:
        from safetensors.torch import save

        plain = {key: tensor.detach().cpu().contiguous() for key, tensor in tensors.items()}
        _replace(self._folder / name, save(plain, {**facts, "identity": self._identity}))

    def _read(self, name: str) -> tuple[dict[str, torch.Tensor], dict[str, str]] | None:
        from safetensors import safe_open

        file = self._folder / name
        if not file.exists():
            return None
        with safe_open(file, "pt") as opened:
            facts = opened.metadata() or {}
            if facts.get("identity") != self._identity:
                return None
            return {key: opened.get_tensor(key) for key in opened.keys()}, facts  # noqa: SIM118


def _name(sample: int, piece: int) -> str:
    return f"sample-{sample}.safetensors" if piece == 0 else f"sample-{sample}.piece-{piece}.safetensors"


def _begin(folder: Path, request: Request, resolution: Resolution) -> None:
    begun = {"request": request.to_json(), "recipe": resolution.recipe.to_json()}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _replace(folder / "run.json", json.dumps(begun).encode())
    except OSError as problem:
        raise UserError(
            f"--checkpoint {folder} cannot be written: {problem.strerror}; give another folder."
        ) from problem


def _read_json(file: Path) -> dict[str, Any]:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as problem:
        raise UserError(f"{file} cannot be read as a run's state: {problem}; delete its folder.") from problem


def _is_of(recipe: Recipe, begun: Recipe) -> bool:
    """Whether a run was begun for a recipe, whatever plan it has been drawn on since."""
    return dataclasses.replace(begun, plan=recipe.plan).identity() == recipe.identity()


def _as_begun(recipe: Recipe, begun: Recipe, request: Request) -> Recipe:
    """With the seed drawn then, and the words found then: a chat model may find others each time."""
    caption = begun.caption if request.rewrite else recipe.caption
    return dataclasses.replace(recipe, seed=begun.seed, caption=caption)


def _replace(file: Path, content: bytes) -> None:
    """Write a file whole or not at all, even if the power fails."""
    temporary = file.with_name(f".{file.name}.{os.getpid()}.part")
    with temporary.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    temporary.replace(file)
