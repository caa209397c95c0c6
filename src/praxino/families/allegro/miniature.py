"""A tiny Allegro with random weights: every class of the real pipeline."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from praxino.families._stock import tiny
from praxino.families._stock.load import diffusers_class

WEIGHTS_SEED = 20250
CHANNELS, HEADS, HEAD_CHANNELS = 16, 2, 12
SIDE_PX, NUM_FRAMES = 128, 24
"""One tile of the VAE: its overlaps are fixed, so that none can be much smaller."""
TRANSFORMER: dict[str, Any] = {
    "num_attention_heads": HEADS,
    "attention_head_dim": HEAD_CHANNELS,
    "cross_attention_dim": HEADS * HEAD_CHANNELS,
    "num_layers": 1,
    "sample_width": SIDE_PX // 8,
    "sample_height": SIDE_PX // 8,
    "sample_frames": NUM_FRAMES // 4,
    "caption_channels": CHANNELS,
}
VAE: dict[str, Any] = {
    "block_out_channels": (4, 4, 4, 4),
    "layers_per_block": 1,
    "norm_num_groups": 2,
    "sample_size": SIDE_PX,
}
SCHEDULER: dict[str, Any] = {"beta_start": 0.0001, "beta_end": 0.02, "timestep_spacing": "leading"}
CARD_FIELDS = {
    "family": "allegro",
    "variant": "allegro-miniature",
    "title": "Allegro in miniature: random weights, for trying things out",
    "source": "",
    "licence": "Apache-2.0",
    "steps": 3,
}


def write(folder: Path) -> None:
    """Make the networks, the same each time, and save them as a diffusers folder."""
    tiny.save(_pipeline, folder, WEIGHTS_SEED, CARD_FIELDS)


def _pipeline() -> Any:
    words = tiny.byte_tokenizer(512)
    return diffusers_class("AllegroPipeline")(
        tokenizer=words,
        text_encoder=tiny.t5_encoder(len(words), CHANNELS),
        vae=diffusers_class("AutoencoderKLAllegro")(**VAE),
        transformer=diffusers_class("AllegroTransformer3DModel")(**TRANSFORMER),
        scheduler=diffusers_class("EulerAncestralDiscreteScheduler")(**SCHEDULER),
    )
