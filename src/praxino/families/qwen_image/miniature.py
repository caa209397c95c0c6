"""A tiny Qwen-Image or Qwen-Image-Edit with random weights: every class of the real pipeline."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from praxino.families._stock import tiny
from praxino.families._stock.checkpoint import CARD, read_json
from praxino.families._stock.clip_tokenizer import write_json
from praxino.families._stock.load import diffusers_class, quiet
from praxino.families.qwen_image.variants import EDIT_2511, PUBLISHED

WEIGHTS_SEED = 20271
CHANNELS, LATENT_CHANNELS = 16, 4
VISION_START, PICTURE, VISION_END, CLIP = "<|vision_start|>", "<|image_pad|>", "<|vision_end|>", "<|video_pad|>"
SPECIAL = ("<|im_start|>", "<|im_end|>", VISION_START, VISION_END, PICTURE, CLIP)
TRANSFORMER: dict[str, Any] = {
    "in_channels": 4 * LATENT_CHANNELS,
    "out_channels": LATENT_CHANNELS,
    "num_layers": 1,
    "attention_head_dim": 16,
    "num_attention_heads": 1,
    "joint_attention_dim": CHANNELS,
    "axes_dims_rope": (8, 4, 4),
}
VAE: dict[str, Any] = {
    "base_dim": 4,
    "z_dim": LATENT_CHANNELS,
    "dim_mult": [1, 1, 1, 1],
    "num_res_blocks": 1,
    "latents_mean": [0.1, -0.1, 0.0, 0.2],
    "latents_std": [1.0, 0.8, 1.2, 0.9],
}
READER: dict[str, Any] = {"min_pixels": 28 * 28, "max_pixels": 56 * 56}
"""So that a picture is at most four tokens."""
INDEX = "model_index.json"


def write(folder: Path, like: str) -> None:
    """Make the networks, the same each time, and save them as the diffusers folder of a published variant."""
    variant = PUBLISHED[like]
    editing = "pipelines" in variant.options
    kind = variant.options["pipelines"]["instruction-editing"] if editing else "QwenImagePipeline"
    with torch.random.fork_rng(devices=[]), quiet():
        torch.manual_seed(WEIGHTS_SEED)
        words = tiny.byte_tokenizer(1024, more=SPECIAL)
        networks = _networks(words, zero_cond_t=like == EDIT_2511.name)
        diffusers_class(kind)(**networks, **({"processor": None} if editing else {})).save_pretrained(folder)
        if editing:
            _save_processor(folder, words)
    card = {
        "family": "qwen-image", "variant": f"{like}-miniature", "source": "", "licence": "Apache-2.0",
        "title": f"{variant.title.partition(':')[0]} in miniature: random weights, for trying things out",
        "width": 64, "height": 64, "steps": 2 if editing else 4, "guidance": 3.0,
    }  # fmt: skip
    write_json(folder / CARD, card)


def _networks(words: Any, *, zero_cond_t: bool) -> dict[str, Any]:
    from transformers import Qwen2_5_VLForConditionalGeneration

    return {
        "scheduler": diffusers_class("FlowMatchEulerDiscreteScheduler")(use_dynamic_shifting=True),
        "vae": diffusers_class("AutoencoderKLQwenImage")(**VAE),
        "text_encoder": Qwen2_5_VLForConditionalGeneration(_reader_config(words)),
        "tokenizer": words,
        "transformer": diffusers_class("QwenImageTransformer2DModel")(**TRANSFORMER, zero_cond_t=zero_cond_t),
    }


def _reader_config(words: Any) -> Any:
    from transformers import Qwen2_5_VLConfig

    ends: dict[str, Any] = {"bos_token_id": 1, "eos_token_id": 1, "pad_token_id": 0}
    return Qwen2_5_VLConfig(
        text_config={
            "vocab_size": len(words),
            "hidden_size": CHANNELS,
            "intermediate_size": 2 * CHANNELS,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "num_key_value_heads": 2,
            "max_position_embeddings": 2048,
            "rope_parameters": {"mrope_section": [1, 1, 2], "rope_type": "default", "rope_theta": 1e6},
            **ends,
        },
        vision_config={
            "depth": 1,
            "hidden_size": CHANNELS,
            "intermediate_size": 2 * CHANNELS,
            "num_heads": 2,
            "out_hidden_size": CHANNELS,
            "fullatt_block_indexes": [0],
        },
        image_token_id=words.convert_tokens_to_ids(PICTURE),
        video_token_id=words.convert_tokens_to_ids(CLIP),
        vision_start_token_id=words.convert_tokens_to_ids(VISION_START),
        vision_end_token_id=words.convert_tokens_to_ids(VISION_END),
        **ends,
    )


def _save_processor(folder: Path, words: Any) -> None:
    """As the published checkpoints have it. The class itself would ask for torchvision."""
    from transformers import Qwen2VLImageProcessorPil

    place = folder / "processor"
    words.save_pretrained(place)
    Qwen2VLImageProcessorPil(**READER).save_pretrained(place)
    pictures = place / "preprocessor_config.json"
    told = {**read_json(pictures), "image_processor_type": "Qwen2VLImageProcessor"}
    write_json(pictures, {**told, "processor_class": "Qwen2VLProcessor"})
    write_json(place / "video_preprocessor_config.json", {"video_processor_type": "Qwen2VLVideoProcessor"})
    write_json(folder / INDEX, {**read_json(folder / INDEX), "processor": ["transformers", "Qwen2VLProcessor"]})
