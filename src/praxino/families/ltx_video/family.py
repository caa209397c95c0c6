"""The family itself: the contract of `praxino.families`, over the modules beside this one. Importable without torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from praxino.families import LoopState, Sampling, Shape, Variant
from praxino.families.ltx_video import identify, plan, refine
from praxino.families.ltx_video.card import FAMILY_NAME
from praxino.families.ltx_video.lora import check_lora
from praxino.families.ltx_video.variants import PUBLISHED
from praxino.recipe import Recipe
from praxino.request import Request

if TYPE_CHECKING:
    import numpy as np

    from praxino.families.ltx_video.load import Parts

POCKET = Path(__file__).parents[2] / "assets" / "pocket"
"""The model that ships in the package."""


class LtxVideo:
    """Lightricks' LTX-Video: text, pictures and clips to video."""

    name = FAMILY_NAME
    title = "LTX-Video"

    @property
    def variants(self) -> Mapping[str, Variant]:
        """Every published checkpoint by name, and the one in the package."""
        return _variants()

    def identify(self, path: Path) -> Variant | None:
        """Which variant lies at a path."""
        return identify.identify(path)

    def plan(self, request: Request, variant: Variant, shape: Shape, task: str) -> Sampling:
        """Decide how to sample; the same way for every task."""
        return plan.plan(request, variant, shape)

    def check_lora(self, path: Path) -> None:
        """Raise UserError when a file holds no LoRA weights."""
        check_lora(path)

    def load(self, path: Path, variant: Variant, dtype: str, device: str) -> Parts:
        """Load the networks."""
        from praxino.families.ltx_video.load import load

        return load(path, variant, dtype, device)

    def equip(self, parts: Parts, recipe: Recipe) -> Parts:
        """Lay the recipe's LoRAs over the transformer, in place of any laid before, and its companions beside it."""
        from praxino.families.ltx_video import load, lora

        for companion in recipe.companions:
            if companion.role == refine.UPSAMPLER:
                load.lay_upsampler(parts, Path(companion.path))
        parts.annotators.lay(recipe.companions, parts.device)
        if recipe.plan != "exact" or any(lora.scale for lora in recipe.loras):
            parts = load.with_stock(parts)
        lora.apply(parts.transformer, recipe.loras)
        return parts

    def denoise(
        self, recipe: Recipe, parts: Parts, pictures: list[np.ndarray], seed: int, state: LoopState | None = None
    ) -> Iterator[LoopState]:
        """Yield the state before the first step and after every one."""
        from praxino.families.ltx_video.run import denoise
        from praxino.sampling.noise import SeededNoise

        return denoise(recipe, parts, pictures, SeededNoise(seed), state)

    def decode(self, recipe: Recipe, parts: Parts, state: LoopState) -> np.ndarray:
        """The final state as frames, (F, H, W, 3) uint8."""
        from praxino.families.ltx_video.run import decode

        return decode(recipe, parts, state)

    def preview(self, recipe: Recipe, parts: Parts, state: LoopState) -> np.ndarray:
        """The middle latent frame as a small picture."""
        from praxino.families.ltx_video.run import preview

        return preview(recipe, parts, state)

    def miniature(self, folder: Path, like: str | None = None) -> None:
        """Write the same pipeline with tiny random weights; all variants are alike."""
        from praxino.families.ltx_video.miniature import write

        write(folder)


@cache
def _variants() -> Mapping[str, Variant]:
    pocket = identify.identify(POCKET)
    return PUBLISHED if pocket is None else {pocket.name: pocket, **PUBLISHED}
