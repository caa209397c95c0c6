"""A tiny AuraFlow with random weights: every class of the real pipeline."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from praxino.families._stock import tiny
from praxino.families._stock.load import diffusers_class

WEIGHTS_SEED = 20246
CHANNELS = 16
TRANSFORMER: dict[str, Any] = {
    "sample_size": 8,
    "patch_size": 2,
    "in_channels": 4,
    "out_channels": 4,
    "num_mmdit_layers": 1,
    "num_single_dit_layers": 1,
    "attention_head_dim": 8,
    "num_attention_heads": 2,
    "joint_attention_dim": CHANNELS,
    "caption_projection_dim": 16,
    "pos_embed_max_size": 256,
}
CARD_FIELDS = {
    "family": "auraflow",
    "variant": "auraflow-miniature",
    "title": "AuraFlow in miniature: random weights, for trying things out",
    "source": "",
    "licence": "Apache-2.0",
    "width": 64,
    "height": 64,
    "steps": 4,
}


def write(folder: Path) -> None:
    """Make the networks, the same each time, and save them as a diffusers folder."""
    tiny.save(_pipeline, folder, WEIGHTS_SEED, CARD_FIELDS)


def _pipeline() -> Any:
    words = tiny.byte_tokenizer(256)
    return diffusers_class("AuraFlowPipeline")(
        tokenizer=words,
        text_encoder=tiny.t5_encoder(len(words), CHANNELS, "UMT5"),
        vae=tiny.autoencoder(4, scaling_factor=0.13025),
        transformer=diffusers_class("AuraFlowTransformer2DModel")(**TRANSFORMER),
        scheduler=diffusers_class("FlowMatchEulerDiscreteScheduler")(shift=1.73),
    )
