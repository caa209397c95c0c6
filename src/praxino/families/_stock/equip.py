"""What is laid over a loaded checkpoint for a recipe: LoRAs, new words, references, ControlNets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from praxino.families._stock import control, embedding, lora, reference
from praxino.recipe import Recipe

if TYPE_CHECKING:
    from praxino.families._stock.load import Parts

EQUIPMENT = "equipment"


def equip(parts: Parts, recipe: Recipe) -> Parts:
    """See `Family.equip`. What is there already is left there."""
    wanted = _described(recipe)
    if parts.kept.get(EQUIPMENT) == wanted:
        return parts
    parts.kept.pop(EQUIPMENT, None)
    lora.remove(parts.base)
    embedding.equip(parts, recipe)
    reference.equip(parts, recipe)
    control.equip(parts, recipe)
    lora.apply(parts.base, recipe.loras, tuple(recipe.options.get("lora_blocks", ())))
    parts.kept[EQUIPMENT] = wanted
    return parts


def _described(recipe: Recipe) -> list[Any]:
    """All that equipping depends on."""
    return [
        recipe.loras,
        recipe.companions,
        recipe.options.get("lora_blocks"),
        reference.scales(recipe),
        [condition.role for condition in recipe.conditions],
    ]
