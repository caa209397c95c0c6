"""The family itself: the contract of `praxino.families`, over the modules beside this one. Importable without torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from praxino.families import LoopState, Sampling, Shape, Variant
from praxino.families.hotshot_xl import identify, lora, plan
from praxino.families.hotshot_xl.variants import HOTSHOT_XL
from praxino.recipe import Recipe
from praxino.request import Request

if TYPE_CHECKING:
    import numpy as np

    from praxino.families.hotshot_xl.load import Parts


class HotshotXl:
    """Natural Synthetics' Hotshot-XL: words, pictures and clips to GIFs, over any SDXL."""

    name = identify.FAMILY_NAME
    title = "Hotshot-XL"

    @property
    def variants(self) -> Mapping[str, Variant]:
        """The published checkpoint."""
        return {HOTSHOT_XL.name: HOTSHOT_XL}

    def identify(self, path: Path) -> Variant | None:
        """Which variant lies at a path."""
        return identify.identify(path)

    def plan(self, request: Request, variant: Variant, shape: Shape, task: str) -> Sampling:
        """Decide how to sample."""
        return plan.plan(request, variant, shape, task)

    def check_lora(self, path: Path) -> None:
        """Raise UserError when a file holds other things than a LoRA's weights."""
        lora.check_lora(path)

    def load(self, path: Path, variant: Variant, dtype: str, device: str) -> Parts:
        """Check the files; what is needed of them is read when it is known which spatial layers are wanted."""
        from praxino.families.hotshot_xl.load import load

        return load(path, dtype, device)

    def equip(self, parts: Parts, recipe: Recipe) -> Parts:
        """Load the networks over the recipe's spatial base, its ControlNets, and lay its LoRAs over."""
        from praxino.families.hotshot_xl.load import equip

        return equip(parts, recipe)

    def denoise(
        self, recipe: Recipe, parts: Parts, pictures: list[np.ndarray], seed: int, state: LoopState | None = None
    ) -> Iterator[LoopState]:
        """Yield the state before the first step and after every one."""
        from praxino.families.hotshot_xl.run import denoise

        return denoise(recipe, parts, pictures, seed, state)

    def decode(self, recipe: Recipe, parts: Parts, state: LoopState) -> np.ndarray:
        """The final state as frames, (F, H, W, 3) uint8."""
        from praxino.families.hotshot_xl.run import decode

        return decode(parts, state)

    def preview(self, recipe: Recipe, parts: Parts, state: LoopState) -> np.ndarray:
        """The middle frame as a small picture, a pixel for each of its latents."""
        from praxino.families.hotshot_xl.run import preview

        return preview(state)

    def miniature(self, folder: Path, like: str | None = None) -> None:
        """Write the same pipeline, in the original's layout, with tiny random weights; one is like all variants."""
        from praxino.families.hotshot_xl.miniature import write

        write(folder)
