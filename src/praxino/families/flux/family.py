"""The family itself: the contract of `praxino.families`, over the modules beside this one. Importable without torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from praxino.families import LoopState, Sampling, Shape, Variant
from praxino.families.flux import identify, plan
from praxino.families.flux.card import FAMILY_NAME
from praxino.families.flux.names import check_lora
from praxino.families.flux.variants import PUBLISHED
from praxino.recipe import Recipe
from praxino.request import Request

if TYPE_CHECKING:
    import numpy as np

    from praxino.families.flux.load import Parts


class Flux:
    """Black Forest Labs' FLUX.1: words, pictures, masks, maps and instructions to a picture."""

    name = FAMILY_NAME
    title = "FLUX.1"

    @property
    def variants(self) -> Mapping[str, Variant]:
        """Every published checkpoint by name."""
        return PUBLISHED

    def identify(self, path: Path) -> Variant | None:
        """Which variant lies at a path."""
        return identify.identify(path)

    def plan(self, request: Request, variant: Variant, shape: Shape, task: str) -> Sampling:
        """Decide how to sample."""
        return plan.plan(request, variant, shape, task)

    def check_lora(self, path: Path) -> float | None:
        """Raise UserError when a file holds no LoRA of this family; the scale of one that brings a map's channels."""
        return check_lora(path)

    def load(self, path: Path, variant: Variant, dtype: str, device: str) -> Parts:
        """Load the networks."""
        from praxino.families.flux.load import load

        return load(path, variant, dtype, device)

    def equip(self, parts: Parts, recipe: Recipe) -> Parts:
        """Lay the recipe's LoRAs and companions over the networks, in place of any before."""
        from praxino.families.flux.equip import equip

        return equip(parts, recipe)

    def denoise(
        self, recipe: Recipe, parts: Parts, pictures: list[np.ndarray], seed: int, state: LoopState | None = None
    ) -> Iterator[LoopState]:
        """Yield the state before the first step and after every one."""
        from praxino.families.flux.run import denoise
        from praxino.sampling.noise import SeededNoise

        return denoise(recipe, parts, pictures, SeededNoise(seed), state)

    def decode(self, recipe: Recipe, parts: Parts, state: LoopState) -> np.ndarray:
        """The final state as one frame, (1, H, W, 3) uint8."""
        from praxino.families.flux.run import decode

        return decode(recipe, parts, state)

    def preview(self, recipe: Recipe, parts: Parts, state: LoopState) -> np.ndarray:
        """The picture that is coming, an eighth of its size."""
        from praxino.families.flux.run import preview_of

        return preview_of(recipe, parts, state)

    def miniature(self, folder: Path, like: str | None = None) -> None:
        """Write the same pipeline with tiny random weights."""
        from praxino.families.flux.miniature import write

        write(folder, like or "flux-dev")
