"""The family itself: the contract of `praxino.families`, over the modules beside this one. Importable without torch.

The networks, but for the transformer's readers of poses and faces, are Wan's, and so are loading, loop and LoRAs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from praxino.families import LoopState, Sampling, Shape, Variant
from praxino.families.wan import names
from praxino.families.wan_animate import identify, plan
from praxino.families.wan_animate.variants import FAMILY_NAME, PUBLISHED
from praxino.recipe import Recipe
from praxino.request import Request

if TYPE_CHECKING:
    import numpy as np

    from praxino.families.wan.load import Parts


class WanAnimate:
    """Alibaba's Wan 2.2 Animate: a character moves as poses and a face say, or takes somebody's place in a clip."""

    name = FAMILY_NAME
    title = "Wan Animate"

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
        """Raise UserError when a file holds no LoRA of this family."""
        names.check_lora(path)
        return None

    def load(self, path: Path, variant: Variant, dtype: str, device: str) -> Parts:
        """Load the networks."""
        from praxino.families.wan.load import load

        return load(path, variant, dtype, device)

    def equip(self, parts: Parts, recipe: Recipe) -> Parts:
        """Lay the recipe's LoRAs over the transformer and its makers of poses beside it, in place of any before."""
        from praxino.families.wan.equip import equip

        return equip(parts, recipe)

    def denoise(
        self, recipe: Recipe, parts: Parts, pictures: list[np.ndarray], seed: int, state: LoopState | None = None
    ) -> Iterator[LoopState]:
        """Yield the state before the first step and after every one."""
        from praxino.families.wan import loop
        from praxino.families.wan.conditioning import Given
        from praxino.families.wan.run import plan_of
        from praxino.families.wan_animate.prepare import prepare
        from praxino.sampling.noise import SeededNoise

        noise = SeededNoise(seed)
        given = Given(recipe, tuple(zip(recipe.conditions, pictures, strict=True)))
        start = prepare(parts, given, noise)
        return loop.denoise(parts.transformers, start, plan_of(recipe), noise, state)

    def decode(self, recipe: Recipe, parts: Parts, state: LoopState) -> np.ndarray:
        """The final state as frames, (F, H, W, 3) uint8."""
        from praxino.families.wan.run import decode

        return decode(recipe, parts, state)

    def decode_chunks(self, recipe: Recipe, parts: Parts, state: LoopState) -> Iterator[np.ndarray]:
        """The same, those of a latent frame at a time."""
        from praxino.families.wan.run import decode_chunks

        return decode_chunks(recipe, parts, state)

    def preview(self, recipe: Recipe, parts: Parts, state: LoopState) -> np.ndarray:
        """The middle of the clip that is coming, a latent cell a pixel."""
        from praxino.families.wan.run import preview

        return preview(recipe, parts, state)

    def miniature(self, folder: Path, like: str | None = None) -> None:
        """Write the same pipeline with tiny random weights."""
        from praxino.families.wan_animate.miniature import write

        write(folder)
