"""Loading the networks: diffusers folders, and transformers in the authors' naming. Never asks for anything online.

diffusers' own classes are used; pipelines are not imported, as that costs seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from praxino.errors import ModelError
from praxino.families import Variant
from praxino.families._stock.load import DTYPES, damaged, quiet
from praxino.families._t5 import Tokenizer
from praxino.families._times import with_exact_waves
from praxino.families.cogvideox import convert
from praxino.families.cogvideox.identify import PREFIX, transformer_file
from praxino.families.cogvideox.settings import from_options

COMPONENTS = ("vae", "text_encoder", "tokenizer")


@dataclass
class Parts:
    """The loaded networks."""

    transformer: Any
    """diffusers' CogVideoXTransformer3DModel."""
    vae: Any
    """diffusers' AutoencoderKLCogVideoX."""
    text_encoder: Any
    """transformers' T5EncoderModel."""
    tokenizer: Tokenizer
    device: torch.device


def load(path: Path, variant: Variant, dtype: str, device: str) -> Parts:
    """See `Family.load`."""
    from diffusers.models.autoencoders.autoencoder_kl_cogvideox import AutoencoderKLCogVideoX
    from diffusers.models.transformers.cogvideox_transformer_3d import CogVideoXTransformer3DModel
    from transformers import T5EncoderModel

    kind = DTYPES[dtype]
    wide = torch.float32 if kind == torch.float16 else kind  # T5 overflows float16
    options: dict[str, Any] = {"local_files_only": True, "use_safetensors": True}
    with quiet(), damaged(path):
        if (path / "model_index.json").is_file():
            home = path
            transformer: Any = CogVideoXTransformer3DModel.from_pretrained(
                path, subfolder="transformer", torch_dtype=kind, **options
            )
        else:
            home = _home(path, variant)
            transformer = load_original(path, from_options(variant.options).max_text_tokens, kind)
        vae: Any = AutoencoderKLCogVideoX.from_pretrained(home, subfolder="vae", torch_dtype=kind, **options)
        text_encoder: Any = T5EncoderModel.from_pretrained(home / "text_encoder", dtype=wide, local_files_only=True)
    with_exact_waves(transformer).norm_out.norm.eps = from_options(variant.options).output_epsilon
    for network in (transformer, vae, text_encoder):
        network.requires_grad_(False).eval().to(device)
    return Parts(transformer, vae, text_encoder, Tokenizer(home / "tokenizer"), torch.device(device))


def load_original(path: Path, max_text_tokens: int, kind: torch.dtype) -> Any:
    """The transformer of a safetensors file in the authors' naming: its path, or the folder that it lies in."""
    from safetensors.torch import load_file

    file = transformer_file(path)
    if file is None:
        raise ModelError(
            f"{path} holds no CogVideoX checkpoint: neither a diffusers folder nor a transformer of its own."
        )
    tensors = {name.removeprefix(PREFIX): tensor for name, tensor in load_file(file).items()}
    config = convert.transformer_config({name: tuple(t.shape) for name, t in tensors.items()}, max_text_tokens)
    return filled(config, convert.transformer(tensors, config), kind)


def filled(config: dict[str, Any], tensors: dict[str, torch.Tensor], kind: torch.dtype) -> Any:
    """A transformer of that config with these weights."""
    from diffusers.models.transformers.cogvideox_transformer_3d import CogVideoXTransformer3DModel

    model: Any = CogVideoXTransformer3DModel.from_config(config)
    model.load_state_dict(tensors, strict=True)
    return with_exact_waves(model.to(kind))


def _home(path: Path, variant: Variant) -> Path:
    """Where the other networks of a transformer lie: beside it, or where `praxino.json` says.

    Raises:
        ModelError: they are not there.
    """
    home = (path if path.is_dir() else path.parent) / variant.options.get("components", "")
    missing = [name for name in COMPONENTS if not (home / name).is_dir()]
    if missing:
        raise ModelError(
            f"{path} is a transformer alone: {home} has no {', '.join(missing)}.\n"
            "Put them there, as they lie in any CogVideoX repository of diffusers' layout, or name their folder in "
            'praxino.json: {"family": "cogvideox", "variant": "cogvideox-5b", "components": "FOLDER"}'
        )
    return home
