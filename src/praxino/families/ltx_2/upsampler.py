"""The network that doubles a clip's latents along both sides, from a single file of Lightricks.

Source: Lightricks/LTX-2 at 400fd31, ltx_core/model/upsampler/model_configurator.py; the network is diffusers'.
Importable without torch.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from praxino.errors import ModelError
from praxino.families import _header
from praxino.recipe import Recipe

if TYPE_CHECKING:
    import torch

    from praxino.families.ltx_2.load import Parts

ROLE = "upsampler"
"""The companion's role, and the option that names it for a variant whose folder has none."""
FACTOR = 2
"""How much larger the second stage is than the first, along each side."""
CLASS = "diffusers.pipelines.ltx2.latent_upsampler:LTX2LatentUpsamplerModel"
CONFIG: dict[str, tuple[str, Any]] = {
    "in_channels": ("in_channels", 128),
    "mid_channels": ("mid_channels", 512),
    "num_blocks_per_stage": ("num_blocks_per_stage", 4),
    "dims": ("dims", 3),
    "spatial_upsample": ("spatial_upsample", True),
    "temporal_upsample": ("temporal_upsample", False),
    "rational_spatial_scale": ("spatial_scale", 2.0),
    "use_rational_resampler": ("rational_resampler", False),
}
"""Diffusers' name of a field, the authors', and what that means where a file leaves it out."""


def lay(parts: Parts, recipe: Recipe) -> None:
    """Have the recipe's upsampler at hand, unless it is already. Raises ModelError."""
    path = next((one.path for one in recipe.companions if one.role == ROLE), None)
    if path is not None and path != parts.upsampler_path:
        parts.upsampler = load(Path(path), parts.transformer.dtype, parts.device)
        parts.upsampler_path = path


def load(path: Path, kind: torch.dtype, device: torch.device) -> Any:
    """A single file of Lightricks as diffusers' LTX2LatentUpsamplerModel.

    Raises:
        ModelError: it is none, it is damaged, or it does another thing than double both sides.
    """
    import torch
    from safetensors.torch import load_file

    from praxino.families._stock.load import damaged, diffusers_class

    header = _header.read(path)
    if header is None or "initial_conv.weight" not in header.shapes:
        raise ModelError(f"{path} is no safetensors file of a latent upsampler.")
    with damaged(path):
        told = json.loads(header.metadata.get("config", "{}"))
        config = {name: told.get(theirs, default) for name, (theirs, default) in CONFIG.items()}
        if config["temporal_upsample"] or not config["spatial_upsample"] or config["rational_spatial_scale"] != FACTOR:
            raise ModelError(f"{path} does not double the sides of a clip; the second stage needs the x2 upsampler.")
        with torch.device("meta"):
            network = diffusers_class(CLASS)(**config)
        tensors = {name: tensor.to(kind) for name, tensor in load_file(path).items()}
        network.load_state_dict(tensors, strict=True, assign=True)
    return network.requires_grad_(False).eval().to(device)
