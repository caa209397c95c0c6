"""Loading the networks: diffusers folders, and Lightricks' single files. Never asks the network for anything.

diffusers' own classes and key conversion are used; pipelines are not imported, as that costs seconds.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from praxino.errors import ModelError
from praxino.families import Variant
from praxino.families._in_context import Annotators
from praxino.families.ltx_video import upsampler
from praxino.families.ltx_video.header import Header, read_header
from praxino.families.ltx_video.identify import checkpoint_file, vae_generation
from praxino.families.ltx_video.text import Tokenizer

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


@dataclass
class Parts:
    """The loaded networks."""

    transformer: Any
    """diffusers' LTXVideoTransformer3DModel."""
    vae: Any
    """diffusers' AutoencoderKLLTXVideo."""
    text_encoder: Any
    """transformers' T5EncoderModel."""
    tokenizer: Tokenizer
    variant: Variant
    device: torch.device
    upsampler: Any = None
    """diffusers' LTXLatentUpsamplerModel, where there is one."""
    upsampler_path: Path | None = None
    annotators: Annotators = field(default_factory=Annotators)


def load(path: Path, variant: Variant, dtype: str, device: str) -> Parts:
    """See `Family.load`."""
    kind = DTYPES[dtype]
    try:
        if (path / "model_index.json").is_file():
            transformer, vae = _from_folder(path, kind)
            home = path
        else:
            transformer, vae = _from_file(path, kind)
            home = path if path.is_dir() else path.parent
        text_encoder = _load_text_encoder(home, kind)
    except (OSError, ValueError, KeyError, RuntimeError) as problem:
        if isinstance(problem, torch.OutOfMemoryError):
            raise
        raise ModelError(f"{path} is damaged or incomplete: {problem}") from problem
    for network in (transformer, vae, text_encoder):
        network.requires_grad_(False).eval().to(device)
    parts = Parts(transformer, vae, text_encoder, Tokenizer(home / "tokenizer"), variant, torch.device(device))
    if (home / upsampler.FOLDER).is_dir():
        lay_upsampler(parts, home)
    return parts


def lay_upsampler(parts: Parts, path: Path) -> None:
    """Load the latent upsampler at a path, unless it is there."""
    if parts.upsampler_path != path:
        parts.upsampler = upsampler.load(path, parts.transformer.dtype, parts.device)
        parts.upsampler_path = path


def _from_folder(folder: Path, kind: torch.dtype) -> tuple[Any, Any]:
    from diffusers.models.autoencoders.autoencoder_kl_ltx import AutoencoderKLLTXVideo
    from diffusers.models.transformers.transformer_ltx import LTXVideoTransformer3DModel

    options: dict[str, Any] = {"torch_dtype": kind, "local_files_only": True}
    return (
        LTXVideoTransformer3DModel.from_pretrained(folder, subfolder="transformer", **options),
        AutoencoderKLLTXVideo.from_pretrained(folder, subfolder="vae", **options),
    )


def _from_file(path: Path, kind: torch.dtype) -> tuple[Any, Any]:
    from diffusers.loaders.single_file_utils import (
        convert_ltx_transformer_checkpoint_to_diffusers,
        convert_ltx_vae_checkpoint_to_diffusers,
    )
    from diffusers.models.autoencoders.autoencoder_kl_ltx import AutoencoderKLLTXVideo
    from diffusers.models.transformers.transformer_ltx import LTXVideoTransformer3DModel
    from safetensors.torch import load_file

    file = checkpoint_file(path)
    header = read_header(file) if file else None
    if file is None or header is None:
        raise ModelError(f"{path} holds no LTX-Video checkpoint: neither a diffusers folder nor one .safetensors file.")
    if not any(key.startswith("vae.") for key in header.shapes):
        raise ModelError(f"{file} holds a transformer without its VAE; use the authors' full checkpoint.")
    tensors = load_file(file)
    networks = {key: tensor for key, tensor in tensors.items() if not key.startswith("vae.")}
    vae_tensors = {key: tensor for key, tensor in tensors.items() if key.startswith("vae.")}
    return (
        _filled(
            LTXVideoTransformer3DModel,
            transformer_config(header),
            convert_ltx_transformer_checkpoint_to_diffusers(networks),
            kind,
        ),
        _filled(AutoencoderKLLTXVideo, vae_config(header), convert_ltx_vae_checkpoint_to_diffusers(vae_tensors), kind),
    )


