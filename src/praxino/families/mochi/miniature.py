"""A tiny Mochi with random weights: every class of the real pipeline, made in seconds. It loads with diffusers too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from praxino.families._stock import tiny
from praxino.families.mochi.variants import FAMILY_NAME

WEIGHTS_SEED = 20245
TEXT_CHANNELS = 32
TRANSFORMER: dict[str, Any] = {
    "num_attention_heads": 2,
    "attention_head_dim": 8,
    "num_layers": 2,
    "pooled_projection_dim": 16,
    "text_embed_dim": TEXT_CHANNELS,
    "time_embed_dim": 16,
}
VAE: dict[str, Any] = {
    "encoder_block_out_channels": (32, 32, 32, 32),
    "decoder_block_out_channels": (32, 32, 32, 32),
    "layers_per_block": (1, 1, 1, 1, 1),
}
CARD = {
    "family": FAMILY_NAME,
    "variant": "mochi-miniature",
    "title": "Mochi in miniature: random weights, for trying things out",
    "licence": "Apache-2.0",
    "width": 32,
    "height": 32,
    "num_frames": 7,
    "fps": 8.0,
    "steps": 3,
    "max_text_tokens": 24,
    "any_size": True,
}


def write(folder: Path) -> None:
    """Make the pipeline, the same each time, and save it as a diffusers folder."""
    tiny.save(make_pipeline, folder, WEIGHTS_SEED, CARD)


def make_pipeline() -> Any:
    """The stock pipeline over tiny networks, their weights from torch's global generator."""
    made = tiny.diffusers_class
    tokenizer = tiny.byte_tokenizer(256)
    transformer = made("MochiTransformer3DModel")(**TRANSFORMER)
    torch.nn.init.normal_(transformer.pos_frequencies)
    return made("MochiPipeline")(
        scheduler=made("FlowMatchEulerDiscreteScheduler")(invert_sigmas=True),
        vae=made("AutoencoderKLMochi")(**VAE).to(torch.bfloat16),
        text_encoder=tiny.t5_encoder(len(tokenizer), TEXT_CHANNELS),
        tokenizer=tokenizer,
        transformer=transformer,
    )
