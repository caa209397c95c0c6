"""The family itself: the contract of `praxino.families`, over the modules beside this one. Importable without torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from praxino.families import LoopState, Sampling, Shape, Variant, _low_rank
from praxino.families.ltx_2 import identify, plan
from praxino.families.ltx_2.lora import targets
from praxino.families.ltx_2.variants import PUBLISHED
from praxino.recipe import Recipe
from praxino.request import Request

if TYPE_CHECKING:
    import numpy as np

    from praxino.families.ltx_2.load import Parts


class Ltx2:
    """Lightricks' LTX-2: words and pictures to video with sound."""

    name = identify.FAMILY_NAME
    title = "LTX-2"

    @property
    def variants(self) -> Mapping[str, Variant]:
        """Every published checkpoint by name."""
        return PUBLISHED

    def identify(self, path: Path) -> Variant | None:
        """Which variant lies at a path."""
        return identify.identify(path)

    def plan(self, request: Request, variant: Variant, shape: Shape, task: str) -> Sampling:
        """Decide how to sample; the same way for every task."""
        return plan.plan(request, variant, shape)

    def check_lora(self, path: Path) -> None:
        """Raise UserError when a file holds no LoRA weights for it."""
        _low_rank.check(path, self.title, targets)

    def load(self, path: Path, variant: Variant, dtype: str, device: str) -> Parts:
        """Load the networks."""
        from praxino.families.ltx_2.load import load

        return load(path, variant, dtype, device)

    def equip(self, parts: Parts, recipe: Recipe) -> Parts:
        """Lay the recipe's LoRAs and upsampler on, in place of any before, and note the LoRA of its second stage."""
        from praxino.families.ltx_2 import upsampler
        from praxino.families.ltx_2.run import lay_loras

        upsampler.lay(parts, recipe)
        parts.refining_lora = next((one.path for one in recipe.companions if one.role == plan.REFINING_LORA), "")
        parts.annotators.lay(recipe.companions, parts.device)
        lay_loras(recipe, parts, refining=False)
        return parts

    def denoise(
        self, recipe: Recipe, parts: Parts, pictures: list[np.ndarray], seed: int, state: LoopState | None = None
    ) -> Iterator[LoopState]:
        """Yield the state before the first step and after every one."""
        from praxino.families.ltx_2.run import denoise
        from praxino.sampling.noise import SeededNoise

        return denoise(recipe, parts, pictures, SeededNoise(seed), state)

    def decode(self, recipe: Recipe, parts: Parts, state: LoopState) -> np.ndarray:
        """The final state as frames, (F, H, W, 3) uint8."""
        from praxino.families.ltx_2.run import decode

        return decode(recipe, parts, state)

    def sound(self, recipe: Recipe, parts: Parts, state: LoopState) -> tuple[np.ndarray, int]:
        """The sound of the final state, (C, N) float32 in [-1, 1], and its samples a second."""
        from praxino.families.ltx_2.run import sound

        return sound(recipe, parts, state)

    def preview(self, recipe: Recipe, parts: Parts, state: LoopState) -> np.ndarray:
        """The middle latent frame as a small picture."""
        from praxino.families.ltx_2.run import preview

        return preview(recipe, parts, state)

    def miniature(self, folder: Path, like: str | None = None) -> None:
        """Write the same pipeline with tiny random weights; all variants are alike."""
        from praxino.families.ltx_2.miniature import write

        write(folder)
