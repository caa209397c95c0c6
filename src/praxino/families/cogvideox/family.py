"""The family itself: the contract of `praxino.families`, over the modules beside this one. Importable without torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from praxino.families import LoopState, Sampling, Shape, Variant, _low_rank
from praxino.families.cogvideox import identify, plan
from praxino.families.cogvideox.lora import alpha, targets
from praxino.families.cogvideox.variants import FAMILY_NAME, PUBLISHED
from praxino.recipe import Recipe
from praxino.request import Request

if TYPE_CHECKING:
    import numpy as np

    from praxino.families.cogvideox.load import Parts


class CogVideoX:
    """Zhipu AI's CogVideoX and CogVideoX1.5, and CogVideoX-Fun: words, pictures, clips and poses to video."""

    name = FAMILY_NAME
    title = "CogVideoX"

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

    def check_lora(self, path: Path) -> None:
        """Raise UserError when a file holds no LoRA weights of this family."""
        _low_rank.check(path, self.title, targets)

    def load(self, path: Path, variant: Variant, dtype: str, device: str) -> Parts:
        """Load the networks."""
        from praxino.families.cogvideox.load import load

        return load(path, variant, dtype, device)

    def equip(self, parts: Parts, recipe: Recipe) -> Parts:
        """Lay the recipe's LoRAs over the transformer, in place of any laid before."""
        _low_rank.apply(parts.transformer, recipe.loras, targets, alpha)
        return parts

    def denoise(
        self, recipe: Recipe, parts: Parts, pictures: list[np.ndarray], seed: int, state: LoopState | None = None
    ) -> Iterator[LoopState]:
        """Yield the state before the first step and after every one."""
        from praxino.families.cogvideox.run import denoise
        from praxino.sampling.noise import SeededNoise

        return denoise(recipe, parts, pictures, SeededNoise(seed), state)

    def decode(self, recipe: Recipe, parts: Parts, state: LoopState) -> np.ndarray:
        """The final state as frames, (F, H, W, 3) uint8."""
        from praxino.families.cogvideox.run import decode

        return decode(recipe, parts, state)

    def decode_chunks(self, recipe: Recipe, parts: Parts, state: LoopState) -> Iterator[np.ndarray]:
        """The same, some frames at a time."""
        from praxino.families.cogvideox.run import decode_chunks

        return decode_chunks(recipe, parts, state)

    def preview(self, recipe: Recipe, parts: Parts, state: LoopState) -> np.ndarray:
        """The middle latent frame as a small picture."""
        from praxino.families.cogvideox.run import preview

        return preview(recipe, parts, state)

    def miniature(self, folder: Path, like: str | None = None) -> None:
        """Write the pipeline of a published variant with tiny random weights."""
        from praxino.families.cogvideox.miniature import write

        write(folder, like or "cogvideox-2b")
