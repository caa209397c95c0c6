"""Z-Image's ControlNets as their authors publish them: one file each, whose config is worked out from its header.

Layouts: alibaba-pai/Z-Image-Turbo-Fun-Controlnet-Union, -2.0 and -2.1, with their lite ones. How they are told apart is
diffusers' way (loaders/single_file_utils.py, infer_diffusers_model_type); the layers that they steer are evenly spread,
as in ComfyUI (comfy_extras/nodes_model_patch.py).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import torch

from praxino.errors import ModelError
from praxino.families._stock.checkpoint import Shapes, read_shapes
from praxino.families._stock.load import diffusers_class

MAPS_IN = "control_all_x_embedder.2-1.weight"
PATCH_CELLS = 4
"""Latent cells to a patch."""
OWN_REFINER = "control_noise_refiner.0.before_proj.weight"
SHARED = ("dim", "n_refiner_layers", "n_heads", "n_kv_heads", "norm_eps", "qk_norm")
"""What its config has of the transformer's."""


def from_file(path: Path, transformer: Any, dtype: torch.dtype) -> Any:
    """The ControlNet in a single file, to be used beside that transformer.

    Raises:
        ModelError: it holds none, one for another transformer, or one with weights missing.
    """
    from safetensors.torch import load_file

    shapes = read_shapes(path) or {}
    if MAPS_IN not in shapes:
        raise ModelError(f"{path} holds no ControlNet of Z-Image.")
    if shapes[MAPS_IN][0] != transformer.config.dim:
        raise ModelError(
            f"{path} is for a Z-Image of {shapes[MAPS_IN][0]} channels; this has {transformer.config.dim}."
        )
    with torch.device("meta"):
        network = diffusers_class("ZImageControlNetModel").from_config(config(path, shapes, transformer.config))
    missing = network.load_state_dict(load_file(path), strict=False, assign=True).missing_keys
    if missing:
        raise ModelError(f"{path} lacks {len(missing)} weights, such as {', '.join(missing[:3])}.")
    return network.to(dtype)


def config(path: Path, shapes: Shapes, transformer: Any) -> dict[str, Any]:
    """The config of the ControlNet with those shapes, beside a transformer of that config."""
    count = len({found[1] for name in shapes if (found := re.match(r"control_layers\.(\d+)\.", name))})
    apart = round(transformer["n_layers"] / count)
    control_in_dim = shapes[MAPS_IN][1] // PATCH_CELLS
    refiner = None if control_in_dim == transformer["in_channels"] else _refiner(path, shapes)
    return {
        "control_layers_places": [index * apart for index in range(count)],
        "control_refiner_layers_places": list(range(transformer["n_refiner_layers"])) if refiner else None,
        "control_in_dim": control_in_dim,
        "add_control_noise_refiner": refiner,
        **{name: transformer[name] for name in SHARED},
    }


def _refiner(path: Path, shapes: Shapes) -> str:
    """What refines the map from the second version on: layers of its own, once they were trained."""
    if OWN_REFINER not in shapes:
        return "control_layers"
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        trained = bool(file.get_tensor(OWN_REFINER).any())
    return "control_noise_refiner" if trained else "control_layers"
