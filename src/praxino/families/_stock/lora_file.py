"""A LoRA file's tensors, each under the layer of a loaded network that it is for.

Layers are found by their names in the networks, with dots or underscores. What is not found so is in the names of an
original code, which diffusers translates. Each layer's alpha is multiplied into plain LoRA: (alpha / rank) B A is what
it means, and diffusers' translation loses alphas that differ from layer to layer.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor

from praxino.errors import ModelError
from praxino.families._stock import lycoris
from praxino.families._stock.lora_names import DOWN, ENCODER, NETWORK, SHOWN, TENSOR, UP, is_lycoris

if TYPE_CHECKING:
    from praxino.families._stock.family import LayersOf

Place = tuple[str, str]
"""A network's name and its layer's path: ("unet", "mid_block.attentions.0.proj_in")."""
Tensors = dict[str, Tensor]
"""A layer's: "down" and "up" of plain LoRA, and LyCORIS' own names."""
Layers = dict[Place, Tensors]
Convert = Callable[[dict[str, Tensor]], dict[str, Tensor]]
"""diffusers' translation of names: a pipeline's `lora_state_dict`."""
METADATA = "lora_adapter_metadata"
"""Under which diffusers writes peft's config into a file."""
ENDS = {"down": ".lora_A.weight", "up": ".lora_B.weight"}
OLD_ENCODER = {f"to_{side}": f"{side}_proj" for side in ("q", "k", "v", "out")}
SGM_BLOCKS = {"_input_blocks_": "_down_blocks_", "_middle_block_": "_mid_block_", "_output_blocks_": "_up_blocks_"}
SGM_LAYERS = {
    "_in_layers_2": "_conv1", "_out_layers_3": "_conv2", "_emb_layers_1": "_time_emb_proj",
    "_skip_connection": "_conv_shortcut", "_downsamplers_0_op": "_downsamplers_0_conv",
}  # fmt: skip
"""Blocks, and layers of a residual block, in the original code of SDXL, and diffusers' names for them."""


def read(
    path: Path, networks: Mapping[str, Any], convert: Convert | None = None, layers_of: LayersOf | None = None
) -> Layers:
    """The tensors by layer, every one of them sure to fit.

    Args:
        path: the file.
        networks: what it is laid over, by name.
        convert: for files whose names are not those of the networks; None where diffusers has no such translation.
        layers_of: the same as the family knows it, in place of `convert`.

    Raises:
        ModelError: it cannot be read, or one of its tensors has no layer, or a layer of another shape.
    """
    from praxino.families._stock.load import damaged

    with damaged(path):
        tensors = _read(path)
    table = _table(networks)
    if any(_place_of(name, table) is None for name in tensors):
        tensors = _translated(path, tensors, networks, convert, layers_of)
    layers: Layers = {}
    names: dict[Place | None, list[str]] = {}
    for name, tensor in tensors.items():
        place = _place_of(name, table)
        names.setdefault(place, []).append(name)
        if place is not None:
            layers.setdefault(place, {})[_kind(name)] = tensor
    strange = [*names.get(None, []), *(name for place in _misfits(layers, networks) for name in names[place])]
    if strange:
        told = ", ".join(map(repr, strange[:SHOWN]))
        raise ModelError(
            f"the LoRA {path} does not fit this model: {len(strange)} of its {len(tensors)} weights have no layer of "
            f"their shape, such as {told}."
        )
    return layers


