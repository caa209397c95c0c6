"""A tiny Lumina-Image 2.0 with random weights: every class of the real pipeline."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from praxino.families._stock import tiny
from praxino.families._stock.load import diffusers_class

WEIGHTS_SEED = 20247
CHANNELS = 16
TRANSFORMER: dict[str, Any] = {
    "sample_size": 8,
    "patch_size": 2,
    "in_channels": 16,
    "hidden_size": 24,
    "num_layers": 2,
    "num_refiner_layers": 1,
    "num_attention_heads": 2,
    "num_kv_heads": 1,
    "multiple_of": 16,
    "axes_dim_rope": (4, 4, 4),
    "axes_lens": (300, 64, 64),
    "cap_feat_dim": CHANNELS,
}
CARD_FIELDS = {
    "family": "lumina-image-2",
    "variant": "lumina-image-2-miniature",
    "title": "Lumina-Image 2.0 in miniature: random weights, for trying things out",
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
    from transformers import Gemma2Config, Gemma2Model

    words = tiny.byte_tokenizer(256)
    gemma = Gemma2Config(
        vocab_size=len(words),
        hidden_size=CHANNELS,
        intermediate_size=2 * CHANNELS,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=8,
        query_pre_attn_scalar=8,
        pad_token_id=0,
        eos_token_id=1,
        bos_token_id=1,
    )
    return diffusers_class("Lumina2Pipeline")(
        transformer=diffusers_class("Lumina2Transformer2DModel")(**TRANSFORMER),
        scheduler=diffusers_class("FlowMatchEulerDiscreteScheduler")(shift=6.0),
        vae=tiny.autoencoder(16, **tiny.WITHOUT_QUANT, scaling_factor=0.36, shift_factor=0.12),
        text_encoder=Gemma2Model(gemma),
        tokenizer=words,
    )
