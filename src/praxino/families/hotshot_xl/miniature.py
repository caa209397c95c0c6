"""A tiny Hotshot-XL with random weights, in the layout of the original repository: 2 MB, made in a second.

What it draws is noise, but always the same noise. Converted, it also loads in diffusers' AnimateDiffSDXLPipeline.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from praxino.families.hotshot_xl import unet
from praxino.families.hotshot_xl.identify import CARD, FAMILY_NAME
from praxino.families.hotshot_xl.layout import ORIGINAL_UNET

WEIGHTS_SEED = 20231
TEXT_CHANNELS = (16, 32)
"""Of the two text encoders; the second's is also that of its projection."""
TIME_CHANNELS = 8
BEGIN, END = "<|startoftext|>", "<|endoftext|>"

UNET: dict[str, Any] = {
    "_class_name": ORIGINAL_UNET,
    "sample_size": 8,
    "in_channels": 4,
    "out_channels": 4,
    "down_block_types": ["DownBlock3D", "CrossAttnDownBlock3D", "CrossAttnDownBlock3D"],
    "mid_block_type": "UNetMidBlock3DCrossAttn",
    "up_block_types": ["CrossAttnUpBlock3D", "CrossAttnUpBlock3D", "UpBlock3D"],
    "block_out_channels": [32, 32, 32],
    "layers_per_block": 2,
    "norm_num_groups": 32,
    "norm_eps": 1e-05,
    "cross_attention_dim": sum(TEXT_CHANNELS),
    "transformer_layers_per_block": [1, 1, 1],
    "attention_head_dim": [2, 4, 4],
    "use_linear_projection": True,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": TIME_CHANNELS,
    "projection_class_embeddings_input_dim": 6 * TIME_CHANNELS + TEXT_CHANNELS[1],
}
VAE: dict[str, Any] = {
    "in_channels": 3,
    "out_channels": 3,
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "up_block_types": ["UpDecoderBlock2D"] * 4,
    "block_out_channels": [8, 8, 8, 8],
    "layers_per_block": 1,
    "norm_num_groups": 4,
    "latent_channels": 4,
    "sample_size": 64,
    "scaling_factor": 0.13025,
    "force_upcast": True,
}
SCHEDULER: dict[str, Any] = {
    "_class_name": "EulerDiscreteScheduler",
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "num_train_timesteps": 1000,
    "prediction_type": "epsilon",
    "steps_offset": 1,
    "timestep_spacing": "leading",
    "set_alpha_to_one": False,
    "clip_sample": False,
    "skip_prk_steps": True,
}
CARD_FIELDS = {
    "family": FAMILY_NAME,
    "variant": "hotshot-xl-miniature",
    "title": "Hotshot-XL in miniature: random weights, for trying things out",
    "licence": "Apache-2.0",
    "num_frames": 4,
    "steps": 4,
}
INDEX: dict[str, Any] = {
    "_class_name": "HotshotXLPipeline",
    "scheduler": ["diffusers", "EulerDiscreteScheduler"],
    "text_encoder": ["transformers", "CLIPTextModel"],
    "text_encoder_2": ["transformers", "CLIPTextModelWithProjection"],
    "tokenizer": ["transformers", "CLIPTokenizer"],
    "tokenizer_2": ["transformers", "CLIPTokenizer"],
    "unet": ["hotshot_xl.models.unet", ORIGINAL_UNET],
    "vae": ["diffusers", "AutoencoderKL"],
    "force_zeros_for_empty_prompt": True,
}


def write(folder: Path) -> None:
    """Make the networks, the same each time, and save them as the original repository lies."""
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = _write_tokenizer(folder / "tokenizer", END)
    _write_tokenizer(folder / "tokenizer_2", "!")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(WEIGHTS_SEED)
        _write_network(folder / "unet", UNET, original_names(_random_unet()), "diffusion_pytorch_model")
        _write_vae(folder / "vae")
        _write_text_encoders(folder, vocabulary)
    _write_json(folder / "scheduler" / "scheduler_config.json", SCHEDULER)
    _write_json(folder / "model_index.json", INDEX)
    _write_json(folder / CARD, CARD_FIELDS)


def original_names(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The UNet's tensors under the original's names: what `unet.renamed` undoes."""
    found: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        if unet.TEMPORAL in name:
            for old, new in unet.RENAMED:
                name = name.replace(new, old)
        found[name] = tensor
        if name.endswith(unet.POSITIONS):
            found[name.replace("attention_blocks.0", "attention_blocks.1")] = tensor.clone()
    return found


def _random_unet() -> dict[str, Tensor]:
    return unet.UNetMotionModel(**unet.motion_config(UNET)).state_dict()


def _write_vae(folder: Path) -> None:
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL

    vae = AutoencoderKL(**VAE)
    _write_network(folder, {"_class_name": "AutoencoderKL", **VAE}, vae.state_dict(), "diffusion_pytorch_model")


def _write_text_encoders(folder: Path, vocabulary: int) -> None:
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    for name, kind, channels in zip(
        ("text_encoder", "text_encoder_2"), (CLIPTextModel, CLIPTextModelWithProjection), TEXT_CHANNELS, strict=True
    ):
        config = CLIPTextConfig(
            vocab_size=vocabulary,
            hidden_size=channels,
            intermediate_size=2 * channels,
            projection_dim=channels,
            num_hidden_layers=2,
            num_attention_heads=2,
            bos_token_id=vocabulary - 2,
            eos_token_id=vocabulary - 1,
        )
        tensors = kind(config).state_dict()
        told = {**config.to_diff_dict(), "architectures": [kind.__name__]}
        _write_network(folder / name, told, tensors, "model")


def _write_network(folder: Path, config: dict[str, Any], tensors: dict[str, Tensor], stem: str) -> None:
    """In float16, for half the size."""
    from safetensors.torch import save_file

    _write_json(folder / "config.json", config)
    halves = {name: tensor.half().contiguous() for name, tensor in tensors.items()}
    save_file(halves, folder / f"{stem}.safetensors", {"format": "pt"})


def _write_tokenizer(folder: Path, pad: str) -> int:
    """Write a CLIP tokenizer whose words are letters; the size of its vocabulary."""
    from tokenizers import pre_tokenizers

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokens = [*letters, *(letter + "</w>" for letter in letters), BEGIN, END]
    _write_json(folder / "vocab.json", {token: index for index, token in enumerate(tokens)})
    (folder / "merges.txt").write_text("#version: 0.2\n", encoding="utf-8")
    config = {
        "tokenizer_class": "CLIPTokenizer",
        "model_max_length": 77,
        "bos_token": BEGIN,
        "eos_token": END,
        "unk_token": END,
        "pad_token": pad,
    }
    _write_json(folder / "tokenizer_config.json", config)
    return len(tokens)


def _write_json(path: Path, data: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")
