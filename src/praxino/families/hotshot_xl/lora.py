"""LoRAs for SDXL over the spatial layers and the text encoders: diffusers', peft's and kohya's (Civitai's) names.

A file is laid over whole or not at all. diffusers translates its names, peft runs it. Each layer's alpha is multiplied
into its weights beforehand: (alpha / rank) B A is what it means.
"""

from __future__ import annotations

import json
import warnings
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from praxino.errors import ModelError
from praxino.families._stock.lora import check_unet
from praxino.recipe import Lora

SDXL_TEXT_WIDTH = 2048
"""Channels of both text encoders together."""
ALPHA = ".alpha"
DOWN = ".lora_A.weight"
METADATA = "lora_adapter_metadata"
"""Under which diffusers writes peft's config into a file."""
NETWORKS: tuple[str, ...] = ("unet", "text_encoder", "text_encoder_2")


def check_lora(path: Path) -> None:
    """Look at the names in a file's header. No torch.

    Raises:
        UserError: it is not a safetensors file, or holds other things than the weights of a LoRA for SDXL.
    """
    check_unet(path, "Hotshot-XL", (SDXL_TEXT_WIDTH,))


def apply(networks: Any, loras: tuple[Lora, ...], blocks: tuple[str, ...]) -> None:
    """Lay LoRAs over the networks, in place of any laid before; one of scale 0 is checked and left out.

    Args:
        networks: the `Networks` of a run.
        loras: files and scales.
        blocks: patterns of the layers' names, as in "unet.up_blocks.*"; empty means all.

    Raises:
        ModelError: a file cannot be read, or one of its weights has no layer, or a layer of another shape.
    """
    from diffusers.utils.peft_utils import set_weights_and_activate_adapters

    homes = dict(zip(NETWORKS, (networks.unet, *(encoder.model for encoder in networks.encoders)), strict=True))
    _remove(homes)
    scales: dict[str, dict[str, float]] = {name: {} for name in NETWORKS}
    try:
        for index, lora in enumerate(loras):
            for name, tensors in _translated(Path(lora.path), homes, blocks).items():
                if lora.scale != 0:
                    _lay(homes[name], tensors, f"lora_{index}")
                    scales[name][f"lora_{index}"] = lora.scale
        for name, by_adapter in scales.items():
            set_weights_and_activate_adapters(homes[name], list(by_adapter), list(by_adapter.values()))
    except Exception:
        _remove(homes)
        raise


def _remove(homes: dict[str, Any]) -> None:
    from diffusers.utils.peft_utils import recurse_remove_peft_layers

    for network in homes.values():
        if getattr(network, "peft_config", None):
            recurse_remove_peft_layers(network)
            del network.peft_config


