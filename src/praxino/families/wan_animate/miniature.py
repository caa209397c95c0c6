"""A tiny Wan Animate with random weights: every class of the real pipeline, made in a second, always the same.

It also loads with diffusers' own pipeline class. What it draws is noise, but always the same noise.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from praxino.families._stock import tiny
from praxino.families._stock.clip_tokenizer import write_json
from praxino.families._stock.load import quiet
from praxino.families._video_card import CARD
from praxino.families.wan import miniature as wan
from praxino.families.wan.index import SCHEDULER
from praxino.families.wan.settings import TEXT_TOKENS
from praxino.families.wan_animate.identify import TRANSFORMER_CLASS
from praxino.families.wan_animate.variants import FAMILY_NAME

WEIGHTS_SEED = 20259
FACE_SIDE = 8
TRANSFORMER: dict[str, Any] = {
    **wan.TRANSFORMER,
    **wan.CLIP_READER,
    "num_layers": 4,
    "inject_face_latents_blocks": 2,
    "motion_encoder_size": FACE_SIDE,
    "motion_encoder_channel_sizes": {"4": 4, "8": 4},
    "motion_style_dim": 8,
    "motion_dim": 4,
    "motion_encoder_dim": 8,
    "face_encoder_hidden_dim": 8,
    "face_encoder_num_heads": 2,
}
INDEX: dict[str, Any] = {
    "_class_name": "WanAnimatePipeline",
    "scheduler": ["diffusers", SCHEDULER["_class_name"]],
    "text_encoder": ["transformers", "UMT5EncoderModel"],
    "tokenizer": ["transformers", "PreTrainedTokenizerFast"],
    "transformer": ["diffusers", TRANSFORMER_CLASS],
    "image_encoder": ["transformers", "CLIPVisionModel"],
    "image_processor": ["transformers", "CLIPImageProcessor"],
    "vae": ["diffusers", "AutoencoderKLWan"],
}
CARD_FIELDS: dict[str, Any] = {
    "family": FAMILY_NAME, "variant": "wan-animate-miniature", "title": "Wan Animate in miniature",
    "licence": "Apache-2.0", "width": 32, "height": 32, "num_frames": 5, "fps": 8.0, "steps": 3,
}  # fmt: skip


def write(folder: Path) -> None:
    """Make the networks, the same each time, and save them as a diffusers folder."""
    import torch
    from diffusers.models.autoencoders.autoencoder_kl_wan import AutoencoderKLWan
    from diffusers.models.transformers.transformer_wan_animate import WanAnimateTransformer3DModel

    folder.mkdir(parents=True, exist_ok=True)
    words = tiny.byte_tokenizer(TEXT_TOKENS)
    with torch.random.fork_rng(devices=[]), quiet():
        torch.manual_seed(WEIGHTS_SEED)
        words.save_pretrained(folder / "tokenizer")
        networks: dict[str, Any] = {
            "transformer": WanAnimateTransformer3DModel(**TRANSFORMER),
            "image_encoder": wan.clip_encoder(),
            "vae": AutoencoderKLWan(**wan.VAE),
            "text_encoder": tiny.t5_encoder(len(words), wan.TEXT_CHANNELS, "UMT5"),
        }
        for name, network in networks.items():
            network.save_pretrained(folder / name)
    wan.write_image_processor(folder)
    write_json(folder / "scheduler" / "scheduler_config.json", {**SCHEDULER, "flow_shift": 5.0})
    write_json(folder / "model_index.json", INDEX)
    write_json(folder / CARD, CARD_FIELDS)
