"""Lightricks' single files: the transformer and the autoencoder together, in names and structures of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import Tensor

from praxino.errors import ModelError
from praxino.families.ltx_video.header import Header, read_header
from praxino.families.ltx_video.identify import checkpoint_file, vae_generation

Stored = tuple[dict[str, Any], dict[str, Tensor]]
"""A network as diffusers' config and weights."""


def read(path: Path) -> tuple[Stored, Stored]:
    """The transformer and the autoencoder of a file, or of the one file in a folder.

    Raises:
        ModelError: there is none, or it lacks the autoencoder.
    """
    from diffusers.loaders.single_file_utils import (
        convert_ltx_transformer_checkpoint_to_diffusers,
        convert_ltx_vae_checkpoint_to_diffusers,
    )
    from safetensors.torch import load_file

    file = checkpoint_file(path)
    header = read_header(file) if file else None
    if file is None or header is None:
        raise ModelError(f"{path} holds no LTX-Video checkpoint: neither a diffusers folder nor one .safetensors file.")
    if not any(key.startswith("vae.") for key in header.shapes):
        raise ModelError(f"{file} holds a transformer without its VAE; use the authors' full checkpoint.")
    tensors = load_file(file)
    transformer = {key: tensor for key, tensor in tensors.items() if not key.startswith("vae.")}
    vae = {key: tensor for key, tensor in tensors.items() if key.startswith("vae.")}
    return (
        (transformer_config(header), convert_ltx_transformer_checkpoint_to_diffusers(transformer)),
        (vae_config(header), convert_ltx_vae_checkpoint_to_diffusers(vae)),
    )


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
