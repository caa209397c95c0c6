"""Loading the networks: diffusers folders, and files in the authors' naming. Never asks the network for anything.

diffusers' own classes are used; pipelines are not imported, as that costs seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from praxino.errors import ModelError
from praxino.families import Variant
from praxino.families._stock.checkpoint import read_shapes
from praxino.families.flux import convert
from praxino.families.flux.identify import transformer_file, without_prefix
from praxino.families.flux.settings import from_options
from praxino.families.flux.words import Tokenizer, clip_tokenizer, t5_tokenizer
from praxino.recipe import Companion, Recipe

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
ENCODERS = ("text_encoder", "text_encoder_2", "tokenizer", "tokenizer_2")
VAE_FILE = "ae.safetensors"


@dataclass
class Networks:
    """What draws: a transformer, a VAE and two text encoders."""

    transformer: Any
    """diffusers' FluxTransformer2DModel."""
    vae: Any
    """diffusers' AutoencoderKL, in float32."""
    clip: Any
    """transformers' CLIPTextModel."""
    t5: Any
    """transformers' T5EncoderModel."""
    clip_tokenizer: Tokenizer
    t5_tokenizer: Tokenizer
    device: torch.device
    laid: list[Callable[[], None]] = field(default_factory=list)
    """What takes the LoRAs that are laid over it off again, last first."""


@dataclass
class Parts:
    """The loaded networks, and what a recipe lays beside them."""

    path: Path
    variant: Variant
    dtype: torch.dtype
    device: torch.device
    networks: Networks | None = None
    """None for a Redux checkpoint until a recipe names its base."""
    companions: dict[tuple[str, str], Any] = field(default_factory=dict)
    """The other networks of the last recipe, by use (a role without its kind) and path."""
    preview: Any = None
    """The map from latents to colours, once fitted."""

    def drawing(self) -> Networks:
        """The networks.

        Raises:
            ModelError: they are not loaded yet.
        """
        if self.networks is None:
            raise ModelError(f"{self.path} reads pictures only; it draws with the base that a recipe names.")
        return self.networks

    def beside(self, recipe: Recipe, role: str) -> list[Any]:
        """The networks of a recipe's companions of a role, or of every kind of it, in the recipe's order."""
        named = [companion for companion in recipe.companions if f"{companion.role}:".startswith(f"{role}:")]
        return [self.companions[use_of(companion)] for companion in named]


def use_of(companion: Companion) -> tuple[str, str]:
    """What a companion is kept under: one network may follow several kinds of map."""
    return companion.role.partition(":")[0], companion.path


def load(path: Path, variant: Variant, dtype: str, device: str) -> Parts:
    """See `Family.load`."""
    parts = Parts(path, variant, DTYPES[dtype], torch.device(device))
    if from_options(variant.options).kind != "redux":
        parts.networks = load_networks(path, variant, parts.dtype, parts.device)
    return parts


def load_networks(path: Path, variant: Variant, dtype: torch.dtype, device: torch.device) -> Networks:
    """The networks of a diffusers folder, or of a single file and what lies beside it.

    Raises:
        ModelError: something is missing or damaged.
    """
    with readable(path, "FLUX.1 checkpoint"):
        if (path / "model_index.json").is_file():
            home, transformer = path, _from_folder(path / "transformer", dtype)
        else:
            home, transformer = _home(path, variant), _from_file(path, dtype)
        vae = _vae(home)
        clip, t5 = _encoders(home, dtype)
    for network in (transformer, vae, clip, t5):
        network.requires_grad_(False).eval().to(device)
    clip_words, t5_words = clip_tokenizer(home / "tokenizer"), t5_tokenizer(home / "tokenizer_2")
    return Networks(transformer, vae, clip, t5, clip_words, t5_words, device)


def filled(network: Any, config: dict[str, Any], tensors: dict[str, torch.Tensor], dtype: torch.dtype) -> Any:
    """A network of that config with these weights, made without first drawing random ones."""
    with torch.device("meta"):
        model = network.from_config(config)
    model.load_state_dict({key: tensor.to(dtype) for key, tensor in tensors.items()}, strict=True, assign=True)
    return model


@contextmanager
def readable(path: Path, what: str) -> Iterator[None]:
    """Turn what libraries raise over damaged files into ModelError, and keep them from drawing progress bars."""
    from safetensors import SafetensorError

    try:
        with no_progress_bars():
            yield
    except torch.OutOfMemoryError:
        raise
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as problem:
        raise ModelError(f"{path} holds no readable {what}; it is damaged or incomplete: {problem}") from problem


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


def _from_folder(folder: Path, dtype: torch.dtype) -> Any:
    from diffusers.models.transformers.transformer_flux import FluxTransformer2DModel

    return FluxTransformer2DModel.from_pretrained(folder, torch_dtype=dtype, local_files_only=True)


def _from_file(path: Path, dtype: torch.dtype) -> Any:
    from diffusers.models.transformers.transformer_flux import FluxTransformer2DModel
    from safetensors.torch import load_file

    file = transformer_file(path)
    if file is None:
        raise ModelError(f"{path} holds no FLUX.1 checkpoint: neither a diffusers folder nor one .safetensors file.")
    tensors = {without_prefix(name): tensor for name, tensor in load_file(file).items()}
    config = convert.transformer_config({name: tuple(tensor.shape) for name, tensor in tensors.items()})
    return filled(FluxTransformer2DModel, config, convert.transformer(tensors), dtype)


def _home(path: Path, variant: Variant) -> Path:
    """Where the other networks of a single file lie: beside it, or where `praxino.json` says.

    Raises:
        ModelError: they are not there.
    """
    folder = path if path.is_dir() else path.parent
    home = folder / variant.options.get("components", "")
    missing = [name for name in ENCODERS if not (home / name).is_dir()]
    if not (home / VAE_FILE).is_file() and not (home / "vae").is_dir():
        missing.append(f"vae (or {VAE_FILE})")
    if missing:
        raise ModelError(
            f"{path} is a transformer alone: {home} has no {', '.join(missing)}.\n"
            "Put them there, as they lie in any FLUX.1 repository, or name their folder in praxino.json: "
            '{"family": "flux", "variant": "flux-dev", "components": "FOLDER"}'
        )
    return home


def _vae(home: Path) -> Any:
    """The VAE, always in float32."""
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
    from safetensors.torch import load_file

    if (home / "vae").is_dir():
        return AutoencoderKL.from_pretrained(home / "vae", torch_dtype=torch.float32, local_files_only=True)
    shapes = read_shapes(home / VAE_FILE)
    if shapes is None:
        raise ModelError(f"{home / VAE_FILE} is damaged: it is no safetensors file.")
    config = convert.vae_config(shapes)
    return filled(AutoencoderKL, config, convert.vae(load_file(home / VAE_FILE), config), torch.float32)


def _encoders(home: Path, dtype: torch.dtype) -> tuple[Any, Any]:
    """CLIP and T5 in the run's number format, but T5 in float32 for float16, which it overflows."""
    from transformers import CLIPTextModel, T5EncoderModel

    wide = torch.float32 if dtype == torch.float16 else dtype
    return (
        CLIPTextModel.from_pretrained(home / "text_encoder", dtype=dtype, local_files_only=True),
        T5EncoderModel.from_pretrained(home / "text_encoder_2", dtype=wide, local_files_only=True),
    )
