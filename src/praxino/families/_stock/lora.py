"""LoRAs over networks: laid on, and taken off so that nothing of them stays. Knows no pipeline and no family.

A file is laid over whole or not at all: every one of its weights has to have its layer (`lora_file`). peft runs what is
plain LoRA beside the layers. What is none (LoHa, LoKr, DoRA) is added to the weights, whose originals are kept.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from fnmatch import fnmatch
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import torch

from praxino.errors import ModelError
from praxino.families._stock import lora_file, lycoris
from praxino.families._stock.lora_file import Convert, Layers, Place, Tensors
from praxino.recipe import Lora

if TYPE_CHECKING:
    from praxino.families._stock.family import LayersOf

_ORIGINALS: WeakKeyDictionary[torch.nn.Module, dict[str, torch.nn.Parameter]] = WeakKeyDictionary()
"""The weights, by layer, that something was added to, as they were loaded."""


def apply(
    networks: Mapping[str, Any],
    loras: tuple[Lora, ...],
    blocks: tuple[str, ...],
    convert: Convert | None = None,
    layers_of: LayersOf | None = None,
) -> None:
    """Lay LoRAs over networks, in place of any laid before. What has scale 0 is checked and left out.

    Args:
        networks: by the names that they have in a pipeline, as in "unet" and "text_encoder".
        loras: files and scales.
        blocks: patterns of layers' names, as in "unet.up_blocks.0.*"; empty means all.
        convert: see `lora_file.read`.
        layers_of: likewise.

    Raises:
        ModelError: a file cannot be read, or one of its weights has no layer, or a layer of another shape.
    """
    remove(networks)
    read = partial(lora_file.read, networks=networks, convert=convert, layers_of=layers_of)
    files = [(lora, _chosen(Path(lora.path), read(Path(lora.path)), blocks)) for lora in loras]
    laid = [(index, lora.scale, layers) for index, (lora, layers) in enumerate(files) if lora.scale != 0]
    plain = [one for one in laid if all(map(lycoris.is_plain, one[2].values()))]
    try:
        _add(networks, [one for one in laid if one not in plain])
        for name, network in networks.items():
            _lay(network, [(index, scale, _of(name, layers)) for index, scale, layers in plain])
    except Exception:
        remove(networks)
        raise


def remove(networks: Mapping[str, Any]) -> None:
    """Take every LoRA off; the networks are then as they were loaded."""
    from diffusers.utils.peft_utils import recurse_remove_peft_layers

    for network in networks.values():
        if getattr(network, "peft_config", None):
            recurse_remove_peft_layers(network)
            del network.peft_config
        for layer, weight in _ORIGINALS.pop(network, {}).items():
            network.get_submodule(layer).weight = weight


def _chosen(path: Path, layers: Layers, blocks: tuple[str, ...]) -> Layers:
    chosen = {place: tensors for place, tensors in layers.items() if _is_chosen(place, blocks)}
    if not chosen:
        raise ModelError(f"the LoRA {path} has no weights in the blocks {', '.join(blocks)}.")
    return chosen


def _is_chosen(place: Place, blocks: tuple[str, ...]) -> bool:
    name, layer = place
    return not blocks or any(fnmatch(layer, block) or fnmatch(f"{name}.{layer}", block) for block in blocks)


def _of(name: str, layers: Layers) -> dict[str, Tensors]:
    return {layer: tensors for (network, layer), tensors in layers.items() if network == name}


def _lay(network: Any, loras: list[tuple[int, float, dict[str, Tensors]]]) -> None:
    """Run LoRAs beside a network's layers: for each its number, scale and tensors by layer."""
    from diffusers.utils.peft_utils import set_weights_and_activate_adapters

    scales = {f"lora_{index}": scale for index, scale, layers in loras if layers}
    for index, _, layers in loras:
        if layers:
            _inject(network, layers, f"lora_{index}")
    if scales:
        set_weights_and_activate_adapters(network, list(scales), list(scales.values()))


def _inject(network: Any, layers: dict[str, Tensors], adapter: str) -> None:
    """Put peft's layers around those that are meant. Their weights are scaled already: alpha is the rank."""
    from peft import LoraConfig, inject_adapter_in_model, set_peft_model_state_dict

    weights = {
        f"{layer}.{name}.weight": tensors[side]
        for layer, tensors in layers.items()
        for side, name in (("down", "lora_A"), ("up", "lora_B"))
    }
    ranks = {f"^{layer}": len(tensors["down"]) for layer, tensors in layers.items()}
    exactly = "|".join(map(re.escape, layers))  # of a list, peft would take every layer whose name ends so
    config = LoraConfig(target_modules=exactly, rank_pattern=ranks, alpha_pattern=ranks)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Already found a `peft_config`", UserWarning)  # several LoRAs are meant
        inject_adapter_in_model(config, network, adapter_name=adapter, state_dict=weights)
    set_peft_model_state_dict(network, weights, adapter)


@torch.no_grad()
def _add(networks: Mapping[str, Any], loras: list[tuple[int, float, Layers]]) -> None:
    """Add to each weight, in float32, what all the files change of it as it was loaded."""
    for name, layer in sorted({place for _, _, layers in loras for place in layers}):
        module = networks[name].get_submodule(layer)
        weight = module.weight.float()
        total = torch.zeros_like(weight)
        for _, scale, layers in loras:
            if tensors := layers.get((name, layer)):
                total += lycoris.change(tensors, weight) * scale
        _ORIGINALS.setdefault(networks[name], {})[layer] = module.weight
        module.weight = torch.nn.Parameter((weight + total).to(module.weight.dtype), requires_grad=False)
