"""From a recipe back to a wish: what to ask a server for, so that it decides the same again.

Only for recipes that a wish can bring about in full; whoever asks compares what came out (`differences`).
"""

from __future__ import annotations

from typing import Any

from praxino.errors import UserError
from praxino.families import Variant, families
from praxino.recipe import Recipe
from praxino.request import Request, options
from praxino.weights import catalog

_DECIDE_NO_PIXEL = ("encoding", "parent", "prompt", "model", "version", "n")


def wish_of(recipe: Recipe) -> Request:
    """The wish that a machine with the same model grants with this recipe.

    Raises:
        UserError: the recipe holds what no plain wish brings about; the message says what.
    """
    _check(recipe)
    variant = _variant_of(recipe)
    plain = recipe.caption == recipe.prompt or (variant is None or bool(variant.vocabulary))
    fields: dict[str, Any] = {
        "prompt": recipe.prompt if plain else recipe.caption,
        "model": recipe.model,
        "seed": recipe.seed,
        "n": recipe.n,
        "dtype": recipe.dtype,
        "quality": recipe.quality,
        **_encoding(recipe),
        **_pictures(recipe),
        **_sampling(recipe, variant),
    }
    if variant is None or (variant.width, variant.height) != (recipe.width, recipe.height):
        fields["size"] = f"{recipe.width}x{recipe.height}"
    if recipe.num_frames > 1:
        fields |= {"frames": recipe.num_frames, "fps": recipe.fps}
    return Request(**fields)


def differences(one: Recipe, other: Recipe) -> list[str]:
    """The fields in which two recipes differ, of those that decide pixels."""
    plain, again = _pixels_of(one), _pixels_of(other)
    return sorted(name for name in plain if name not in _DECIDE_NO_PIXEL and plain[name] != again[name])


def _pixels_of(recipe: Recipe) -> dict[str, Any]:
    """Its fields as plain JSON; what a picture was called decides nothing."""
    plain = recipe.to_json()
    for condition in plain["conditions"]:
        del condition["media"]["source"], condition["media"]["data"]
    return plain


def _check(recipe: Recipe) -> None:
    held = {
        "LoRAs": recipe.loras,
        "companions": recipe.companions,
        "several pieces": recipe.pieces.count > 1 or recipe.extends,
        "a second stage": recipe.upscale,
        "a soundtrack": recipe.soundtrack,
        "a plan that changes pixels": recipe.plan != "exact",
        "several guidance phases of its own": len(recipe.guidance_phases) > 1 and not _usual_phases(recipe),
        "pictures other than one to begin with, and a mask": {c.role for c in recipe.conditions}
        not in ({"image"}, {"frame"}, {"image", "mask"}, set())
        or any(not condition.media.data or condition.frame for condition in recipe.conditions)
        or len(recipe.conditions) > 2,
    }
    if found := [name for name, there in held.items() if there]:
        raise UserError(
            f"a server cannot be asked for this recipe: it holds {', '.join(found)}.\nReplay it on this machine."
        )


def _variant_of(recipe: Recipe) -> Variant | None:
    """The model's defaults: as it lies here, else as it is published."""
    try:
        return catalog.find(recipe.model).variant
    except UserError:
        family = families().get(recipe.family)
        return family.variants.get(recipe.variant) if family else None


def _usual_phases(recipe: Recipe) -> bool:
    variant = _variant_of(recipe)
    return variant is not None and variant.guidance_phases == recipe.guidance_phases


def _encoding(recipe: Recipe) -> dict[str, Any]:
    encoding = recipe.encoding
    fields: dict[str, Any] = {"format": encoding.format, "lossy_quality": encoding.quality, "loop": encoding.loop}
    if encoding.format == "gif":
        fields["gif"] = encoding.gif
    if encoding.codec != "none":
        fields["codec"] = encoding.codec
    if encoding.matting != "none":
        fields |= {"transparent": True, "matting": encoding.matting}
    return {**fields, "grid": encoding.grid, "sheet": encoding.sheet}


def _pictures(recipe: Recipe) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for condition in recipe.conditions:
        fields["mask" if condition.role == "mask" else "image"] = condition.media.data
        if condition.role != "mask" and condition.strength != 1:
            fields["strength"] = condition.strength
    return fields


def _sampling(recipe: Recipe, variant: Variant | None) -> dict[str, Any]:
    """What is not as the model has it by default."""
    told = recipe.options.get("levels")
    levels = told if isinstance(told, int) else recipe.steps
    wanted: dict[str, Any] = {"steps": levels, "scheduler": recipe.scheduler, "negative_prompt": recipe.negative_prompt}
    fields = {name: value for name, value in wanted.items() if variant is None or value != getattr(variant, name)}
    if recipe.schedule == "explicit":
        fields.pop("steps", None)
        if variant is None or recipe.sigmas != variant.sigmas:
            fields["sigmas"] = recipe.sigmas
    elif recipe.schedule in options()["schedule"].choices and (variant is None or recipe.schedule != variant.schedule):
        fields["schedule"] = recipe.schedule
    if fields.get("scheduler") not in options()["scheduler"].choices:
        fields.pop("scheduler", None)
    if not fields.get("negative_prompt"):
        fields.pop("negative_prompt", None)
    return fields | ({} if _usual_phases(recipe) else _guidance(recipe)) | _guider(recipe, variant)


def _guider(recipe: Recipe, variant: Variant | None) -> dict[str, Any]:
    """What stands for classifier-free guidance, and how blocks are perturbed, where that is not the model's way."""
    fields: dict[str, Any] = {}
    skips = any(phase.stg_scale for phase in recipe.guidance_phases)
    if skips and (variant is None or recipe.stg_mode != variant.stg_mode):
        fields["stg_mode"] = recipe.stg_mode
    if recipe.options.get("apg"):
        fields["guider"] = "apg"
    elif recipe.cfg_star != (variant is not None and variant.cfg_star):
        fields["cfg_star"] = recipe.cfg_star
    return fields


def _guidance(recipe: Recipe) -> dict[str, Any]:
    (phase,) = recipe.guidance_phases
    fields: dict[str, Any] = {"guidance": phase.scale}
    if phase.stg_scale:
        fields |= {"stg": phase.stg_scale, "stg_blocks": phase.stg_blocks}
    return fields | ({"rescale": phase.rescale} if phase.rescale != 1 else {})