def _filled(network: Any, config: dict[str, Any], tensors: dict[str, torch.Tensor], kind: torch.dtype) -> Any:
    """A network of that config with these weights, made without first drawing random ones."""
    with torch.device("meta"):
        model = network.from_config(config)
    model.load_state_dict({key: tensor.to(kind) for key, tensor in tensors.items()}, strict=True, assign=True)
    return model


def transformer_config(header: Header) -> dict[str, Any]:
    """The diffusers config of a single file's transformer."""
    told = header.config().get("transformer", {})
    shapes = {key.removeprefix("model.diffusion_model."): shape for key, shape in header.shapes.items()}
    width, in_channels = shapes["patchify_proj.weight"]
    head_dim = told.get("attention_head_dim", 64 if width == 2048 else 128)
    return {
        "in_channels": in_channels,
        "out_channels": shapes["proj_out.weight"][0],
        "num_attention_heads": width // head_dim,
        "attention_head_dim": head_dim,
        "cross_attention_dim": shapes["transformer_blocks.0.attn2.to_k.weight"][1],
        "num_layers": header.num_layers(),
        "caption_channels": shapes["caption_projection.linear_1.weight"][1],
    }


def vae_config(header: Header) -> dict[str, Any]:
    """The diffusers config of a single file's VAE: the structure of its release, the width that its tensors have."""
    base = header.shapes["vae.encoder.conv_in.conv.weight"][0]
    patch_size = header.config().get("vae", {}).get("patch_size", 4)

    def widths(*multiples: int) -> tuple[int, ...]:
        return tuple(base * multiple for multiple in multiples)

    config: dict[str, Any] = {
        "latent_channels": header.shapes["vae.decoder.conv_in.conv.weight"][1],
        "patch_size": patch_size,
        "block_out_channels": widths(1, 2, 4, 4),
        "decoder_block_out_channels": widths(1, 2, 4, 4),
    }
    generation = vae_generation(header)
    if generation != "0.9":
        config |= {
            "decoder_block_out_channels": widths(2, 4, 8),
            "decoder_layers_per_block": (5, 6, 7, 8),
            "decoder_spatio_temporal_scaling": (True, True, True),
            "decoder_inject_noise": (False, True, True, True),
            "upsample_residual": (True, True, True),
            "upsample_factor": (2, 2, 2),
            "timestep_conditioning": True,
        }
    if generation == "0.9.5":
        config |= {
            "block_out_channels": widths(1, 2, 4, 8, 16),
            "down_block_types": ("LTXVideo095DownBlock3D",) * 4,
            "layers_per_block": (4, 6, 6, 2, 2),
            "decoder_layers_per_block": (5, 5, 5, 5),
            "spatio_temporal_scaling": (True, True, True, True),
            "decoder_inject_noise": (False, False, False, False),
            "downsample_type": ("spatial", "temporal", "spatiotemporal", "spatiotemporal"),
            "spatial_compression_ratio": patch_size * 8,
            "temporal_compression_ratio": 8,
        }
    return config


def _load_text_encoder(home: Path, kind: torch.dtype) -> Any:
    """T5 in the run's number format, but float32 for float16, which T5 overflows."""
    from transformers import T5EncoderModel

    for needed in ("text_encoder", "tokenizer"):
        if not (home / needed).is_dir():
            raise ModelError(
                f"{home} has no {needed}/ folder: LTX-Video reads prompts with T5 (XXL).\n"
                f"Put text_encoder/ and tokenizer/ there, as in the Hub repository PixArt-alpha/PixArt-XL-2-1024-MS."
            )
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
