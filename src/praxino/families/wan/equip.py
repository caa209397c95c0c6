"""What a recipe lays over or beside the loaded networks: LoRAs, and models that make maps."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from praxino.families._stock import annotate
from praxino.families._stock.load import damaged, quiet
from praxino.families.wan import lora
from praxino.families.wan.maps import ROLE
from praxino.recipe import Recipe

if TYPE_CHECKING:
    from praxino.families.wan.load import Parts


def equip(parts: Parts, recipe: Recipe) -> Parts:
    """See `Family.equip`. Models that the last recipe loaded and this one needs as well are kept."""
    wanted = {companion.role.removeprefix(ROLE): companion.path for companion in recipe.companions}
    parts.makers = {name: made for name, made in parts.makers.items() if wanted.get(name) == made[0]}
    for name, path in wanted.items():
        if name not in parts.makers:
            parts.makers[name] = (path, _load(name, path, parts))
    lora.apply(parts, recipe)
    return parts


def _load(name: str, path: str, parts: Parts) -> tuple[Any, Any]:
    with quiet(), damaged(Path(path)):
        return annotate.load(name, path, parts.device)
