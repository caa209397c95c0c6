"""A family made from data: a diffusers pipeline class for each task. Importable without torch."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from praxino.errors import UserError
from praxino.families import LoopState, Sampling, Shape, Variant
from praxino.families._stock import plan
from praxino.families._stock.arguments import Given, standard
from praxino.families._stock.checkpoint import Folder, lay_over, read_card, read_folder
from praxino.families._stock.reach import Reader
from praxino.families._stock.schedulers import DIFFUSION, Table
from praxino.recipe import Recipe
from praxino.request import Request

if TYPE_CHECKING:
    import numpy as np
    import torch

    from praxino.families._stock.load import Parts

LayersOf = Callable[[str], tuple[str, ...]]
"""A layer's name, dots as underscores, to the network's layers that share its rows; () when it has none."""


@dataclass(eq=False)
class StockFamily:
    """The contract of `praxino.families`, fulfilled by diffusers pipelines. See the package for how to fill it in."""

    name: str
    title: str
    variants: Mapping[str, Variant]
    pipelines: Mapping[str, str]
    """The diffusers pipeline class of each task, and of "TASK+control", "TASK+union" and "TASK+inpaint" with
    ControlNets beside it: plain ones, one that is told what its maps are, one that is shown picture and mask."""
    classes: tuple[str, ...]
    """What `_class_name` is in the model_index.json of a folder of this family."""
    variant_of: Callable[[Folder], Variant | None]
    """Which variant lies in a folder of one of those classes, by its configs; None when it is not of this family."""
    write_miniature: Callable[[Path, str | None], None]
    """See `Family.miniature`."""
    arguments: Callable[[Given], dict[str, Any]] = standard
    """What the pipeline is called with, but for its generator and callback."""
    schedulers: Table = field(default_factory=lambda: DIFFUSION)
    flow: bool = False
    """Whether the pipelines take `sigmas`."""
    float32: tuple[str, ...] = ()
    """Components that stay in float32 whatever the run's dtype is."""
    rescaling: tuple[str, ...] = ()
    """The tasks whose pipeline has `guidance_rescale`."""
    file_variant_of: Callable[[Path], Variant | None] | None = None
    """Which variant lies in a single file, by its header; None when no single files are read."""
    refuse_lora: Callable[[Path], None] | None = None
    """Raises UserError for what is no LoRA of this family, by its header; None when it takes none."""
    lora_layers: LayersOf | None = None
    """Which layers one of a LoRA file is, past diffusers' names; None where diffusers translates, or none differ."""
    whole: tuple[str, ...] = ()
    """The keys of `pipelines` that fill in a mask with no strength: all noise levels are run."""
    one_map: bool = False
    """Whether its pipelines follow one map at a time."""
    follows_maps: bool = False
    """Whether its pipelines follow maps themselves, with no ControlNet."""
    shows_references: bool = False
    """Whether its pipelines are shown references beside the picture, with no adapter; their weights cannot differ."""
    text_readers: tuple[Reader, ...] = ()
    """Its text encoders that read a long text in part; a variant's `options["text_readers"]` go before."""
    one_reference: bool = False
    """Whether its IP-Adapter reads one picture alone."""
    reader: Callable[[Path], dict[str, Any]] | None = None
    """Components of a folder that diffusers cannot read by itself, by name."""
    unpack: Callable[[Recipe, torch.Tensor], torch.Tensor] | None = None
    """Latents as the pipeline holds them to (1, C, h, w), where they differ."""
    encode: Callable[[Any, torch.Tensor], torch.Tensor] | None = None
    """Pictures (N, 3, H, W) in [-1, 1] to latents as `unpack` gives them, by the VAE; for the preview, where these are
    not the scaled means of the VAE's posterior."""

    def identify(self, path: Path) -> Variant | None:
        """Which variant lies at a path."""
        if path.is_file():
            return self.file_variant_of(path) if self.file_variant_of else None
        folder = read_folder(path)
        if folder is None or folder.class_name not in self.classes:
            return None
        variant = self.variant_of(folder)
        card = read_card(path)
        if variant is None or (card is not None and card.family != self.name):
            return None
        if card is not None:
            variant = lay_over(self.variants.get(card.variant, variant), card)
        if not plan.text_readers(self, variant):
            return variant
        return dataclasses.replace(variant, options={**variant.options, plan.HOME: str(path)})

    def plan(self, request: Request, variant: Variant, shape: Shape, task: str) -> Sampling:
        """Decide how to sample."""
        return plan.plan(self, request, variant, shape, task)

    def check_lora(self, path: Path) -> float | None:
        """Refuse what holds no LoRA for this family."""
        if self.refuse_lora is None:
            raise UserError(f"{self.title} takes no LoRA.")
        self.refuse_lora(path)
        return None

    def load(self, path: Path, variant: Variant, dtype: str, device: str) -> Parts:
        """Load the networks."""
        from praxino.families._stock.load import load

        return load(self, path, variant, dtype, device)

    def equip(self, parts: Parts, recipe: Recipe) -> Parts:
        """Put the recipe's LoRAs and companions on the networks, in place of any before."""
        from praxino.families._stock.equip import equip

        return equip(parts, recipe, self.lora_layers)

    def denoise(
        self, recipe: Recipe, parts: Parts, pictures: list[np.ndarray], seed: int, state: LoopState | None = None
    ) -> Iterator[LoopState]:
        """Yield the state before the first step and after every one; the last has the frames."""
        from praxino.families._stock.run import denoise

        return denoise(self, recipe, parts, pictures, seed, state)

    def decode(self, recipe: Recipe, parts: Parts, state: LoopState) -> np.ndarray:
        """The frames of the last state."""
        from praxino.families._stock.loop import FRAMES

        return state.tensors[FRAMES].numpy()

    def preview(self, recipe: Recipe, parts: Parts, state: LoopState) -> np.ndarray:
        """The latents through a linear map."""
        from praxino.families._stock.run import preview

        return preview(self, recipe, parts, state)

    def miniature(self, folder: Path, like: str | None = None) -> None:
        """Write the same pipeline with tiny random weights."""
        self.write_miniature(folder, like)

    def pipeline_name(self, recipe: Recipe, parts: Parts) -> str:
        """The diffusers class that draws a recipe."""
        from praxino.families._stock import control

        return self.pipeline_of(parts.variant, recipe.task + control.beside(control.networks(parts, recipe)))

    def pipeline_of(self, variant: Variant, task: str) -> str:
        """The diffusers class for a task: the variant's own, else the family's."""
        return variant.options.get("pipelines", self.pipelines)[task]

    def components(self, parts: Parts, recipe: Recipe) -> dict[str, Any]:
        """What its pipeline needs besides the checkpoint's own networks."""
        from praxino.families._stock import control

        found = control.networks(parts, recipe)
        return {"controlnet": control.component(found)} if found else {}

    def load_file(self, path: Path, variant: Variant, kind: Any, dtype: torch.dtype) -> Any:
        """A single file in the original layout as a pipeline."""
        from praxino.families._stock.load import from_original

        return from_original(path, kind, dtype)
