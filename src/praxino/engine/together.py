"""One job drawn by several processes: what the first of them decides, and how the others follow it.

All run `praxino.engine.run.draw` on the same recipe. The first alone has a checkpoint on disk, progress and an output.
Imports torch only where processes were launched together.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from praxino import settings
from praxino.accel.ranks import Ranks, device_here
from praxino.accel.split import Split, notes_of, split_of
from praxino.engine.checkpoint import RunCheckpoint
from praxino.engine.drawn import Drawn
from praxino.engine.early import EarlyFile
from praxino.engine.fitting import settled
from praxino.engine.machine import this_machine
from praxino.events import OnStep, StepEvent
from praxino.recipe import Recipe

if TYPE_CHECKING:
    import torch


class SharedCheckpoint(RunCheckpoint):
    """A run's state on the disk of rank 0, which tells the others what it finds there.

    Args:
        ranks: all of them make one.
        folder: see `RunCheckpoint`; of rank 0 alone.
        recipe: see there.
    """

    def __init__(self, ranks: Ranks, folder: Path | None, recipe: Recipe) -> None:
        self._ranks = ranks
        if folder is None:
            self._last_save, self._interval = 0.0, math.inf
        else:
            super().__init__(folder, recipe, settings.checkpoint_seconds())

    def _read(self, name: str) -> tuple[dict[str, torch.Tensor], dict[str, str]] | None:
        from safetensors.torch import load, save

        found = super()._read(name) if self._ranks.leads else None
        facts = json.loads(self._ranks.told(json.dumps(found and found[1]).encode()))
        return None if facts is None else (load(self._ranks.told(save(found[0]) if found else None)), facts)

    def _write(self, name: str, tensors: dict[str, torch.Tensor], facts: dict[str, str]) -> None:
        if self._ranks.leads:
            super()._write(name, tensors, facts)


@dataclass(frozen=True)
class Together:
    """What a run knows of the processes that draw it."""

    ranks: Ranks
    split: Split
    saved: SharedCheckpoint | None

    @contextmanager
    def splitting(self, parts: Any) -> Iterator[None]:
        """While it holds, loaded networks are computed by all."""
        with self.ranks.splitting(parts, self.split):
            yield

    @contextmanager
    def decoding(self, parts: Any) -> Iterator[None]:
        """While it holds, tiles are decoded by all. Not while steps are drawn: rank 0 alone decodes previews."""
        from praxino.accel import tiles

        with tiles.dealt_out(parts):
            yield


def lead(
    recipe: Recipe,
    on_step: OnStep,
    count: int,
    *,
    checkpoint: Path | None = None,
    device: str | None = None,
    early: EarlyFile | None = None,
    faithful: bool = False,
) -> tuple[Recipe, list[Drawn]]:
    """As rank 0 of `count`: draw a recipe with the others. Arguments as of `praxino.engine.fitting.draw_as_fits`.

    Args:
        recipe: what to draw.
        on_step: see `praxino.engine.run.draw`; where it raises, all end.
        count: of the processes.
        checkpoint: see there.
        device: see there.
        early: see there.
        faithful: draw the recipe's own pixels or none.

    Raises:
        UserError: this recipe, or this machine, cannot be shared so.
        PraxinoError: the run failed, here or in another process.
    """
    from praxino.engine.run import draw

    split = split_of(recipe, count)
    name = device_here(this_machine(device).device)
    wanted = recipe if faithful else settled(recipe, name)
    ranks = Ranks(name)
    try:
        ranks.told(json.dumps({"recipe": wanted.to_json(), "saves": checkpoint is not None}).encode())
        for note in notes_of(wanted):
            on_step(StepEvent("load", 1, 1, 0.0, num_samples=wanted.n, note=note))
        saved = SharedCheckpoint(ranks, checkpoint, wanted) if checkpoint else None
        drawn = draw(wanted, on_step, device=name, early=early, together=Together(ranks, split, saved))
        ranks.ended()
    except BaseException as problem:
        ended = ranks.problem_of(problem)
        ranks.leave()
        if ended is problem:
            raise
        raise ended from problem
    return wanted, drawn


def follow(device: str | None = None) -> bool:
    """As another rank: draw what rank 0 says, and keep nothing of it. False where that is not to be.

    Raises:
        PraxinoError: it failed here, and rank 0 did not tell the user.
    """
    from praxino.engine.run import draw

    name = device_here(this_machine(device).device)
    ranks = Ranks(name)
    try:
        told = json.loads(ranks.told())
        recipe = Recipe.from_json(told["recipe"])
        saved = SharedCheckpoint(ranks, None, recipe) if told["saves"] else None
        draw(recipe, _ignore, device=name, together=Together(ranks, split_of(recipe, ranks.count), saved))
        ranks.ended()
    except BaseException as problem:
        if ranks.failed(problem):
            return False
        raise
    return True


def _ignore(event: StepEvent) -> None:
    pass
