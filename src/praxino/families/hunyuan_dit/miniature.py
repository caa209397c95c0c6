"""A tiny HunyuanDiT with random weights: every class of the real pipeline."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from praxino.families._stock import tiny
from praxino.families._stock.load import diffusers_class

WEIGHTS_SEED = 20245
CHANNELS = 16
SCHEDULER: dict[str, Any] = {
    "beta_start": 0.00085,
    "beta_end": 0.018,
    "beta_schedule": "scaled_linear",
    "prediction_type": "v_prediction",
    "clip_sample": False,
    "steps_offset": 1,
}
TRANSFORMER: dict[str, Any] = {
    "num_attention_heads": 2,
    "attention_head_dim": 8,
    "in_channels": 4,
    "patch_size": 2,
    "sample_size": 8,
    "hidden_size": 16,
    "num_layers": 4,
    "cross_attention_dim": CHANNELS,
    "cross_attention_dim_t5": CHANNELS,
    "pooled_projection_dim": CHANNELS,
    "use_style_cond_and_image_meta_size": False,
}
CARD_FIELDS = {
    "family": "hunyuan-dit",
    "variant": "hunyuan-dit-miniature",
    "title": "HunyuanDiT in miniature: random weights, for trying things out",
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
    tiny.save(_pipeline, folder, WEIGHTS_SEED, CARD_FIELDS)


def _pipeline() -> Any:
    from transformers import BertConfig, BertModel

    words = tiny.byte_tokenizer(256)
    bert = BertConfig(
        vocab_size=len(words), hidden_size=CHANNELS, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32
    )
    return diffusers_class("HunyuanDiTPipeline")(
        vae=tiny.autoencoder(4, scaling_factor=0.13025),
        text_encoder=BertModel(bert, add_pooling_layer=False),
        tokenizer=words,
        transformer=diffusers_class("HunyuanDiT2DModel")(**TRANSFORMER),
        scheduler=diffusers_class("DDPMScheduler")(**SCHEDULER),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
        text_encoder_2=tiny.t5_encoder(len(words), CHANNELS),
        tokenizer_2=words,
    )
