"""Loading, and laying LoRAs and companions over what is loaded."""

from __future__ import annotations

from collections.abc import Callable
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
from praxino.recipe import Recipe


@dataclass
class Parts:
    """A checkpoint, of which only as much is in memory as a run needs."""

    layout: Layout
    dtype: torch.dtype
    device: str
    base: Path | None = None
    """The spatial base that `networks` were put together with."""
    loaded: Networks | None = None
    controlnets: dict[str, Any] = field(default_factory=dict)
    """diffusers' ControlNetModels by path."""
    annotators: dict[str, Any] = field(default_factory=dict)
    """Depth models, as `annotate` has them, by path."""

    @property
    def networks(self) -> Networks:
        """Loaded when first asked for: which spatial layers are wanted is known only then."""
        if self.loaded is None:
            self.loaded = assemble(self.layout, self.base, self.dtype, self.device)
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
    base = next((Path(companion.path) for companion in recipe.companions if companion.role == "spatial-base"), None)
    if base != parts.base:
        parts.loaded, parts.base = None, base
    lora.apply(parts.networks, recipe.loras, tuple(recipe.options["lora_blocks"]))
    parts.controlnets = _kept(parts.controlnets, recipe, "controlnet:", lambda path: _controlnet(Path(path), parts))
    parts.annotators = _kept(parts.annotators, recipe, "annotator:", lambda path: _annotator(path, parts))
    return parts


def _kept(loaded: dict[str, Any], recipe: Recipe, role: str, load: Callable[[str], Any]) -> dict[str, Any]:
    """The companions of a role by path: those that are loaded already, and the others."""
    paths = [companion.path for companion in recipe.companions if companion.role.startswith(role)]
    return {path: loaded[path] if path in loaded else load(path) for path in paths}


def _annotator(path: str, parts: Parts) -> Any:
    with told_as_damaged(Path(path)):
        return annotate.load_depth(path, parts.device)


def _controlnet(folder: Path, parts: Parts) -> Any:
    from diffusers.models.controlnets.controlnet import ControlNetModel

    with told_as_damaged(folder):
        network = filled(ControlNetModel, read_config(folder), read_weights(folder), parts.dtype)
    return network.to(parts.device)
