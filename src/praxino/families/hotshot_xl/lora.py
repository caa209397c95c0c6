"""LoRAs for SDXL over the spatial layers and the text encoders: diffusers', kohya's and Civitai's names.

A file is laid over whole or not at all. diffusers translates its names, peft runs it.
"""

from __future__ import annotations

import warnings
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from praxino.errors import ModelError, UserError
from praxino.families.hotshot_xl.layout import tensor_names
from praxino.recipe import Lora

WEIGHTS = ("lora_down.weight", "lora_up.weight", "lora_A.weight", "lora_B.weight", ".down.weight", ".up.weight")
ALPHA = ".alpha"
NETWORKS: tuple[str, ...] = ("unet", "text_encoder", "text_encoder_2")


def check_lora(path: Path) -> None:
    """Look at the names in a file's header. No torch.

    Raises:
        UserError: it is not a safetensors file, or holds other things than the weights of a LoRA.
    """
    names = tensor_names(path)
    if not names:
        raise UserError(f"{path} is not a readable .safetensors file; give a LoRA in that format.")
    for name in names:
        if "lora" not in name or not name.endswith((*WEIGHTS, ALPHA)):
            raise UserError(
                f"{path} is not a LoRA that can be laid over: it holds {name!r}.\n"
                "Allowed are LoRAs in the names of diffusers or kohya (no DoRA, LoHa or LoKr)."
            )


def apply(networks: Any, loras: tuple[Lora, ...], blocks: tuple[str, ...]) -> None:
    """Lay LoRAs over the networks, in place of any laid before; one of scale 0 is checked and left out.

    Args:
        networks: the `Networks` of a run.
        loras: files and scales.
        blocks: patterns of the layers' names, as in "unet.up_blocks.*"; empty means all.

    Raises:
        ModelError: a file cannot be read, or one of its weights has no layer, or a layer of another shape.
    """
    homes = dict(zip(NETWORKS, (networks.unet, *(encoder.model for encoder in networks.encoders)), strict=True))
    _remove(homes)
    scales: dict[str, dict[str, float]] = {name: {} for name in NETWORKS}
    try:
        for index, lora in enumerate(loras):
            for name, tensors in _translated(Path(lora.path), homes, blocks).items():
                if lora.scale != 0:
                    _lay(homes[name], name, tensors, f"lora_{index}")
                    scales[name][f"lora_{index}"] = lora.scale
        _scale(homes, scales)
    except Exception:
        _remove(homes)
        raise


def _remove(homes: dict[str, Any]) -> None:
    from diffusers.utils.peft_utils import recurse_remove_peft_layers

    for network in homes.values():
        if getattr(network, "peft_config", None):
            recurse_remove_peft_layers(network)
            del network.peft_config
            network._hf_peft_config_loaded = False


def _translated(path: Path, homes: dict[str, Any], blocks: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    """A file's weights by network, under peft's names, every one of them sure to fit."""
    from diffusers.loaders.lora_pipeline import StableDiffusionXLLoraLoaderMixin
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors = _without_alphas(load_file(path))
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
        chosen[name] = {key: tensor for key, tensor in weights.items() if _is_chosen(name, key, blocks)}
    if not any(chosen.values()):
        raise ModelError(f"the LoRA {path} has no weights in the blocks {', '.join(blocks) or 'of SDXL'}.")
    return {name: weights for name, weights in chosen.items() if weights}


def _without_alphas(tensors: dict[str, Any]) -> dict[str, Any]:
    """The same LoRA with each alpha multiplied into its layer: (alpha / rank) B A is what kohya's alphas mean."""
    alphas = {name.removesuffix(ALPHA): tensors.pop(name) for name in list(tensors) if name.endswith(ALPHA)}
    for module, alpha in alphas.items():
        rank = tensors[f"{module}.lora_down.weight"].shape[0]
        tensors[f"{module}.lora_up.weight"] = tensors[f"{module}.lora_up.weight"].float() * (float(alpha) / rank)
    return tensors


def _peft_names(name: str, network: Any, weights: dict[str, Any]) -> dict[str, Any]:
    from diffusers.utils import state_dict_utils as names

    if name == "unet":
        return names.convert_unet_state_dict_to_peft(weights)
    renamed = names.convert_state_dict_to_peft(names.convert_state_dict_to_diffusers(weights))
    if not hasattr(network, "text_model"):
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


def _lay(network: Any, name: str, weights: dict[str, Any], adapter: str) -> None:
    from diffusers.loaders.lora_pipeline import StableDiffusionXLLoraLoaderMixin as Loader

    prefixed = {f"{name}.{key}": tensor for key, tensor in weights.items()}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Already found a `peft_config`", UserWarning)  # several LoRAs are meant
        if name == "unet":
            Loader.load_lora_into_unet(prefixed, None, network, adapter_name=adapter)
        else:
            Loader.load_lora_into_text_encoder(prefixed, None, network, prefix=name, adapter_name=adapter)


def _scale(homes: dict[str, Any], scales: dict[str, dict[str, float]]) -> None:
    from diffusers.loaders.lora_base import set_adapters_for_text_encoder

    for name, by_adapter in scales.items():
        if not by_adapter:
            continue
        adapters, weights = list(by_adapter), list(by_adapter.values())
        if name == "unet":
            homes[name].set_adapters(adapters, weights=weights)
        else:
            set_adapters_for_text_encoder(adapters, homes[name], weights)
