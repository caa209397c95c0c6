"""Loading the networks: diffusers folders, and transformers in the authors' naming.

Never asks the network for anything. diffusers' own classes are used; pipelines are not imported, as that costs seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from praxino.errors import ModelError
from praxino.families import Variant
from praxino.families._stock.checkpoint import read_json, read_shapes
from praxino.families._stock.load import damaged, quiet
from praxino.families._t5 import Tokenizer
from praxino.families.wan import convert, layout
from praxino.families.wan.wide import is_wide, keep_stream_wide

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
UNUSED = "norm_added_q"
"""Weights of some published folders that no network has a use for."""


@dataclass
class Parts:
    """The loaded networks."""

    transformers: tuple[Any, ...]
    """diffusers' WanTransformer3DModel or WanVACETransformer3DModel: one, or that of high and that of low noise."""
    vae: Any
    """diffusers' AutoencoderKLWan, in float32."""
    text_encoder: Any
    """transformers' UMT5EncoderModel."""
    image_encoder: Any
    """transformers' CLIPVisionModel in float32, or None."""
    tokenizer: Tokenizer
    variant: Variant
    device: torch.device
    colours: Tensor | None = None
    """The map from latents to colours that previews use, once fitted."""
    makers: dict[str, tuple[str, Any]] = field(default_factory=dict)
    """What makes maps of photos, by name: where it was loaded from, and its image processor and network."""
    laid: list[Callable[[], None]] = field(default_factory=list)
    """What takes the LoRAs that are laid over the transformers off again, last first."""

    @property
    def transformer(self) -> Any:
        """The transformer, or that of high noise."""
        return self.transformers[0]

    @property
    def transformer_2(self) -> Any:
        """The transformer of low noise, None where one does all."""
        return self.transformers[1] if len(self.transformers) > 1 else None


def load(path: Path, variant: Variant, dtype: str, device: str) -> Parts:
    """See `Family.load`."""
    kind = DTYPES[dtype]
    with quiet(), damaged(path):
        if (path / "model_index.json").is_file():
            home, transformers = path, _from_folder(path, kind)
        else:
            home, transformers = _home(path, variant), load_original(path, kind)
        vae, image_encoder = _vae(home), _image_encoder(home, transformers[0])
        text_encoder = _text_encoder(home, kind)
    networks = [*transformers, vae, text_encoder, *([] if image_encoder is None else [image_encoder])]
    for network in networks:
        network.requires_grad_(False).eval().to(device)
    tokenizer = Tokenizer(home / "tokenizer")
    return Parts(transformers, vae, text_encoder, image_encoder, tokenizer, variant, torch.device(device))


def load_original(path: Path, dtype: torch.dtype) -> tuple[Any, ...]:
    """The transformers at a path in the authors' naming, by falling noise.

    Raises:
        ModelError: there are none, or weights are missing or left over.
    """
    found = layout.originals(path)
    if not found:
        raise ModelError(
            f"{path} holds no Wan checkpoint: neither a diffusers folder nor weights in the authors' names."
        )
    return tuple(_original(one, dtype) for one in found)


def _original(one: layout.Original, dtype: torch.dtype) -> Any:
    shapes = {name: shape for file in one.files for name, shape in (read_shapes(file) or {}).items()}
    config = convert.config_of(shapes, one.config)
    return _filled(config, convert.renamed(_read(one.files)), dtype)


def _from_folder(folder: Path, dtype: torch.dtype) -> tuple[Any, ...]:
    names = [name for name in ("transformer", "transformer_2") if (folder / name / "config.json").is_file()]
    if not names:
        raise ValueError("it has no transformer/config.json")
    return tuple(_of_folder(folder / name, dtype) for name in names)


def _of_folder(folder: Path, dtype: torch.dtype) -> Any:
    config = {key: value for key, value in read_json(folder / "config.json").items() if not key.startswith("_")}
    return _filled(config, _read(layout.weight_files(folder)), dtype)


def _read(files: Iterable[Path]) -> dict[str, Tensor]:
    from safetensors.torch import load_file

    return {name: tensor for file in files for name, tensor in load_file(file).items()}


def _filled(config: dict[str, Any], tensors: dict[str, Tensor], dtype: torch.dtype) -> Any:
    """A transformer of that config with these weights, made without first drawing random ones."""
    from accelerate import init_empty_weights

    with init_empty_weights():
        transformer: Any = class_of(config).from_config(config)
    weights = {
        name: tensor.to(torch.float32 if is_wide(name) else dtype)
        for name, tensor in tensors.items()
        if UNUSED not in name
    }
    transformer.load_state_dict(weights, strict=True, assign=True)
    if dtype != torch.float32:
        keep_stream_wide(transformer, dtype)
    return transformer


def class_of(config: dict[str, Any]) -> Any:
    """The diffusers class of a transformer, told by what its config has."""
    if "vace_layers" in config:
        from diffusers.models.transformers.transformer_wan_vace import WanVACETransformer3DModel

        return WanVACETransformer3DModel
    if "motion_encoder_size" in config:
        from diffusers.models.transformers.transformer_wan_animate import WanAnimateTransformer3DModel

        return WanAnimateTransformer3DModel
    from diffusers.models.transformers.transformer_wan import WanTransformer3DModel

    return WanTransformer3DModel


def _home(path: Path, variant: Variant) -> Path:
    """Where the other networks of transformers in the authors' naming lie: beside them, or where `praxino.json` says.

    Raises:
        ModelError: they are not there.
    """
    folder = path if path.is_dir() else path.parent
    home = folder / variant.options.get("components", "")
    missing = [name for name in ("vae", "text_encoder", "tokenizer") if not (home / name).is_dir()]
    if missing:
        raise ModelError(
            f"{path} is a transformer alone: {home} has no {', '.join(missing)}.\n"
            "Put them there, as they lie in any of Wan's repositories for diffusers, or name their folder in "
            'praxino.json: {"family": "wan", "variant": "my-wan", "components": "FOLDER"}'
        )
    return home


def _vae(home: Path) -> Any:
    """The VAE, always in float32 and never in tiles."""
    from diffusers.models.autoencoders.autoencoder_kl_wan import AutoencoderKLWan

    return AutoencoderKLWan.from_pretrained(home / "vae", torch_dtype=torch.float32, local_files_only=True)


def _text_encoder(home: Path, dtype: torch.dtype) -> Any:
    """UMT5 in the run's number format, but float32 for float16, which it overflows."""
    from transformers import UMT5EncoderModel

    wanted = torch.float32 if dtype == torch.float16 else dtype
    return UMT5EncoderModel.from_pretrained(home / "text_encoder", dtype=wanted, local_files_only=True)


def _image_encoder(home: Path, transformer: Any) -> Any:
    """CLIP for the transformers that read its features, None for the others."""
    if transformer.config.image_dim is None:
        return None
    from transformers import CLIPVisionModel

    if not (home / "image_encoder").is_dir():
        raise ValueError("it has no image_encoder, which its transformer needs")
    return CLIPVisionModel.from_pretrained(home / "image_encoder", dtype=torch.float32, local_files_only=True)