def translate(layers_of: LayersOf, networks: Mapping[str, Any], tensors: Tensors) -> Tensors:
    """Tensors under the networks' own names: what shares a fused layer's rows gets its own, by how many each has.

    What has no layer, or other rows than its layers together, keeps its name. The last modulation of original codes
    puts out shift and scale, diffusers' AdaLayerNormContinuous scale and shift.
    """
    translated: Tensors = {}
    groups: dict[str, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        found = TENSOR.search(name)
        groups.setdefault(name[: found.start()] if found else name, {})[found.group() if found else ""] = tensor
    modules = {path: module for network in networks.values() for path, module in network.named_modules()}
    for layer, parts in groups.items():
        flat = NETWORK.sub("", layer).replace(".", "_")
        targets = layers_of(flat)
        rows = [len(modules[target].weight) for target in targets if target in modules]
        if not targets or len(rows) < len(targets):
            translated |= {layer + end: tensor for end, tensor in parts.items()}
        elif len(targets) == 1 and not _is_swapped(flat, targets[0], modules):
            translated |= {targets[0] + end: tensor for end, tensor in parts.items()}
        else:
            whole = {_kind(layer + end): tensor for end, tensor in parts.items()}
            for target, own in zip(targets, lycoris.cut(whole, rows, swapped=len(targets) == 1), strict=True):
                translated |= {f"{target}{ENDS.get(kind, '.' + kind)}": tensor for kind, tensor in own.items()}
    return translated


def _is_swapped(flat: str, target: str, modules: Mapping[str, Any]) -> bool:
    home = modules.get(target.rpartition(".")[0])
    return type(home).__name__ == "AdaLayerNormContinuous" and flat != target.replace(".", "_")


def _read(path: Path) -> dict[str, Tensor]:
    """The tensors, with the alphas of plain LoRA multiplied in."""
    from safetensors import safe_open
    from safetensors.torch import load_file

    tensors = load_file(path)
    with safe_open(path, "pt") as opened:
        told = json.loads((opened.metadata() or {}).get(METADATA, "{}"))
    for name in [name for name in tensors if re.search(rf"{UP}$", name)]:
        layer = re.sub(rf"{UP}$", "", name)
        rank = tensors[name].shape[1]
        alpha = tensors.pop(f"{layer}.alpha", None)
        meant = _told_alpha(told, layer) if alpha is None else float(alpha)
        if meant is not None and meant != rank:
            tensors[name] = tensors[name].float() * (meant / rank)
    return tensors


def _told_alpha(told: dict[str, Any], layer: str) -> float | None:
    """What peft's config says, for all layers of a network or by the ends of their names."""
    network, _, path = layer.partition(".")
    patterns: dict[str, float] = told.get(f"{network}.alpha_pattern") or {}
    special = [alpha for end, alpha in patterns.items() if path.endswith(end.lstrip("^"))]
    return special[0] if special else told.get(f"{network}.lora_alpha")


def _table(networks: Mapping[str, Any]) -> dict[Place, Place]:
    """Every layer by its network and its path with underscores."""
    return {
        (name, path.replace(".", "_")): (name, path)
        for name, network in networks.items()
        for path, module in network.named_modules()
        if getattr(module, "weight", None) is not None
    }


def _place_of(name: str, table: dict[Place, Place]) -> Place | None:
    """The layer that a tensor is for, None when there is none."""
    found = TENSOR.search(name)
    if found is None:
        return None
    layer = name[: found.start()].replace(".processor.", ".")
    if mark := ENCODER.match(layer):
        network = "text_encoder_2" if "2" in mark.group() else "text_encoder"
        path = re.sub(r"\.(to_(?:q|k|v|out))$", lambda old: "." + OLD_ENCODER[old.group(1)], layer[mark.end() :])
        flat = path.replace(".", "_")
        return table.get((network, flat)) or table.get((network, flat.removeprefix("text_model_")))
    if found.group().startswith("_lora"):
        layer = re.sub(r"\.to_out$", ".to_out.0", layer)
    flat = NETWORK.sub("", layer).replace(".", "_")
    return table.get(("unet", flat)) or table.get(("transformer", flat))


def _kind(name: str) -> str:
    """What a tensor is of its layer, from the end of its name."""
    if re.search(rf"(?:{DOWN}|_lora\.down\.weight)$", name):
        return "down"
    if re.search(rf"(?:{UP}|_lora\.up\.weight)$", name):
        return "up"
    return re.sub(r"(\.default)?(\.weight)?$", "", name).rpartition(".")[2]


def _translated(
    path: Path, tensors: Tensors, networks: Mapping[str, Any], convert: Convert | None, layers_of: LayersOf | None
) -> Tensors:
    """The names of an original code as those of the networks, as far as the family or diffusers knows them."""
    from praxino.families._stock.load import quiet

    try:
        with quiet():
            if layers_of:
                return translate(layers_of, networks, tensors)
            if is_lycoris(list(tensors)):
                return _from_sgm(tensors, networks)
            converted = convert(dict(tensors)) if convert else tensors
    except (ValueError, KeyError, IndexError, RuntimeError, TypeError) as problem:
        raise ModelError(
            f"the LoRA {path} does not fit this model: it cannot be translated ({str(problem).strip()[:200]})."
        ) from problem
    return converted if _rows(converted) >= _rows(tensors) else tensors


def _from_sgm(tensors: dict[str, Tensor], networks: Mapping[str, Any]) -> dict[str, Tensor]:
    """Kohya's names of SDXL's UNet, which count its blocks as the original code does, as diffusers'."""
    from diffusers.loaders.lora_conversion_utils import _maybe_map_sgm_blocks_to_diffusers

    if "unet" not in networks or not any(mark in name for name in tensors for mark in SGM_BLOCKS):
        return tensors
    renamed = {}
    for name, tensor in _maybe_map_sgm_blocks_to_diffusers(dict(tensors), networks["unet"].config).items():
        for theirs, ours in (SGM_BLOCKS | SGM_LAYERS).items():
            name = name.replace(theirs, ours)
        renamed[name] = tensor
    return renamed


def _rows(tensors: Tensors) -> int:
    """Rows of all B together, which a translation that splits layers keeps, and one that leaves some out does not."""
    return sum(len(tensor) for name, tensor in tensors.items() if _kind(name) == "up")


def _misfits(layers: Layers, networks: Mapping[str, Any]) -> list[Place]:
    """The layers whose tensors are incomplete or of another shape than the layer's."""
    shapes = {place: networks[place[0]].get_submodule(place[1]).weight.shape for place in layers}
    return [place for place, tensors in layers.items() if not lycoris.fits(tensors, shapes[place])]
