"""The contract of `praxino.families` over the modules beside this one. Importable without torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from praxino.families import LoopState, Sampling, Shape, Variant
from praxino.families._hunyuan import identify, names, plan
from praxino.recipe import Recipe
from praxino.request import Request

if TYPE_CHECKING:
    import numpy as np

    from praxino.families._hunyuan.load import Parts


@dataclass
class HunyuanFamily:
    """One of the families of Tencent's HunyuanVideo."""

    name: str
    title: str
    variants: Mapping[str, Variant]

    def identify(self, path: Path) -> Variant | None:
        """Which variant lies at a path."""
        return identify.identify(path, self.name, self.variants.values())

    def plan(self, request: Request, variant: Variant, shape: Shape, task: str) -> Sampling:
        """Decide how to sample."""
        return plan.plan(request, variant, shape, task)

    def check_lora(self, path: Path) -> None:
        """Raise UserError when a file holds no LoRA of this family."""
        names.check_lora(path)

    def load(self, path: Path, variant: Variant, dtype: str, device: str) -> Parts:
        """Load the networks."""
        from praxino.families._hunyuan.load import load

        return load(path, variant, dtype, device)

    def equip(self, parts: Parts, recipe: Recipe) -> Parts:
        """Lay the recipe's LoRAs over the transformer, in place of any laid before."""
        from praxino.families._hunyuan import lora

        lora.apply(parts.transformer, parts.laid, recipe.loras, recipe.options["lora_blocks"])
        return parts

    def denoise(
        self, recipe: Recipe, parts: Parts, pictures: list[np.ndarray], seed: int, state: LoopState | None = None
    ) -> Iterator[LoopState]:
        """Yield the state before the first step and after every one."""
        from praxino.families._hunyuan.run import denoise
        from praxino.sampling.noise import SeededNoise

        return denoise(recipe, parts, pictures, SeededNoise(seed), state)

    def decode(self, recipe: Recipe, parts: Parts, state: LoopState) -> np.ndarray:
        """The final state as frames, (F, H, W, 3) uint8."""
        from praxino.families._hunyuan.run import decode

        return decode(recipe, parts, state)

    def decode_chunks(self, recipe: Recipe, parts: Parts, state: LoopState) -> Iterator[np.ndarray]:
        """The same, some frames at a time."""
        from praxino.families._hunyuan.run import decode_chunks

        return decode_chunks(recipe, parts, state)

    def preview(self, recipe: Recipe, parts: Parts, state: LoopState) -> np.ndarray:
        """The middle latent frame as a small picture."""
        from praxino.families._hunyuan.run import preview

        return preview(recipe, parts, state)

    def miniature(self, folder: Path, like: str | None = None) -> None:
        """Write the same pipeline with tiny random weights."""
        from praxino.families._hunyuan.miniature import write

        write(folder, self.name, self.variants[like or next(iter(self.variants))])
