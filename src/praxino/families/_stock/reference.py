"""Pictures whose look is taken: IP-Adapters on a UNet, one adapter for each picture, so that each has its weight.

Stable Diffusion 3's transformer takes one adapter, for one picture.
Style and layout alone: InstantStyle (Wang et al. 2024, arXiv 2404.02733), by the blocks that diffusers' guide names
(docs/source/en/using-diffusers/ip_adapter.md).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from praxino.errors import ModelError
from praxino.families._stock.checkpoint import read_json, read_shapes
from praxino.families._stock.pictures import of_role
from praxino.recipe import Recipe

if TYPE_CHECKING:
    from praxino.families._stock.arguments import Given
    from praxino.families._stock.load import Parts

ADAPTER, ENCODER = "ip-adapter", "image-encoder"
TIMED = "image_proj.time_embedding.linear_1.weight"
"""What only adapters for Stable Diffusion 3 have: their tokens depend on the noise level."""


def scales(recipe: Recipe) -> list[Any]:
    """What diffusers' `set_ip_adapter_scale` takes for each reference of a recipe; [] when no adapter reads them."""
    if not _has_adapter(recipe):
        return []
    weights = [condition.strength for condition in recipe.conditions if condition.role == "reference"]
    use = recipe.options.get("reference_use", "all")
    if use == "style":
        return [{"up": {"block_0": [0.0, weight, 0.0]}} for weight in weights]
    if use == "layout":
        return [{"down": {"block_2": [0.0, weight]}} for weight in weights]
    return weights


def equip(parts: Parts, recipe: Recipe) -> None:
    """Put the adapter on the UNet once for each reference, in place of any before.

    Raises:
        ModelError: it is no IP-Adapter of this model, or its image encoder is missing.
    """
    from praxino.families._stock.load import damaged, quiet

    remove(parts)
    wanted = scales(recipe)
    if not wanted:
        return
    paths = {companion.role: Path(companion.path) for companion in recipe.companions}
    file = paths[ADAPTER]
    base, timed = parts.base, "transformer" in parts.base.components
    encoder = _find_encoder(file, paths.get(ENCODER), timed=timed)
    parts.kept[ADAPTER] = {name: base.components[name] for name in ("image_encoder", "feature_extractor")}
    try:
        with quiet(), damaged(file):
            base.register_modules(**(_load_siglip if timed else _load_clip)(encoder, parts))
            base.load_ip_adapter(
                str(file.parent) if timed else [str(file.parent)] * len(wanted),
                subfolder="",
                weight_name=file.name if timed else [file.name] * len(wanted),
                image_encoder_folder=None,
                local_files_only=True,
            )
        base.set_ip_adapter_scale(wanted[0] if timed else wanted)
    except ModelError:
        remove(parts)
        raise


def remove(parts: Parts) -> None:
    """Take the adapters off; the UNet is then as it was loaded."""
    if ADAPTER in parts.kept:
        before = parts.kept.pop(ADAPTER)
        parts.base.unload_ip_adapter()
        parts.base.register_modules(**before)


def arguments(given: Given) -> dict[str, Any]:
    """The references, one for each adapter."""
    if not _has_adapter(given.recipe):
        return {}
    found: list[np.ndarray] = of_role(given.recipe, given.pictures, "reference")
    shown = [Image.fromarray(frames[0]) for frames in found]
    return {"ip_adapter_image": shown[0] if "transformer" in given.pipeline.components else shown}


def _has_adapter(recipe: Recipe) -> bool:
    return any(companion.role == ADAPTER for companion in recipe.companions)


def _find_encoder(file: Path, named: Path | None, *, timed: bool) -> Path:
    """The image encoder whose outputs the adapter takes: the one that is named, or those that lie beside it."""
    shapes = read_shapes(file) or {}
    width = next((shape[-1] for name, shape in shapes.items() if name == "image_proj.proj.weight"), None)
    plus = next((shape[-1] for name, shape in shapes.items() if name == "image_proj.proj_in.weight"), None)
    if (TIMED in shapes) != timed or (width is None and plus is None):
        kind = "Stable Diffusion 3" if timed else "a UNet"
        raise ModelError(f"{file} is no IP-Adapter for {kind} that is known here.")
    beside = (file.parent / "image_encoder", file.parent.parent / "models" / "image_encoder")
    for folder in (*([named] if named else []), *beside):
        config = read_json(folder / "config.json")
        config = config.get("vision_config", config) if timed else config
        if config and (config.get("projection_dim") == width if width else config.get("hidden_size") == plus):
            return folder
    raise ModelError(
        f"{file} reads what an image encoder of width {width or plus} says, and there is none at hand.\n"
        "Put its folder beside it, as image_encoder."
    )


def _load_siglip(folder: Path, parts: Parts) -> dict[str, Any]:
    from transformers import SiglipImageProcessorPil, SiglipVisionModel

    encoder: Any = SiglipVisionModel.from_pretrained(
        folder, dtype=parts.dtype, local_files_only=True, use_safetensors=True
    )
    return {
        "image_encoder": encoder.requires_grad_(False).eval().to(parts.device),
        "feature_extractor": SiglipImageProcessorPil.from_pretrained(folder, local_files_only=True),
    }


def _load_clip(folder: Path, parts: Parts) -> dict[str, Any]:
    from transformers import CLIPImageProcessor, CLIPVisionModelWithProjection

    encoder: Any = CLIPVisionModelWithProjection.from_pretrained(
        folder, dtype=parts.dtype, local_files_only=True, use_safetensors=True
    )
    size = encoder.config.image_size
    return {
        "image_encoder": encoder.requires_grad_(False).eval().to(parts.device),
        "feature_extractor": parts.base.components["feature_extractor"]
        or CLIPImageProcessor(size=size, crop_size=size),
    }
