"""What is laid over a loaded checkpoint for a recipe: LoRAs, new words, references, ControlNets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import Tensor
from torch.nn import Module

from praxino.families._stock import control, embedding, lora, reference
from praxino.families._stock.lora_file import Convert
from praxino.recipe import Recipe

if TYPE_CHECKING:
    from praxino.families._stock.family import LayersOf
    from praxino.families._stock.load import Parts

EQUIPMENT = "equipment"


def equip(parts: Parts, recipe: Recipe, layers_of: LayersOf | None) -> Parts:
    """See `Family.equip`. What is there already is left there. `layers_of` translates a LoRA's layers."""
    wanted = _described(recipe)
    if parts.kept.get(EQUIPMENT) == wanted:
        return parts
    parts.kept.pop(EQUIPMENT, None)
    networks = {name: part for name, part in parts.base.components.items() if isinstance(part, Module)}
    lora.remove(networks)
    embedding.equip(parts, recipe)
    reference.equip(parts, recipe)
    control.equip(parts, recipe)
    blocks = tuple(recipe.options.get("lora_blocks", ()))
    lora.apply(networks, recipe.loras, blocks, None if layers_of else _translation(parts.base), layers_of)
    parts.kept[EQUIPMENT] = wanted
    return parts


def _translation(base: Any) -> Convert | None:
    """Diffusers' way from the names of an original code to its own, where the pipeline has one."""
    if not hasattr(base, "lora_state_dict"):
        return None
    more = {"unet_config": base.unet.config} if "unet" in base.components else {}

    def convert(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        found = base.lora_state_dict(tensors, **more)
        return found[0] if isinstance(found, tuple) else found

    return convert


def _described(recipe: Recipe) -> list[Any]:
    """All that equipping depends on."""
    return [
        recipe.loras,
        recipe.companions,
        recipe.options.get("lora_blocks"),
        reference.scales(recipe),
        [condition.role for condition in recipe.conditions],
    ]
