"""A tiny Stable Diffusion 3 with random weights: every class of the real pipeline."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from praxino.families._stock import clip_tokenizer, tiny
from praxino.families._stock.load import diffusers_class

WEIGHTS_SEED = 20243
CHANNELS = 16
"""Of each CLIP encoder; T5 has twice as many, so that their states fit side by side."""
TRANSFORMER: dict[str, Any] = {
    "sample_size": 8,
    "patch_size": 2,
    "in_channels": 16,
    "out_channels": 16,
    "num_layers": 2,
    "attention_head_dim": 8,
    "num_attention_heads": 2,
    "caption_projection_dim": 16,
    "joint_attention_dim": 2 * CHANNELS,
    "pooled_projection_dim": 2 * CHANNELS,
    "pos_embed_max_size": 64,
}
CARD_FIELDS = {
    "family": "sd3",
    "variant": "sd3-miniature",
    "title": "Stable Diffusion 3 in miniature: random weights, for trying things out",
    "source": "",
    "licence": "Apache-2.0",
    "restrictions": "",
    "gated": False,
    "width": 64,
    "height": 64,
    "steps": 4,
}


def write(folder: Path) -> None:
    """Make the networks, the same each time, and save them as a diffusers folder."""
    tiny.save(lambda: _pipeline(folder), folder, WEIGHTS_SEED, CARD_FIELDS)


def _pipeline(folder: Path) -> Any:
    from transformers import CLIPTextModelWithProjection, CLIPTokenizer

    size = clip_tokenizer.write(folder / "tokenizer")
    clip_tokenizer.write(folder / "tokenizer_2", "!")
    words = tiny.byte_tokenizer(256)
    return diffusers_class("StableDiffusion3Pipeline")(
        transformer=diffusers_class("SD3Transformer2DModel")(**TRANSFORMER),
        scheduler=diffusers_class("FlowMatchEulerDiscreteScheduler")(shift=3.0),
        vae=tiny.autoencoder(16, **tiny.WITHOUT_QUANT, shift_factor=0.06, scaling_factor=1.5),
        text_encoder=CLIPTextModelWithProjection(clip_tokenizer.encoder_config(size, CHANNELS)),
        tokenizer=CLIPTokenizer.from_pretrained(folder / "tokenizer"),
        text_encoder_2=CLIPTextModelWithProjection(clip_tokenizer.encoder_config(size, CHANNELS)),
        tokenizer_2=CLIPTokenizer.from_pretrained(folder / "tokenizer_2"),
        text_encoder_3=tiny.t5_encoder(len(words), 2 * CHANNELS),
        tokenizer_3=words,
    )
