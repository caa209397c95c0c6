"""LoRA weights for the transformer: names of diffusers, Lightricks and ComfyUI, checked before they are laid on."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from praxino.errors import ModelError, UserError
from praxino.families._lora_names import shapes_of
from praxino.recipe import Lora

PREFIXES = ("base_model.model.", "model.diffusion_model.", "diffusion_model.", "transformer.")
DIRECTIONS = ((".lora_A.weight", "A"), (".lora_down.weight", "A"), (".lora_B.weight", "B"), (".lora_up.weight", "B"))
ALPHA, MAGNITUDE = ".alpha", ".lora_magnitude_vector"
"""A layer's scale, and what DoRA adds to it."""
SCALES = ((ALPHA, "alpha"), (MAGNITUDE, "magnitude"))
RENAMED = (("patchify_proj", "proj_in"), ("adaln_single", "time_embed"))
"""Lightricks' module names to diffusers'."""


def check_lora(path: Path) -> None:
    """Look at a file's header. No torch.

    Raises:
        UserError: it is not a safetensors file, or holds no LoRA weights.
    """
    split_names(shapes_of(path), path)


def split_names(names: Any, path: Path) -> dict[str, tuple[str, str]]:
    """Each tensor's module in diffusers' naming, and its role: A, B, alpha or magnitude.

    Raises:
        UserError: a tensor is none of these.
    """
    found: dict[str, tuple[str, str]] = {}
    for name in names:
        role = next(((suffix, role) for suffix, role in (*DIRECTIONS, *SCALES) if name.endswith(suffix)), None)
        if role is None:
            raise UserError(f"{path} is no LoRA: it holds {name!r}, which is neither a lora_A nor a lora_B weight.")
        found[name] = (_module(name.removesuffix(role[0])), role[1])
    if not any(role == "A" for _, role in found.values()):
        raise UserError(f"{path} is no LoRA: it holds no lora_A weights.")
    return found


def apply(transformer: Any, loras: tuple[Lora, ...]) -> None:
    """Lay LoRAs over the transformer, in place of any laid before.

    Raises:
        ModelError: a file's weights do not fit the transformer.
    """
    laid = list(getattr(transformer, "peft_config", {}))
    if laid:
        transformer.unload_lora()
    loras = tuple(lora for lora in loras if lora.scale)  # one at scale 0 is the base, which DoRA's magnitudes are not
    if not loras:
        return
    names = [f"lora_{index}" for index in range(len(loras))]
    for name, lora in zip(names, loras, strict=True):
        _lay(transformer, Path(lora.path), name)
    transformer.set_adapters(names, weights=[lora.scale for lora in loras])


def _lay(transformer: Any, path: Path, adapter: str) -> None:
    from safetensors.torch import load_file

    try:
        tensors = load_file(path)
        split = split_names(tensors, path)
    except (OSError, UserError, ValueError) as problem:
        raise ModelError(f"cannot read the LoRA {path}: {problem}") from problem
    weights, alphas, magnitudes = {}, {}, {}
    for name, (module, role) in split.items():
        if role == "alpha":
            alphas[f"{module}.alpha"] = float(tensors[name])
        elif role == "magnitude":
            magnitudes[f"{module}{MAGNITUDE}"] = tensors[name]
        else:
            weights[f"{module}.lora_{role}.weight"] = tensors[name]
    _check_fit(transformer, weights, path)
    prefixed = {f"transformer.{name}": tensor for name, tensor in (weights | magnitudes).items()}
    network_alphas = {f"transformer.{name}": alpha for name, alpha in alphas.items()} or None
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Already found a `peft_config`", UserWarning)  # several LoRAs are meant
        transformer.load_lora_adapter(
            prefixed, prefix="transformer", adapter_name=adapter, network_alphas=network_alphas
        )
    if adapter not in getattr(transformer, "peft_config", {}):
        raise ModelError(f"the LoRA {path} was not taken by the transformer.")


def _check_fit(transformer: Any, weights: dict[str, Any], path: Path) -> None:
    """Every weight has its layer, of its shape, and every A its B."""
    modules = dict(transformer.named_modules())
    for name, weight in weights.items():
        module, _, role = name.removesuffix(".weight").rpartition(".")
        layer = modules.get(module)
        features = getattr(layer, "in_features" if role == "lora_A" else "out_features", None)
        if features is None:
            raise ModelError(f"the LoRA {path} does not fit this model: it has no layer {module!r}.")
        given = weight.shape[1] if role == "lora_A" else weight.shape[0]
        if given != features:
            raise ModelError(f"the LoRA {path} does not fit: {module!r} has {features} features, not {given}.")
        other = name.replace(f".{role}.", ".lora_B." if role == "lora_A" else ".lora_A.")
        if other not in weights:
            raise ModelError(f"the LoRA {path} is incomplete: it holds {name!r} but not {other!r}.")


def _module(name: str) -> str:
    for prefix in PREFIXES:
        name = name.removeprefix(prefix)
    for old, new in RENAMED:
        name = name.replace(old, new)
    return name