def _translated(path: Path, homes: dict[str, Any], blocks: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    """A file's weights by network, under peft's names, every one of them sure to fit."""
    from diffusers.loaders.lora_pipeline import StableDiffusionXLLoraLoaderMixin
    from safetensors import SafetensorError

    try:
        tensors, alphas = _read(path)
        converted = StableDiffusionXLLoraLoaderMixin.lora_state_dict(tensors, unet_config=homes["unet"].config)[0]
    except (OSError, ValueError, KeyError, IndexError, SafetensorError) as problem:
        raise ModelError(f"the LoRA {path} cannot be read as one of SDXL: {str(problem)[:300]}") from problem
    found: dict[str, dict[str, Any]] = {name: {} for name in NETWORKS}
    for key, tensor in converted.items():
        name, _, rest = key.partition(".")
        if name not in found:
            raise ModelError(f"the LoRA {path} does not fit SDXL: nothing is called {key!r}.")
        found[name][rest] = tensor
    chosen = {}
    for name, weights in found.items():
        weights = _peft_names(name, homes[name], weights)
        _check_fit(path, homes[name], weights)
        _multiply_in(alphas.get(name, {}), weights)
        chosen[name] = {key: tensor for key, tensor in weights.items() if _is_chosen(name, key, blocks)}
    if not any(chosen.values()):
        raise ModelError(f"the LoRA {path} has no weights in the blocks {', '.join(blocks) or 'of SDXL'}.")
    return {name: weights for name, weights in chosen.items() if weights}


def _read(path: Path) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """The tensors, with kohya's alphas multiplied in, and by network what peft has written about its alphas."""
    from safetensors import safe_open
    from safetensors.torch import load_file

    tensors = load_file(path)
    for name in [name for name in tensors if name.endswith(ALPHA)]:
        module, alpha = name.removesuffix(ALPHA), float(tensors.pop(name))
        rank = tensors[f"{module}.lora_down.weight"].shape[0]
        tensors[f"{module}.lora_up.weight"] = tensors[f"{module}.lora_up.weight"].float() * (alpha / rank)
    with safe_open(path, "pt") as opened:
        told = json.loads((opened.metadata() or {}).get(METADATA, "{}"))
    alphas: dict[str, dict[str, Any]] = {}
    for key, value in told.items():
        name, _, setting = key.partition(".")
        alphas.setdefault(name, {})[setting] = value
    return tensors, alphas


def _multiply_in(told: dict[str, Any], weights: dict[str, Any]) -> None:
    """Multiply peft's alphas in, which its config has for all layers or by the ends of their names."""
    if "lora_alpha" not in told:
        return
    for key in [key for key in weights if key.endswith(".lora_B.weight")]:
        module = key.removesuffix(".lora_B.weight")
        special = [alpha for end, alpha in told.get("alpha_pattern", {}).items() if module.endswith(end.lstrip("^"))]
        alpha = special[0] if special else told["lora_alpha"]
        weights[key] = weights[key].float() * (alpha / weights[key].shape[1])


def _peft_names(name: str, network: Any, weights: dict[str, Any]) -> dict[str, Any]:
    from diffusers.utils import state_dict_utils as names

    text = names.DIFFUSERS_OLD_TO_PEFT | names.DIFFUSERS_TO_PEFT
    renamed = names.convert_state_dict(weights, names.UNET_TO_DIFFUSERS if name == "unet" else text)
    if name != "unet" and not hasattr(network, "text_model"):
        renamed = {key.removeprefix("text_model."): tensor for key, tensor in renamed.items()}
    return renamed


def _check_fit(path: Path, network: Any, weights: dict[str, Any]) -> None:
    """Every weight has its layer, of its shape, and every A its B."""
    layers = dict(network.named_modules())
    for key, tensor in weights.items():
        module, _, side = key.removesuffix(".weight").rpartition(".")
        layer = getattr(layers.get(module), "weight", None)
        if layer is None or side not in ("lora_A", "lora_B"):
            raise ModelError(f"the LoRA {path} does not fit this model: it has no layer {module!r}.")
        axis = 1 if side == "lora_A" else 0
        if tensor.ndim != layer.ndim or tensor.shape[axis] != layer.shape[axis]:
            shapes = f"{tuple(tensor.shape)} on {tuple(layer.shape)}"
            raise ModelError(f"the LoRA {path} does not fit this model: {key!r} is {shapes}.")
        other = "lora_B" if side == "lora_A" else "lora_A"
        if f"{module}.{other}.weight" not in weights:
            raise ModelError(f"the LoRA {path} is incomplete: it holds {key!r} without its {other}.")


def _is_chosen(name: str, key: str, blocks: tuple[str, ...]) -> bool:
    module = key.rpartition(".lora_")[0]
    return not blocks or any(fnmatch(module, block) or fnmatch(f"{name}.{module}", block) for block in blocks)


def _lay(network: Any, weights: dict[str, Any], adapter: str) -> None:
    from peft import LoraConfig, inject_adapter_in_model, set_peft_model_state_dict

    ranks = {key.removesuffix(DOWN): len(tensor) for key, tensor in weights.items() if key.endswith(DOWN)}
    patterns = {f"^{module}": rank for module, rank in ranks.items()}
    config = LoraConfig(target_modules=list(ranks), rank_pattern=patterns, alpha_pattern=patterns)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Already found a `peft_config`", UserWarning)  # several LoRAs are meant
        inject_adapter_in_model(config, network, adapter_name=adapter, state_dict=weights)
    set_peft_model_state_dict(network, weights, adapter)
