"""Owns the model that is taught: loaded, with what is to be trained made trainable, and drawn with.

Knows no clip and no loss.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from praxino import media
from praxino.accel.encoders import read_later
from praxino.accel.networks import networks, num_bytes
from praxino.errors import UserError
from praxino.recipe import Recipe
from praxino.training.tuning import adapters, frozen, inversion, trainees
from praxino.training.tuning.settings import Tuning
from praxino.training.tuning.trainee import LaidOver, Trainee, trainee
from praxino.weights import catalog

RecipeOf = Callable[[str, int, int], Recipe]
"""Resolves a prompt, a seed and a number, as for a run of the model without what is learnt.

Models that set a picture in motion begin with the first frame of the clip of that number, counted round."""


@dataclass(frozen=True)
class Bench:
    """A model, and what of it is trained."""

    entry: catalog.Entry
    learner: Trainee
    parts: Any
    network: Any
    learnt: nn.Module
    """What has the weights that are trained: the network, or a new word."""
    aside: list[nn.Module]
    """Networks that no step needs, once they are set aside."""

    @classmethod
    def prepared(cls, tuning: Tuning, device: str) -> Bench:
        """Load a model, and make trainable what the settings say.

        Raises:
            UserError: the settings do not fit what was loaded.
            ModelError: it cannot be loaded.
        """
        entry = catalog.find(tuning.model)
        path, learner = entry.require_path(), trainee(entry.family.name, tuning.expert)
        if tuning.method == "full" and not (path / learner.component).is_dir():
            raise UserError(
                f"method is full, and {path} has no {learner.component}/ to put what is learnt in place of; "
                "begin from a folder in diffusers' layout, or learn a LoRA."
            )
        dtype = tuning.dtype or ("float32" if device == "cpu" or tuning.method == "full" else "bfloat16")
        with read_later():
            parts = entry.family.load(path, entry.variant, "bfloat16" if dtype == "float8" else dtype, device)
        if isinstance(learner, LaidOver):
            learner.lay_over(parts, tuning.spatial_base and str(catalog.locate(tuning.spatial_base)))
        network: Any = learner.network(parts)
        torch.manual_seed(tuning.seed)
        learnt: nn.Module = network
        if tuning.method == "textual-inversion":
            learnt = inversion.NewWord(parts.base, tuning)
        else:
            adapters.prepare(network, learner, tuning)
        if dtype == "float8":
            frozen.keep_in_float8(network)
        if tuning.checkpointing:
            network.enable_gradient_checkpointing()
        return cls(entry, learner, parts, network, learnt, [])

    def drawn(self, recipe: Recipe) -> np.ndarray:
        """What a recipe draws with the weights as they are, (F, H, W, 3) uint8."""
        pictures = [media.load(condition.media) for condition in recipe.conditions]
        (*_, last) = self.entry.family.denoise(recipe, self.parts, pictures, recipe.seed)
        return self.entry.family.decode(recipe, self.parts, last)

    @contextlib.contextmanager
    def evaluating(self) -> Iterator[None]:
        """Dropout off while the block runs, and torch's own chance as it was afterwards.

        diffusers' pipelines cast what they are given, and new weights are learnt in float32: they are kept from it.
        """
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            self.network.eval()
            self.network.to = lambda *_, **__: self.network
            try:
                yield
            finally:
                del self.network.to
                self.network.train()

    def set_aside(self, *, is_drawn_with: bool) -> None:
        """Take from the device what no step needs once clips are encoded; for good where nothing is drawn.

        A new word is learnt through the encoders: then all stays.
        """
        if self.learnt is not self.network:
            return
        kept = {id(self.network)}
        kept |= {id(getattr(self.parts, name)) for name in trainees.READ_WHILE_LEARNING.get(self.entry.family.name, ())}
        self.aside.extend(found.module for found in networks(self.parts) if id(found.module) not in kept)
        self._move("cpu" if is_drawn_with else "meta")

    def beside(self) -> int:
        """Bytes of networks that stay in the memory of the device, other than the one that is trained."""
        home = self.network.device.type
        others = [found.module for found in networks(self.parts) if found.module is not self.network]
        return sum(num_bytes(module) for module in others if next(module.parameters()).device.type == home)

    @contextlib.contextmanager
    def at_hand(self, device: str) -> Iterator[None]:
        """All networks on a device while the block runs."""
        self._move(device)
        try:
            yield
        finally:
            self._move("cpu")

    def _move(self, device: str) -> None:
        for module in self.aside:
            module.to(device)
