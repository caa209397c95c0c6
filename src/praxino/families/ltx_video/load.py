"""Loading the networks: diffusers folders, and Lightricks' single files. Never asks the network for anything.

One rule says whose classes compute. In float32 on a CPU they are the family's own (`networks`): they are there at once,
and faster. Everywhere else, and for what the own ones cannot do (`with_stock`), they are those of diffusers and
transformers; so is T5, which `praxino.accel.encoders` can leave unread, unless the model knows few words.
Pipelines are not imported, as that costs seconds.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor

from praxino.errors import ModelError
from praxino.families import Variant
from praxino.families._in_context import Annotators
from praxino.families.ltx_video import single_file, upsampler
from praxino.families.ltx_video.networks.autoencoder import Autoencoder
from praxino.families.ltx_video.networks.network import Network
from praxino.families.ltx_video.networks.text_encoder import TextEncoder
from praxino.families.ltx_video.networks.transformer import Transformer
from praxino.families.ltx_video.text import Tokenizer

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
OWN: Mapping[str, type[Network]] = {"transformer": Transformer, "vae": Autoencoder, "text_encoder": TextEncoder}
"""By the component's folder."""
WEIGHTS = ("diffusion_pytorch_model.safetensors", "model.safetensors")


@dataclass
class Parts:
    """The loaded networks."""

    transformer: Any
    """diffusers' LTXVideoTransformer3DModel, or the family's own."""
    vae: Any
    """diffusers' AutoencoderKLLTXVideo, or the family's own."""
    text_encoder: Any
    """transformers' T5EncoderModel, or the family's own."""
    tokenizer: Tokenizer
    variant: Variant
    device: torch.device
    upsampler: Any = None
    """diffusers' LTXLatentUpsamplerModel, where there is one."""
    upsampler_path: Path | None = None
    annotators: Annotators = field(default_factory=Annotators)


def load(path: Path, variant: Variant, dtype: str, device: str) -> Parts:
    """See `Family.load`."""
    kind, own = DTYPES[dtype], (dtype, device) == ("float32", "cpu")
    try:
        if (path / "model_index.json").is_file():
            home = path
            transformer, vae = (_from_folder(path, name, kind, own) for name in ("transformer", "vae"))
        else:
            home = path if path.is_dir() else path.parent
            stored = zip(("transformer", "vae"), single_file.read(path), strict=True)
            transformer, vae = (_of(name, *network, kind, own) for name, network in stored)
        text_encoder = _load_text_encoder(home, kind, own and bool(variant.vocabulary))
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as problem:
        if isinstance(problem, torch.OutOfMemoryError):
            raise
        raise ModelError(f"{path} is damaged or incomplete: {problem}") from problem
    for network in (transformer, vae, text_encoder):
        network.requires_grad_(False).eval().to(device)
        if isinstance(network, Network):
            network.prepare()
    parts = Parts(transformer, vae, text_encoder, Tokenizer(home / "tokenizer"), variant, torch.device(device))
    if (home / upsampler.FOLDER).is_dir():
        lay_upsampler(parts, home)
    return parts


def lay_upsampler(parts: Parts, path: Path) -> None:
    """Load the latent upsampler at a path, unless it is there."""
    if parts.upsampler_path != path:
        parts.upsampler = upsampler.load(path, parts.transformer.dtype, parts.device)
        parts.upsampler_path = path


def with_stock(parts: Parts) -> Parts:
    """The same with diffusers' transformer and autoencoder, over the same weights."""
    return dataclasses.replace(parts, transformer=stock(parts.transformer), vae=stock(parts.vae))


def stock(network: Any) -> Any:
    """A transformer or an autoencoder as diffusers' class, over the same weights; always the same one of a network."""
    if not isinstance(network, Network):
        return network
    if not network.stock:
        name = next(name for name, kind in OWN.items() if isinstance(network, kind))
        made = _filled(_stock_class(name), network.stock_config(), network.state_dict(), network.dtype)
        network.stock = (made.requires_grad_(False).eval(),)
    return network.stock[0]


def _from_folder(folder: Path, name: str, kind: torch.dtype, own: bool) -> Any:
    if own and (found := _own_from_folder(folder / name, OWN[name])):
        return found
    return _stock_class(name).from_pretrained(folder, subfolder=name, torch_dtype=kind, local_files_only=True)


def _own_from_folder(folder: Path, kind: type[Network]) -> Network | None:
    """None where the folder's config is of something else, or its weights are in another format."""
    config = kind.read_config(json.loads((folder / "config.json").read_text(encoding="utf-8")))
    files = _files(folder)
    if config is None or not files:
        return None
    from safetensors.torch import load_file

    tensors: dict[str, Tensor] = {}
    for file in files:
        tensors |= load_file(file)
    return kind.filled(config, tensors)


def _files(folder: Path) -> list[Path]:
    """A component's files of weights: one, or those that an index names."""
    for name in WEIGHTS:
        if (folder / name).is_file():
            return [folder / name]
        if (index := folder / f"{name}.index.json").is_file():
            shards = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
            return [folder / shard for shard in sorted(shards)]
    return []


def _of(name: str, config: dict[str, Any], tensors: dict[str, Tensor], kind: torch.dtype, own: bool) -> Any:
    known = OWN[name].read_config(config) if own else None
    if known is not None:
        return OWN[name].filled(known, tensors)
    return _filled(_stock_class(name), config, tensors, kind)


def _filled(network: Any, config: dict[str, Any], tensors: dict[str, Tensor], kind: torch.dtype) -> Any:
    """A network of that config with these weights, made without first drawing random ones."""
    with torch.device("meta"):
        model = network.from_config(config)
    model.load_state_dict({key: tensor.to(kind) for key, tensor in tensors.items()}, strict=True, assign=True)
    return model


def _stock_class(name: str) -> Any:
    """The class of diffusers for a component."""
    if name == "transformer":
        from diffusers.models.transformers.transformer_ltx import LTXVideoTransformer3DModel

        return LTXVideoTransformer3DModel
    from diffusers.models.autoencoders.autoencoder_kl_ltx import AutoencoderKLLTXVideo

    return AutoencoderKLLTXVideo


def _load_text_encoder(home: Path, kind: torch.dtype, own: bool) -> Any:
    """T5 in the run's number format, but float32 for float16, which T5 overflows."""
    for needed in ("text_encoder", "tokenizer"):
        if not (home / needed).is_dir():
            raise ModelError(
                f"{home} has no {needed}/ folder: LTX-Video reads prompts with T5 (XXL).\n"
                f"Put text_encoder/ and tokenizer/ there, as in the Hub repository PixArt-alpha/PixArt-XL-2-1024-MS."
            )
    if own and (found := _own_from_folder(home / "text_encoder", TextEncoder)):
        return found
    from transformers import T5EncoderModel

    wanted = torch.float32 if kind == torch.float16 else kind
    with no_progress_bars():
        return T5EncoderModel.from_pretrained(home / "text_encoder", dtype=wanted, local_files_only=True)


@contextmanager
def no_progress_bars() -> Iterator[None]:
    """Keep transformers from drawing bars on the terminal: progress is told by events."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()
