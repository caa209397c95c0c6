"""Loading, and laying LoRAs and companions over what is loaded."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open

from praxino.errors import ModelError
from praxino.families._stock import annotate
from praxino.families.hotshot_xl import lora, unet
from praxino.families.hotshot_xl.layout import Layout, is_whole_unet, read_layout
from praxino.families.hotshot_xl.networks import Networks, assemble
from praxino.families.hotshot_xl.weights import DTYPES, filled, read_config, read_weights, told_as_damaged
from praxino.recipe import Companion, Recipe

SPATIAL_BASE, CONTROLNET, ANNOTATOR = "spatial-base", "controlnet:", "annotator:"
"""Roles of companions, or how they begin."""


@dataclass
class Parts:
    """A checkpoint, of which only as much is in memory as a run needs."""

    layout: Layout
    dtype: torch.dtype
    device: str
    base: Companion | None = None
    """The spatial base that `networks` are put together with."""
    loaded: Networks | None = None
    companions: dict[Companion, Any] = field(default_factory=dict)
    """diffusers' ControlNetModels, and depth models as `annotate` has them."""

    @property
    def networks(self) -> Networks:
        """Loaded when first asked for: which spatial layers are wanted is known only then."""
        if self.loaded is None:
            base = None if self.base is None else Path(self.base.path)
            self.loaded = assemble(self.layout, base, self.dtype, self.device)
        return self.loaded


def load(path: Path, dtype: str, device: str) -> Parts:
    """See `Family.load`. Checks that every weight file is whole; reading them is left to `Parts.networks`."""
    layout = read_layout(path)
    if layout is None:
        raise ModelError(f"{path} is damaged or incomplete: it holds no Hotshot-XL checkpoint.")
    files = [layout.temporal_file] if layout.temporal_file else sorted(layout.folder.rglob("*.safetensors"))
    for file in files:
        with told_as_damaged(file), safe_open(file, "pt"):
            pass
    return Parts(layout, DTYPES[dtype], device)


def load_unet(folder: Path) -> Any:
    """See `praxino.families.hotshot_xl.load_unet`."""
    home = folder / "unet" if (folder / "unet").is_dir() else folder
    if not is_whole_unet(home):
        raise ModelError(f"{folder} holds no UNet of Hotshot-XL: a config.json of its class and its weights.")
    with told_as_damaged(home):
        return unet.build(read_config(home), unet.renamed(read_weights(home)), torch.float32)


def equip(parts: Parts, recipe: Recipe) -> Parts:
    """See `Family.equip`."""
    base = next((companion for companion in recipe.companions if companion.role == SPATIAL_BASE), None)
    if base != parts.base:
        parts.loaded, parts.base = None, base
    lora.apply(parts.networks, recipe.loras, tuple(recipe.options["lora_blocks"]))
    others = [companion for companion in recipe.companions if companion is not base]
    kept = {companion: parts.companions[companion] for companion in others if companion in parts.companions}
    parts.companions = kept
    for companion in others:
        if companion not in kept:
            kept[companion] = _companion(companion, parts)
    return parts


def _companion(companion: Companion, parts: Parts) -> Any:
    from diffusers.models.controlnets.controlnet import ControlNetModel

    folder = Path(companion.path)
    with told_as_damaged(folder):
        if companion.role.startswith(ANNOTATOR):
            return annotate.load(companion.role.removeprefix(ANNOTATOR), companion.path, parts.device)
        network = filled(ControlNetModel, read_config(folder), read_weights(folder), parts.dtype)
        return network.to(parts.device)
