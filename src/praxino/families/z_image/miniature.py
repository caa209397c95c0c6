"""A tiny Z-Image with random weights: every class of the real pipeline."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from praxino.families._stock import tiny
from praxino.families._stock.load import diffusers_class

WEIGHTS_SEED = 20251
CHANNELS = 16
TRANSFORMER: dict[str, Any] = {
    "in_channels": 16,
    "dim": 24,
    "n_layers": 1,
    "n_refiner_layers": 1,
    "n_heads": 2,
    "n_kv_heads": 2,
    "cap_feat_dim": CHANNELS,
    "axes_dims": (4, 4, 4),
    "axes_lens": (1024, 64, 64),
}
CARD_FIELDS = {
    "family": "z-image",
    "variant": "z-image-miniature",
    "title": "Z-Image in miniature: random weights, for trying things out",
    "source": "",
    "licence": "Apache-2.0",
    "width": 64,
    "height": 64,
    "steps": 4,
    "guidance": 3.0,
}


def write(folder: Path) -> None:
    """Make the networks, the same each time, and save them as a diffusers folder."""
    tiny.save(_pipeline, folder, WEIGHTS_SEED, CARD_FIELDS)


def _pipeline() -> Any:
    from transformers import Qwen3Model

    words = tiny.byte_tokenizer(512, chat_template=tiny.CHAT_TEMPLATE)
    transformer = diffusers_class("ZImageTransformer2DModel")(**TRANSFORMER)
    for name, parameter in transformer.named_parameters():
        # Left as memory happens to be by the class: they are always loaded.
        if name.endswith("pad_token"):
            torch.nn.init.normal_(parameter)
    return diffusers_class("ZImagePipeline")(
        scheduler=diffusers_class("FlowMatchEulerDiscreteScheduler")(shift=3.0),
        vae=tiny.autoencoder(16, **tiny.WITHOUT_QUANT, scaling_factor=0.36, shift_factor=0.12),
        text_encoder=Qwen3Model(tiny.qwen3_config(len(words), CHANNELS, layers=2)),
        tokenizer=words,
        transformer=transformer,
    )
