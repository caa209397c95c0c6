"""Loading the networks: diffusers folders, and Genmo's own files. Never asks the network for anything.

diffusers' own classes are used; pipelines are not imported, as that costs seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from praxino.errors import ModelError
from praxino.families import Variant
from praxino.families._stock.checkpoint import read_shapes
from praxino.families._stock.load import DTYPES, damaged, quiet
from praxino.families._t5 import Tokenizer
from praxino.families.mochi import convert
from praxino.families.mochi.identify import transformer_file
from praxino.families.mochi.latents import decode_as_genmo
from praxino.families.mochi.variants import DECODER, ENCODER

FREQUENCIES = "pos_frequencies"


@dataclass
class Parts:
    """The loaded networks."""

    transformer: Any
    """diffusers' MochiTransformer3DModel, its position frequencies in float32."""
    vae: Any
    """diffusers' AutoencoderKLMochi, in float32, dropping frames as Genmo's."""
    text_encoder: Any
    """transformers' T5EncoderModel, in float32."""
    tokenizer: Tokenizer
    device: torch.device
    dtype: torch.dtype
    """What the transformer and the VAE are autocast to; float32 is as they are."""


def load(path: Path, variant: Variant, dtype: str, device: str) -> Parts:
    """See `Family.load`."""
    from transformers import T5EncoderModel

    kind = DTYPES[dtype]
    with quiet(), damaged(path):
        if (path / "model_index.json").is_file():
            home, (transformer, vae) = path, _from_folder(path, kind)
        else:
            home, (transformer, vae) = _home(path, variant), load_original(path, kind)
        text_encoder: Any = T5EncoderModel.from_pretrained(
            home / "text_encoder", dtype=torch.float32, local_files_only=True
        )
    decode_as_genmo(vae)
    for network in (transformer, vae, text_encoder):
        network.requires_grad_(False).eval().to(device)
    return Parts(transformer, vae, text_encoder, Tokenizer(home / "tokenizer"), torch.device(device), kind)


def load_original(path: Path, kind: torch.dtype) -> tuple[Any, Any]:
    """The transformer and the VAE of Genmo's files: the transformer's path, or the folder that they lie in.

    The VAE's encoder, which drawing from words does not need, is left out where its file is not there.
    """
    from diffusers.models.autoencoders.autoencoder_kl_mochi import AutoencoderKLMochi
    from diffusers.models.transformers.transformer_mochi import MochiTransformer3DModel
    from safetensors.torch import load_file

    file = transformer_file(path)
    if file is None:
        raise ModelError(f"{path} holds no Mochi checkpoint: neither a diffusers folder nor one of Genmo's files.")
    tensors = load_file(file)
    config = convert.transformer_config({name: tuple(tensor.shape) for name, tensor in tensors.items()})
    transformer = _filled(MochiTransformer3DModel, config, convert.transformer(tensors), kind)
    encoder, decoder = (read_shapes(file.parent / name) for name in (ENCODER, DECODER))
    if decoder is None:
        raise ModelError(f"{file} is a transformer alone: put Genmo's {DECODER} beside it.")
    config = convert.vae_config(encoder, decoder)
    vae_tensors = convert.decoder(load_file(file.parent / DECODER))
    if encoder:
        vae_tensors |= convert.encoder(load_file(file.parent / ENCODER))
    vae = _filled(AutoencoderKLMochi, config, vae_tensors, torch.float32, without=() if encoder else ("encoder",))
    return transformer, vae


def _from_folder(folder: Path, kind: torch.dtype) -> tuple[Any, Any]:
    from diffusers.models.autoencoders.autoencoder_kl_mochi import AutoencoderKLMochi
    from diffusers.models.transformers.transformer_mochi import MochiTransformer3DModel

    options: dict[str, Any] = {"local_files_only": True, "use_safetensors": True}
    transformer = MochiTransformer3DModel.from_pretrained(folder, subfolder="transformer", torch_dtype=kind, **options)
    if kind != torch.float32:
        _put_frequencies(transformer, _read_frequencies(folder / "transformer"))
    return transformer, AutoencoderKLMochi.from_pretrained(
        folder, subfolder="vae", torch_dtype=torch.float32, **options
    )


def _filled(
    network: Any, config: dict[str, Any], tensors: dict[str, Tensor], kind: torch.dtype, without: tuple[str, ...] = ()
) -> Any:
    """A network of that config with these weights, made without first drawing random ones."""
    with torch.device("meta"):
        model = network.from_config(config)
    for name in without:
        delattr(model, name)
    kinds = {name: torch.float32 if name == FREQUENCIES else kind for name in tensors}
    model.load_state_dict({name: t.to(kinds[name]) for name, t in tensors.items()}, strict=True, assign=True)
    return model


def _read_frequencies(folder: Path) -> Tensor:
    """The position frequencies as they are in the files. Raises KeyError when there are none."""
    from safetensors import safe_open

    for file in sorted(folder.glob("*.safetensors")):
        with safe_open(file, "pt") as opened:
            if FREQUENCIES in opened.keys():  # noqa: SIM118
                return opened.get_tensor(FREQUENCIES)
    raise KeyError(FREQUENCIES)


def _put_frequencies(transformer: Any, frequencies: Tensor) -> None:
    transformer.pos_frequencies = torch.nn.Parameter(frequencies.float(), requires_grad=False)


def _home(path: Path, variant: Variant) -> Path:
    """Where T5 lies: beside Genmo's files, or where `praxino.json` says.

    Raises:
        ModelError: it is not there.
    """
    home = (path if path.is_dir() else path.parent) / variant.options.get("components", "")
    missing = [name for name in ("text_encoder", "tokenizer") if not (home / name).is_dir()]
    if missing:
        raise ModelError(
            f"{home} has no {' and no '.join(missing)} folder: Mochi reads prompts with T5 (XXL).\n"
            "Put text_encoder/ and tokenizer/ there, as in the Hub repository genmo/mochi-1-preview."
        )
    return home
