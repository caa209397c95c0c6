"""The image checkpoint under a motion adapter: whether it fits (no torch), and laying the adapter's layers over it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from praxino.errors import ModelError, UserError
from praxino.families._stock.checkpoint import read_json, read_shapes
from praxino.families._stock.original import is_filling, kind_of
from praxino.families.animatediff.variants import SPATIAL_BASE
from praxino.recipe import Recipe

if TYPE_CHECKING:
    from praxino.families._stock.load import Parts

ADAPTER = "adapter"
"""Under which the motion adapter is kept."""
NAMES = {"sd1": "Stable Diffusion 1.5", "sdxl": "SDXL"}
PIPELINES = {
    "sd1": ("StableDiffusionPipeline", "AnimateDiffPipeline", ("vae", "text_encoder", "tokenizer")),
    "sdxl": (
        "StableDiffusionXLPipeline",
        "AnimateDiffSDXLPipeline",
        ("vae", "text_encoder", "tokenizer", "text_encoder_2", "tokenizer_2"),
    ),
}
"""What a base is loaded into, what is made of it, and the components that these share."""
WITHOUT = {"safety_checker": None, "feature_extractor": None}
"""Components of Stable Diffusion that nothing here calls."""


def check(path: Path, wanted: str) -> None:
    """Whether an adapter for a kind of base can be laid over what lies at a path. No torch.

    Raises:
        UserError: it is another kind, or none.
    """
    if (found := _kind_at(path)) != wanted:
        is_told = f"is {NAMES[found]}" if found in NAMES else "is no checkpoint that it can be laid over"
        raise UserError(
            f"--spatial-base {path}: this motion adapter is for {NAMES[wanted]}, and that {is_told}.\n"
            "Give a diffusers folder, or a single .safetensors file with all networks in it."
        )


def _kind_at(path: Path) -> str | None:
    """sd1, sdxl, or another kind that is none of these; None for a UNet that fills in pictures, and for all else."""
    if path.is_file():
        shapes = read_shapes(path) or {}
        kind = kind_of(shapes)
        return None if kind is None or is_filling(shapes) else kind
    unet = read_json(path / "unet" / "config.json")
    if unet.get("_class_name") != "UNet2DConditionModel" or unet.get("in_channels") != 4:
        return None
    if unet.get("addition_embed_type") == "text_time":
        return "sdxl"
    return "sd2" if unet.get("cross_attention_dim") == 1024 else "sd1"


def lay_over(parts: Parts, recipe: Recipe) -> None:
    """Make `parts.base` of the adapter and the recipe's spatial base, unless it is that already.

    Raises:
        ModelError: the base cannot be read, or the adapter does not fit it.
    """
    path = next((companion.path for companion in recipe.companions if companion.role == SPATIAL_BASE), None)
    if path is None or parts.kept.get(SPATIAL_BASE) == path:
        return
    adapter = parts.kept[ADAPTER]
    parts.base = None
    parts.kept.clear()
    parts.base = _assembled(parts, adapter, Path(path))
    parts.kept.update({ADAPTER: adapter, SPATIAL_BASE: path})


def _assembled(parts: Parts, adapter: Any, path: Path) -> Any:
    from praxino.families._stock.load import damaged, diffusers_class, from_folder, from_original, quiet, settled

    options = parts.variant.options
    image_kind, kind, names = PIPELINES[options["base"]]
    with quiet(), damaged(path):
        if path.is_file():
            base = from_original(path, diffusers_class(image_kind), parts.dtype)
        else:
            more = WITHOUT if options["base"] == "sd1" else {}
            base = from_folder(path, diffusers_class(image_kind), parts.dtype, more)
    shared = {name: base.components[name] for name in names}
    if options["base"] == "sdxl":
        shared["force_zeros_for_empty_prompt"] = base.config.force_zeros_for_empty_prompt
    try:
        whole = diffusers_class(kind)(
            unet=base.unet, motion_adapter=adapter, scheduler=_scheduler(options["noise"]), **shared
        )
        whole.unet.load_state_dict(base.unet.state_dict(), strict=False)  # diffusers leaves SDXL's add_embedding random
    except (RuntimeError, ValueError, IndexError) as problem:
        raise ModelError(f"the motion adapter does not fit the UNet of {path}: {problem}") from problem
    return settled(whole, parts.device)


def _scheduler(config: Mapping[str, Any]) -> Any:
    from praxino.families._stock.load import diffusers_class

    return diffusers_class(config["_class_name"])(**{k: v for k, v in config.items() if k != "_class_name"})
