"""Loading the networks: diffusers folders, and transformers in Tencent's naming. Never asks the network for anything.

diffusers' own classes are used; pipelines are not imported, as that costs seconds.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from praxino.errors import ModelError
from praxino.families import Variant
from praxino.families._hunyuan import convert, latents
from praxino.families._hunyuan.identify import transformer_file, without_prefix
from praxino.families._hunyuan.lora import TakeOff
from praxino.families._hunyuan.settings import Kind, from_options
from praxino.families._hunyuan.words import Tokenizer
from praxino.families._stock.checkpoint import read_shapes
from praxino.families._stock.load import damaged, quiet, weights_variant
from praxino.families._times import with_exact_waves

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
BESIDE = ("vae", "text_encoder", "text_encoder_2", "tokenizer", "tokenizer_2")
"""What a transformer alone has to have beside it."""


@dataclass
class Parts:
    """The loaded networks."""

    transformer: Any
    """diffusers' HunyuanVideoTransformer3DModel."""
    vae: Any
    """diffusers' AutoencoderKLHunyuanVideo, with Tencent's tiles."""
    text_encoder: Any
    """transformers' LlavaForConditionalGeneration, or LlamaModel where no picture is read."""
    text_encoder_2: Any
    """transformers' CLIPTextModel."""
    tokenizer: Tokenizer
    tokenizer_2: Any
    """transformers' CLIPTokenizer."""
    image_processor: Any
    """What shows a picture to LLaVA; None where no picture is read."""
    variant: Variant
    device: torch.device
    laid: list[TakeOff] = field(default_factory=list)
    """What takes the LoRAs that are laid over the transformer off again."""
    colours: Any = None
    """The map from latents to colours, once fitted."""


def load(path: Path, variant: Variant, dtype: str, device: str) -> Parts:
    """See `Family.load`.

    As Tencent runs them, the VAE and the encoders are in float16 beside a transformer in bfloat16.
    """
    kind = from_options(variant.options).kind
    beside = torch.float32 if dtype == "float32" else torch.float16
    home = _home(path, variant)
    with quiet(), damaged(path):
        if (path / "model_index.json").is_file():
            transformer = _from_folder(path / "transformer", DTYPES[dtype])
        else:
            transformer = load_original(path, kind, DTYPES[dtype])
        vae = _vae(home / "vae", beside)
        text_encoder, text_encoder_2 = _encoders(home, kind, beside)
        tokenizer_2, image_processor = _readers(home, kind)
    for network in (transformer, vae, text_encoder, text_encoder_2):
        network.requires_grad_(False).eval().to(device)
    words = Tokenizer(home / "tokenizer")
    return Parts(
        transformer, vae, text_encoder, text_encoder_2, words, tokenizer_2, image_processor, variant,
        torch.device(device),
    )  # fmt: skip


def load_original(path: Path, kind: Kind, dtype: torch.dtype) -> Any:
    """A transformer in Tencent's naming, from a .safetensors file or the folder that holds it.

    Raises:
        ModelError: there is none, or its tensors are not those of its kind.
    """
    from safetensors.torch import load_file

    file = transformer_file(path)
    shapes = read_shapes(file) if file else None
    if file is None or shapes is None:
        raise ModelError(f"{path} holds no HunyuanVideo transformer: neither a diffusers folder nor one .safetensors.")
    config = convert.transformer_config({without_prefix(name): shape for name, shape in shapes.items()}, kind)
    return filled(config, {without_prefix(name): tensor for name, tensor in load_file(file).items()}, dtype)


def filled(config: dict[str, Any], tensors: dict[str, torch.Tensor], dtype: torch.dtype) -> Any:
    """A transformer of that config with tensors in Tencent's naming, made without first drawing random ones."""
    from diffusers.models.transformers.transformer_hunyuan_video import HunyuanVideoTransformer3DModel

    with torch.device("meta"):
        model: Any = HunyuanVideoTransformer3DModel.from_config(config)
    converted = {name: tensor.to(dtype) for name, tensor in convert.transformer(tensors).items()}
    model.load_state_dict(converted, strict=True, assign=True)
    return with_exact_waves(model)


def _from_folder(folder: Path, dtype: torch.dtype) -> Any:
    from diffusers.models.transformers.transformer_hunyuan_video import HunyuanVideoTransformer3DModel

    return with_exact_waves(
        HunyuanVideoTransformer3DModel.from_pretrained(folder, torch_dtype=dtype, local_files_only=True)
    )


def _home(path: Path, variant: Variant) -> Path:
    """Where the other networks lie: beside the transformer, or where `praxino.json` says.

    Raises:
        ModelError: they are not there.
    """
    folder = path if path.is_dir() else path.parent
    home = folder / variant.options.get("components", "")
    if missing := [name for name in BESIDE if not (home / name).is_dir()]:
        raise ModelError(
            f"{home} has no {', '.join(missing)}: {path} is a transformer alone.\n"
            f"Put them there, as they lie in the repository {variant.source or 'of its diffusers copy'}, or name their "
            'folder in praxino.json beside it: "components": "FOLDER"'
        )
    return home


def _vae(folder: Path, dtype: torch.dtype) -> Any:
    from diffusers.models.autoencoders.autoencoder_kl_hunyuan_video import AutoencoderKLHunyuanVideo

    found = weights_variant(folder.glob("*.safetensors"))
    vae: Any = AutoencoderKLHunyuanVideo.from_pretrained(
        folder, torch_dtype=dtype, local_files_only=True, variant=found
    )
    latents.tile(vae)
    return vae


def _encoders(home: Path, kind: Kind, dtype: torch.dtype) -> tuple[Any, Any]:
    from transformers import CLIPTextModel, LlamaModel, LlavaForConditionalGeneration

    reader = LlamaModel if kind == "text" else LlavaForConditionalGeneration
    return tuple(
        network.from_pretrained(home / name, dtype=dtype, local_files_only=True)
        for network, name in ((reader, "text_encoder"), (CLIPTextModel, "text_encoder_2"))
    )  # pyright: ignore[reportReturnType]


def _readers(home: Path, kind: Kind) -> tuple[Any, Any]:
    from transformers import CLIPTokenizer
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    words = CLIPTokenizer.from_pretrained(home / "tokenizer_2", local_files_only=True)
    if kind == "text":
        return words, None
    return words, CLIPImageProcessorPil.from_pretrained(home / "image_processor", local_files_only=True)
