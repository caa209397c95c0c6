"""What a recipe lays over or beside the loaded networks: LoRAs, ControlNets, Redux, its base, and makers of maps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from praxino.errors import ModelError
from praxino.families.flux import controlnet, lora, maps, redux
from praxino.families.flux.identify import identify
from praxino.families.flux.load import Networks, Parts, load_networks, use_of
from praxino.families.flux.settings import from_options
from praxino.recipe import Companion, Recipe

BASE, REDUX, CONTROLNET, ANNOTATOR = "base", "redux", "controlnet", "annotator"
"""Roles of companions; the last two are followed by a colon and the kind of map."""


def equip(parts: Parts, recipe: Recipe) -> Parts:
    """See `Family.equip`. What the last recipe loaded and this one needs as well is kept."""
    wanted = {use_of(companion): companion for companion in recipe.companions}
    has_base = any(use == BASE for use, _ in wanted)
    if has_base:
        parts.networks = None
    parts.companions = {key: parts.companions[key] for key in wanted if key in parts.companions}
    for key, companion in wanted.items():
        if key not in parts.companions:
            parts.companions[key] = _load(parts, companion)
    if has_base:
        (parts.networks,) = parts.beside(recipe, BASE)
    lora.apply(parts.drawing(), recipe.loras, from_options(recipe.options).lora_blocks)
    return parts


def _load(parts: Parts, companion: Companion) -> Any:
    use, path = use_of(companion)[0], Path(companion.path)
    if use == BASE:
        return _load_base(parts, path)
    if use == REDUX:
        return redux.load(path, parts.dtype, parts.device)
    if use == CONTROLNET:
        return controlnet.load(path, parts.dtype, parts.device)
    if use == ANNOTATOR:
        return maps.load(path, parts.device)
    raise ModelError(f"FLUX.1 has no use for a companion of the role {companion.role!r}.")


def _load_base(parts: Parts, path: Path) -> Networks:
    variant = identify(path)
    if variant is None or from_options(variant.options).kind != "plain":
        raise ModelError(f"{path} is no FLUX.1 checkpoint that draws from words, which {parts.variant.name} needs.")
    return load_networks(path, variant, parts.dtype, parts.device)
