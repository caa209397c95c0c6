"""A tiny FLUX.2 [klein] with random weights: every class of the real pipeline."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from praxino.families._stock import tiny
from praxino.families._stock.checkpoint import CARD
from praxino.families._stock.clip_tokenizer import write_json
from praxino.families._stock.load import diffusers_class, quiet

WEIGHTS_SEED = 20261
CHANNELS = 4
TEXT_LAYERS = 27
"""The pipeline reads the states of layers 9, 18 and 27."""
TRANSFORMER: dict[str, Any] = {
    "in_channels": 16,
    "num_layers": 1,
    "num_single_layers": 1,
    "attention_head_dim": 16,
    "num_attention_heads": 2,
    "joint_attention_dim": 3 * CHANNELS,
    "timestep_guidance_channels": 16,
    "axes_dims_rope": (4, 4, 4, 4),
    "guidance_embeds": False,
}
CARD_FIELDS = {
    "family": "flux2",
    "variant": "flux2-miniature",
    "title": "FLUX.2 [klein] in miniature: random weights, for trying things out",
    "source": "",
    "licence": "Apache-2.0",
    "width": 64,
    "height": 64,
    "steps": 4,
    "guidance": 3.0,
}


def write(folder: Path) -> None:
    """Make the networks, the same each time, and save them as a diffusers folder."""
    with torch.random.fork_rng(devices=[]), quiet():
        torch.manual_seed(WEIGHTS_SEED)
        _pipeline().save_pretrained(folder)
    write_json(folder / CARD, CARD_FIELDS)


def _pipeline() -> Any:
    from transformers import Qwen3ForCausalLM

    words = tiny.byte_tokenizer(512, chat_template=tiny.CHAT_TEMPLATE)
    return diffusers_class("Flux2KleinPipeline")(
        scheduler=diffusers_class("FlowMatchEulerDiscreteScheduler")(),
        vae=diffusers_class("AutoencoderKLFlux2")(latent_channels=4, **tiny.VAE),
        text_encoder=Qwen3ForCausalLM(tiny.qwen3_config(len(words), CHANNELS, TEXT_LAYERS)),
        tokenizer=words,
        transformer=diffusers_class("Flux2Transformer2DModel")(**TRANSFORMER),
        is_distilled=False,
    )
