"""LoRAs over a pipeline's networks: names of diffusers, kohya, Civitai and ComfyUI, as far as diffusers converts them.

A file is laid over whole or not at all: every weight has to have its layer. diffusers converts names, peft runs them.
"""

from __future__ import annotations

import re
import warnings
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from praxino.errors import ModelError, UserError
from praxino.families._stock.checkpoint import Shapes, read_shapes
from praxino.recipe import Lora

WEIGHTS = re.compile(r"(lora_linear_layer|lora)([._](A|B|down|up))?(\.default)?\.weight$|\.alpha$")
OTHERS = {
    r"double_blocks|single_blocks|single_transformer_blocks": "FLUX.1 or HunyuanVideo",
    r"joint_blocks|transformer_blocks.\d+.attn.add_[qkv]_proj": "a multimodal transformer, as Stable Diffusion 3 is",
    r"(^|[._])blocks.\d+.(cross_attn|self_attn)": "Wan",
    r"patchify_proj|adaln_single": "LTX-Video or PixArt",
}
"""What a file looks like that is for something else than a UNet of Stable Diffusion, by a pattern in its names."""
TEXT_WIDTHS = {768: "Stable Diffusion 1", 1024: "Stable Diffusion 2", 2048: "SDXL"}
"""What the keys of a UNet's cross-attention are made of, by model."""


def check_unet(path: Path, family: str, widths: tuple[int, ...]) -> None:
    """Refuse a file that holds no LoRA for a UNet with text of one of these widths, by its header. No torch.

    Raises:
        UserError: it holds something else, and what it looks like.
    """
    shapes = read_shapes(path)
    if not shapes:
        raise UserError(f"{path} is not a readable .safetensors file; give a LoRA in that format.")
    strange = [name for name in shapes if not WEIGHTS.search(name)]
    if strange:
        told = ", ".join(map(repr, strange[:3])) + (f" and {len(strange) - 3} more" if len(strange) > 3 else "")
        raise UserError(
            f"{path} is not a LoRA that can be laid over: it holds {told}.\n"
            "Allowed are LoRAs in the names of diffusers, kohya or ComfyUI (no LoHa, LoKr or DoRA)."
        )
    looks = _looks_like(shapes)
    if looks and looks not in [TEXT_WIDTHS.get(width) for width in widths]:
        raise UserError(f"{path} is a LoRA for {looks}, not for {family} (it holds {next(iter(shapes))!r}).")


def apply(base: Any, loras: tuple[Lora, ...], blocks: tuple[str, ...]) -> None:
    """Lay LoRAs over a pipeline's networks, in place of any laid before.

    Args:
        base: the pipeline.
        loras: files and scales.
        blocks: patterns of layers' names, as in "unet.up_blocks.0.*"; empty means all.

    Raises:
        ModelError: a file cannot be read, or one of its weights has no layer, or a layer of another shape.
    """
    remove(base)
    try:
        for index, lora in enumerate(loras):
            _lay(base, Path(lora.path), f"lora_{index}", blocks)
        if loras:
            base.set_adapters([f"lora_{index}" for index in range(len(loras))], [lora.scale for lora in loras])
    except Exception:
        remove(base)
        raise


def remove(base: Any) -> None:
    """Take every LoRA off; the networks are then as they were loaded."""
    if any(getattr(network, "peft_config", None) for network in base.components.values()):
        base.unload_lora_weights()


def _looks_like(shapes: Shapes) -> str | None:
    for pattern, name in OTHERS.items():
        if any(re.search(pattern, key) for key in shapes):
            return name
    keys = (shape for key, shape in shapes.items() if re.search(r"attn2.to_k\b.*(down|lora_A)", key) and len(shape) > 1)
    return TEXT_WIDTHS.get(next((shape[1] for shape in keys), 0))


def _lay(base: Any, path: Path, adapter: str, blocks: tuple[str, ...]) -> None:
    tensors, alphas = _converted(base, path)
    chosen = {key: tensor for key, tensor in tensors.items() if _is_chosen(_layer_of(key), blocks)}
    _check_fit(base, path, tensors)
    if not chosen:
        raise ModelError(f"the LoRA {path} has no weights in the blocks {', '.join(blocks)}.")
    layers = {_layer_of(key) for key in chosen}
    kept = {key: alpha for key, alpha in alphas.items() if _layer_of(key.removesuffix(".alpha")) in layers} or None
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Already found a `peft_config`", UserWarning)  # several LoRAs are meant
        for name in {layer.partition(".")[0] for layer in layers}:
            _load_into(base, name, chosen, kept, adapter)


def _load_into(base: Any, name: str, tensors: dict[str, Any], alphas: dict[str, Any] | None, adapter: str) -> None:
    network = base.components[name]
    if name.startswith("text_encoder"):
        base.load_lora_into_text_encoder(
            tensors, alphas, network, prefix=name, adapter_name=adapter, _pipeline=base, lora_scale=1.0
        )
    elif name == "unet":
        base.load_lora_into_unet(tensors, alphas, network, adapter_name=adapter, _pipeline=base)
    else:
        base.load_lora_into_transformer(tensors, network, adapter_name=adapter, _pipeline=base)
    if adapter not in getattr(network, "peft_config", {}):
        raise ModelError(f"the LoRA was not taken by the {name}.")


def _converted(base: Any, path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """A file's weights and alphas under the names of diffusers, each beginning with its network's."""
    from safetensors.torch import load_file

    from praxino.families._stock.load import damaged, quiet

    with quiet(), damaged(path):
        tensors = load_file(path)
        more = {"unet_config": base.unet.config} if "unet" in base.components else {}
        found = base.lora_state_dict(dict(tensors), **more)
    weights, alphas = found if isinstance(found, tuple) else (found, {})
    return weights, alphas or {}


def _check_fit(base: Any, path: Path, tensors: dict[str, Any]) -> None:
    """Every weight has its layer, of its shape."""
    layers = {name: dict(network.named_modules()) for name, network in base.components.items() if _is_network(network)}
    strange = []
    for key, tensor in tensors.items():
        name, _, rest = _layer_of(key).partition(".")
        found = layers.get(name, {})
        layer = found.get(rest, found.get(rest.removeprefix("text_model.")))
        weight = getattr(layer, "weight", None)
        axis = 0 if re.search(r"(lora_B|\.up)\b", key) else 1
        if weight is None or tensor.ndim != weight.ndim or tensor.shape[axis] != weight.shape[axis]:
            strange.append(key)
    if strange:
        told = ", ".join(map(repr, strange[:3]))
        raise ModelError(
            f"the LoRA {path} does not fit this model: {len(strange)} of its {len(tensors)} weights have no layer of "
            f"their shape, such as {told}."
        )


def _layer_of(key: str) -> str:
    """The layer that a weight is for: "unet.conv_in" of "unet.conv_in.lora_A.weight"."""
    key = key.replace(".processor.", ".")
    if key.startswith("text_encoder"):
        key = re.sub(r"\.to_(q|k|v|out)_lora\.", r".\1_proj.lora.", key)
    key = re.sub(r"\.to_out_lora\.", ".to_out.0.lora.", key)
    return re.sub(r"[._](lora_linear_layer|lora|lora_A|lora_B)(\.(down|up))?(\.default)?\.weight$", "", key)


def _is_network(component: Any) -> bool:
    return hasattr(component, "named_modules")


def _is_chosen(layer: str, blocks: tuple[str, ...]) -> bool:
    name, _, rest = layer.partition(".")
    return not blocks or any(fnmatch(rest, block) or fnmatch(f"{name}.{rest}", block) for block in blocks)
